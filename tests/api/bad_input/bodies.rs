//! Faulty bodies of a search.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use reqwest::blocking::multipart::{Form, Part};
use serde_json::Value;

use super::super::harness::{Service, assert_problem, header, png};
use super::{PROMPT, SEARCH};

/// Posts a body, which must be refused quickly with this status and code.
#[track_caller]
fn assert_refused(name: &str, content_type: &str, body: Vec<u8>, status: u16, code: &str) -> Value {
    let begun = Instant::now();
    let request = Service::shared().request("POST", SEARCH);
    let request = match content_type {
        "" => request,
        _ => request.header("content-type", content_type),
    };
    let answer = request.body(body).send().expect("the service answers");
    let problem = assert_problem(name, answer, status, code);
    assert!(begun.elapsed() < PROMPT, "{name} took {:?}", begun.elapsed());
    problem
}

#[test]
fn empty_bodies_are_refused() {
    for (name, content_type) in [
        ("no type", ""),
        ("JSON", "application/json"),
        ("a form", "multipart/form-data; boundary=b"),
    ] {
        assert_refused(name, content_type, vec![], 400, "empty_body");
    }
}

#[test]
fn other_content_types_are_refused() {
    let cases = [
        ("no type", "", b"hello".to_vec()),
        ("an image as the body", "image/png", png(1)),
        ("text", "text/plain", b"hello".to_vec()),
        (
            "another kind of parts",
            "multipart/mixed; boundary=b",
            b"hello".to_vec(),
        ),
    ];
    for (name, content_type, body) in cases {
        assert_refused(name, content_type, body, 415, "unsupported_media_type");
    }
}

#[test]
fn faulty_forms_are_refused_with_a_word_on_the_boundary() {
    let broken = "--b\r\ncontent-disposition: form-data; name=\"image\"\r\n\r\nhalf a fi";
    let cases: [(&str, &str, Vec<u8>); 4] = [
        ("a form without a boundary", "multipart/form-data", b"hello".to_vec()),
        ("an empty boundary", "multipart/form-data; boundary=", b"hello".to_vec()),
        ("an incomplete form", "multipart/form-data; boundary=b", broken.into()),
        (
            "a form of something else",
            "multipart/form-data; boundary=b",
            b"hello".to_vec(),
        ),
    ];
    for (name, content_type, body) in cases {
        let problem = assert_refused(name, content_type, body, 400, "invalid_field");
        let detail = problem["detail"].as_str().unwrap_or_default();
        assert!(detail.contains("boundary"), "{name}: {detail}");
    }
}

#[test]
fn a_form_needs_one_to_four_photos() {
    let service = Service::shared();
    let form = Form::new().text("limit", "3");
    let answer = service
        .request("POST", SEARCH)
        .multipart(form)
        .send()
        .expect("the service answers");
    assert_problem("a form without a photo", answer, 400, "missing_field");
    let form = (0..5).fold(Form::new(), |form, photo| form.part("image", Part::bytes(png(photo))));
    let answer = service
        .request("POST", SEARCH)
        .multipart(form)
        .send()
        .expect("the service answers");
    assert_problem("five photos", answer, 400, "invalid_field");
}

#[test]
fn bodies_that_are_too_large_are_refused() {
    let cases = [
        ("too much JSON", "application/json", vec![b' '; 2 << 20]),
        (
            "too large a form",
            "multipart/form-data; boundary=b",
            vec![b' '; 13 << 20],
        ),
    ];
    for (name, content_type, body) in cases {
        assert_refused(name, content_type, body, 413, "payload_too_large");
    }
    let service = Service::shared();
    // The size of a body without Content-Length is checked while it is read.
    let endless = reqwest::blocking::Body::new(std::io::Read::take(std::io::repeat(b' '), 14 << 20));
    let answer = service
        .request("POST", SEARCH)
        .header("content-type", "application/json")
        .body(endless)
        .send();
    assert_problem(
        "a body without a length",
        answer.expect("the service answers"),
        413,
        "payload_too_large",
    );
}

#[test]
fn encoded_bodies_are_refused_by_coding() {
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
        let answer = request.multipart(form).send().expect("the service answers");
        if refused.is_empty() {
            assert_eq!(answer.status(), 200, "{coding}");
            continue;
        }
        assert_eq!(header(&answer, "accept-encoding"), "identity", "{coding}");
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
fn at_most_eight_refused_bodies_are_read() {
    let service = Service::start();
    let refused = || {
        let mut stream = service.connect();
        let head =
            "POST /api/v1/search HTTP/1.1\r\nhost: x\r\ncontent-type: text/plain\r\ncontent-length: 67108864\r\n\r\n";
        stream.write_all(head.as_bytes()).expect("the request is sent");
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).expect("the service answers");
        assert_eq!(&answer, b"HTTP/1.1 415");
        stream
    };
    let held: Vec<TcpStream> = (0..8).map(|_| refused()).collect();
    let mut one_more = refused();
    let piece = vec![0; 1 << 20];
    let sent = (0..32).take_while(|_| one_more.write_all(&piece).is_ok()).count();
    assert!(sent < 32, "the body of a ninth refused request is not read");
    drop(held);
}
