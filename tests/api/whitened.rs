//! A service with a whitened bundle, an int8 catalog, re-ranking, and a query encoder that was distilled before whitening.

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use burn::tensor::{Device, Tensor, TensorData};
use clap::Parser;
use dataset::{Photo, bundle};
use reqwest::blocking::Response;
use search::rerank::Rerank;
use search::storage::{Storage, Stored};
use serde_json::json;
use server::cli::{Cli, run};
use service::embed::RetrievalModel;
use service::http::{App, ServeConfig};
use shared::api::SearchResponse;
use shared::bundle::{Manifest, load_query};
use shared::embedding::Embedding;
use shared::server_models::{Side, load_retrieval};
use tests::fixture::DIM;

use super::harness::{PRODUCTS, Service, assert_problem, config, json as body, png, shop};

/// Dimension of the whitened embeddings.
const DIMS: usize = 8;

/// Runs a command line in this process. Its words must not contain spaces.
pub(super) fn selvedge(line: &str) -> anyhow::Result<()> {
    run(Cli::try_parse_from(
        ["selvedge", "--device", "cpu"].into_iter().chain(line.split(' ')),
    )?)
}

/// Folder of all services, with a dataset, a whitened bundle and its int8 catalog.
fn whitened() -> &'static Path {
    static MADE: OnceLock<std::path::PathBuf> = OnceLock::new();
    MADE.get_or_init(|| {
        let dir = shop().path("");
        let path = |name: &str| dir.join(name).to_string_lossy().into_owned();
        tests::fixture::write_dataset(&dir.join("fitted"), PRODUCTS, 0).expect("the dataset is written");
        tests::fixture::train_on_first(&dir.join("fitted"), PRODUCTS / 2).expect("the manifest is changed");
        let (data, white) = (path("fitted"), path("white"));
        let retrieval = path("retrieval");
        selvedge(&format!(
            "whiten --bundle {retrieval} --data {data} --dims {DIMS} --out {white}"
        ))
        .expect("the bundle is whitened");
        let out = path("white-catalog");
        selvedge(&format!(
            "index --dataset {data} --bundle {white} --out {out} --storage int8"
        ))
        .expect("the dataset is indexed");
        dir
    })
}

fn manifest(folder: &str) -> Manifest {
    bundle::read(&whitened().join(folder))
        .expect("the bundle is readable")
        .0
}

/// Embedding of a photo by a bundle's network.
fn embedded(folder: &str, photo: &[u8]) -> Vec<f32> {
    let (manifest, weights) = bundle::read(&whitened().join(folder)).expect("the bundle is readable");
    let device = Device::flex();
    let x = input_of(&manifest, photo);
    let output = match manifest.task() {
        "query" => load_query(&manifest, &weights.network, &device)
            .expect("the network is loaded")
            .forward(x),
        _ => load_retrieval(&manifest, &weights, &device)
            .expect("the network is loaded")
            .forward(x),
    };
    output.into_data().iter::<f32>().collect()
}

/// A photo as the input of a bundle's network, `[1, 3, height, width]`.
pub(super) fn input_of(manifest: &Manifest, photo: &[u8]) -> Tensor<4> {
    let photo = Photo::decode(photo).expect("the photo is decoded");
    let input = manifest
        .input
        .to_chw(photo.pixels().expect("the photo has pixels"), None)
        .expect("the photo fits");
    Tensor::from_data(
        TensorData::new(input, [1, 3, manifest.input.height, manifest.input.width]),
        &Device::flex(),
    )
}

/// Body of a successful answer.
fn found(answer: Response) -> SearchResponse {
    assert_eq!(answer.status(), 200);
    serde_json::from_value(body(answer)).expect("the answer is a search response")
}

/// Product ids of the hits.
fn ids(response: &SearchResponse) -> Vec<String> {
    response.hits.iter().map(|hit| hit.product_id.clone()).collect()
}

/// The catalog's photos with their products, and their embeddings as the catalog stores them.
struct Expected {
    photos: Vec<(u32, Vec<u8>)>,
    stored: Stored,
}

impl Expected {
    fn new() -> Self {
        let photos: Vec<(u32, Vec<u8>)> = (0..PRODUCTS)
            .flat_map(|product| [(product, png(3 * product)), (product, png(3 * product + 1))])
            .collect();
        let rows: Vec<Vec<f32>> = photos.iter().map(|(_, photo)| embedded("white", photo)).collect();
        let stored = Stored::new(Storage::Int8, &rows);
        Self { photos, stored }
    }

    /// Ids of all products, sorted by their best photo, as the evaluation ranks them.
    fn ids(&self, rerank: Rerank, values: &[f32]) -> Vec<String> {
        let scores = rerank.scores(&[values.to_vec()], &self.stored).remove(0);
        let best = |product: u32| {
            let own = self
                .photos
                .iter()
                .zip(&scores)
                .filter(|((owner, _), _)| *owner == product);
            own.map(|(_, score)| *score).fold(f32::MIN, f32::max)
        };
        let mut products: Vec<u32> = (0..PRODUCTS).collect();
        products.sort_by(|a, b| best(*b).total_cmp(&best(*a)));
        products.into_iter().map(|product| format!("P{product:04}")).collect()
    }
}

/// Starts a service with the whitened bundle and its catalog.
fn start(rerank: &str) -> Service {
    Service::start_as(json!({
        "retrieval": "white", "catalog": "white-catalog", "query": true, "rerank": rerank,
    }))
}

/// Searches all products by an embedding.
fn search_by_embedding(service: &Service, model: &str, values: &[f32]) -> Response {
    let embedding = json!({ "model_id": model, "values": values });
    service.search_json(&json!({ "embedding": embedding, "limit": PRODUCTS }).to_string())
}

#[test]
fn bundles_and_spaces_are_named_by_their_whitening() {
    let (white, plain, query) = (manifest("white"), manifest("retrieval"), manifest("query"));
    assert_eq!((white.embedding_dim, white.network_id()), (DIMS, plain.model_id()));
    assert_ne!(white.space(), plain.space());
    assert_eq!(query.space(), plain.model_id());
}

#[test]
fn searches_rank_as_the_evaluation_does_with_every_reranking() {
    let (white, plain) = (manifest("white"), manifest("retrieval"));
    let expected = Expected::new();
    for (name, rerank) in [
        ("none", Rerank::None),
        ("alpha-qe", Rerank::AlphaQe),
        ("k-reciprocal", Rerank::KReciprocal),
    ] {
        let service = start(name);
        for user in [2, 17, 35] {
            let photo = png(user);
            let values = embedded("white", &photo);
            let by_photo = found(service.search(&photo, &[("limit", &PRODUCTS.to_string())]));
            assert_eq!(by_photo.model_id, white.model_id());
            assert_eq!(ids(&by_photo), expected.ids(rerank, &values), "{name} {user}");
            let is_cosine = |hit: &shared::api::Hit| (-1.001..=1.001).contains(&hit.score);
            assert!(by_photo.hits.iter().all(is_cosine), "{name}: {by_photo:?}");
            // The client embeds the same photo with and without the projection.
            for (model, values) in [(&white, values), (&plain, embedded("retrieval", &photo))] {
                let hits = found(search_by_embedding(&service, &model.model_id(), &values));
                assert_eq!(ids(&hits), ids(&by_photo), "{name} {user}");
            }
        }
    }
}

#[test]
fn embeddings_of_an_encoder_from_before_the_whitening_are_projected() {
    let query = manifest("query");
    let expected = Expected::new();
    let service = start("none");
    assert_eq!(
        body(service.get("/api/v1/query-encoder"))["embeds_into"],
        manifest("retrieval").model_id()
    );
    let (large, weights) = bundle::read(&whitened().join("white")).expect("the bundle is readable");
    let net = load_retrieval(&large, &weights, &Device::flex()).expect("the bundle is for retrieval");
    for user in [2, 17, 35] {
        let values = embedded("query", &png(user));
        let unit = Embedding::new(query.space(), values.clone()).expect("the values are an embedding");
        let projection = net.projection().expect("the bundle is whitened");
        let projected = projection.apply(&[unit.values().to_vec()], Side::Customer).remove(0);
        assert_eq!(
            ids(&found(search_by_embedding(&service, &query.model_id(), &values))),
            expected.ids(Rerank::None, &projected)
        );
    }
}

#[test]
fn the_parts_of_a_whitened_score_sum_to_it() {
    let service = start("none");
    let explained = found(service.search(&png(3), &[("options", r#"{"explain": true}"#)]));
    assert!(!explained.hits.is_empty());
    for hit in &explained.hits {
        let sum: f32 = hit.parts.iter().map(|part| part.score).sum();
        assert!((sum - hit.score).abs() < 1e-3, "{sum} {}", hit.score);
        assert_eq!(hit.parts[0].part, "whole");
    }
}

#[test]
fn embeddings_of_another_length_or_model_are_refused() {
    let (white, plain) = (manifest("white"), manifest("retrieval"));
    let service = start("none");
    for (model, dim, status, code) in [
        (white.model_id(), DIM, 400, "wrong_dimension"),
        (plain.model_id(), DIMS, 400, "wrong_dimension"),
        ("else@0123".to_owned(), DIM, 409, "wrong_model"),
        (format!("{}+0123", plain.model_id()), DIMS, 409, "wrong_model"),
    ] {
        let answer = search_by_embedding(&service, &model, &vec![0.5; dim]);
        assert_problem(&model, answer, status, code);
    }
}

#[test]
fn a_catalog_of_another_bundle_is_refused_at_the_start() {
    let dir = whitened();
    for (retrieval, catalog) in [("white", "catalog"), ("retrieval", "white-catalog")] {
        let mixed = ServeConfig {
            retrieval_dir: dir.join(retrieval),
            catalog_dir: dir.join(catalog),
            ..config(dir, None)
        };
        let opened = App::open(&mixed, &Device::flex());
        let error = format!("{:#}", opened.err().expect("the catalog is refused"));
        assert!(error.contains("index it again with this bundle"), "{error}");
    }
}

#[test]
fn a_bundle_that_cannot_be_whitened_is_refused() {
    let dir = whitened();
    let path = |name: &str| dir.join(name).to_string_lossy().into_owned();
    for (bundle, dims, out, says) in [
        ("white", 4, "white-2", "whitened already"),
        ("retrieval", 4, "white", "holds a bundle already"),
        ("retrieval", 25, "white-2", "ask for fewer dimensions"),
    ] {
        let (bundle, data, out) = (path(bundle), path("fitted"), path(out));
        let line = format!("whiten --bundle {bundle} --data {data} --dims {dims} --out {out}");
        let error = format!("{:#}", selvedge(&line).expect_err(says));
        assert!(error.contains(says), "'{error}' does not say '{says}'");
        assert!(!dir.join("white-2").exists());
    }
}

#[test]
fn a_damaged_projection_is_refused_by_every_reader() {
    let dir = whitened();
    let broken = dir.join("broken");
    fs::create_dir_all(&broken).expect("the folder is created");
    for file in ["bundle.json", "weights.safetensors", "projection.safetensors"] {
        fs::copy(dir.join("white").join(file), broken.join(file)).expect("the file is copied");
    }
    let file = broken.join("projection.safetensors");
    let whole = fs::read(&file).expect("the file is readable");
    let mut flipped = whole.clone();
    flipped[200] ^= 1;
    for damaged in [Some(whole[..whole.len() - 4].to_vec()), Some(flipped), None] {
        match damaged {
            Some(bytes) => fs::write(&file, bytes).expect("the file is written"),
            None => fs::remove_file(&file).expect("the file is removed"),
        }
        let read = bundle::read(&broken).expect_err("the projection is damaged");
        let opened = RetrievalModel::open(&broken, &Device::flex()).err();
        let opened = opened.expect("the projection is damaged");
        for error in [format!("{read:#}"), format!("{opened:#}")] {
            assert!(error.contains("projection.safetensors"), "{error}");
        }
    }
}
