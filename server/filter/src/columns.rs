//! The columns of a catalog.

use std::collections::BTreeMap;

use store::{Attribute, Product};

use crate::column::Column;
use crate::field::Field;
use crate::keywords::Keywords;
use crate::language::Kind;

/// The values of a catalog's products that filters and facets use.
///
/// Products have the indices 0, 1, 2 and so on, in the order in which they are pushed.
///
/// ```
/// let product = |id: &str, brand: &str| store::Product {
///     id: id.to_owned(),
///     brand: Some(brand.to_owned()),
///     ..Default::default()
/// };
/// let mut columns = filter::Columns::default();
/// columns.push(&product("A-1", "Acme"));
/// columns.push(&product("A-2", "Bolt"));
///
/// let json = serde_json::json!({"not": {"field": "brand", "is": "Acme"}});
/// let rows = columns.select(&filter::Filter::parse(&json)?)?;
/// assert_eq!(rows.iter().collect::<Vec<_>>(), [1]);
/// # Ok::<(), filter::FilterError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Columns {
    len: u32,
    id: Keywords,
    category: Keywords,
    brand: Keywords,
    group: Keywords,
    availability: Keywords,
    quantity: Column<u64>,
    /// Amounts in minor units by currency.
    prices: BTreeMap<String, Column<u64>>,
    attributes: BTreeMap<String, Values>,
}

/// Values of an attribute by their type.
#[derive(Debug, Clone, Default)]
struct Values {
    /// 0 and 1.
    bools: Column<u8>,
    numbers: Column<f64>,
    keywords: Keywords,
}

/// Columns of one field. A type that the field never has is `None` or empty.
#[derive(Debug, Default)]
pub(crate) struct Parts<'a> {
    /// 0 and 1.
    pub(crate) bools: Option<&'a Column<u8>>,
    pub(crate) numbers: Option<&'a Column<f64>>,
    pub(crate) keywords: Option<&'a Keywords>,
    pub(crate) quantity: Option<&'a Column<u64>>,
    /// Amounts by currency. `None` for other fields than the price.
    pub(crate) prices: Option<Vec<(&'a str, &'a Column<u64>)>>,
}

impl Columns {
    /// Adds a product behind the others. The product has passed [`Product::check`].
    ///
    /// Attributes with an empty list count as absent.
    ///
    /// # Panics
    /// If there are 2³² − 1 products.
    pub fn push(&mut self, product: &Product) {
        let row = self.len;
        assert!(row < u32::MAX, "columns have less than 2³² − 1 products");
        self.len += 1;
        self.id.push(row, &product.id);
        for (column, keyword) in [
            (&mut self.category, &product.category),
            (&mut self.brand, &product.brand),
            (&mut self.group, &product.group),
        ] {
            keyword.iter().for_each(|keyword| column.push(row, keyword));
        }
        if let Some(price) = &product.price {
            match self.prices.get_mut(&price.currency) {
                Some(column) => column.push(row, storable(price.amount)),
                None => {
                    let column = self.prices.entry(price.currency.clone()).or_default();
                    column.push(row, storable(price.amount));
                }
            }
        }
        if let Some(stock) = product.stock {
            self.availability.push(row, stock.availability.name());
            stock
                .quantity
                .iter()
                .for_each(|quantity| self.quantity.push(row, storable(*quantity)));
        }
        for (name, attribute) in &product.attributes {
            self.push_attribute(row, name, attribute);
        }
    }

    /// Number of products.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len as usize
    }

    /// True if there is no product.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes on the heap, without the overhead of the allocator.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        let keywords = [&self.id, &self.category, &self.brand, &self.group, &self.availability];
        let keywords: usize = keywords.into_iter().map(Keywords::heap_bytes).sum();
        let prices = self.prices.iter().map(|(currency, column)| {
            currency.capacity() + size_of_val(currency) + size_of_val(column) + column.heap_bytes()
        });
        let attributes = self.attributes.iter().map(|(name, values)| {
            let columns = values.bools.heap_bytes() + values.numbers.heap_bytes() + values.keywords.heap_bytes();
            name.capacity() + size_of_val(name) + size_of_val(values) + columns
        });
        keywords + self.quantity.heap_bytes() + prices.sum::<usize>() + attributes.sum::<usize>()
    }

    /// Columns of a field. A currency restricts the columns of prices to that currency. `None` if no product has the
    /// attribute.
    pub(crate) fn parts(&self, field: &Field, currency: Option<&str>) -> Option<Parts<'_>> {
        let mut parts = Parts::default();
        match field {
            Field::Id => parts.keywords = Some(&self.id),
            Field::Category => parts.keywords = Some(&self.category),
            Field::Brand => parts.keywords = Some(&self.brand),
            Field::Group => parts.keywords = Some(&self.group),
            Field::Availability => parts.keywords = Some(&self.availability),
            Field::Quantity => parts.quantity = Some(&self.quantity),
            Field::Price => {
                let prices = self.prices.iter().map(|(known, column)| (known.as_str(), column));
                let wanted = |known: &str| currency.is_none_or(|currency| currency == known);
                parts.prices = Some(prices.filter(|(known, _)| wanted(known)).collect());
            }
            Field::Attribute(name) => {
                let values = self.attributes.get(name)?;
                parts.bools = Some(&values.bools).filter(|column| !column.is_empty());
                parts.numbers = Some(&values.numbers).filter(|column| !column.is_empty());
                parts.keywords = Some(&values.keywords).filter(|column| !column.is_empty());
            }
        }
        Some(parts)
    }

    fn push_attribute(&mut self, row: u32, name: &str, attribute: &Attribute) {
        let is_absent = match attribute {
            Attribute::List(keywords) => keywords.is_empty(),
            Attribute::Number(number) => !number.as_f64().is_some_and(f64::is_finite),
            Attribute::Bool(_) | Attribute::Text(_) => false,
        };
        if is_absent {
            return;
        }
        if !self.attributes.contains_key(name) {
            self.attributes.insert(name.to_owned(), Values::default());
        }
        let Some(values) = self.attributes.get_mut(name) else {
            return;
        };
        match attribute {
            Attribute::Bool(value) => values.bools.push(row, u8::from(*value)),
            Attribute::Number(number) => number
                .as_f64()
                .iter()
                .for_each(|number| values.numbers.push(row, *number)),
            Attribute::Text(keyword) => values.keywords.push(row, keyword),
            Attribute::List(keywords) => values.keywords.push_list(row, keywords),
        }
    }
}

impl Parts<'_> {
    /// Types of the field's values.
    pub(crate) fn kinds(&self) -> Vec<Kind> {
        let is_number = self.numbers.is_some() || self.quantity.is_some() || self.prices.is_some();
        let kinds = [
            (Kind::Text, self.keywords.is_some()),
            (Kind::Number, is_number),
            (Kind::Bool, self.bools.is_some()),
        ];
        let kinds = kinds.into_iter().filter(|(_, has)| *has);
        kinds.map(|(kind, _)| kind).collect()
    }
}

/// A number as a column of `u64` stores it. The largest number is the mark of an absent value.
fn storable(number: u64) -> u64 {
    number.min(u64::MAX - 1)
}
