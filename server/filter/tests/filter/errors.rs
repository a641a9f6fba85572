//! Errors name the path of the wrong part and say what to send.

use filter::{FacetRequest, Filter, FilterError, MAX_DEPTH, MAX_NODES, MAX_TEXT, MAX_VALUES};
use serde_json::{Value, json};

use crate::{columns, product, selected};

/// Message of a filter's error on a small catalog.
fn message(filter: &Value) -> String {
    let products = [
        json!({"brand": "Acme", "attributes": {"color": "red", "size": 38, "new": true}}),
        json!({"brand": "Bolt", "attributes": {"color": ["red", "blue"], "size": "L"}}),
    ]
    .map(product);
    let error = selected(&columns(&products), filter).expect_err("a wrong filter");
    assert!(error.to_string().starts_with(error.path()), "{error}");
    error.to_string()
}

#[test]
fn an_error_says_what_to_send_instead() {
    for (filter, expected) in [
        (
            json!([]),
            r#"filter is a list; send an object such as {"field": "brand", "is": "Acme"}"#,
        ),
        (
            json!({}),
            "filter has none of the keys and, or, not, field; send one of them",
        ),
        (
            json!({"and": [{"not": {"brand": "Acme"}}]}),
            "filter.and[0].not has none of the keys and, or, not, field; send one of them",
        ),
        (
            json!({"and": [], "or": []}),
            "filter has the keys and and or; send one of them, or join them with `and`",
        ),
        (
            json!({"or": []}),
            "filter.or is empty; send a list of filters, or leave this filter out",
        ),
        (json!({"or": {}}), "filter.or is an object; send a list of filters"),
        (
            json!({"field": "brand", "is": "Acme", "boost": 2}),
            "filter has the unknown key `boost`; remove it, the known keys are field, currency, is, in, range, exists",
        ),
        (
            json!({"field": 3, "is": 3}),
            r#"filter.field is a number; send the name of a field, such as "brand""#,
        ),
        (
            json!({"field": "colour", "is": "red"}),
            "filter.field names the unknown field `colour`; send id, category, brand, group, price, availability, \
             quantity or attributes.NAME with the name of an attribute",
        ),
        (
            json!({"or": [{"field": "brand", "exists": true}, {"field": "attributes.colour", "exists": true}]}),
            "filter.or[1].field names the unknown field `attributes.colour`; send the name of an attribute that a \
             product has",
        ),
        (
            json!({"field": "brand"}),
            "filter has none of the keys is, in, range, exists; send one of them",
        ),
        (
            json!({"field": "brand", "is": "Acme", "in": ["Bolt"]}),
            "filter has the keys is and in; send one of them, or send two filters in `and`",
        ),
        (
            json!({"field": "brand", "is": null}),
            "filter.is is null; send a text, a number, true or false",
        ),
        (
            json!({"field": "brand", "in": []}),
            "filter.in is empty; send a list of values, or leave this filter out",
        ),
        (
            json!({"and": [{"field": "brand", "is": "Acme"}, {"field": "brand", "in": ["a", "b", "c", 4]}]}),
            "filter.and[1].in[3] is a number, but `brand` has only texts; send a text",
        ),
        (
            json!({"field": "attributes.size", "is": true}),
            "filter.is is a truth value, but `attributes.size` has only texts and numbers; send a text or a number",
        ),
        (
            json!({"field": "attributes.color", "range": {"gt": 1}}),
            "filter.range is a range of numbers, but `attributes.color` has no numbers; send `is`, `in` or `exists`",
        ),
        (
            json!({"field": "quantity", "range": {}}),
            "filter.range is empty; send gt, gte, lt or lte",
        ),
        (
            json!({"field": "quantity", "range": {"gt": "1"}}),
            "filter.range.gt is a text; send a number",
        ),
        (
            json!({"field": "quantity", "range": {"gt": 1, "gte": 2}}),
            "filter.range has the keys gt and gte; send one of them",
        ),
        (
            json!({"field": "quantity", "range": {"from": 1}}),
            "filter.range has the unknown key `from`; remove it, the known keys are gt, gte, lt, lte",
        ),
        (
            json!({"field": "brand", "exists": "yes"}),
            "filter.exists is a text; send true or false",
        ),
        (
            json!({"field": "price", "range": {"lt": 100}}),
            r#"filter compares a price without a currency; add one, such as "currency": "EUR""#,
        ),
        (
            json!({"field": "price", "currency": "eur", "is": 100}),
            "filter.currency is `eur`; send a currency of ISO 4217, such as EUR",
        ),
        (
            json!({"field": "brand", "currency": "EUR", "is": "Acme"}),
            "filter.currency is only allowed with the field `price`; remove it",
        ),
        (
            json!({"field": "availability", "in": ["in_stock", "sold"]}),
            "filter.in[1] is `sold`; send in_stock, out_of_stock, preorder or backorder",
        ),
    ] {
        assert_eq!(message(&filter), expected, "{filter}");
    }
}

#[test]
fn filters_up_to_the_limits_are_accepted() {
    let brand = json!({"field": "brand", "is": "Acme"});
    let nested = |depth: usize| (1..depth).fold(brand.clone(), |part, _| json!({"not": part}));
    let wide = |nodes: usize| json!({"and": vec![brand.clone(); nodes - 1]});
    let many = |values: usize| json!({"field": "brand", "in": vec!["Acme"; values]});
    let long = |bytes: usize| json!({"field": "brand", "is": "x".repeat(bytes)});
    for (allowed, refused, expected) in [
        (
            nested(MAX_DEPTH),
            nested(MAX_DEPTH + 1),
            "filter.not.not.not.not.not.not.not.not is nested deeper than 8 filters; send a flatter filter",
        ),
        (
            wide(MAX_NODES),
            wide(MAX_NODES + 1),
            "filter.and[255] is one of more than 256 filters; join values of one field with `in`",
        ),
        (
            many(MAX_VALUES),
            many(MAX_VALUES + 1),
            "filter.in has 1025 values; send at most 1024, or several `in` in `or`",
        ),
        (
            long(MAX_TEXT),
            long(MAX_TEXT + 1),
            "filter.is has 257 bytes; send a text of at most 256 bytes",
        ),
    ] {
        assert!(Filter::parse(&allowed).is_ok(), "{allowed}");
        let error = Filter::parse(&refused).expect_err("a filter beyond a limit");
        assert!(matches!(error, FilterError::TooLarge { .. }), "{error:?}");
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn filters_are_read_from_text() {
    let read = serde_json::from_str::<Filter>;
    assert!(read(r#"{"field": "brand", "is": "Acme"}"#).is_ok());
    let error = read(r#"{"not": 5}"#).expect_err("a wrong filter").to_string();
    assert!(error.starts_with("filter.not is a number"), "{error}");
}

#[test]
fn unknown_fields_have_their_own_error() {
    let catalog = columns(&[product(json!({}))]);
    let filter = json!({"field": "attributes.color", "exists": true});
    let error = selected(&catalog, &filter).expect_err("an unknown attribute");
    assert!(matches!(error, FilterError::UnknownField { .. }), "{error:?}");
    let requests = FacetRequest::parse_list(&json!(["brand", "attributes.color"])).expect("a valid list");
    let error = catalog.facets(&requests, None, None).expect_err("an unknown attribute");
    assert!(matches!(&error, FilterError::UnknownField { field, .. } if field == "attributes.color"));
    assert_eq!(error.path(), "facets[1]");
}

#[test]
fn facet_lists_are_checked() {
    for (list, expected) in [
        (
            json!("brand"),
            r#"facets is a text; send a list such as ["brand", "price"]"#,
        ),
        (
            json!([{"field": "brand", "size": 3}]),
            "facets[0] has the unknown key `size`; remove it, the known keys are field, limit",
        ),
        (
            json!(["brand", 3]),
            r#"facets[1] is a number; send the name of a field, such as "brand""#,
        ),
        (
            json!([{"field": "brand", "limit": 101}]),
            "facets[0].limit is not a whole number from 1 to 100; send one, or leave it out",
        ),
        (json!(vec!["brand"; 33]), "facets has 33 entries; send at most 32"),
    ] {
        let error = FacetRequest::parse_list(&list).expect_err("a wrong list");
        assert_eq!(error.to_string(), expected, "{list}");
    }
}
