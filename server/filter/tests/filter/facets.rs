//! Facets count the values among the products that match the conditions on other fields.

use std::collections::BTreeMap;

use filter::{Facet, FacetRequest, Filter};
use proptest::prelude::*;
use scan::Bitmap;
use serde_json::{Value, json};
use store::Product;

use crate::{columns, naive, product, random};

/// Products whose values count for a facet.
fn counted<'a>(products: &'a [Product], filter: &Value, among: &Bitmap, field: &str) -> Vec<&'a Product> {
    let is_own = |part: &Value| {
        naive::conditions(part)
            .iter()
            .all(|condition| condition["field"] == field)
    };
    let parts: Vec<&Value> = naive::joined(filter).into_iter().filter(|part| !is_own(part)).collect();
    let matches = |product: &Product| parts.iter().all(|part| naive::matches(product, part));
    let rows = products.iter().enumerate().filter(|(row, _)| among.contains(*row));
    rows.map(|(_, product)| product)
        .filter(|product| matches(product))
        .collect()
}

/// Compares a facet with the values of the products that count.
fn check(facet: &Facet, products: &[&Product]) {
    let mut texts: BTreeMap<String, usize> = BTreeMap::new();
    let (mut numbers, mut bools) = (Vec::new(), [0, 0]);
    for product in products {
        let mut values = naive::values(product, &facet.field, None);
        values.sort_by_key(Value::to_string);
        values.dedup();
        for value in values {
            match value {
                Value::Bool(value) => bools[usize::from(value)] += 1,
                Value::Number(number) => numbers.push(number.as_f64().expect("a number")),
                other => *texts.entry(other.as_str().expect("a text").to_owned()).or_default() += 1,
            }
        }
    }
    let listed = facet.keywords.iter().flat_map(|keywords| &keywords.values);
    let listed: Vec<(usize, &str)> = listed.map(|entry| (entry.count, entry.value.as_str())).collect();
    let mut expected: Vec<(usize, &str)> = texts.iter().map(|(text, count)| (*count, text.as_str())).collect();
    expected.sort_by_key(|(count, text)| (std::cmp::Reverse(*count), *text));
    expected.truncate(4);
    assert_eq!(listed, expected, "{}", facet.field);
    let further = facet.keywords.as_ref().map_or(0, |keywords| keywords.further);
    assert_eq!(further, texts.len() - listed.len(), "{}", facet.field);
    assert_eq!(
        facet.bools.map_or([0, 0], |counts| [counts.no, counts.yes]),
        bools,
        "{}",
        facet.field
    );
    if let Some(prices) = &facet.prices {
        for price in prices {
            let of_currency = products
                .iter()
                .flat_map(|product| naive::values(product, "price", Some(&price.currency)));
            let amounts: Vec<u64> = of_currency.filter_map(|value| value.as_u64()).collect();
            let range = (amounts.iter().min().copied(), amounts.iter().max().copied());
            assert_eq!(
                (price.count, (Some(price.min), Some(price.max))),
                (amounts.len(), range)
            );
        }
        assert_eq!(prices.iter().map(|price| price.count).sum::<usize>(), numbers.len());
    } else {
        let found = facet.numbers.as_ref();
        assert_eq!(found.map_or(0, |range| range.count), numbers.len(), "{}", facet.field);
        numbers.sort_by(f64::total_cmp);
        let ends = found.map(|range| [&range.min, &range.max].map(|end| end.as_ref().and_then(|end| end.as_f64())));
        assert_eq!(
            ends.unwrap_or_default(),
            [numbers.first().copied(), numbers.last().copied()]
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn facets_count_what_their_definition_counts(
        products in random::products(),
        filter in random::filter(),
        kept in prop::option::of(prop::collection::vec(any::<bool>(), 200)),
    ) {
        prop_assume!(naive::is_valid(&products, &filter));
        let columns = columns(&products);
        let parsed = Filter::parse(&filter).expect("a valid filter");
        let rows = Bitmap::from_fn(products.len(), |row| kept.as_ref().is_none_or(|kept| kept[row]));
        for field in random::FIELDS {
            let requests = FacetRequest::parse_list(&json!([{"field": field, "limit": 4}])).expect("a valid list");
            match columns.facets(&requests, Some(&parsed), kept.as_ref().map(|_| &rows)) {
                Ok(facets) => check(&facets[0], &counted(&products, &filter, &rows, field)),
                Err(_) => prop_assert!(products.iter().all(|product| naive::values(product, field, None).is_empty())),
            }
        }
    }
}

#[test]
fn a_chosen_brand_does_not_hide_the_other_brands() {
    let products = [
        json!({"brand": "Acme", "price": {"amount": 500, "currency": "CNY"}, "attributes": {"new": true, "size": 38}}),
        json!({"brand": "Acme", "price": {"amount": 900, "currency": "CNY"}, "attributes": {"new": false, "size": 40.5}}),
        json!({"brand": "Bolt", "price": {"amount": 700, "currency": "CNY"}, "attributes": {"size": "L"}}),
        json!({"brand": "Cord", "price": {"amount": 80, "currency": "EUR"}, "stock": {"availability": "in_stock"}}),
    ]
    .map(product);
    let filter = json!({"and": [
        {"field": "brand", "is": "Acme"},
        {"field": "price", "currency": "CNY", "range": {"lt": 800}},
    ]});
    let filter = Filter::parse(&filter).expect("a valid filter");
    let list = json!([{"field": "brand", "limit": 1}, "price", "attributes.new", "attributes.size", "quantity"]);
    let requests = FacetRequest::parse_list(&list).expect("a valid list");
    let facets = columns(&products)
        .facets(&requests, Some(&filter), None)
        .expect("known fields");
    let expected = json!([
        {"field": "brand", "keywords": {"values": [{"value": "Acme", "count": 1}], "further": 1}},
        {"field": "price", "prices": [{"currency": "CNY", "count": 2, "min": 500, "max": 900}]},
        {"field": "attributes.new", "bools": {"true": 1, "false": 0}},
        {"field": "attributes.size", "keywords": {"values": [], "further": 0},
         "numbers": {"count": 1, "min": 38, "max": 38}},
        {"field": "quantity", "numbers": {"count": 0, "min": null, "max": null}},
    ]);
    assert_eq!(serde_json::to_value(facets).expect("JSON"), expected);
}
