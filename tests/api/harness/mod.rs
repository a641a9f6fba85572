//! A running service on a small shop, and requests to it.

mod engine;
mod process;
mod running;
mod shop;

use reqwest::blocking::Response;
use serde_json::Value;
use service::embed::RetrievalModel;
use tests::fixture;

pub(crate) use process::{SERVICE_PROCESS, config};
pub(crate) use running::Service;
pub(crate) use shop::{BUILT, PRODUCTS, SAMPLES, shop};

/// Bytes of a search by photo, with more lines in its head.
pub(crate) fn photo_request(head: &str) -> Vec<u8> {
    let mut body = b"--b\r\ncontent-disposition: form-data; name=\"image\"; filename=\"a\"\r\n\r\n".to_vec();
    body.extend(png(0));
    body.extend(b"\r\n--b--\r\n");
    let head = format!(
        "POST /api/v1/search HTTP/1.1\r\nhost: x\r\n{head}content-type: multipart/form-data; boundary=b\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    [head.into_bytes(), body].concat()
}

/// JSON body of a search by an embedding of the catalog's model.
pub(crate) fn embedding_body() -> String {
    let manifest = RetrievalModel::read_manifest(&shop().path("retrieval")).expect("the bundle has a manifest");
    let embedding = serde_json::json!({ "model_id": manifest.model_id(), "values": vec![0.5; fixture::DIM] });
    serde_json::json!({ "embedding": embedding }).to_string()
}

/// Path of the image with these bytes on the server, in the size `side`.
pub(crate) fn image_path(bytes: &[u8], side: u32) -> String {
    format!("/images/{}-{side}.jpg", shared::bundle::sha256_hex(bytes))
}

/// PNG file of a drawn photo.
pub(crate) fn png(number: u32) -> Vec<u8> {
    encode(number, image::ImageFormat::Png)
}

/// File of a drawn photo in another format.
pub(crate) fn encode(number: u32, format: image::ImageFormat) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    fixture::photo(number)
        .write_to(&mut bytes, format)
        .expect("the image is encoded");
    bytes.into_inner()
}

/// Body of a response as JSON.
pub(crate) fn json(response: Response) -> Value {
    serde_json::from_slice(&response.bytes().expect("the response has a body")).expect("the body is JSON")
}

/// Header of a response; empty if it is missing.
pub(crate) fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response
        .headers()
        .get(name)
        .map_or("", |value| value.to_str().expect("the header is text"))
}

/// Checks that `response` is a complete problem document with this status and code, and returns it.
#[track_caller]
pub(crate) fn assert_problem(name: &str, response: Response, status: u16, code: &str) -> Value {
    let id = header(&response, "x-request-id").to_owned();
    assert_eq!(header(&response, "content-type"), "application/problem+json", "{name}");
    assert_eq!(header(&response, "x-content-type-options"), "nosniff", "{name}");
    let (found, problem) = (response.status().as_u16(), json(response));
    assert_eq!(
        (found, problem["code"].as_str()),
        (status, Some(code)),
        "{name}: {problem}"
    );
    assert_eq!(problem["status"], status, "{name}");
    assert_eq!(problem["type"], format!("urn:selvedge:problem:{code}"), "{name}");
    assert_eq!(problem["request_id"], id, "{name}");
    assert!(
        !id.is_empty() && !problem["title"].as_str().unwrap_or_default().is_empty(),
        "{name}"
    );
    assert!(
        problem["detail"].as_str().is_some_and(|detail| detail.len() > 10),
        "{name}: {problem}"
    );
    problem
}
