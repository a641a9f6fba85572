//! `/images` serves the photos of the dataset and nothing else of the disk.

use super::harness::{Service, header};

#[test]
fn serves_photos_with_a_tag() {
    let service = Service::shared();
    let photo = service.get("/images/shop/P0001_0.png");
    assert_eq!(photo.status(), 200);
    assert_eq!(header(&photo, "content-type"), "image/png");
    assert_eq!(header(&photo, "cache-control"), "no-cache");
    let tag = header(&photo, "etag").to_owned();
    let again = service.request("GET", "/images/shop/P0001_0.png").header("if-none-match", &tag).send();
    assert_eq!(again.expect("answers").status(), 304);
}

/// Sent as they are, since clients tidy paths up before they send them.
#[test]
fn serves_nothing_else() {
    let service = Service::shared();
    let paths = [
        "/images/../secret.jpg",
        "/images/shop/../../secret.jpg",
        "/images/%2e%2e/secret.jpg",
        "/images/..%2fsecret.jpg",
        "/images/%2e%2e%2fsecret.jpg",
        "/images/..%5csecret.jpg",
        "/images/shop/%2e%2e/%2e%2e/secret.jpg",
        "/images//etc/hostname.jpg",
        "/images/%2fetc/hostname.jpg",
        "/images/./shop/P0001_0.png",
        "/images/shop/P0001_0.png%00.jpg",
        "/images/manifest.csv",
        "/images/products.jsonl",
        "/images/shop/notes.txt",
        "/images/notes.txt",
        "/images/link.jpg",
        "/images/shop",
        "/images/",
        "/../secret.jpg",
        "/%2e%2e/secret.jpg",
        "//secret.jpg",
    ];
    for path in paths {
        let answer = service.raw(format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes());
        let status = answer.get(9..12).unwrap_or_default();
        assert!(status == "404" || status == "400", "{path}: {answer}");
        assert!(answer.contains("application/problem+json"), "{path}: {answer}");
        assert!(!answer.ends_with("secret"), "{path}: {answer}");
    }
}
