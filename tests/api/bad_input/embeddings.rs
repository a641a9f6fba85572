//! Faulty embeddings of a search.

use tests::fixture::DIM;

use super::super::harness::{Service, assert_problem};
use super::super::search::model_id;

#[test]
fn embeddings_of_another_length_value_or_model_are_refused() {
    let service = Service::shared();
    let model = model_id();
    let with = |values: &str| format!(r#"{{"embedding":{{"model_id":"{model}","values":{values}}}}}"#);
    let list = |count: usize, value: &str| format!("[{}]", vec![value; count].join(","));
    let good = list(DIM, "0.5");
    let cases = [
        ("NaN", with("[NaN, 1]"), 400, "invalid_embedding"),
        ("null", with(&list(DIM, "null")), 400, "invalid_embedding"),
        (
            "more than a float holds",
            with(&list(DIM, "1e39")),
            400,
            "invalid_embedding",
        ),
        ("zeros", with(&list(DIM, "0")), 400, "invalid_embedding"),
        ("too short", with(&list(DIM - 1, "1")), 400, "wrong_dimension"),
        ("too long", with(&list(DIM + 1, "1")), 400, "wrong_dimension"),
        ("empty", with("[]"), 400, "wrong_dimension"),
        (
            "another model",
            with(&good).replace(&model, "other@0123"),
            409,
            "wrong_model",
        ),
    ];
    for (name, body, status, code) in cases {
        assert_problem(name, service.search_json(&body), status, code);
    }
}

#[test]
fn faulty_json_bodies_are_refused() {
    let service = Service::shared();
    let model = model_id();
    let with = |values: &str| format!(r#"{{"embedding":{{"model_id":"{model}","values":{values}}}}}"#);
    let good = format!("[{}]", vec!["0.5"; DIM].join(","));
    let cases = [
        ("no JSON", "{".to_owned(), 400, "invalid_field"),
        ("a list", "[]".to_owned(), 400, "invalid_field"),
        ("no embedding", "{}".to_owned(), 400, "missing_field"),
        (
            "an unknown field",
            with(&good).replace("}}", r#"},"colour":"red"}"#),
            400,
            "invalid_field",
        ),
        (
            "an unknown category",
            with(&good).replace("}}", r#"},"category":"hats"}"#),
            400,
            "unknown_category",
        ),
        (
            "limit 0",
            with(&good).replace("}}", r#"},"limit":0}"#),
            400,
            "invalid_field",
        ),
        (
            "limit 51",
            with(&good).replace("}}", r#"},"limit":51}"#),
            400,
            "invalid_field",
        ),
        (
            "limit 1.5",
            with(&good).replace("}}", r#"},"limit":1.5}"#),
            400,
            "invalid_field",
        ),
    ];
    for (name, body, status, code) in cases {
        assert_problem(name, service.search_json(&body), status, code);
    }
}
