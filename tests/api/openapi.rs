//! The OpenAPI document, as the service sends it and as it is recorded.

use super::harness::{Service, json};

#[test]
fn document() {
    let document = serde_json::to_value(service::http::openapi()).expect("the document is JSON");
    assert_eq!(json(Service::shared().get("/api/v1/openapi.json")), document);
    insta::assert_json_snapshot!(document);
}
