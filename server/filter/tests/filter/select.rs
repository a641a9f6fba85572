//! Filters select the products that the language's definition selects.

use proptest::prelude::*;
use serde_json::json;

use crate::{columns, naive, product, random, selected};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_filter_selects_what_its_definition_selects(products in random::products(), filter in random::filter()) {
        let found = selected(&columns(&products), &filter);
        let matching = || (0..products.len()).filter(|at| naive::matches(&products[*at], &filter));
        let expected = naive::is_valid(&products, &filter).then(|| matching().collect::<Vec<_>>());
        prop_assert_eq!(found.ok(), expected);
    }
}

#[test]
fn products_match_by_their_values() {
    let products = [
        json!({"id": "A-0", "brand": "Acme", "price": {"amount": 1999, "currency": "CNY"}, "attributes": {"fit": "slim"}}),
        json!({"id": "A-1", "brand": "acme", "price": {"amount": 1999, "currency": "EUR"}, "attributes": {"fit": 3}}),
        json!({"id": "A-2", "price": {"amount": 2000, "currency": "CNY"}, "attributes": {"fit": ["slim", "long"]}}),
        json!({"id": "A-3", "stock": {"availability": "in_stock", "quantity": 4}, "attributes": {"fit": true}}),
        json!({"id": "A-4", "stock": {"availability": "preorder"}, "attributes": {"fit": [], "care.wash": 30.5}}),
    ]
    .map(product);
    let columns = columns(&products);
    for (filter, expected) in [
        (json!({"field": "id", "in": ["A-4", "A-0", "A-9"]}), vec![0, 4]),
        (json!({"field": "brand", "is": "Acme"}), vec![0]),
        (json!({"not": {"field": "brand", "is": "Acme"}}), vec![1, 2, 3, 4]),
        (json!({"field": "brand", "exists": false}), vec![2, 3, 4]),
        (
            json!({"field": "price", "currency": "CNY", "range": {"gte": 1999, "lt": 2000}}),
            vec![0],
        ),
        (
            json!({"field": "price", "currency": "CNY", "range": {"gt": 1998.5}}),
            vec![0, 2],
        ),
        (
            json!({"field": "price", "currency": "USD", "range": {"gte": 0}}),
            vec![],
        ),
        (json!({"field": "price", "exists": true}), vec![0, 1, 2]),
        (json!({"field": "price", "currency": "EUR", "exists": true}), vec![1]),
        (json!({"field": "availability", "is": "preorder"}), vec![4]),
        (json!({"field": "quantity", "range": {"gt": 3.5, "lte": 4}}), vec![3]),
        (json!({"field": "attributes.fit", "is": "slim"}), vec![0, 2]),
        (
            json!({"field": "attributes.fit", "in": ["long", 3.0, true]}),
            vec![1, 2, 3],
        ),
        (json!({"field": "attributes.fit", "range": {"gte": 0}}), vec![1]),
        (json!({"field": "attributes.fit", "exists": true}), vec![0, 1, 2, 3]),
        (
            json!({"field": "attributes.care.wash", "range": {"gt": 30, "lt": 31}}),
            vec![4],
        ),
    ] {
        assert_eq!(selected(&columns, &filter), Ok(expected), "{filter}");
    }
}

#[test]
fn whole_amounts_are_compared_exactly() {
    let amounts = [999_999_999_999_998_u64, 999_999_999_999_999];
    let products = amounts.map(|amount| product(json!({"price": {"amount": amount, "currency": "EUR"}})));
    let stock = [9_007_199_254_740_992_u64, 9_007_199_254_740_993, u64::MAX];
    let pieces = stock.map(|quantity| product(json!({"stock": {"availability": "in_stock", "quantity": quantity}})));
    let columns = columns(products.iter().chain(&pieces));
    let price = |test| json!({"field": "price", "currency": "EUR", "range": test});
    let quantity = |test| json!({"field": "quantity", "range": test});
    for (filter, expected) in [
        (price(json!({"gt": amounts[0]})), vec![1]),
        (price(json!({"gt": 999_999_999_999_998.5})), vec![1]),
        (price(json!({"lt": 1e300, "gte": -1e300})), vec![0, 1]),
        (price(json!({"gt": 1e300})), vec![]),
        (price(json!({"lt": -1})), vec![]),
        (json!({"field": "price", "currency": "EUR", "is": 1.5}), vec![]),
        (quantity(json!({"gte": stock[0], "lt": stock[1]})), vec![2]),
        (quantity(json!({"gt": stock[0]})), vec![3, 4]),
        (json!({"field": "quantity", "in": [stock[1], 0.5, -1]}), vec![3]),
    ] {
        assert_eq!(selected(&columns, &filter), Ok(expected), "{filter}");
    }
}

#[test]
fn long_texts_exist_but_equal_nothing() {
    let long = "x".repeat(257);
    let products = [&long, "short"].map(|text| product(json!({"attributes": {"note": text, "notes": [text, "n"]}})));
    let columns = columns(&products);
    for field in ["attributes.note", "attributes.notes"] {
        let select = |filter| selected(&columns, &filter).expect("a valid filter");
        assert_eq!(select(json!({"field": field, "exists": true})), [0, 1]);
        assert_eq!(select(json!({"field": field, "in": ["short", "x"]})), [1]);
    }
}

#[test]
fn rare_values_take_little_memory() {
    let bytes = |share: usize| {
        let products = (0..10_000).map(|at| match at % share {
            0 => product(json!({"id": "A", "attributes": {"weight": at}})),
            _ => product(json!({"id": "A"})),
        });
        let products: Vec<_> = products.collect();
        columns(&products).heap_bytes()
    };
    let ids = bytes(20_000);
    assert!((30_000..90_000).contains(&ids), "{ids} bytes for 10,000 ids");
    let (all, rare) = (bytes(1) - ids, bytes(100) - ids);
    assert!(all < 170_000, "{all} bytes for 10,000 numbers");
    assert!(rare < 2_500, "{rare} bytes for 100 numbers");
}
