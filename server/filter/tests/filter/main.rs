//! Tests of the filter language and of facets, through the public interface.

mod errors;
mod facets;
mod naive;
mod random;
mod select;

use filter::{Columns, Filter, FilterError};
use serde_json::Value;
use store::Product;

/// Parses a product from JSON. The id and the name may be missing.
fn product(mut json: Value) -> Product {
    let map = json.as_object_mut().expect("a product is an object");
    map.entry("id").or_insert("A-1".into());
    map.entry("name").or_insert(serde_json::json!({"en": "Coat"}));
    let product: Product = serde_json::from_value(json).expect("a product");
    product.check().expect("a valid product");
    product
}

/// Columns of products in this order.
fn columns<'a>(products: impl IntoIterator<Item = &'a Product>) -> Columns {
    let mut columns = Columns::default();
    products.into_iter().for_each(|product| columns.push(product));
    columns
}

/// Indices of the products that match a filter.
fn selected(columns: &Columns, filter: &Value) -> Result<Vec<usize>, FilterError> {
    let rows = columns.select(&Filter::parse(filter)?)?;
    assert_eq!(rows.len(), columns.len());
    Ok(rows.iter().collect())
}
