//! The page and the bundles for browsers: types, tags, caching, compression and security headers.

use super::harness::{BUILT, Service, header, image_path, json, png, shop};

#[test]
fn files_have_a_type_a_tag_and_caching() {
    let service = Service::shared();
    let immutable = "public, max-age=31536000, immutable";
    let cases = [
        ("/", "text/html; charset=utf-8", "no-cache"),
        ("/index.html", "text/html; charset=utf-8", "no-cache"),
        ("/worker.js", "text/javascript; charset=utf-8", "no-cache"),
        ("/i18n/zh.json", "application/json", "no-cache"),
        ("/web-0123456789abcdef_bg.wasm", "application/wasm", immutable),
        (
            "/assets/0123456789ab/app/main.js",
            "text/javascript; charset=utf-8",
            immutable,
        ),
        ("/api/v1/tagger", "application/json", "no-cache"),
        ("/api/v1/query-encoder", "application/json", "no-cache"),
        ("/api/v1/openapi.json", "application/json", "no-cache"),
    ];
    for (path, kind, caching) in cases {
        let answer = service.get(path);
        assert_eq!(answer.status(), 200, "{path}");
        assert_eq!(header(&answer, "content-type"), kind, "{path}");
        assert_eq!(header(&answer, "cache-control"), caching, "{path}");
        let tag = header(&answer, "etag").to_owned();
        assert!(tag.starts_with('"') && tag.ends_with('"'), "{path}: {tag}");
        for (sent, status) in [
            (tag.clone(), 304),
            (format!("W/{tag}"), 304),
            (format!("\"x\", {tag}"), 304),
            ("\"x\"".into(), 200),
        ] {
            let again = service
                .request("GET", path)
                .header("if-none-match", &sent)
                .send()
                .expect("the service answers");
            assert_eq!(
                (again.status().as_u16(), header(&again, "etag")),
                (status, tag.as_str()),
                "{path} {sent}"
            );
            assert_eq!(again.bytes().expect("the answer has a body").is_empty(), status == 304);
        }
        let head = service.request("HEAD", path).send().expect("the service answers");
        assert_eq!(
            (head.status().as_u16(), header(&head, "content-type")),
            (200, kind),
            "{path}"
        );
    }
}

#[test]
fn files_are_compressed_on_request() {
    let service = Service::shared();
    let path = "/web-0123456789abcdef_bg.wasm";
    let plain = service.get(path);
    assert!(!plain.headers().contains_key("content-encoding"));
    assert_eq!(header(&plain, "vary"), "accept-encoding");
    let plain_tag = header(&plain, "etag").to_owned();
    assert_eq!(plain.bytes().expect("the answer has a body").len(), 4096);
    let packed = service
        .request("GET", path)
        .header("accept-encoding", "gzip, br")
        .send()
        .expect("the service answers");
    assert_eq!(header(&packed, "content-encoding"), "gzip");
    assert_eq!(header(&packed, "content-type"), "application/wasm");
    assert_ne!(header(&packed, "etag"), plain_tag);
    assert!(packed.bytes().expect("the answer has a body").len() < 200);
}

#[test]
fn compressed_forms_are_sent_only_if_they_belong_to_the_file() {
    let service = Service::shared();
    let mut tags = std::collections::HashSet::new();
    for (name, accepted, encoding, sent) in [
        ("built", "gzip, deflate, br", Some("br"), Some("brotli")),
        ("built", "br;q=0.4, gzip;q=0.5", Some("gzip"), None),
        ("built", "br;q=0, gzip;q=0, *", None, Some(BUILT)),
        ("built", "identity", None, Some(BUILT)),
        ("changed", "gzip, br", None, Some(BUILT)),
    ] {
        let path = format!("/{name}-0123456789abcdef.css");
        let answer = service
            .request("GET", &path)
            .header("accept-encoding", accepted)
            .send()
            .expect("the service answers");
        let coding = answer
            .headers()
            .get("content-encoding")
            .map(|value| value.to_str().expect("the header is text").to_owned());
        assert_eq!(coding.as_deref(), encoding, "{name} {accepted}");
        assert_eq!(header(&answer, "content-type"), "text/css; charset=utf-8");
        if name == "built" {
            assert_eq!(header(&answer, "vary"), "accept-encoding");
            tags.insert(header(&answer, "etag").to_owned());
        }
        let bytes = answer.bytes().expect("the answer has a body");
        match sent {
            Some(text) => assert_eq!(bytes, text.as_bytes(), "{name} {accepted}"),
            None => assert!(bytes.starts_with(&[0x1f, 0x8b]), "{name} {accepted}"),
        }
    }
    assert_eq!(tags.len(), 3, "every form has its own tag: {tags:?}");
    assert_eq!(service.get("/built-0123456789abcdef.css.br").status(), 404);
}

#[test]
fn every_answer_has_security_headers_and_no_cors_header() {
    let service = Service::shared();
    for path in [
        "/",
        "/worker.js",
        "/livez",
        "/api/v1/samples",
        "/nothing",
        &image_path(&png(3), 640),
    ] {
        let answer = service
            .request("GET", path)
            .header("origin", "https://elsewhere.example")
            .send()
            .expect("the service answers");
        let policy = header(&answer, "content-security-policy");
        for part in [
            "default-src 'none'",
            "img-src 'self';",
            "script-src 'self' 'wasm-unsafe-eval'",
            "worker-src 'self';",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
        ] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert_eq!(
            policy.contains("'sha256-"),
            path == "/",
            "{path}: only the page has an inline script"
        );
        assert!(!policy.contains("unsafe-inline"), "{path}");
        assert_eq!(header(&answer, "x-content-type-options"), "nosniff", "{path}");
        assert_eq!(header(&answer, "referrer-policy"), "same-origin", "{path}");
        assert!(
            !answer
                .headers()
                .keys()
                .any(|name| name.as_str().starts_with("access-control")),
            "{path}"
        );
    }
}

#[test]
fn bundles_are_sent_without_private_keys() {
    let service = Service::shared();
    for (path, folder, labels, space) in [
        ("tagger", "tagger", 13, None),
        ("query-encoder", "query", 0, Some(super::search::model_id())),
    ] {
        let manifest = json(service.get(&format!("/api/v1/{path}")));
        assert_eq!(manifest["labels"].as_array().map(Vec::len), Some(labels));
        assert_eq!(manifest["embeds_into"].as_str(), space.as_deref());
        for private in ["training", "metrics", "command", "commit", "data", "path/of/the/maker"] {
            assert!(
                !manifest.to_string().contains(private),
                "{path} contains {private}: {manifest}"
            );
        }
        let read =
            shared::bundle::Manifest::from_json(manifest.to_string().as_bytes()).expect("the bundle has a manifest");
        let whole = dataset::bundle::read(&shop().path(folder))
            .expect("the bundle is readable")
            .0;
        assert_eq!((read.model_id(), read.licence), (whole.model_id(), whole.licence));
        assert_ne!(read.training, whole.training, "the bundle itself has the private keys");
        let sha256 = manifest["weights"]["sha256"]
            .as_str()
            .expect("the weights have a checksum");
        let weights = service.get(&format!("/api/v1/{path}/weights/{sha256}"));
        assert_eq!(header(&weights, "cache-control"), "public, max-age=31536000, immutable");
        assert_eq!(header(&weights, "content-type"), "application/octet-stream");
        let bytes = weights.bytes().expect("the answer has a body");
        assert_eq!(shared::bundle::sha256_hex(&bytes), sha256);
        assert_eq!(
            bytes,
            std::fs::read(shop().path(folder).join("weights.safetensors")).expect("the weights are readable")
        );
    }
}

#[test]
fn a_photo_that_another_app_shares_is_discarded_without_the_service_worker() {
    let service = Service::shared();
    let client = reqwest::blocking::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .expect("the client is made");
    let form = reqwest::blocking::multipart::Form::new().part(
        "image",
        reqwest::blocking::multipart::Part::bytes(png(0)).file_name("photo.png"),
    );
    let answer = client.post(service.url("/share")).multipart(form).send();
    let answer = answer.expect("the service answers");
    assert_eq!(
        (answer.status().as_u16(), header(&answer, "location")),
        (303, "./?share=again")
    );
    // The answer does not wait for the photo.
    use std::io::{Read, Write};
    let mut socket = std::net::TcpStream::connect(service.addr).expect("the service listens");
    socket
        .write_all(b"POST /share HTTP/1.1\r\nhost: x\r\ncontent-type: multipart/form-data; boundary=b\r\ncontent-length: 999999\r\n\r\n")
        .expect("the head is sent");
    let mut start = [0; 12];
    socket.read_exact(&mut start).expect("the service answers");
    assert_eq!(&start, b"HTTP/1.1 303");
}
