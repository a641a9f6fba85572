//! Search by photo and by embedding.

use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use dataset::{Photo, bundle};
use serde_json::Value;
use service::embed::{EmbedInput, RetrievalModel};
use service::http::App;
use shared::api::SearchResponse;
use shared::bundle::{Manifest, load_query, load_single_retrieval};
use shared::embedding::Embedding;
use shared::server_models::load_retrieval;

use super::harness::{PRODUCTS, SAMPLES, Service, assert_problem, config, image_path, json, png, shop};

fn model() -> RetrievalModel {
    RetrievalModel::open(&shop().path("retrieval"), &Device::flex()).expect("the bundle is valid")
}

/// Id of the model that the shop was indexed with.
pub(crate) fn model_id() -> String {
    RetrievalModel::read_manifest(Path::new(&shop().path("retrieval")))
        .expect("the bundle has a manifest")
        .model_id()
}

/// A shop photo of a product; see [`tests::fixture::write_dataset`].
pub(crate) fn shop_photo(product: u32, at: u32) -> Vec<u8> {
    png(3 * product + at)
}

/// Searches by photo and returns the answer.
pub(super) fn hits(service: &Service, photo: &[u8], fields: &[(&'static str, &str)]) -> SearchResponse {
    let answer = service.search(photo, fields);
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "application/json");
    serde_json::from_value(json(answer)).expect("the answer is a search response")
}

#[test]
fn every_shop_photo_finds_its_product() {
    let service = Service::shared();
    for product in 0..PRODUCTS {
        for at in 0..2 {
            let found = hits(service, &shop_photo(product, at), &[]);
            assert_eq!(found.model_id, model_id());
            assert!(found.took_ms > 0.0);
            assert_eq!(found.hits.len(), 10);
            assert!(found.hits.is_sorted_by(|a, b| a.score >= b.score));
            let mut ids: Vec<_> = found.hits.iter().map(|hit| &hit.product_id).collect();
            ids.sort_unstable();
            ids.dedup();
            assert_eq!(ids.len(), 10, "no product occurs twice");
            let best = &found.hits[0];
            assert_eq!(best.product_id, format!("P{product:04}"));
            assert!((best.score - 1.0).abs() < 1e-3, "{}", best.score);
            assert_eq!(
                best.product.image,
                image_path(&shop_photo(product, at), 640),
                "a hit shows the photo that matched"
            );
        }
    }
}

#[test]
fn limit_and_category_restrict_the_hits() {
    let service = Service::shared();
    let photo = shop_photo(4, 0);
    for (limit, expected) in [("1", 1), ("7", 7), ("50", PRODUCTS as usize), ("", 10)] {
        assert_eq!(
            hits(service, &photo, &[("limit", limit)]).hits.len(),
            expected,
            "limit {limit:?}"
        );
    }
    for (category, expected) in [("tops", 4), ("shoes", 4), ("bags", 4), ("other", 0)] {
        let found = hits(service, &photo, &[("category", category), ("limit", "50")]);
        assert_eq!(found.hits.len(), expected, "{category}");
        assert!(found.hits.iter().all(|hit| hit.product.category == category));
    }
}

#[test]
fn a_confident_category_restricts_the_search() {
    let photo = shop_photo(4, 0);
    let unaided = hits(Service::shared(), &photo, &[("limit", "50")]);
    assert_eq!((unaided.category, unaided.hits.len()), (None, PRODUCTS as usize));
    let service = Service::start_with(true, Some("category"));
    for (asked, narrowed) in [(None, "shoes"), (Some("bags"), "bags")] {
        let fields: Vec<_> = asked
            .map(|category| ("category", category))
            .into_iter()
            .chain([("limit", "50")])
            .collect();
        let found = hits(&service, &photo, &fields);
        assert_eq!(
            (found.category.as_deref(), found.hits.len()),
            (Some(narrowed), 4),
            "the requested category takes precedence"
        );
        assert!(found.hits.iter().all(|hit| hit.product.category == narrowed));
    }
    // The shop has no product of this category, so the answer is not restricted.
    let service = Service::start_with(true, Some("category-other"));
    let found = hits(&service, &photo, &[("limit", "50")]);
    assert_eq!((found.category, found.hits.len()), (None, PRODUCTS as usize));
}

#[test]
fn a_crop_box_has_the_hits_of_the_cropped_photo() {
    let service = Service::shared();
    let whole = tests::fixture::photo(7);
    let part = image::imageops::crop_imm(&whole, 8, 10, 40, 50).to_image();
    let mut bytes = std::io::Cursor::new(Vec::new());
    part.write_to(&mut bytes, image::ImageFormat::Png)
        .expect("the image is encoded");
    let scores = |response: SearchResponse| -> Vec<_> {
        response
            .hits
            .into_iter()
            .map(|hit| (hit.product_id, hit.score))
            .collect()
    };
    let cropped = scores(hits(
        service,
        &png(7),
        &[("crop", r#"{"x":8,"y":10,"width":40,"height":50}"#)],
    ));
    let sent = scores(hits(service, bytes.get_ref(), &[]));
    assert_eq!(cropped.len(), sent.len());
    for ((id, score), (sent_id, sent_score)) in cropped.iter().zip(&sent) {
        assert_eq!(id, sent_id);
        assert!((score - sent_score).abs() < 1e-4);
    }
}

#[test]
fn the_answer_contains_a_proposed_crop_box_that_can_be_sent_again() {
    let service = Service::shared();
    let red = |x, y| (60..120).contains(&x) && (40..180).contains(&y);
    let photo = image::RgbImage::from_fn(200, 240, |x, y| {
        image::Rgb(if red(x, y) { [180, 30, 40] } else { [230; 3] })
    });
    let mut bytes = std::io::Cursor::new(Vec::new());
    photo
        .write_to(&mut bytes, image::ImageFormat::Png)
        .expect("the image is encoded");
    let auto = hits(service, bytes.get_ref(), &[("crop", "auto")]);
    let crop = auto.crop.expect("a box is proposed");
    assert!(crop.x.abs_diff(60) < 10 && crop.y.abs_diff(40) < 14, "{crop:?}");
    assert!(
        crop.width.abs_diff(60) < 20 && crop.height.abs_diff(140) < 28,
        "{crop:?}"
    );
    let same = hits(
        service,
        bytes.get_ref(),
        &[("crop", &serde_json::to_string(&crop).expect("the text is JSON"))],
    );
    assert_eq!((same.crop, same.hits), (Some(crop), auto.hits));
    assert_eq!(
        hits(service, bytes.get_ref(), &[]).crop,
        None,
        "the whole photo is the default"
    );
    let plain = hits(service, &png_of([200; 3], [200; 3]), &[("crop", "auto")]);
    assert_eq!(plain.crop, None, "a plain photo has no salient part");
}

/// PNG of 80 × 60 pixels with two halves.
pub(super) fn png_of(left: [u8; 3], right: [u8; 3]) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    let photo = image::RgbImage::from_fn(80, 60, |x, _| image::Rgb(if x < 40 { left } else { right }));
    photo
        .write_to(&mut bytes, image::ImageFormat::Png)
        .expect("the image is encoded");
    bytes.into_inner()
}

#[test]
fn an_embedding_finds_the_products_of_its_photo() {
    let service = Service::shared();
    let (photo, model) = (shop_photo(5, 1), model());
    let pixels = Photo::decode(&photo).expect("the photo is decoded");
    let input = model
        .manifest()
        .input
        .to_chw(pixels.pixels().expect("the photo has pixels"), None)
        .expect("the photo fits");
    let values = model
        .embed(vec![EmbedInput::query(input)])
        .expect("the photo is embedded")
        .remove(0);
    let body = serde_json::json!({ "embedding": { "model_id": model_id(), "values": values }, "limit": 5 });
    let answer = service.search_json(&body.to_string());
    assert_eq!(answer.status(), 200);
    let by_embedding: SearchResponse = serde_json::from_value(json(answer)).expect("the answer is a search response");
    let by_photo = hits(service, &photo, &[("limit", "5")]);
    for (left, right) in by_embedding.hits.iter().zip(&by_photo.hits) {
        assert_eq!(left.product_id, right.product_id);
        assert!((left.score - right.score).abs() < 1e-3);
    }
    assert_eq!(by_embedding.hits.len(), 5);

    // The output of `selvedge embed` can be sent unchanged.
    let dir = tempfile::tempdir().expect("a temporary folder is created");
    let file = dir.path().join("photo.png");
    std::fs::write(&file, &photo).expect("the file is written");
    let mut embed = assert_cmd::Command::new(assert_cmd::cargo::cargo_bin("selvedge"));
    embed
        .args([
            "embed",
            "--device",
            "cpu",
            "--bundle",
            &shop().path("retrieval").display().to_string(),
        ])
        .arg(&file);
    let printed = String::from_utf8(embed.output().expect("the program starts").stdout).expect("the output is text");
    let answer = service.search_json(&format!(r#"{{"embedding":{printed},"limit":5}}"#));
    assert_eq!(answer.status(), 200, "{printed}");
    let found: SearchResponse = serde_json::from_value(json(answer)).expect("the answer is a search response");
    assert_eq!(found.hits[0].product_id, by_photo.hits[0].product_id);
}

/// Output of a network for a photo.
fn forward(manifest: &Manifest, photo: &[u8], network: impl FnOnce(Tensor<4>) -> Tensor<2>) -> Vec<f32> {
    let photo = Photo::decode(photo).expect("the photo is decoded");
    let spec = &manifest.input;
    let input = spec.to_chw(photo.pixels().expect("the photo has pixels"), None);
    let data = TensorData::new(input.expect("the photo fits"), [1, 3, spec.height, spec.width]);
    let output = network(Tensor::from_data(data, &Device::flex()));
    output.into_data().iter::<f32>().collect()
}

/// The shop's query encoder, and its embedding of a photo.
pub(crate) fn encoded(photo: &[u8]) -> (Manifest, Vec<f32>) {
    let (manifest, weights) = bundle::read(&shop().path("query")).expect("the bundle is readable");
    let encoder = load_query(&manifest, &weights.network, &Device::flex()).expect("the bundle is a query encoder");
    let values = forward(&manifest, photo, |x| encoder.forward(x));
    (manifest, values)
}

pub(crate) fn embedding_request(model: &str, values: &[f32]) -> String {
    serde_json::json!({ "embedding": { "model_id": model, "values": values } }).to_string()
}

/// The client embeds the photo with the query encoder, and searches the catalog of the large network.
#[test]
fn an_embedding_of_the_query_encoder_searches_the_catalog() {
    let service = Service::shared();
    let (query, values) = encoded(&shop_photo(5, 1));
    let answer = service.search_json(&embedding_request(&query.model_id(), &values));
    assert_eq!(answer.status(), 200);
    let found: SearchResponse = serde_json::from_value(json(answer)).expect("the answer is a search response");
    assert_eq!(found.model_id, model_id(), "the searched space is the catalog's");
    let (large, weights) = bundle::read(&shop().path("retrieval")).expect("the bundle is readable");
    let network = load_retrieval(&large, &weights, &Device::flex()).expect("the bundle is for retrieval");
    let own = Embedding::new(query.space(), values).expect("the values are an embedding");
    for hit in &found.hits {
        let number = hit.product_id[1..].parse().expect("an id has a number");
        let best = (0..2).map(|at| {
            let values = forward(&large, &shop_photo(number, at), |x| network.forward(x));
            let photo = Embedding::new(large.space(), values).expect("the values are an embedding");
            own.similarity(&photo).expect("both have one space")
        });
        let best = best.fold(f32::MIN, f32::max);
        assert!(
            (hit.score - best).abs() < 1e-3,
            "{}: {} is not {best}",
            hit.product_id,
            hit.score
        );
    }
}

#[test]
fn an_embedding_of_an_unknown_model_is_refused_with_the_known_ones() {
    let (query, values) = encoded(&shop_photo(5, 1));
    let answer = Service::shared().search_json(&embedding_request("else@0123", &values));
    let problem = assert_problem("another model", answer, 409, "wrong_model");
    let detail = problem["detail"].as_str().unwrap_or_default();
    for part in [
        "else@0123",
        &model_id(),
        &query.model_id(),
        "/api/v1/query-encoder",
        "the photo itself",
    ] {
        assert!(detail.contains(part), "'{detail}' does not say '{part}'");
    }
}

#[test]
fn a_retrieval_network_can_be_its_own_query_encoder() {
    let service = Service::start_as(serde_json::json!({ "query": "retrieval" }));
    let offered = json(service.get("/api/v1/query-encoder"));
    assert_eq!(offered["id"], "tiny.retrieval");
    let (manifest, weights) = bundle::read(&shop().path("retrieval")).expect("the bundle is readable");
    let network = load_single_retrieval(&manifest, &weights.network, &Device::flex()).expect("browsers can run it");
    let values = forward(&manifest, &shop_photo(5, 0), |x| network.forward(x));
    let answer = service.search_json(&embedding_request(&manifest.model_id(), &values));
    let found: SearchResponse = serde_json::from_value(json(answer)).expect("the answer is a search response");
    assert_eq!(
        found.hits[0].product_id, "P0005",
        "the shop photo finds its own product"
    );
}

#[test]
fn a_service_without_a_query_encoder_offers_none() {
    let (query, values) = encoded(&shop_photo(5, 1));
    let plain = Service::start_with(false, None);
    assert_eq!(plain.get("/api/v1/query-encoder").status(), 204);
    let answer = plain.search_json(&embedding_request(&query.model_id(), &values));
    let problem = assert_problem("no encoder", answer, 409, "wrong_model");
    let detail = problem["detail"].as_str().unwrap_or_default();
    assert!(!detail.contains("query-encoder"), "{detail}");
    let weights = format!("/api/v1/query-encoder/weights/{}", query.weights.sha256);
    assert_problem("weights", plain.get(&weights), 404, "not_found");
}

#[test]
fn a_query_encoder_of_another_space_is_refused_at_the_start() {
    tests::fixture::write_query_bundle(&shop().path("foreign"), "other@0123456789ab", tests::fixture::DIM)
        .expect("the bundle is readable");
    for (folder, expected) in [
        ("foreign", "embeds into the space of other@0123456789ab"),
        ("tagger", "holds a style bundle"),
    ] {
        let opened = App::open(&config(&shop().path(""), Some(folder)), &Device::flex());
        let error = format!("{:#}", opened.err().expect("the encoder is refused"));
        assert!(error.contains(expected), "'{error}' does not say '{expected}'");
    }
}

#[test]
fn concurrent_searches_get_their_own_answers() {
    let service = Service::shared();
    std::thread::scope(|scope| {
        for product in 0..PRODUCTS {
            scope.spawn(move || {
                let found = hits(service, &shop_photo(product, 0), &[("limit", "1")]);
                assert_eq!(found.hits[0].product_id, format!("P{product:04}"));
            });
        }
    });
}

#[test]
fn products_and_samples_are_served() {
    let service = Service::shared();
    let product = json(service.get("/api/v1/products/P0004"));
    let expected = serde_json::json!({
        "id": "P0004", "category": "shoes", "category_text": "shoes",
        "name": { "en": "Item 4", "zh": "商品4" },
        "price": { "amount": 9904, "currency": "CNY", "exponent": 2 },
        "styles": ["casual"],
        "attributes": { "pattern": "stripe", "buttons": "3" },
        "image": image_path(&shop_photo(4, 0), 640),
    });
    assert_eq!(product, expected);

    let samples = json(service.get("/api/v1/samples"));
    let samples = samples["samples"].as_array().expect("the samples are a list");
    assert_eq!(samples.len(), SAMPLES as usize);
    for sample in samples {
        let image = service.get(sample["image"].as_str().expect("the image is a path"));
        assert_eq!(image.status(), 200);
        assert_eq!(image.headers()["content-type"], "image/jpeg");
        let id = sample["product_id"].as_str().expect("the sample has a product");
        assert_eq!(json(service.get(&format!("/api/v1/products/{id}")))["id"], id);
        assert!(sample["alt"]["zh"].as_str().is_some_and(|text| text.contains("商品")));
    }
    let mut categories: Vec<Value> = samples
        .iter()
        .map(|sample| {
            json(service.get(&format!(
                "/api/v1/products/{}",
                sample["product_id"].as_str().expect("the sample has a product")
            )))
        })
        .map(|product| product["category"].clone())
        .collect();
    categories.dedup();
    assert!(categories.len() >= 3, "the samples have several categories");
}
