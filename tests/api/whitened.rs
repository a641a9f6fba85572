//! What comes after the network, in the service: a whitened bundle, a gallery of bytes, re-ranking, and query encoders that
//! were distilled before the whitening.

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use burn::tensor::{Device, Tensor, TensorData};
use clap::Parser;
use dataset::Photo;
use dataset::bundle;
use search::rerank::Rerank;
use search::storage::{Storage, Stored};
use server::cli::{Cli, run};
use service::embed::RetrievalModel;
use service::http::App;
use shared::api::SearchResponse;
use shared::bundle::{Manifest, load_query};
use shared::server_models::load_retrieval;

use super::harness::{PRODUCTS, Service, assert_problem, config, json, png, shop};

/// Values of the whitened embeddings.
const DIMS: usize = 8;

/// `selvedge` with these arguments, in this process.
fn selvedge(args: &[&str]) -> anyhow::Result<()> {
    run(Cli::try_parse_from(["selvedge", "--device", "cpu"].iter().chain(args))?)
}

/// A dataset, a whitened bundle and its int8 catalog, in the folder that all services start from.
fn whitened() -> &'static Path {
    static MADE: OnceLock<std::path::PathBuf> = OnceLock::new();
    MADE.get_or_init(|| {
        let dir = shop().path("");
        let path = |name: &str| dir.join(name).to_string_lossy().into_owned();
        tests::fixture::write_dataset(&dir.join("fitted"), PRODUCTS, 0).expect("a dataset");
        tests::fixture::train_on_first(&dir.join("fitted"), PRODUCTS / 2).expect("a split");
        let (data, white) = (path("fitted"), path("white"));
        let (dims, retrieval) = (DIMS.to_string(), path("retrieval"));
        selvedge(&[
            "whiten", "--bundle", &retrieval, "--data", &data, "--dims", &dims, "--out", &white,
        ])
        .expect("whitens");
        let (storage, out) = ("int8", path("white-catalog"));
        selvedge(&[
            "index",
            "--dataset",
            &data,
            "--bundle",
            &white,
            "--out",
            &out,
            "--storage",
            storage,
        ])
        .expect("indexes");
        dir
    })
}

fn manifest(folder: &str) -> Manifest {
    bundle::read(&whitened().join(folder)).expect("a bundle").0
}

/// What a bundle makes of a photo.
fn embedded(folder: &str, photo: &[u8]) -> Vec<f32> {
    let (manifest, weights) = bundle::read(&whitened().join(folder)).expect("a bundle");
    let device = Device::flex();
    let photo = Photo::decode(photo).expect("decodes");
    let input = manifest
        .input
        .to_chw(photo.pixels().expect("pixels"), None)
        .expect("an input");
    let x = Tensor::<4>::from_data(
        TensorData::new(input, [1, 3, manifest.input.height, manifest.input.width]),
        &device,
    );
    let output = match manifest.task() {
        "query" => load_query(&manifest, &weights.network, &device)
            .expect("loads")
            .forward(x),
        _ => load_retrieval(&manifest, &weights, &device).expect("loads").forward(x),
    };
    output.into_data().iter::<f32>().collect()
}

fn found(answer: reqwest::blocking::Response) -> SearchResponse {
    assert_eq!(answer.status(), 200);
    serde_json::from_value(json(answer)).expect("a search response")
}

fn ids(response: &SearchResponse) -> Vec<String> {
    response.hits.iter().map(|hit| hit.product_id.clone()).collect()
}

#[test]
fn a_whitened_gallery_of_bytes_is_served_as_it_is_evaluated() {
    let (white, plain, query) = (manifest("white"), manifest("retrieval"), manifest("query"));
    assert_eq!((white.embedding_dim, white.network_id()), (DIMS, plain.model_id()));
    assert_ne!(white.space(), plain.space());
    assert_eq!(query.space(), plain.model_id());
    let photos: Vec<(u32, Vec<u8>)> = (0..PRODUCTS)
        .flat_map(|p| [(p, png(3 * p)), (p, png(3 * p + 1))])
        .collect();
    let rows: Vec<Vec<f32>> = photos.iter().map(|(_, photo)| embedded("white", photo)).collect();
    let stored = Stored::new(Storage::Int8, &rows);
    // The products by their best photo, as the evaluation scores it.
    let expected = |rerank: Rerank, values: &[f32]| -> Vec<String> {
        let scores = rerank.scores(&[values.to_vec()], &stored).remove(0);
        let best = |product: u32| {
            let own = photos.iter().zip(&scores).filter(|((owner, _), _)| *owner == product);
            own.map(|(_, score)| *score).fold(f32::MIN, f32::max)
        };
        let mut products: Vec<u32> = (0..PRODUCTS).collect();
        products.sort_by(|a, b| best(*b).total_cmp(&best(*a)));
        products.into_iter().map(|product| format!("P{product:04}")).collect()
    };
    for (name, rerank) in [
        ("none", Rerank::None),
        ("alpha-qe", Rerank::AlphaQe),
        ("k-reciprocal", Rerank::KReciprocal),
    ] {
        let service = Service::start_as(serde_json::json!({
            "retrieval": "white", "catalog": "white-catalog", "query": true, "rerank": name,
        }));
        let limit = PRODUCTS.to_string();
        let by_embedding = |model: &str, values: &[f32]| {
            let embedding = serde_json::json!({ "model_id": model, "values": values });
            service.search_json(&serde_json::json!({ "embedding": embedding, "limit": PRODUCTS }).to_string())
        };
        for user in [2, 17, 35] {
            let photo = png(user);
            let values = embedded("white", &photo);
            let by_photo = found(service.search(&photo, &[("limit", &limit)]));
            assert_eq!(by_photo.model_id, white.model_id());
            assert_eq!(ids(&by_photo), expected(rerank, &values), "{name} {user}");
            let cosine = |hit: &shared::api::Hit| (-1.001..=1.001).contains(&hit.score);
            assert!(by_photo.hits.iter().all(cosine), "{name}: {by_photo:?}");
            // The same photo, embedded by the client before and after the projection.
            for (model, values) in [(&white, values), (&plain, embedded("retrieval", &photo))] {
                let hits = found(by_embedding(&model.model_id(), &values));
                assert_eq!(ids(&hits), ids(&by_photo), "{name} {user}");
            }
            // An encoder that was distilled before the whitening.
            let values = embedded("query", &photo);
            let (large, weights) = bundle::read(&whitened().join("white")).expect("a bundle");
            let net = load_retrieval(&large, &weights, &Device::flex()).expect("loads");
            let unit = shared::embedding::Embedding::new(query.space(), values.clone()).expect("an embedding");
            let projected = net
                .projection()
                .expect("whitened")
                .apply(&[unit.values().to_vec()])
                .remove(0);
            assert_eq!(
                ids(&found(by_embedding(&query.model_id(), &values))),
                expected(rerank, &projected),
                "{name}"
            );
        }
        if rerank == Rerank::None {
            let offered = json(service.get("/api/v1/query-encoder"));
            assert_eq!(offered["embeds_into"], plain.model_id());
            let wrong = [
                (white.model_id(), tests::fixture::DIM, 400, "wrong_dimension"),
                (plain.model_id(), DIMS, 400, "wrong_dimension"),
                ("else@0123".to_owned(), tests::fixture::DIM, 409, "wrong_model"),
                (format!("{}+0123", plain.model_id()), DIMS, 409, "wrong_model"),
            ];
            for (model, dim, status, code) in wrong {
                assert_problem(&model, by_embedding(&model, &vec![0.5; dim]), status, code);
            }
        }
    }
}

#[test]
fn what_does_not_belong_together_is_refused_by_name() {
    let dir = whitened();
    let path = |name: &str| dir.join(name).to_string_lossy().into_owned();
    let says = |error: String, expected: &str| assert!(error.contains(expected), "'{error}' does not say '{expected}'");

    // The catalog of the one, the bundle of the other.
    for (retrieval, catalog) in [("white", "catalog"), ("retrieval", "white-catalog")] {
        let mixed = service::http::ServeConfig {
            retrieval_dir: dir.join(retrieval),
            catalog_dir: dir.join(catalog),
            ..config(dir, None)
        };
        let opened = App::open(&mixed, &Device::flex());
        says(
            format!("{:#}", opened.err().expect("refused")),
            "index it again with this bundle",
        );
    }

    for (args, expected) in [
        (["white", "4", "white-2"], "whitened already"),
        (["retrieval", "4", "white"], "holds a bundle already"),
        (["retrieval", "25", "white-2"], "ask for fewer dimensions"),
    ] {
        let [bundle, dims, out] = args;
        let (bundle, data, out) = (path(bundle), path("fitted"), path(out));
        let refused = selvedge(&[
            "whiten", "--bundle", &bundle, "--data", &data, "--dims", dims, "--out", &out,
        ]);
        says(format!("{:#}", refused.expect_err(expected)), expected);
        assert!(!dir.join("white-2").exists());
    }

    let broken = dir.join("broken");
    fs::create_dir_all(&broken).expect("a folder");
    for file in ["bundle.json", "weights.safetensors", "projection.safetensors"] {
        fs::copy(dir.join("white").join(file), broken.join(file)).expect("copies");
    }
    let file = broken.join("projection.safetensors");
    let whole = fs::read(&file).expect("reads");
    let flipped: Vec<u8> = whole
        .iter()
        .enumerate()
        .map(|(at, byte)| byte ^ u8::from(at == 200))
        .collect();
    for damaged in [Some(whole[..whole.len() - 4].to_vec()), Some(flipped), None] {
        match damaged {
            Some(bytes) => fs::write(&file, bytes).expect("writes"),
            None => fs::remove_file(&file).expect("removes"),
        }
        let read = bundle::read(&broken).map(|_| ()).map_err(|error| format!("{error:#}"));
        says(read.expect_err("damaged"), "projection.safetensors");
        let opened = RetrievalModel::open(&broken, &Device::flex())
            .map(|_| ())
            .map_err(|error| format!("{error:#}"));
        says(opened.expect_err("damaged"), "projection.safetensors");
    }
}
