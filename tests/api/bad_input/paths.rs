//! Unknown paths, wrong methods and faulty request ids.

use super::super::harness::{Service, assert_problem, header};
use super::SEARCH;

#[test]
fn unknown_paths_and_methods_are_refused() {
    let service = Service::shared();
    let cases = [
        ("GET", "/nothing", 404, "not_found"),
        ("GET", "/api/v1/nothing", 404, "not_found"),
        ("GET", "/api/v1/products/P9999", 404, "not_found"),
        ("GET", "/api/v1/products/%ff", 400, "invalid_field"),
        ("GET", "/api/v1/tagger/weights/0000", 404, "not_found"),
        ("GET", "/api/v1/query-encoder/weights/0000", 404, "not_found"),
        ("GET", "/images/shop/none.jpg", 404, "not_found"),
        ("GET", SEARCH, 405, "method_not_allowed"),
        ("DELETE", "/api/v1/products/P0001", 405, "method_not_allowed"),
        ("POST", "/livez", 405, "method_not_allowed"),
        ("POST", "/", 405, "method_not_allowed"),
        ("PUT", "/nothing", 404, "not_found"),
    ];
    for (method, path, status, code) in cases {
        let answer = service.request(method, path).send().expect("the service answers");
        let allow = answer.headers().contains_key("allow");
        assert_eq!(allow, status == 405, "{method} {path}");
        assert_problem(&format!("{method} {path}"), answer, status, code);
    }
}

#[test]
fn only_harmless_request_ids_are_kept() {
    let service = Service::shared();
    for (id, kept) in [
        ("abc-123_4.5", true),
        ("a b", false),
        ("<script>", false),
        (&"x".repeat(65), false),
    ] {
        let answer = service
            .request("GET", "/livez")
            .header("x-request-id", id)
            .send()
            .expect("the service answers");
        assert_eq!(header(&answer, "x-request-id") == id, kept, "{id}");
    }
}
