//! A service with a bundle that is adapted to the photos of its shop.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use burn::tensor::Device;
use dataset::bundle;
use serde_json::json;
use shared::api::SearchResponse;
use shared::bundle::Manifest;
use shared::server_models::{Embedder, Side, load_retrieval};

use super::harness::{PRODUCTS, Service, json as body, png, shop};
use super::living;
use super::search::hits;
use super::whitened::{input_of, selvedge};

/// Folder with a dataset, a whitened bundle, an adapted one, and the catalog of the adapted one.
fn adapted() -> &'static Path {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    MADE.get_or_init(|| {
        let dir = shop().path("");
        let path = |name: &str| dir.join(name).to_string_lossy().into_owned();
        tests::fixture::write_dataset(&dir.join("photos"), PRODUCTS, 0).expect("the dataset is written");
        tests::fixture::train_on_first(&dir.join("photos"), PRODUCTS / 2).expect("the manifest is changed");
        tests::fixture::write_dataset(&dir.join("adapting"), PRODUCTS, 0).expect("the dataset is written");
        let (data, adapting) = (path("photos"), path("adapting"));
        for line in [
            format!(
                "whiten --bundle {} --data {data} --dims 8 --out {}",
                path("retrieval"),
                path("wide")
            ),
            format!(
                "adapt --bundle {} --data {adapting} --split test --out {}",
                path("wide"),
                path("adapted")
            ),
            format!(
                "index --dataset {data} --bundle {} --out {}",
                path("adapted"),
                path("adapted-catalog")
            ),
        ] {
            selvedge(&line).expect("the command works");
        }
        dir
    })
}

/// Manifest and network of a bundle in the folder of [`adapted`].
fn read(bundle: &str) -> (Manifest, Embedder) {
    let (manifest, weights) = bundle::read(&adapted().join(bundle)).expect("the bundle is readable");
    let net = load_retrieval(&manifest, &weights, &Device::flex()).expect("the bundle is for retrieval");
    (manifest, net)
}

/// Embedding of a photo by the bundle before its projection.
fn unprojected(photo: &[u8]) -> (String, Vec<f32>) {
    let (manifest, net) = read("retrieval");
    let values = net.forward(input_of(&manifest, photo));
    (manifest.model_id(), values.into_data().iter::<f32>().collect())
}

#[test]
fn queries_and_products_are_embedded_with_the_means_of_their_own_sides() {
    let (large, net) = read("adapted");
    let service = Service::start_as(json!({ "retrieval": "adapted", "catalog": "adapted-catalog" }));
    let projection = net.projection().expect("the bundle is whitened");
    let adaptation = large.projection.as_ref().and_then(|info| info.adapted.as_ref());
    let counts = adaptation.map(|adaptation| (adaptation.customers, adaptation.shop));
    assert_eq!(counts, Some((PRODUCTS as usize, 2 * PRODUCTS as usize)));

    for product in [0, 5, 11] {
        // A shop photo of the product itself is the query, so only the means differ.
        let photo = png(3 * product);
        let (model, values) = unprojected(&photo);
        let query = projection
            .apply(std::slice::from_ref(&values), Side::Customer)
            .remove(0);
        let score = |shop_photo: Vec<f32>| -> f32 {
            let shop_photo = projection.apply(&[shop_photo], Side::Shop).remove(0);
            query.iter().zip(&shop_photo).map(|(a, b)| a * b).sum()
        };
        assert!(score(values.clone()) < 0.999, "the means of both sides are equal");
        // A product's score is that of its best photo.
        let expected = score(values.clone()).max(score(unprojected(&png(3 * product + 1)).1));

        let limit = PRODUCTS.to_string();
        let by_photo = service.search(&photo, &[("limit", &limit)]);
        let embedding = json!({ "model_id": model, "values": values });
        let by_embedding = service.search_json(&json!({ "embedding": embedding, "limit": PRODUCTS }).to_string());
        for answer in [by_photo, by_embedding] {
            assert_eq!(answer.status(), 200);
            let found: SearchResponse = serde_json::from_value(body(answer)).expect("the answer is a search response");
            let own = found.hits.iter().find(|hit| hit.product_id == format!("P{product:04}"));
            let score = own.expect("all products are found").score;
            assert!((score - expected).abs() < 1e-3, "{product}: {score} is not {expected}");
        }
    }
}

#[test]
fn a_product_that_is_added_later_has_the_mean_of_the_shop() {
    let (_, net) = read("adapted");
    let service =
        Service::start_as(json!({ "retrieval": "adapted", "catalog": "adapted-catalog", "admin_key": living::KEY }));
    let projection = net.projection().expect("the bundle is whitened");
    let photo = png(living::NEW);
    let (_, values) = unprojected(&photo);
    let embedded = |side| projection.apply(std::slice::from_ref(&values), side).remove(0);
    let expected: f32 = embedded(Side::Customer)
        .iter()
        .zip(&embedded(Side::Shop))
        .map(|(a, b)| a * b)
        .sum();
    assert!(expected < 0.999, "the means of both sides are equal");

    assert_eq!(living::put(&service, "N1", &photo, &json!({})).status(), 201);
    living::wait_for(&service, &photo, "N1", true);
    let found = hits(&service, &photo, &[("limit", "1")]).hits.remove(0);
    assert!(
        (found.score - expected).abs() < 1e-3,
        "{} is not {expected}",
        found.score
    );
}

#[test]
fn a_bundle_that_cannot_be_adapted_is_refused() {
    let dir = adapted();
    let path = |name: &str| dir.join(name).to_string_lossy().into_owned();
    tests::fixture::write_dataset(&dir.join("few"), 9, 0).expect("the dataset is written");
    for (bundle, data, split, out, says) in [
        ("retrieval", "adapting", "test", "new", "is not whitened"),
        ("wide", "adapting", "test", "adapted", "holds a bundle already"),
        (
            "wide",
            "few",
            "test",
            "new",
            "18 shop photos (domain 'shop') and 9 others; at least 10 of each",
        ),
        ("wide", "photos", "val", "new", "val"),
    ] {
        let (bundle, data, out) = (path(bundle), path(data), path(out));
        let line = format!("adapt --bundle {bundle} --data {data} --split {split} --out {out}");
        let error = format!("{:#}", selvedge(&line).expect_err(says));
        assert!(error.contains(says), "'{error}' does not say '{says}'");
        assert!(!dir.join("new").exists());
    }
}
