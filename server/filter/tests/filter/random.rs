//! Random catalogs and filters over few distinct values, so that filters often match.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};
use store::Product;

/// Fields of the random products.
pub(crate) const FIELDS: [&str; 13] = [
    "id",
    "category",
    "brand",
    "group",
    "price",
    "availability",
    "quantity",
    "attributes.usual",
    "attributes.rare",
    "attributes.early",
    "attributes.late",
    "attributes.mixed",
    "attributes.size.eu",
];

fn text() -> impl Strategy<Value = Value> {
    select(vec!["red", "green", "blue", "Grün", "5", "true"]).prop_map(Value::from)
}

fn number() -> impl Strategy<Value = Value> {
    select(vec![
        json!(-3),
        json!(0),
        json!(1),
        json!(1.5),
        json!(2.0),
        json!(5),
        json!(u64::MAX),
    ])
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![any::<bool>().prop_map(Value::from), number(), text()]
}

fn attribute() -> impl Strategy<Value = Value> {
    prop_oneof![3 => scalar(), 1 => prop::collection::vec(text(), 0..4).prop_map(Value::from)]
}

/// A value that is present in a share of the products.
fn maybe(share: f64, value: impl Strategy<Value = Value>) -> impl Strategy<Value = Option<Value>> {
    prop::option::weighted(share, value)
}

fn fields() -> impl Strategy<Value = Value> {
    let stock = (
        select(vec!["in_stock", "out_of_stock", "preorder"]),
        prop::option::of(0..4_u64),
    );
    let price = (select(vec!["CNY", "EUR", "JPY"]), 0..6_u64);
    let outer = (
        maybe(0.7, text()),
        maybe(0.9, text()),
        maybe(0.1, text()),
        maybe(
            0.6,
            price.prop_map(|(currency, amount)| json!({"amount": amount, "currency": currency})),
        ),
        maybe(
            0.6,
            stock.prop_map(|(availability, quantity)| match quantity {
                None => json!({"availability": availability}),
                Some(quantity) => json!({"availability": availability, "quantity": quantity}),
            }),
        ),
    );
    let attributes = (
        maybe(0.9, text()),
        maybe(0.03, number()),
        maybe(0.9, number()),
        maybe(0.9, any::<bool>().prop_map(Value::from)),
        maybe(0.5, attribute()),
        maybe(0.4, prop::collection::vec(text(), 0..4).prop_map(Value::from)),
    );
    (outer, attributes).prop_map(
        |((category, brand, group, price, stock), (usual, rare, early, late, mixed, size))| {
            let object = |pairs: Vec<(&str, Option<Value>)>| {
                let present = pairs
                    .into_iter()
                    .filter_map(|(key, value)| Some((key.to_owned(), value?)));
                Value::Object(present.collect::<Map<_, _>>())
            };
            let attributes = object(vec![
                ("usual", usual),
                ("rare", rare),
                ("early", early),
                ("late", late),
                ("mixed", mixed),
                ("size.eu", size),
            ]);
            object(vec![
                ("category", category),
                ("brand", brand),
                ("group", group),
                ("price", price),
                ("stock", stock),
                ("attributes", Some(attributes)),
            ])
        },
    )
}

/// Products with values of all types. The attribute `early` ends after 20 products, and begins again after 120. The
/// attribute `late` begins after 60.
pub(crate) fn products() -> impl Strategy<Value = Vec<Product>> {
    prop::collection::vec(fields(), 0..200).prop_map(|all| {
        let products = all.into_iter().enumerate().map(|(at, mut json)| {
            json["id"] = format!("A-{at}").into();
            let mut product = crate::product(json);
            if (20..120).contains(&at) {
                product.attributes.remove("early");
            }
            if at < 60 {
                product.attributes.remove("late");
            }
            product
        });
        products.collect()
    })
}

/// A test with values that usually have a type of the field.
fn test(field: &'static str) -> impl Strategy<Value = Value> {
    let value = match field {
        "id" => (0..200).prop_map(|at| format!("A-{at}").into()).boxed(),
        "availability" => select(vec!["in_stock", "preorder", "backorder"])
            .prop_map(Value::from)
            .boxed(),
        "price" | "quantity" | "attributes.rare" | "attributes.early" => number().boxed(),
        "attributes.late" => any::<bool>().prop_map(Value::from).boxed(),
        "attributes.mixed" => scalar().boxed(),
        _ => prop_oneof![20 => text(), 1 => scalar()].boxed(),
    };
    let is_text = [
        "id",
        "category",
        "brand",
        "group",
        "availability",
        "attributes.usual",
        "attributes.size.eu",
    ];
    let ranges = u32::from(!is_text.contains(&field) && field != "attributes.late");
    let bound = |keys: Vec<&'static str>| prop::option::of((select(keys), number()));
    let range = (bound(vec!["gt", "gte"]), bound(vec!["lt", "lte"])).prop_map(|(lower, upper)| {
        let bounds = lower
            .into_iter()
            .chain(upper)
            .map(|(key, value)| (key.to_owned(), value));
        let bounds: Map<String, Value> = bounds.collect();
        json!({"range": if bounds.is_empty() { json!({"gte": 1}) } else { bounds.into() }})
    });
    prop_oneof![
        3 => value.clone().prop_map(|value| json!({"is": value})),
        3 => prop::collection::vec(value, 1..5).prop_map(|values| json!({"in": values})),
        3 * ranges => range,
        1 => any::<bool>().prop_map(|exists| json!({"exists": exists})),
    ]
}

fn condition() -> impl Strategy<Value = Value> {
    let currency = prop::option::of(select(vec!["CNY", "EUR", "USD"]));
    let field = select(FIELDS.to_vec()).prop_flat_map(|field| (Just(field), test(field)));
    (field, currency).prop_map(|((field, mut test), currency)| {
        if field == "price" && (currency.is_some() || test["exists"].is_null()) {
            test["currency"] = currency.unwrap_or("CNY").into();
        }
        test["field"] = field.into();
        test.as_object_mut()
            .expect("an object")
            .retain(|_, value| !value.is_null());
        test
    })
}

/// Filters that follow the grammar, with up to four levels.
pub(crate) fn filter() -> impl Strategy<Value = Value> {
    condition().prop_recursive(3, 12, 4, |part| {
        let parts = prop::collection::vec(part.clone(), 1..5);
        prop_oneof![
            2 => parts.clone().prop_map(|parts| json!({"and": parts})),
            2 => parts.prop_map(|parts| json!({"or": parts})),
            1 => part.prop_map(|part| json!({"not": part})),
        ]
    })
}
