//! Whatever a client gets wrong has a status and a code, fast, and leaves the service well.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use image::ImageFormat;
use reqwest::blocking::multipart::{Form, Part};

use super::harness::{Service, assert_problem, encode, png};

/// Long enough for a busy machine, far too short for decoding what must not be decoded.
const PROMPT: Duration = Duration::from_secs(5);

const SEARCH: &str = "/api/v1/search";

/// A PNG whose header claims another size.
fn png_bomb(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = png(1);
    bytes[16..20].copy_from_slice(&width.to_be_bytes());
    bytes[20..24].copy_from_slice(&height.to_be_bytes());
    let sum = crc32(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&sum.to_be_bytes());
    bytes
}

/// A JPEG whose frame header claims another size.
fn jpeg_bomb(width: u16, height: u16) -> Vec<u8> {
    let mut bytes = encode(1, ImageFormat::Jpeg);
    let frame = bytes
        .windows(2)
        .position(|two| two == [0xFF, 0xC0])
        .expect("a baseline frame");
    bytes[frame + 5..frame + 7].copy_from_slice(&height.to_be_bytes());
    bytes[frame + 7..frame + 9].copy_from_slice(&width.to_be_bytes());
    bytes
}

/// A whole JPEG whose frame header names another coding.
fn recoded_jpeg(marker: u8) -> Vec<u8> {
    let mut bytes = encode(1, ImageFormat::Jpeg);
    let frame = bytes
        .windows(2)
        .position(|two| two == [0xFF, 0xC0])
        .expect("a baseline frame");
    bytes[frame + 1] = marker;
    bytes
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ (0xEDB8_8320 * (sum & 1)))
    })
}

fn half(bytes: Vec<u8>) -> Vec<u8> {
    let middle = bytes.len() / 2;
    bytes[..middle].to_vec()
}

#[test]
fn photos() {
    let service = Service::shared();
    let cases: Vec<(&str, Vec<u8>, u16, &str)> = vec![
        ("an empty file", vec![], 400, "empty_body"),
        ("text", b"hello".to_vec(), 422, "not_an_image"),
        (
            "a web page",
            b"<!doctype html><script>alert(1)</script>".to_vec(),
            422,
            "not_an_image",
        ),
        (
            "a vector graphic",
            b"<svg xmlns='http://www.w3.org/2000/svg'/>".to_vec(),
            422,
            "not_an_image",
        ),
        ("a PDF", b"%PDF-1.7 ...".to_vec(), 422, "not_an_image"),
        ("zeros", vec![0; 100_000], 422, "not_an_image"),
        (
            "only a JPEG's first bytes",
            vec![0xFF, 0xD8, 0xFF, 0xE0],
            422,
            "image_truncated",
        ),
        (
            "only a PNG's first bytes",
            b"\x89PNG\r\n\x1a\n".to_vec(),
            422,
            "image_truncated",
        ),
        (
            "half a JPEG",
            half(encode(1, ImageFormat::Jpeg)),
            422,
            "image_truncated",
        ),
        ("half a PNG", half(png(1)), 422, "image_truncated"),
        (
            "half a WebP",
            half(encode(1, ImageFormat::WebP)),
            422,
            "image_truncated",
        ),
        ("half a BMP", half(encode(1, ImageFormat::Bmp)), 422, "image_truncated"),
        ("a PNG bomb", png_bomb(65_000, 65_000), 422, "image_too_large"),
        ("a wide PNG", png_bomb(12_001, 1), 422, "image_too_large"),
        ("a PNG of 64 megapixels", png_bomb(8_000, 8_000), 422, "image_too_large"),
        ("a JPEG bomb", jpeg_bomb(65_000, 65_000), 422, "image_too_large"),
        (
            "the largest PNG header",
            png_bomb(0x7FFF_FFFF, 0x7FFF_FFFF)[..57].to_vec(),
            422,
            "image_too_large",
        ),
        (
            "a pointer",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n".to_vec(),
            422,
            "not_an_image",
        ),
        (
            "a HEIC photo",
            b"\0\0\0\x18ftypheic\0\0\0\0mif1heic".to_vec(),
            422,
            "unsupported_image",
        ),
        (
            "a JPEG 2000 picture",
            b"\0\0\0\x0CjP  \r\n\x87\n".to_vec(),
            422,
            "unsupported_image",
        ),
        ("an arithmetic-coded JPEG", recoded_jpeg(0xC9), 422, "unsupported_image"),
        ("a lossless JPEG", recoded_jpeg(0xC3), 422, "unsupported_image"),
    ];
    for (name, photo, status, code) in cases {
        let begun = Instant::now();
        let problem = assert_problem(name, service.search(&photo, &[]), status, code);
        let detail = problem["detail"].as_str().unwrap_or_default();
        assert_eq!(
            code == "image_truncated",
            detail.contains("damaged"),
            "{name}: {detail}"
        );
        assert!(begun.elapsed() < PROMPT, "{name} took {:?}", begun.elapsed());
    }
}

#[test]
fn fields() {
    let service = Service::shared();
    let cases = [
        ("crop", r#"{"x":0,"y":0,"width":0,"height":5}"#, "invalid_crop"),
        ("crop", r#"{"x":60,"y":0,"width":5,"height":5}"#, "invalid_crop"),
        ("crop", r#"{"x":0,"y":80,"width":1,"height":1}"#, "invalid_crop"),
        (
            "crop",
            r#"{"x":4294967295,"y":0,"width":4294967295,"height":1}"#,
            "invalid_crop",
        ),
        ("crop", r#"{"x":-1,"y":0,"width":5,"height":5}"#, "invalid_field"),
        ("crop", r#"{"x":0,"y":0,"width":5}"#, "invalid_field"),
        ("crop", "0,0,5,5", "invalid_field"),
        ("limit", "0", "invalid_field"),
        ("limit", "51", "invalid_field"),
        ("limit", "-1", "invalid_field"),
        ("limit", "ten", "invalid_field"),
        ("limit", "10.5", "invalid_field"),
        ("limit", "NaN", "invalid_field"),
        ("crop", r#"{"x":"0","y":0,"width":5,"height":5}"#, "invalid_field"),
        ("crop", r#"{"x":1.5,"y":0,"width":5,"height":5}"#, "invalid_field"),
        ("limit", "99999999999999999999999", "invalid_field"),
        ("category", "hats", "unknown_category"),
        ("category", "TOPS", "unknown_category"),
        ("colour", "red", "invalid_field"),
    ];
    for (field, value, code) in cases {
        let name = format!("{field} {value}");
        let problem = assert_problem(&name, service.search(&png(1), &[(field, value)]), 400, code);
        let detail = problem["detail"].as_str().unwrap_or_default();
        assert!(code == "unknown_category" || detail.contains(field), "{name}: {detail}");
        assert!(
            !detail.contains("CropBox") && !detail.contains("expected"),
            "{name}: {detail}"
        );
    }
    let twice = service.search(&png(1), &[("limit", "3"), ("limit", "4")]);
    assert_problem("a field twice", twice, 400, "invalid_field");
    let long = "x".repeat(5000);
    assert_problem(
        "a long text",
        service.search(&png(1), &[("category", &long)]),
        400,
        "invalid_field",
    );
}

#[test]
fn bodies() {
    let service = Service::shared();
    let post = |kind: &str, body: Vec<u8>| {
        let request = service.request("POST", SEARCH);
        let request = if kind.is_empty() {
            request
        } else {
            request.header("content-type", kind)
        };
        request.body(body).send().expect("answers")
    };
    let broken = "--b\r\ncontent-disposition: form-data; name=\"image\"\r\n\r\nhalf a fi";
    let cases: Vec<(&str, &str, Vec<u8>, u16, &str)> = vec![
        ("nothing", "", vec![], 400, "empty_body"),
        ("an empty JSON body", "application/json", vec![], 400, "empty_body"),
        (
            "an empty form",
            "multipart/form-data; boundary=b",
            vec![],
            400,
            "empty_body",
        ),
        ("no type", "", b"hello".to_vec(), 415, "unsupported_media_type"),
        (
            "a picture as the body",
            "image/png",
            png(1),
            415,
            "unsupported_media_type",
        ),
        ("text", "text/plain", b"hello".to_vec(), 415, "unsupported_media_type"),
        (
            "a form without a boundary",
            "multipart/form-data",
            b"hello".to_vec(),
            400,
            "invalid_field",
        ),
        (
            "an empty boundary",
            "multipart/form-data; boundary=",
            b"hello".to_vec(),
            400,
            "invalid_field",
        ),
        (
            "another kind of parts",
            "multipart/mixed; boundary=b",
            b"hello".to_vec(),
            415,
            "unsupported_media_type",
        ),
        (
            "a form that breaks off",
            "multipart/form-data; boundary=b",
            broken.into(),
            400,
            "invalid_field",
        ),
        (
            "a form of something else",
            "multipart/form-data; boundary=b",
            b"hello".to_vec(),
            400,
            "invalid_field",
        ),
        (
            "too much JSON",
            "application/json",
            vec![b' '; 2 << 20],
            413,
            "payload_too_large",
        ),
        (
            "too large a form",
            "multipart/form-data; boundary=b",
            vec![b' '; 13 << 20],
            413,
            "payload_too_large",
        ),
    ];
    for (name, kind, body, status, code) in cases {
        let begun = Instant::now();
        let problem = assert_problem(name, post(kind, body), status, code);
        let says_boundary = problem["detail"].as_str().unwrap_or_default().contains("boundary");
        assert!(!name.contains("boundary") || says_boundary, "{name}: {problem}");
        assert!(begun.elapsed() < PROMPT, "{name} took {:?}", begun.elapsed());
    }

    let form = Form::new().text("limit", "3");
    let answer = service.request("POST", SEARCH).multipart(form).send().expect("answers");
    assert_problem("a form without a photo", answer, 400, "missing_field");
    let form = Form::new()
        .part("image", Part::bytes(png(1)))
        .part("image", Part::bytes(png(2)));
    let answer = service.request("POST", SEARCH).multipart(form).send().expect("answers");
    assert_problem("two photos", answer, 400, "invalid_field");
    // A body of unknown length is measured while it is read.
    let endless = reqwest::blocking::Body::new(std::io::Read::take(std::io::repeat(b' '), 14 << 20));
    let answer = service
        .request("POST", SEARCH)
        .header("content-type", "application/json")
        .body(endless)
        .send();
    assert_problem(
        "a body without a length",
        answer.expect("answers"),
        413,
        "payload_too_large",
    );
}

#[test]
fn encoded_bodies_are_refused_by_the_name_of_their_coding() {
    let service = Service::shared();
    for (coding, refused) in [
        ("gzip", "gzip"),
        ("BR", "br"),
        ("identity, zstd", "zstd"),
        ("deflate", "deflate"),
        ("identity", ""),
        ("", ""),
    ] {
        let form = Form::new().part("image", Part::bytes(png(1)));
        let request = service.request("POST", SEARCH).header("content-encoding", coding);
        let answer = request.multipart(form).send().expect("answers");
        if refused.is_empty() {
            assert_eq!(answer.status(), 200, "{coding}");
            continue;
        }
        assert_eq!(
            super::harness::header(&answer, "accept-encoding"),
            "identity",
            "{coding}"
        );
        let problem = assert_problem(coding, answer, 415, "unsupported_media_type");
        assert!(
            problem["detail"]
                .as_str()
                .is_some_and(|detail| detail.contains(refused)),
            "{coding}: {problem}"
        );
    }
}

#[test]
fn photos_share_one_budget_of_memory() {
    let service = Service::start_as(serde_json::json!({ "decode_memory": 16 << 20 }));
    let of = |side: u32| {
        let mut bytes = std::io::Cursor::new(Vec::new());
        let picture = image::RgbImage::from_fn(side, side, |x, y| image::Rgb([x as u8, y as u8, 90]));
        picture.write_to(&mut bytes, ImageFormat::Png).expect("encodes");
        bytes.into_inner()
    };
    let problem = assert_problem("too much", service.search(&of(2000), &[]), 422, "image_too_large");
    assert!(
        problem["detail"]
            .as_str()
            .is_some_and(|detail| detail.contains("16 MB")),
        "{problem}"
    );
    // Each takes more than half of the budget, so they wait for one another.
    let photo = of(1000);
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| assert_eq!(service.search(&photo, &[]).status(), 200));
        }
    });
}

#[test]
fn few_refused_bodies_are_read_on() {
    let service = Service::start();
    let refused = || {
        let mut stream = service.connect();
        let head =
            "POST /api/v1/search HTTP/1.1\r\nhost: x\r\ncontent-type: text/plain\r\ncontent-length: 67108864\r\n\r\n";
        stream.write_all(head.as_bytes()).expect("sends");
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).expect("an answer");
        assert_eq!(&answer, b"HTTP/1.1 415");
        stream
    };
    let held: Vec<TcpStream> = (0..8).map(|_| refused()).collect();
    let mut one_more = refused();
    let piece = vec![0; 1 << 20];
    let sent = (0..32).take_while(|_| one_more.write_all(&piece).is_ok()).count();
    assert!(sent < 32, "the body of a ninth refused request was read on");
    drop(held);
}

#[test]
fn embeddings() {
    let service = Service::shared();
    let model = super::search::model_id();
    let with = |values: &str| format!(r#"{{"embedding":{{"model_id":"{model}","values":{values}}}}}"#);
    let list = |count: usize, value: &str| format!("[{}]", vec![value; count].join(","));
    let good = list(tests::fixture::DIM, "0.5");
    let cases = [
        ("no JSON", "{".to_owned(), 400, "invalid_field"),
        ("a list", "[]".to_owned(), 400, "invalid_field"),
        ("no embedding", "{}".to_owned(), 400, "missing_field"),
        ("NaN", with("[NaN, 1]"), 400, "invalid_embedding"),
        (
            "null",
            with(&list(tests::fixture::DIM, "null")),
            400,
            "invalid_embedding",
        ),
        (
            "more than a float holds",
            with(&list(tests::fixture::DIM, "1e39")),
            400,
            "invalid_embedding",
        ),
        ("zeros", with(&list(tests::fixture::DIM, "0")), 400, "invalid_embedding"),
        (
            "too short",
            with(&list(tests::fixture::DIM - 1, "1")),
            400,
            "wrong_dimension",
        ),
        (
            "too long",
            with(&list(tests::fixture::DIM + 1, "1")),
            400,
            "wrong_dimension",
        ),
        ("empty", with("[]"), 400, "wrong_dimension"),
        (
            "another model",
            with(&good).replace(&model, "other@0123"),
            409,
            "wrong_model",
        ),
        (
            "an unknown field",
            with(&good).replace("}}", r#"},"colour":"red"}"#),
            400,
            "invalid_field",
        ),
        (
            "an unknown category",
            with(&good).replace("}}", r#"},"category":"hats"}"#),
            400,
            "unknown_category",
        ),
        (
            "limit 0",
            with(&good).replace("}}", r#"},"limit":0}"#),
            400,
            "invalid_field",
        ),
        (
            "limit 51",
            with(&good).replace("}}", r#"},"limit":51}"#),
            400,
            "invalid_field",
        ),
        (
            "limit 1.5",
            with(&good).replace("}}", r#"},"limit":1.5}"#),
            400,
            "invalid_field",
        ),
    ];
    for (name, body, status, code) in cases {
        assert_problem(name, service.search_json(&body), status, code);
    }
}

#[test]
fn paths_and_methods() {
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
        let answer = service.request(method, path).send().expect("answers");
        let allow = answer.headers().contains_key("allow");
        assert_eq!(allow, status == 405, "{method} {path}");
        assert_problem(&format!("{method} {path}"), answer, status, code);
    }
}

#[test]
fn request_ids_are_kept_if_harmless() {
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
            .expect("answers");
        assert_eq!(super::harness::header(&answer, "x-request-id") == id, kept, "{id}");
    }
}
