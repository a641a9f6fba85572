//! Files that the admin API takes: archives of photos, imports, and repeated requests.

use std::io::Write;
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::blocking::Response;
use serde_json::{Value, json};

use super::harness::{Service, assert_problem, image_path, json as body, png};
use super::living::{KEY, NEW, admin, ended, service};

/// A tar archive of one file.
fn archive(name: &str, content: &[u8]) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a temporary folder is created");
    std::fs::write(folder.path().join(name), content).expect("the file is written");
    let packed = Command::new("tar")
        .args(["-cf", "-", name])
        .current_dir(folder.path())
        .output();
    packed.expect("tar runs").stdout
}

#[test]
fn a_product_keeps_the_photo_that_an_archive_replaces() {
    let service = service();
    let (old, new) = (png(NEW + 20), png(NEW + 21));
    assert_eq!(
        admin(&service, "POST", "archives", archive("a.png", &old)).status(),
        200
    );
    let product = json!({ "name": { "en": "x" }, "images": ["a.png"] });
    let put = |product: &Value| admin(&service, "PUT", "products/U1", product.to_string());
    assert_eq!(put(&product).status(), 201);
    assert_eq!(service.get(&image_path(&old, 320)).status(), 200);

    assert_eq!(
        admin(&service, "POST", "archives", archive("a.png", &new)).status(),
        200
    );
    assert_eq!(service.get(&image_path(&old, 640)).status(), 200);
    let stored = body(admin(&service, "GET", "products/U1", ""));
    assert_eq!(body(put(&stored))["effect"], "unchanged");
    assert_eq!(
        body(put(&product))["effect"],
        "changed",
        "a product without checksums takes the new photo"
    );
    assert_eq!(service.get(&image_path(&new, 320)).status(), 200);
}

#[test]
fn files_beyond_the_limit_are_refused() {
    let service = Service::start_as(json!({ "admin_key": KEY, "upload_bytes": 20_000 }));
    for path in ["imports?format=csv", "archives"] {
        let large = admin(&service, "POST", path, vec![b'x'; 20_001]);
        assert_problem(path, large, 413, "payload_too_large");
    }
    let bomb = {
        let mut packed = GzEncoder::new(Vec::new(), Compression::best());
        let packed = packed
            .write_all(&archive("a.png", &[0; 1 << 20]))
            .and_then(|()| packed.finish());
        packed.expect("memory takes all bytes")
    };
    assert!(bomb.len() < 20_000);
    let problem = assert_problem(
        "a bomb",
        admin(&service, "POST", "archives", bomb),
        400,
        "invalid_field",
    );
    assert!(
        problem["detail"]
            .as_str()
            .is_some_and(|text| text.contains("without compression")),
        "{problem}"
    );
}

#[test]
fn a_request_with_the_key_of_an_earlier_one_makes_no_second_task() {
    let service = service();
    let send = |path: &str, key: &str, content: &str| -> Response {
        let request = service.request("POST", &format!("/api/v1/admin/{path}"));
        let request = request.bearer_auth(KEY).header("idempotency-key", key);
        request.body(content.to_owned()).send().expect("the service answers")
    };
    let path = "imports?format=csv&merge=true";
    let prices = "id,price,currency\nP0001,12.50,EUR\n";
    let first = ended(&service, send(path, "a", prices));
    let again = ended(&service, send(path, "a", prices));
    assert_eq!(first, again);
    assert_eq!(first["detail"]["counts"]["changed"], 1, "{first}");
    let other = ended(&service, send(path, "b", prices));
    assert_ne!(other["number"], first["number"]);
    for (what, answer) in [
        ("another body", send(path, "a", "id,price,currency\nP0001,3,EUR\n")),
        ("another path", send("verify", "a", "")),
    ] {
        assert_problem(what, answer, 422, "key_reused");
    }
    assert_problem("an empty key", send(path, "", prices), 400, "invalid_field");
    let verified = ended(&service, send("verify", "c", ""));
    assert_eq!(ended(&service, send("verify", "c", "")), verified);
    assert_eq!(
        body(admin(&service, "GET", "tasks", "")).as_array().map(Vec::len),
        Some(3)
    );
}
