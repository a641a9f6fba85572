//! Options of searches: filters, facets, pages, examples, and several photos.

use reqwest::blocking::multipart::{Form, Part};
use serde_json::{Value, json};
use shared::api::SearchResponse;

use super::harness::{PRODUCTS, Service, assert_problem, json as body, png};
use super::search::hits;

/// Answer to a JSON search.
fn ask(service: &Service, request: &Value) -> reqwest::blocking::Response {
    let request = service.request("POST", "/api/v1/search").json(request);
    request.send().expect("the service answers")
}

/// Ids of the hits of a JSON search.
fn ids(service: &Service, request: &Value) -> Vec<String> {
    let answer = ask(service, request);
    assert_eq!(answer.status(), 200, "{request}");
    let found: SearchResponse = serde_json::from_value(body(answer)).expect("the answer is a search response");
    found.hits.into_iter().map(|hit| hit.product_id).collect()
}

#[test]
fn filters_restrict_the_hits_and_facets_count_the_others() {
    let service = Service::shared();
    let photo = png(0);
    let options = |options: Value| hits(service, &photo, &[("limit", "50"), ("options", &options.to_string())]);
    let found = options(json!({ "filter": { "field": "price", "currency": "CNY", "range": { "lt": 9905 } } }));
    assert_eq!(found.hits.len(), 5);
    let found = options(json!({ "filter": { "field": "category", "is": "shoes" }, "facets": ["category", "price"] }));
    assert!(found.hits.iter().all(|hit| hit.product.category == "shoes"));
    // The filter on the category does not apply to the counts of categories, and it applies to the prices.
    let counts = &found.facets[0]["keywords"]["values"];
    assert_eq!(counts.as_array().map(Vec::len), Some(3), "{counts}");
    assert_eq!(found.facets[1]["prices"][0]["count"], 4, "{:?}", found.facets);
    let found = options(json!({ "min_score": 0.999 }));
    assert_eq!(found.hits.len(), 1, "only the photo itself");
    for (options, code, says) in [
        (
            json!({ "filter": { "field": "attributes.sleeve", "is": "long" } }),
            "invalid_filter",
            "attributes.sleeve",
        ),
        (json!({ "filter": { "field": "brand" } }), "invalid_field", "filter"),
        (json!({ "facets": ["nothing"] }), "invalid_filter", "nothing"),
        (json!({ "min_score": 2 }), "invalid_field", "`min_score`"),
        (json!({ "sort": "price" }), "invalid_field", "`sort`"),
    ] {
        let answer = service.search(&photo, &[("options", &options.to_string())]);
        let problem = assert_problem(says, answer, 400, code);
        assert!(
            problem["detail"].as_str().is_some_and(|text| text.contains(says)),
            "{problem}"
        );
    }
}

#[test]
fn pages_continue_without_gaps_or_repeats() {
    let service = Service::shared();
    let all: Vec<String> = hits(service, &png(4), &[("limit", "50")])
        .hits
        .into_iter()
        .map(|hit| hit.product_id)
        .collect();
    assert_eq!(all.len(), PRODUCTS as usize);
    let mut answer = hits(service, &png(4), &[("limit", "5")]);
    let mut paged = Vec::new();
    loop {
        paged.extend(answer.hits.into_iter().map(|hit| hit.product_id));
        let Some(next) = answer.next else { break };
        let request = json!({ "cursor": next, "limit": 5 });
        answer = serde_json::from_value(body(ask(service, &request))).expect("the answer is a search response");
    }
    assert_eq!(paged, all);
    for (request, says) in [
        (json!({ "cursor": "abc" }), "`cursor`"),
        (json!({ "cursor": "abc", "category": "tops" }), "`category`"),
    ] {
        let problem = assert_problem(says, ask(service, &request), 400, "invalid_field");
        assert!(
            problem["detail"].as_str().is_some_and(|text| text.contains(says)),
            "{problem}"
        );
    }
}

#[test]
fn products_and_examples_are_queries_too() {
    let service = Service::shared();
    let like = ids(service, &json!({ "product": "P0004", "limit": 50 }));
    assert_eq!(like.len(), PRODUCTS as usize - 1);
    assert!(!like.contains(&"P0004".to_owned()), "a product is not like itself");
    let examples = |weights: [f32; 2]| {
        let examples = [("P0001", weights[0]), ("P0002", weights[1])]
            .map(|(id, weight)| json!({ "product": id, "weight": weight }));
        json!({ "examples": examples, "limit": 50 })
    };
    assert_eq!(ids(service, &examples([1.0, 0.5])).len(), PRODUCTS as usize - 2);
    assert_ne!(
        ids(service, &examples([1.0, 1.0])),
        ids(service, &examples([1.0, -1.0]))
    );
    for (request, status, code, says) in [
        (json!({ "product": "none" }), 404, "unknown_product", "`none`"),
        (
            json!({ "product": "P0001", "cursor": "x" }),
            400,
            "invalid_field",
            "only one of",
        ),
        (json!({}), 400, "missing_field", "`embedding`"),
        (json!({ "examples": [] }), 400, "invalid_field", "`examples`"),
        (
            json!({ "examples": [{ "product": "P0001", "weight": 0 }] }),
            400,
            "invalid_field",
            "`examples[0].weight`",
        ),
        (json!({ "examples": [{}] }), 400, "invalid_field", "`examples[0]`"),
    ] {
        let problem = assert_problem(says, ask(service, &request), status, code);
        assert!(
            problem["detail"].as_str().is_some_and(|text| text.contains(says)),
            "{problem}"
        );
    }
}

#[test]
fn several_photos_of_one_thing_are_searched_together() {
    let service = Service::shared();
    let send = |photos: &[u32]| {
        let form = photos.iter().fold(Form::new(), |form, photo| {
            form.part("image", Part::bytes(png(*photo)).file_name("photo"))
        });
        let request = service
            .request("POST", "/api/v1/search")
            .multipart(form.text("limit", "1"));
        request.send().expect("the service answers")
    };
    let best = |photos: &[u32]| {
        let found: SearchResponse =
            serde_json::from_value(body(send(photos))).expect("the answer is a search response");
        (found.hits[0].product_id.clone(), found.hits[0].score)
    };
    assert_eq!(best(&[9]).0, "P0003");
    assert_eq!(best(&[9, 9, 9]).0, "P0003", "the mean of equal photos is the photo");
    assert!(
        best(&[9, 10]).1 < best(&[9]).1,
        "the mean of two photos is neither of them"
    );
    assert_problem("five photos", send(&[0, 1, 2, 3, 4]), 400, "invalid_field");
}

#[test]
fn the_parts_of_a_score_sum_to_it() {
    let service = Service::shared();
    let explained = hits(service, &png(3), &[("options", r#"{"explain": true}"#)]);
    for hit in &explained.hits {
        let sum: f32 = hit.parts.iter().map(|part| part.score).sum();
        assert!((sum - hit.score).abs() < 1e-5, "{sum} {}", hit.score);
    }
    assert_eq!(explained.hits[0].parts[0].part, "whole");
    assert!(hits(service, &png(3), &[]).hits[0].parts.is_empty());
}

#[test]
fn a_cursor_keeps_the_options_of_its_search() {
    let service = Service::shared();
    let options = json!({ "explain": true, "filter": { "not": { "field": "category", "is": "shoes" } } });
    let first = hits(service, &png(3), &[("limit", "2"), ("options", &options.to_string())]);
    let request = json!({ "cursor": first.next, "limit": 50 });
    let second: SearchResponse =
        serde_json::from_value(body(ask(service, &request))).expect("the answer is a search response");
    assert!(!second.hits.is_empty());
    for hit in first.hits.iter().chain(&second.hits) {
        assert_eq!(hit.parts.len(), 1, "{hit:?}");
        assert_ne!(hit.product.category, "shoes");
    }
}

#[test]
fn facets_count_the_products_that_have_the_smallest_score() {
    let service = Service::shared();
    for least in [-1.0, 0.7, 0.9, 0.999] {
        let options = json!({ "facets": ["price"], "min_score": least });
        let found = hits(service, &png(0), &[("limit", "50"), ("options", &options.to_string())]);
        assert_eq!(found.facets[0]["prices"][0]["count"], found.hits.len(), "{least}");
    }
}
