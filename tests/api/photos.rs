//! `/images` serves the images of the catalog and nothing else of the disk.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use super::harness::{PRODUCTS, SAMPLES, Service, assert_problem, header, png, shop};

#[test]
fn photos_have_a_tag() {
    let service = Service::shared();
    let photo = service.get("/images/shop/P0001_0.png");
    assert_eq!(photo.status(), 200);
    assert_eq!(header(&photo, "content-type"), "image/png");
    assert_eq!(header(&photo, "cache-control"), "no-cache");
    let tag = header(&photo, "etag").to_owned();
    let again = service
        .request("GET", "/images/shop/P0001_0.png")
        .header("if-none-match", &tag)
        .send();
    assert_eq!(again.expect("the service answers").status(), 304);
}

#[test]
fn all_images_of_the_catalog_are_served() {
    let service = Service::shared();
    for product in 0..PRODUCTS {
        for at in 0..3 {
            let folder = if at < 2 { "shop" } else { "user" };
            let path = format!("/images/{folder}/P{product:04}_{at}.png");
            let photo = service.get(&path);
            if at < 2 || product < SAMPLES {
                assert_eq!(
                    (photo.status().as_u16(), header(&photo, "content-type")),
                    (200, "image/png"),
                    "{path}"
                );
                assert_eq!(
                    photo.bytes().expect("the answer has a body"),
                    png(3 * product + at),
                    "{path}"
                );
            } else {
                assert_problem("a user photo that is not a sample", photo, 404, "not_found");
            }
        }
    }
    let head = service
        .request("HEAD", "/images/shop/P0001_0.png")
        .send()
        .expect("the service answers");
    assert_eq!(
        (head.status().as_u16(), header(&head, "content-type")),
        (200, "image/png")
    );
    assert_eq!(header(&head, "content-length"), png(3).len().to_string());
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
fn a_file_that_is_no_longer_an_image_is_not_sent() {
    let service = changed("photos-replaced", |photo| {
        fs::write(photo, "<script>alert(1)</script>").expect("the file is written")
    });
    assert_problem("a page", service.get("/images/shop/P0001_0.png"), 404, "not_found");
    assert_eq!(service.get("/images/shop/P0001_1.png").status(), 200);
}

/// Resident memory of a process in bytes; `None` if the system does not tell.
pub(crate) fn resident(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? << 10)
}

#[test]
fn large_files_are_sent_in_pieces() {
    const BYTES: u64 = 100 << 20;
    const CLIENTS: usize = 20;
    let service = changed("photos-large", |photo| {
        File::options()
            .write(true)
            .open(photo)
            .and_then(|file| file.set_len(BYTES))
            .expect("the file is extended");
    });
    let path = "/images/shop/P0001_0.png";
    let tag = header(&service.get(path), "etag").to_owned();
    let before = resident(service.process.id());
    let mut clients: Vec<TcpStream> = (0..CLIENTS).map(|_| service.connect()).collect();
    for client in &mut clients {
        client
            .write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes())
            .expect("the request is sent");
        client.read_exact(&mut [0; 4096]).expect("the service answers");
    }
    // Other requests are served meanwhile, and a client that has the file gets 304.
    assert_eq!(service.search(&png(0), &[]).status(), 200);
    let known = service
        .request("GET", path)
        .header("if-none-match", &tag)
        .send()
        .expect("the service answers");
    assert_eq!(
        (
            known.status().as_u16(),
            known.bytes().expect("the answer has no body").len()
        ),
        (304, 0)
    );
    std::thread::sleep(Duration::from_millis(500));
    if let Some((before, now)) = before.zip(resident(service.process.id())) {
        let more = now.saturating_sub(before) >> 20;
        assert!(
            more < 40,
            "{CLIENTS} clients of a file of {} MB take {more} MB",
            BYTES >> 20
        );
    }
    // A slow client gets the complete file.
    let mut rest = Vec::new();
    clients
        .pop()
        .expect("there is a client")
        .read_to_end(&mut rest)
        .expect("the file is readable");
    assert!(
        (BYTES - 4096..BYTES).contains(&(rest.len() as u64)),
        "{} bytes after the first 4096",
        rest.len()
    );
}

/// The paths are sent unchanged, because HTTP clients normalise paths.
#[test]
fn other_paths_are_not_served() {
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
        "/images/user/P0009_2.png",
        "/images/samples.txt",
        "/images/shop%2fP0001_0.png%00",
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
