//! A service whose catalog is searched by a vector engine.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::harness::{Service, assert_problem, header, json as body, png, shop};

/// Key of the admin API.
const KEY: &str = "a secret";

/// A request of the admin API.
fn admin(service: &Service, method: &str, path: &str, content: impl Into<Vec<u8>>) -> reqwest::blocking::Response {
    let request = service.request(method, &format!("/api/v1/admin/{path}"));
    let request = request.bearer_auth(KEY).body(content.into());
    request.send().expect("the service answers")
}

/// State of the vector engine.
fn engine(service: &Service) -> Value {
    body(admin(service, "GET", "stats", ""))["engine"].clone()
}

/// Starts a service with a vector engine, and waits until the engine has the catalog. The engine is away while the file `gate`
/// exists.
fn start(gate: &str) -> Service {
    let service = Service::start_as(json!({ "engine": gate, "admin_key": KEY }));
    wait("the engine has the catalog", || {
        let state = engine(&service);
        state["complete"] == true && state["copied"] == json!([1])
    });
    service
}

/// Waits until `holds`.
#[track_caller]
fn wait(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Answer to a JSON search, without the time that it took.
fn ask(service: &Service, request: &Value) -> Value {
    let sent = service.request("POST", "/api/v1/search").json(request);
    let answer = sent.send().expect("the service answers");
    assert_eq!(answer.status(), 200, "{request}");
    let mut answer = body(answer);
    answer["took_ms"] = Value::Null;
    answer
}

#[test]
fn a_vector_engine_answers_every_search_as_the_memory_does() {
    let (memory, engine) = (Service::shared(), start("engine-equal"));
    for request in [
        json!({ "product": "P0003" }),
        json!({ "product": "P0003", "limit": 50 }),
        json!({ "product": "P0003", "category": "shoes" }),
        json!({ "product": "P0004", "filter": { "field": "price", "currency": "CNY", "range": { "lt": 9905 } } }),
        json!({ "product": "P0004", "filter": { "not": { "field": "category", "is": "tops" } }, "facets": ["category"] }),
        json!({ "product": "P0004", "filter": { "field": "category", "is": "none" } }),
        json!({ "product": "P0005", "min_score": 0.5 }),
        json!({ "product": "P0005", "explain": true }),
        json!({ "examples": [{ "product": "P0001" }, { "product": "P0005", "weight": -0.5 }], "limit": 4 }),
    ] {
        assert_eq!(ask(memory, &request), ask(&engine, &request), "{request}");
    }
    let first = json!({ "product": "P0001", "limit": 4 });
    let next = |service: &Service| {
        let page = ask(service, &first);
        ask(service, &json!({ "cursor": page["next"], "limit": 4 }))["hits"].clone()
    };
    assert_eq!(next(memory), next(&engine), "a second page");
    let photo = |service: &Service| body(service.search(&png(1), &[]))["hits"].clone();
    assert_eq!(photo(memory), photo(&engine), "a photo");
}

#[test]
fn changes_reach_the_engine_while_the_service_runs() {
    let service = start("engine-changes");
    let photo = png(901);
    let source = body(admin(&service, "POST", "images", photo.clone()))["source"].clone();
    let product = json!({ "name": { "en": "N1" }, "category": "tops", "images": [{ "source": source }] });
    assert_eq!(admin(&service, "PUT", "products/N1", product.to_string()).status(), 201);
    let is_best = || body(service.search(&photo, &[("limit", "1")]))["hits"][0]["product_id"] == "N1";
    wait("the new product is found", is_best);
    assert_eq!(admin(&service, "DELETE", "products/N1", "").status(), 204);
    assert!(!is_best(), "the very next search is without it");
}

#[test]
fn searches_fail_while_the_engine_is_away_and_everything_else_goes_on() {
    let gate = shop().path("engine-away");
    let _ = fs::remove_file(&gate);
    let service = start("engine-away");
    fs::write(&gate, "").expect("the file is written");
    wait("the service notices", || engine(&service)["fault"].is_string());
    let refused = service.search(&png(0), &[]);
    assert_eq!(header(&refused, "retry-after"), "2");
    assert_problem("a search", refused, 503, "search_unavailable");
    let price = json!({ "price": { "amount": 777, "currency": "CNY" } });
    assert_eq!(
        admin(&service, "PATCH", "products/P0002", price.to_string()).status(),
        200
    );
    assert_eq!(body(service.get("/api/v1/products/P0002"))["price"]["amount"], 777);
    assert_eq!(service.get("/readyz").status(), 200, "other requests are answered");

    fs::remove_file(&gate).expect("the file is removed");
    wait("the engine has the change", || engine(&service)["complete"] == true);
    let cheap =
        json!({ "product": "P0003", "filter": { "field": "price", "currency": "CNY", "range": { "lte": 777 } } });
    wait("searches are answered again", || {
        let sent = service.request("POST", "/api/v1/search").json(&cheap).send();
        let answer = body(sent.expect("the service answers"));
        answer["hits"][0]["product_id"] == "P0002"
    });
}

#[test]
fn a_service_starts_while_its_engine_is_away() {
    let gate = shop().path("engine-late");
    fs::write(&gate, "").expect("the file is written");
    let service = Service::start_as(json!({ "engine": "engine-late", "admin_key": KEY }));
    assert_problem("a search", service.search(&png(0), &[]), 503, "search_unavailable");
    fs::remove_file(&gate).expect("the file is removed");
    // The engine is empty. The memory answers until it is filled.
    wait("searches are answered", || service.search(&png(0), &[]).status() == 200);
    wait("the engine has the catalog", || engine(&service)["complete"] == true);
    assert_eq!(
        body(service.search(&png(0), &[]))["hits"].as_array().map(Vec::len),
        Some(10)
    );
}
