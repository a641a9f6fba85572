//! `/images` serves the pictures that the catalog names and nothing else of the disk.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use super::harness::{PRODUCTS, SAMPLES, Service, assert_problem, header, png, shop};

#[test]
fn serves_photos_with_a_tag() {
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
    assert_eq!(again.expect("answers").status(), 304);
}

#[test]
fn serves_what_the_catalog_names() {
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
                assert_eq!(photo.bytes().expect("a body"), png(3 * product + at), "{path}");
            } else {
                assert_problem("a user's photo that is no sample", photo, 404, "not_found");
            }
        }
    }
    let head = service
        .request("HEAD", "/images/shop/P0001_0.png")
        .send()
        .expect("answers");
    assert_eq!(
        (head.status().as_u16(), header(&head, "content-type")),
        (200, "image/png")
    );
    assert_eq!(header(&head, "content-length"), png(3).len().to_string());
    assert!(head.headers().contains_key("etag"));
    assert!(head.bytes().expect("no body").is_empty());
}

/// A copy of the shop's photos, in which `change` changed one.
fn changed(folder: &str, change: impl FnOnce(&Path)) -> Service {
    let photos = shop().path(folder);
    fs::create_dir_all(photos.join("shop")).expect("a folder");
    for entry in fs::read_dir(shop().path("shop/shop")).expect("a folder") {
        let path = entry.expect("an entry").path();
        fs::copy(&path, photos.join("shop").join(path.file_name().expect("a name"))).expect("copies");
    }
    change(&photos.join("shop/P0001_0.png"));
    Service::start_as(serde_json::json!({ "images": folder }))
}

#[test]
fn what_is_no_picture_any_more_is_not_sent() {
    let service = changed("photos-replaced", |photo| {
        fs::write(photo, "<script>alert(1)</script>").expect("writes")
    });
    assert_problem("a page", service.get("/images/shop/P0001_0.png"), 404, "not_found");
    assert_eq!(service.get("/images/shop/P0001_1.png").status(), 200);
}

/// The resident memory of a process in bytes; nothing where the system does not tell.
pub(crate) fn resident(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? << 10)
}

#[test]
fn large_files_take_no_memory() {
    const BYTES: u64 = 100 << 20;
    const CLIENTS: usize = 20;
    let service = changed("photos-large", |photo| {
        File::options()
            .write(true)
            .open(photo)
            .and_then(|file| file.set_len(BYTES))
            .expect("grows");
    });
    let path = "/images/shop/P0001_0.png";
    let tag = header(&service.get(path), "etag").to_owned();
    let before = resident(service.process.id());
    let mut clients: Vec<TcpStream> = (0..CLIENTS).map(|_| service.connect()).collect();
    for client in &mut clients {
        client
            .write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes())
            .expect("sends");
        client.read_exact(&mut [0; 4096]).expect("answers");
    }
    // Others are served meanwhile, and who has the file is told so.
    assert_eq!(service.search(&png(0), &[]).status(), 200);
    let known = service
        .request("GET", path)
        .header("if-none-match", &tag)
        .send()
        .expect("answers");
    assert_eq!(
        (known.status().as_u16(), known.bytes().expect("no body").len()),
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
    // A slow reader gets the whole file in the end.
    let mut rest = Vec::new();
    clients.pop().expect("a client").read_to_end(&mut rest).expect("reads");
    assert!(
        (BYTES - 4096..BYTES).contains(&(rest.len() as u64)),
        "{} bytes after the first 4096",
        rest.len()
    );
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
