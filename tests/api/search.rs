//! A photo finds itself: the whole path from an upload to products.

use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use dataset::Photo;
use serde_json::Value;
use service::embed::RetrievalModel;
use service::http::App;
use shared::api::SearchResponse;
use shared::bundle::load_query;
use shared::embedding::Embedding;
use shared::server_models::load_retrieval;

use super::harness::{PRODUCTS, SAMPLES, Service, assert_problem, config, json, png, shop};

fn model() -> RetrievalModel {
    RetrievalModel::open(&shop().path("retrieval"), &Device::flex()).expect("opens")
}

/// The model the shop was indexed with.
pub(crate) fn model_id() -> String {
    RetrievalModel::read_manifest(Path::new(&shop().path("retrieval")))
        .expect("a manifest")
        .model_id()
}

/// A product's shop photo; see [`tests::fixture::write_dataset`].
fn shop_photo(product: u32, at: u32) -> Vec<u8> {
    png(3 * product + at)
}

fn hits(service: &Service, photo: &[u8], fields: &[(&'static str, &str)]) -> SearchResponse {
    let answer = service.search(photo, fields);
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "application/json");
    serde_json::from_value(json(answer)).expect("a search response")
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
            assert_eq!(ids.len(), 10, "each product once");
            let best = &found.hits[0];
            assert_eq!(best.product_id, format!("P{product:04}"));
            assert!((best.score - 1.0).abs() < 1e-3, "{}", best.score);
            assert_eq!(
                best.product.image,
                format!("/images/shop/P{product:04}_{at}.png"),
                "the photo that matched"
            );
        }
    }
}

#[test]
fn limit_and_category() {
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
fn a_category_that_the_photo_surely_shows_narrows_the_search() {
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
            "what is asked for goes first"
        );
        assert!(found.hits.iter().all(|hit| hit.product.category == narrowed));
    }
    // The shop has nothing of what this network is sure to see, so that does not empty the answer.
    let service = Service::start_with(true, Some("category-other"));
    let found = hits(&service, &photo, &[("limit", "50")]);
    assert_eq!((found.category, found.hits.len()), (None, PRODUCTS as usize));
}

#[test]
fn a_crop_is_the_cropped_photo() {
    let service = Service::shared();
    let whole = tests::fixture::photo(7);
    let part = image::imageops::crop_imm(&whole, 8, 10, 40, 50).to_image();
    let mut bytes = std::io::Cursor::new(Vec::new());
    part.write_to(&mut bytes, image::ImageFormat::Png).expect("encodes");
    let of = |response: SearchResponse| -> Vec<_> {
        response
            .hits
            .into_iter()
            .map(|hit| (hit.product_id, hit.score))
            .collect()
    };
    let cropped = of(hits(
        service,
        &png(7),
        &[("crop", r#"{"x":8,"y":10,"width":40,"height":50}"#)],
    ));
    let sent = of(hits(service, bytes.get_ref(), &[]));
    assert_eq!(cropped.len(), sent.len());
    for ((id, score), (sent_id, sent_score)) in cropped.iter().zip(&sent) {
        assert_eq!(id, sent_id);
        assert!((score - sent_score).abs() < 1e-4);
    }
}

#[test]
fn a_proposed_crop_is_named_in_the_answer_and_can_be_asked_for() {
    let service = Service::shared();
    let red = |x, y| (60..120).contains(&x) && (40..180).contains(&y);
    let photo = image::RgbImage::from_fn(200, 240, |x, y| {
        image::Rgb(if red(x, y) { [180, 30, 40] } else { [230; 3] })
    });
    let mut bytes = std::io::Cursor::new(Vec::new());
    photo.write_to(&mut bytes, image::ImageFormat::Png).expect("encodes");
    let auto = hits(service, bytes.get_ref(), &[("crop", "auto")]);
    let crop = auto.crop.expect("a box");
    assert!(crop.x.abs_diff(60) < 10 && crop.y.abs_diff(40) < 14, "{crop:?}");
    assert!(
        crop.width.abs_diff(60) < 20 && crop.height.abs_diff(140) < 28,
        "{crop:?}"
    );
    let same = hits(
        service,
        bytes.get_ref(),
        &[("crop", &serde_json::to_string(&crop).expect("JSON"))],
    );
    assert_eq!((same.crop, same.hits), (Some(crop), auto.hits));
    assert_eq!(
        hits(service, bytes.get_ref(), &[]).crop,
        None,
        "the whole photo unless asked"
    );
    let plain = hits(service, &png_of([200; 3]), &[("crop", "auto")]);
    assert_eq!(plain.crop, None, "nothing stands out");
}

fn png_of(colour: [u8; 3]) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    let photo = image::RgbImage::from_pixel(80, 60, image::Rgb(colour));
    photo.write_to(&mut bytes, image::ImageFormat::Png).expect("encodes");
    bytes.into_inner()
}

#[test]
fn an_embedding_finds_what_its_photo_finds() {
    let service = Service::shared();
    let (photo, model) = (shop_photo(5, 1), model());
    let pixels = Photo::decode(&photo).expect("decodes");
    let input = model
        .manifest()
        .input
        .to_chw(pixels.pixels().expect("pixels"), None)
        .expect("an input");
    let values = model.embed(vec![input]).expect("embeds").remove(0);
    let body = serde_json::json!({ "embedding": { "model_id": model_id(), "values": values }, "limit": 5 });
    let answer = service.search_json(&body.to_string());
    assert_eq!(answer.status(), 200);
    let by_embedding: SearchResponse = serde_json::from_value(json(answer)).expect("a search response");
    let by_photo = hits(service, &photo, &[("limit", "5")]);
    for (left, right) in by_embedding.hits.iter().zip(&by_photo.hits) {
        assert_eq!(left.product_id, right.product_id);
        assert!((left.score - right.score).abs() < 1e-3);
    }
    assert_eq!(by_embedding.hits.len(), 5);

    // What `selvedge embed` prints is searched with as it is.
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("photo.png");
    std::fs::write(&file, &photo).expect("writes");
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
    let printed = String::from_utf8(embed.output().expect("starts").stdout).expect("text");
    let answer = service.search_json(&format!(r#"{{"embedding":{printed},"limit":5}}"#));
    assert_eq!(answer.status(), 200, "{printed}");
    let found: SearchResponse = serde_json::from_value(json(answer)).expect("a search response");
    assert_eq!(found.hits[0].product_id, by_photo.hits[0].product_id);
}

/// The photo stays with the client: its query encoder's embedding searches the catalog that the large network indexed.
#[test]
fn a_query_encoders_embedding_is_searched_with_in_the_catalogs_space() {
    let service = Service::shared();
    let read = |folder: &str| dataset::bundle::read(&shop().path(folder)).expect("a bundle");
    let ((query, query_weights), (large, large_weights)) = (read("query"), read("retrieval"));
    let device = Device::flex();
    let photo = Photo::decode(&shop_photo(5, 1)).expect("decodes");
    let input = query
        .input
        .to_chw(photo.pixels().expect("pixels"), None)
        .expect("an input");
    let x = |data: Vec<f32>| {
        Tensor::<4>::from_data(
            TensorData::new(data, [1, 3, query.input.height, query.input.width]),
            &device,
        )
    };
    let encoder = load_query(&query, &query_weights.network, &device).expect("loads");
    let values: Vec<f32> = encoder.forward(x(input)).into_data().iter::<f32>().collect();
    let body = |model: &str| serde_json::json!({ "embedding": { "model_id": model, "values": values } }).to_string();

    let answer = service.search_json(&body(&query.model_id()));
    assert_eq!(answer.status(), 200);
    let found: SearchResponse = serde_json::from_value(json(answer)).expect("a search response");
    assert_eq!(found.model_id, model_id(), "the space that was searched");
    let network = load_retrieval(&large, &large_weights, &device).expect("loads");
    let own = Embedding::new(query.space(), values.clone()).expect("an embedding");
    for hit in &found.hits {
        let number = hit.product_id[1..].parse().expect("a number");
        let best = (0..2).map(|at| {
            let photo = Photo::decode(&shop_photo(number, at)).expect("decodes");
            let input = large
                .input
                .to_chw(photo.pixels().expect("pixels"), None)
                .expect("an input");
            let values = network.forward(x(input)).into_data().iter::<f32>().collect();
            own.similarity(&Embedding::new(large.space(), values).expect("an embedding"))
                .expect("one space")
        });
        let best = best.fold(f32::MIN, f32::max);
        assert!(
            (hit.score - best).abs() < 1e-3,
            "{}: {} is not {best}",
            hit.product_id,
            hit.score
        );
    }

    let problem = assert_problem(
        "another model",
        service.search_json(&body("else@0123")),
        409,
        "wrong_model",
    );
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

    let plain = Service::start_with(false, None);
    assert_eq!(plain.get("/api/v1/query-encoder").status(), 204);
    let problem = assert_problem(
        "no encoder",
        plain.search_json(&body(&query.model_id())),
        409,
        "wrong_model",
    );
    assert!(
        !problem["detail"].as_str().unwrap_or_default().contains("query-encoder"),
        "{problem}"
    );
    assert_problem(
        "weights",
        plain.get(&format!("/api/v1/query-encoder/weights/{}", query.weights.sha256)),
        404,
        "not_found",
    );
}

#[test]
fn a_service_starts_with_no_query_encoder_but_its_catalogs() {
    tests::fixture::write_query_bundle(&shop().path("foreign"), "other@0123456789ab", tests::fixture::DIM)
        .expect("a bundle");
    for (folder, expected) in [
        ("foreign", "embeds into the space of other@0123456789ab"),
        ("tagger", "holds a style bundle"),
    ] {
        let opened = App::open(&config(&shop().path(""), Some(folder)), &Device::flex());
        let error = format!("{:#}", opened.err().expect("refused"));
        assert!(error.contains(expected), "'{error}' does not say '{expected}'");
    }
}

#[test]
fn many_at_once_are_answered_right() {
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
fn products_and_samples() {
    let service = Service::shared();
    let product = json(service.get("/api/v1/products/P0004"));
    let expected = serde_json::json!({
        "id": "P0004", "category": "shoes",
        "name": { "en": "Item 4", "zh": "商品4" },
        "price": { "amount": 9904, "currency": "CNY", "exponent": 2 },
        "styles": ["casual"],
        "attributes": { "pattern": "stripe", "buttons": "3" },
        "image": "/images/shop/P0004_0.png",
    });
    assert_eq!(product, expected);

    let samples = json(service.get("/api/v1/samples"));
    let samples = samples["samples"].as_array().expect("a list");
    assert_eq!(samples.len(), SAMPLES as usize);
    for sample in samples {
        let image = service.get(sample["image"].as_str().expect("a path"));
        assert_eq!(image.status(), 200);
        assert_eq!(image.headers()["content-type"], "image/png");
        let id = sample["product_id"].as_str().expect("an id");
        assert_eq!(json(service.get(&format!("/api/v1/products/{id}")))["id"], id);
        assert!(sample["alt"]["zh"].as_str().is_some_and(|text| text.contains("商品")));
    }
    let mut categories: Vec<Value> = samples
        .iter()
        .map(|sample| {
            json(service.get(&format!(
                "/api/v1/products/{}",
                sample["product_id"].as_str().expect("an id")
            )))
        })
        .map(|product| product["category"].clone())
        .collect();
    categories.dedup();
    assert!(categories.len() >= 3, "spread over the categories");
}
