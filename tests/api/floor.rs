//! Score floors: an answer has the floor of the bundle that embedded the query.

use std::fs;

use burn::tensor::Device;
use dataset::bundle;
use serde_json::{Value, json};
use shared::bundle::{ChosenOn, Manifest, ScoreFloor};

use super::harness::{Service, json as body, png, shop};

/// Copies the bundle `from` to `to` and adds the floor `score` for galleries of `gallery`.
fn write_with_floor(from: &str, to: &str, score: f32, gallery: &str) {
    let (manifest, weights) = bundle::read(&shop().path(from)).expect("the bundle is readable");
    let chosen_on = ChosenOn {
        command: "selvedge calibrate".to_owned(),
        data: "shop".to_owned(),
        data_sha256: String::new(),
        split: "val".to_owned(),
        photos: 36,
        items: 12,
    };
    let floor = ScoreFloor {
        score,
        gallery: gallery.to_owned(),
        allowed: 0.05,
        found: 40,
        lost: 0.05,
        unmatched: 40,
        caught: 0.5,
        same: None,
        chosen_on,
    };
    let stated = Manifest {
        floor: Some(floor),
        ..manifest.clone()
    };
    assert_eq!(
        stated.model_id(),
        manifest.model_id(),
        "a floor does not change the model id"
    );
    let _ = fs::remove_dir_all(shop().path(to));
    bundle::write(&shop().path(to), &stated, &weights, &Device::flex()).expect("the file is written");
}

#[test]
fn an_answer_has_the_floor_of_the_model_that_embedded_the_query() {
    let (large, _) = bundle::read(&shop().path("retrieval")).expect("the bundle is readable");
    let (encoder, _) = bundle::read(&shop().path("query")).expect("the bundle is readable");
    write_with_floor("retrieval", "retrieval-floor", 0.75, &large.model_id());
    write_with_floor("query", "query-floor", 0.25, &large.model_id());
    write_with_floor("query", "query-floor-elsewhere", 0.25, "other@0123456789ab");
    // Per service the floors for a photo, for an embedding of its model, and for one of the query encoder.
    let cases = [
        (
            json!({ "retrieval": "retrieval-floor", "query": "query-floor" }),
            [Some(0.75), Some(0.75), Some(0.25)],
        ),
        (json!({ "query": "query-floor" }), [None, None, Some(0.25)]),
        (
            json!({ "retrieval": "retrieval-floor" }),
            [Some(0.75), Some(0.75), None],
        ),
        // A floor for another gallery does not apply.
        (json!({ "query": "query-floor-elsewhere" }), [None; 3]),
        // After re-ranking, the first hit need not be the most similar one.
        (
            json!({ "retrieval": "retrieval-floor", "query": "query-floor", "rerank": "hop" }),
            [None; 3],
        ),
    ];
    for (instructions, expected) in cases {
        let service = Service::start_as(instructions.clone());
        let by_embedding = |model: &Manifest| {
            let values = vec![0.5; tests::fixture::DIM];
            let request = json!({ "embedding": { "model_id": model.model_id(), "values": values } });
            service.search_json(&request.to_string())
        };
        let answers = [
            service.search(&png(5), &[]),
            by_embedding(&large),
            by_embedding(&encoder),
        ];
        for ((answer, expected), by) in answers.into_iter().zip(expected).zip(["photo", "embedding", "encoder"]) {
            assert_eq!(answer.status(), 200);
            let answer = body(answer);
            let expected = expected.map_or(Value::Null, |floor: f32| json!(floor));
            assert_eq!(answer.get("floor"), Some(&expected), "{by}, {instructions}");
            assert!(
                answer["hits"].as_array().is_some_and(|hits| hits.len() == 10),
                "a floor does not remove hits"
            );
        }
    }
}

#[test]
fn the_network_of_the_catalog_has_its_floor_as_a_query_encoder_too() {
    let (network, _) = bundle::read(&shop().path("retrieval")).expect("the bundle is readable");
    write_with_floor("retrieval", "retrieval-own-floor", 0.75, &network.model_id());
    let service = Service::start_as(json!({ "retrieval": "retrieval-own-floor", "query": "retrieval" }));
    let values = vec![0.5; tests::fixture::DIM];
    let request = json!({ "embedding": { "model_id": network.model_id(), "values": values } });
    assert_eq!(body(service.search_json(&request.to_string()))["floor"], json!(0.75));
}
