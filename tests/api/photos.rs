//! `/images` serves the images of the catalog in derived sizes, and nothing else of the disk.

use std::fs;
use std::path::Path;

use dataset::Photo;

use super::harness::{PRODUCTS, SAMPLES, Service, assert_problem, header, image_path, png, shop};

#[test]
fn images_never_change_and_have_a_tag() {
    let service = Service::shared();
    let path = image_path(&png(3), 640);
    let photo = service.get(&path);
    assert_eq!(photo.status(), 200);
    assert_eq!(header(&photo, "content-type"), "image/jpeg");
    assert_eq!(header(&photo, "cache-control"), "public, max-age=31536000, immutable");
    let tag = header(&photo, "etag").to_owned();
    let again = service.request("GET", &path).header("if-none-match", &tag).send();
    assert_eq!(again.expect("the service answers").status(), 304);
}

#[test]
fn images_of_products_and_samples_are_served_in_three_sizes() {
    let service = Service::shared();
    for product in 0..PRODUCTS {
        for at in 0..3 {
            let original = png(3 * product + at);
            let photo = service.get(&image_path(&original, 320));
            if at == 2 && product >= SAMPLES {
                assert_problem("a user photo that is not a sample", photo, 404, "not_found");
                continue;
            }
            assert_eq!(photo.status(), 200, "{product} {at}");
            let bytes = photo.bytes().expect("the answer has a body");
            let (shown, expected) = [&bytes[..], &original]
                .map(|file| Photo::decode(file).expect("the file is an image"))
                .into();
            assert_eq!((shown.width(), shown.height()), (expected.width(), expected.height()));
        }
    }
    for (side, status) in [(640, 200), (1024, 200), (641, 404), (0, 404)] {
        assert_eq!(service.get(&image_path(&png(3), side)).status(), status, "{side}");
    }
    let head = service
        .request("HEAD", &image_path(&png(3), 640))
        .send()
        .expect("the service answers");
    assert_eq!(
        (head.status().as_u16(), header(&head, "content-type")),
        (200, "image/jpeg")
    );
    assert!(head.headers().contains_key("etag"));
    assert!(head.bytes().expect("the answer has no body").is_empty());
}

/// Starts a service on a copy of the shop's photos, of which `change` changes one.
fn changed(folder: &str, change: impl FnOnce(&Path)) -> Service {
    let photos = shop().path(folder);
    fs::create_dir_all(photos.join("shop")).expect("the folder exists");
    for entry in fs::read_dir(shop().path("shop/shop")).expect("the folder exists") {
        let path = entry.expect("the folder is readable").path();
        fs::copy(
            &path,
            photos.join("shop").join(path.file_name().expect("the path has a name")),
        )
        .expect("the file is copied");
    }
    change(&photos.join("shop/P0001_0.png"));
    Service::start_as(serde_json::json!({ "images": folder }))
}

#[test]
fn a_file_that_has_changed_is_not_sent() {
    for (folder, content) in [
        ("photos-page", b"<script>alert(1)</script>".to_vec()),
        ("photos-other", png(77)),
    ] {
        let service = changed(folder, |photo| fs::write(photo, content).expect("the file is written"));
        let answer = service.get(&image_path(&png(3), 640));
        assert_problem(folder, answer, 404, "not_found");
        assert_eq!(service.get(&image_path(&png(4), 640)).status(), 200);
    }
}

/// Resident memory of a process in bytes; `None` if the system does not tell.
pub(crate) fn resident(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? << 10)
}

/// The paths are sent unchanged, because HTTP clients normalise paths.
#[test]
fn other_paths_are_not_served() {
    let service = Service::shared();
    let paths = [
        "/images/../secret.jpg",
        "/images/%2e%2e/secret.jpg",
        "/images/..%2fsecret.jpg",
        "/images/%2e%2e%2fsecret.jpg",
        "/images/..%5csecret.jpg",
        "/images//etc/hostname.jpg",
        "/images/%2fetc/hostname.jpg",
        "/images/shop/P0001_0.png",
        "/images/shop%2fP0001_0.png",
        "/images/manifest.csv",
        "/images/store.sqlite",
        "/images/notes.txt",
        "/images/link.jpg",
        "/images/-640.jpg",
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
