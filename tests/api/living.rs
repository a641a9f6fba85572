//! A catalog that changes while the service runs: products, imports and tasks of the admin API.

use std::fs;
use std::time::{Duration, Instant};

use reqwest::blocking::Response;
use serde_json::{Value, json};
use store::Store;
use tests::fixture;

use super::harness::{PRODUCTS, Service, assert_problem, header, image_path, json as body, png, shop};
use super::search::hits;

/// Key of the admin API.
pub(crate) const KEY: &str = "a secret";

/// Photo of no product of the shop.
pub(crate) const NEW: u32 = 900;

/// Starts a service with the admin API.
pub(crate) fn service() -> Service {
    Service::start_as(json!({ "admin_key": KEY, "snapshots": "snapshots" }))
}

/// Sends a request of the admin API.
pub(crate) fn admin(service: &Service, method: &str, path: &str, content: impl Into<Vec<u8>>) -> Response {
    let request = service.request(method, &format!("/api/v1/admin/{path}"));
    let request = request.bearer_auth(KEY).body(content.into());
    request.send().expect("the service answers")
}

/// Uploads a photo and returns its source.
fn upload(service: &Service, photo: &[u8]) -> Value {
    let answer = admin(service, "POST", "images", photo);
    assert_eq!(answer.status(), 200);
    body(answer)["source"].clone()
}

/// Adds a product with a photo.
pub(crate) fn put(service: &Service, id: &str, photo: &[u8], more: &Value) -> Response {
    let source = upload(service, photo);
    let mut product = json!({ "name": { "en": id }, "category": "tops", "images": [{ "source": source }] });
    for (key, value) in more.as_object().into_iter().flatten() {
        product[key] = value.clone();
    }
    admin(service, "PUT", &format!("products/{id}"), product.to_string())
}

/// Waits until a search for `photo` finds or does not find the product `id` first. Returns the time that it took.
#[track_caller]
pub(crate) fn wait_for(service: &Service, photo: &[u8], id: &str, is_found: bool) -> Duration {
    let begun = Instant::now();
    loop {
        let found = hits(service, photo, &[("limit", "1")]).hits;
        if found.iter().any(|hit| hit.product_id == id) == is_found {
            return begun.elapsed();
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{id}: {found:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Waits for the end of the task that an answer names.
pub(crate) fn ended(service: &Service, accepted: Response) -> Value {
    assert_eq!(accepted.status(), 202);
    let path = header(&accepted, "location").to_owned();
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let task = body(admin(service, "GET", path.trim_start_matches("/api/v1/admin/"), ""));
        if !task["finished_at"].is_null() {
            return task;
        }
        assert!(Instant::now() < deadline, "{task}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_product_is_found_after_it_was_added_and_gone_after_it_was_deleted() {
    let service = service();
    let photo = png(NEW);
    let answer = put(&service, "N1", &photo, &json!({}));
    assert_eq!(answer.status(), 201);
    let took = wait_for(&service, &photo, "N1", true);
    assert!(took < Duration::from_secs(5), "{took:?}");
    let best = hits(&service, &photo, &[("limit", "1")]).hits.remove(0);
    assert_eq!(best.product.image, image_path(&photo, 640));
    assert_eq!(best.product.name.zh, "N1", "a name in one language suffices");
    assert_eq!(service.get(&best.product.image).status(), 200);

    assert_eq!(admin(&service, "DELETE", "products/N1", "").status(), 204);
    // The answer to the very next search is without it.
    assert!(
        hits(&service, &photo, &[("limit", "50")])
            .hits
            .iter()
            .all(|hit| hit.product_id != "N1")
    );
    assert_problem(
        "an image of a deleted product",
        service.get(&image_path(&photo, 640)),
        404,
        "not_found",
    );
    assert_problem(
        "a deleted product",
        service.get("/api/v1/products/N1"),
        404,
        "not_found",
    );
}

#[test]
fn versions_protect_against_lost_changes() {
    let service = service();
    let path = "/api/v1/admin/products/P0003";
    let product = admin(&service, "GET", "products/P0003", "");
    let tag = header(&product, "etag").to_owned();
    let change = |tag: &str, amount: u64| {
        let request = service.request("PATCH", path).bearer_auth(KEY).header("if-match", tag);
        let price = json!({ "price": { "amount": amount, "currency": "CNY" } });
        request.body(price.to_string()).send().expect("the service answers")
    };
    let changed = change(&tag, 5);
    assert_eq!(changed.status(), 200);
    let newer = header(&changed, "etag").to_owned();
    assert_ne!(newer, tag);
    assert_problem("an old version", change(&tag, 6), 412, "version_conflict");
    assert_eq!(body(change(&newer, 5))["effect"], "unchanged");
    assert_eq!(body(service.get("/api/v1/products/P0003"))["price"]["amount"], 5);
    assert_eq!(change("*", 5).status(), 200, "the product exists");
    let put = |id: &str| {
        let request = service.request("PUT", &format!("/api/v1/admin/products/{id}"));
        let product = json!({ "name": { "en": "x" }, "images": [] });
        let request = request.bearer_auth(KEY).header("if-match", "*");
        request.body(product.to_string()).send().expect("the service answers")
    };
    assert_problem("no version", put("NONE"), 412, "version_conflict");
    assert_eq!(put("P0004").status(), 200);
    let stats = body(admin(&service, "GET", "stats", ""));
    for part in [
        "/memory/catalog/vectors",
        "/memory/weights/retrieval",
        "/memory/decode_budget",
    ] {
        assert!(
            stats
                .pointer(part)
                .and_then(Value::as_u64)
                .is_some_and(|bytes| bytes > 0),
            "{part}: {stats}"
        );
    }
    assert_eq!(
        stats["generations"][0]["waiting"], 0,
        "a price embeds no photo: {stats}"
    );
}

#[test]
fn bad_requests_are_refused_with_a_hint() {
    let service = service();
    let product = |changes: &Value| {
        let mut product = json!({ "name": { "en": "x" }, "images": [] });
        for (key, value) in changes.as_object().into_iter().flatten() {
            product[key] = value.clone();
        }
        admin(&service, "PUT", "products/B1", product.to_string())
    };
    for (changes, says) in [
        (json!({ "name": {} }), "`name`"),
        (json!({ "id": "B2" }), "`id`"),
        (
            json!({ "price": { "amount": 1, "currency": "RMB1" } }),
            "`price.currency`",
        ),
        (json!({ "images": [{ "source": "../secret.jpg" }] }), "`images[0]`"),
        (json!({ "images": ["shop/none.png"] }), "`images[0]`"),
        (json!({ "images": [{ "source": "shop/notes.txt" }] }), "`images[0]`"),
    ] {
        let problem = assert_problem(says, product(&changes), 400, "invalid_field");
        assert!(
            problem["detail"].as_str().is_some_and(|text| text.contains(says)),
            "{problem}"
        );
    }
    assert_problem(
        "no image",
        admin(&service, "POST", "images", "text"),
        422,
        "not_an_image",
    );
    assert_problem("no key", service.get("/api/v1/admin/stats"), 401, "unauthorized");
    let wrong = service
        .request("GET", "/api/v1/admin/stats")
        .bearer_auth("other")
        .send();
    assert_problem("a wrong key", wrong.expect("the service answers"), 401, "unauthorized");
    let without = Service::shared()
        .request("GET", "/api/v1/admin/stats")
        .bearer_auth(KEY)
        .send();
    assert_problem("no admin API", without.expect("the service answers"), 404, "not_found");
    for (path, says) in [
        ("imports?format=xls", "`format`"),
        ("imports?format=csv&max_errors=2", "`max_errors`"),
    ] {
        let problem = assert_problem(path, admin(&service, "POST", path, "id\n"), 400, "invalid_field");
        assert!(
            problem["detail"].as_str().is_some_and(|text| text.contains(says)),
            "{problem}"
        );
    }
}

#[test]
fn a_file_is_imported_as_a_task_and_a_bad_one_changes_nothing() {
    let service = service();
    let exported = admin(&service, "GET", "export", "").text().expect("the answer is text");
    assert_eq!(exported.lines().count(), 12);
    let task = ended(
        &service,
        admin(&service, "POST", "imports?format=ndjson", exported.as_str()),
    );
    assert_eq!(
        (&task["state"], &task["detail"]["counts"]["unchanged"]),
        (&json!("done"), &json!(12)),
        "{task}"
    );

    let prices = "id,price,currency\nP0001,12.50,EUR\nP0002,3,EUR\n";
    let task = ended(
        &service,
        admin(&service, "POST", "imports?format=csv&merge=true", prices),
    );
    assert_eq!(task["detail"]["counts"]["changed"], 2, "{task}");
    assert_eq!(body(service.get("/api/v1/products/P0001"))["price"]["amount"], 1250);

    let bad = "id,price,currency\nP0001,99,EUR\nP0002,abc,EUR\n";
    let task = ended(&service, admin(&service, "POST", "imports?format=csv&merge=true", bad));
    assert_eq!(task["state"], "failed", "{task}");
    let fault = &task["detail"]["faults"][0];
    assert_eq!(
        (&fault["file"], &fault["line"], &fault["column"]),
        (&json!("body"), &json!(3), &json!("price")),
        "{task}"
    );
    let message = fault["message"].as_str().unwrap_or_default();
    assert!(message.contains("`abc` is not a price"), "{task}");
    assert_eq!(body(service.get("/api/v1/products/P0001"))["price"]["amount"], 1250);

    let events = admin(&service, "GET", &format!("tasks/{}/events", task["number"]), "");
    assert_eq!(header(&events, "content-type"), "text/event-stream");
    let text = events.text().expect("the events end with the task");
    assert!(text.contains("event: task") && text.contains("\"failed\""), "{text}");
    let number = task["number"].to_string();
    assert_problem(
        "an ended task",
        admin(&service, "DELETE", &format!("tasks/{number}"), ""),
        409,
        "task_state",
    );
}

#[test]
fn a_snapshot_is_restored_elsewhere_and_searched() {
    let service = service();
    let photo = png(NEW + 5);
    assert_eq!(put(&service, "S1", &photo, &json!({})).status(), 201);
    wait_for(&service, &photo, "S1", true);
    let name = format!("copy-{}", std::process::id());
    let task = ended(&service, admin(&service, "POST", &format!("snapshots/{name}"), ""));
    assert_eq!(task["state"], "done", "{task}");
    let (from, to) = (shop().path(&format!("snapshots/{name}")), shop().path("restored"));
    let _ = fs::remove_dir_all(&to);
    store::restore(&from, &to).expect("the snapshot is restored");
    drop(service);
    let restored = Service::start_as(json!({ "catalog": "restored" }));
    assert_eq!(hits(&restored, &photo, &[("limit", "1")]).hits[0].product_id, "S1");
    assert_problem(
        "a name with a slash",
        admin(&restored, "POST", "snapshots/..%2fx", ""),
        404,
        "not_found",
    );
}

#[test]
fn a_task_of_a_killed_service_has_ended() {
    let catalog = shop().path("killed");
    let _ = fs::remove_dir_all(&catalog);
    fixture::copy_folder(&shop().path("catalog"), &catalog).expect("the catalog is copied");
    let store = Store::open(&catalog).expect("the catalog opens");
    let task = store.create_task("verify", &json!({})).expect("the task is stored");
    drop(store);
    let service = Service::start_as(json!({ "catalog": "killed", "admin_key": KEY }));
    let path = format!("tasks/{}", task.number);
    let events = admin(&service, "GET", &format!("{path}/events"), "");
    let text = events.text().expect("the events end");
    assert!(text.contains("\"interrupted\""), "{text}");
    assert_problem(
        "an interrupted task",
        admin(&service, "DELETE", &path, ""),
        409,
        "task_state",
    );
}

#[test]
fn photos_that_cannot_be_read_wait_until_they_can() {
    let catalog = shop().path("unmounted");
    let _ = fs::remove_dir_all(&catalog);
    fixture::copy_folder(&shop().path("catalog"), &catalog).expect("the catalog is copied");
    // Without its embeddings every photo waits.
    fs::remove_dir_all(catalog.join("segments")).expect("the embeddings are removed");
    let photos = shop().path("mounted-later");
    let _ = fs::remove_file(&photos);
    let service = Service::start_as(json!({ "catalog": "unmounted", "admin_key": KEY, "images": "mounted-later" }));
    let state = || body(admin(&service, "GET", "stats", ""))["generations"][0].clone();
    // The service tries to read the photos in this time.
    std::thread::sleep(Duration::from_millis(1500));
    let before = state();
    assert_eq!(
        (&before["embedded"], &before["failed"], &before["waiting"]),
        (&json!(0), &json!(0), &json!(2 * PRODUCTS)),
        "{before}"
    );
    std::os::unix::fs::symlink(shop().path("shop"), &photos).expect("the link is made");
    let begun = Instant::now();
    while state()["embedded"] != json!(2 * PRODUCTS) {
        assert!(begun.elapsed() < Duration::from_secs(30), "{}", state());
        std::thread::sleep(Duration::from_millis(50));
    }
}
