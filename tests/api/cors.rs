//! Pages of other origins.

use reqwest::blocking::Response;
use serde_json::json;

use super::harness::{Service, image_path};
use super::search::shop_photo;

const SHOP: &str = "https://shop.example";

/// Header of an answer, or an empty text.
fn header<'a>(answer: &'a Response, name: &str) -> &'a str {
    answer
        .headers()
        .get(name)
        .map_or("", |value| value.to_str().expect("a text"))
}

#[test]
fn an_allowed_origin_may_use_the_public_api_alone() {
    let service = Service::start_as(json!({ "allow_origin": SHOP, "admin_key": "key" }));
    for (origin, path, allowed) in [
        (SHOP, "/api/v1/tagger", true),
        (SHOP, "/api/v1/openapi.json", true),
        (SHOP, "/api/v1/search", true),
        (SHOP, "/api/v1/admin/stats", false),
        (SHOP, "/", false),
        ("https://other.example", "/api/v1/tagger", false),
        ("null", "/api/v1/tagger", false),
    ] {
        let ask = |method: &str| service.request(method, path).header("origin", origin);
        let preflight = ask("OPTIONS")
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "content-type");
        for answer in [ask("GET").send(), preflight.send()] {
            let answer = answer.expect("the service answers");
            let named = header(&answer, "access-control-allow-origin");
            assert_eq!(named, if allowed { SHOP } else { "" }, "{origin} {path}");
            assert_eq!(header(&answer, "access-control-allow-credentials"), "");
        }
    }
    let image = service.get(&image_path(&shop_photo(1, 0), 320));
    assert_eq!(image.status(), 200);
    assert_eq!(header(&image, "cross-origin-resource-policy"), "cross-origin");
    let problem = service.request("POST", "/api/v1/search").header("origin", SHOP).send();
    let problem = problem.expect("the service answers");
    assert!(problem.status().is_client_error());
    assert_eq!(
        header(&problem, "access-control-allow-origin"),
        SHOP,
        "errors are readable, too"
    );
}

#[test]
fn without_the_option_no_origin_is_allowed() {
    let service = Service::shared();
    let answer = service.request("GET", "/api/v1/tagger").header("origin", SHOP).send();
    let answer = answer.expect("the service answers");
    assert_eq!(header(&answer, "access-control-allow-origin"), "");
    assert_eq!(header(&answer, "cross-origin-resource-policy"), "same-origin");
    assert_eq!(
        header(
            &service.get(&image_path(&shop_photo(1, 0), 320)),
            "cross-origin-resource-policy"
        ),
        "same-origin"
    );
}
