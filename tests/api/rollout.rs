//! Another model for a catalog: its own generation, and embeddings of the model before.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Parser;
use serde_json::{Value, json};
use server::cli::{Cli, run};
use service::embed::RetrievalModel;
use tests::fixture;

use super::harness::{Service, assert_problem, embedding_body, json as body, png, shop};
use super::search::hits;

/// Model of a retrieval bundle of the shop.
fn model_id(bundle: &str) -> String {
    let manifest = RetrievalModel::read_manifest(&shop().path(bundle)).expect("the bundle has a manifest");
    manifest.model_id()
}

/// Answer to a JSON search.
fn ask(service: &Service, request: String) -> reqwest::blocking::Response {
    let sent = service
        .request("POST", "/api/v1/search")
        .header("content-type", "application/json");
    sent.body(request).send().expect("the service answers")
}

/// Writes the bundle of another model, the folder `name`.
fn write_other_bundle(name: &str) -> PathBuf {
    let (old, new) = (shop().path("retrieval"), shop().path(name));
    let _ = std::fs::remove_dir_all(&new);
    fixture::copy_folder(&old, &new).expect("the bundle is copied");
    // Another id makes another model.
    let manifest = new.join("bundle.json");
    let text = std::fs::read_to_string(&manifest).expect("the manifest is readable");
    let id = serde_json::from_str::<Value>(&text).expect("the manifest is JSON")["id"].clone();
    let text = text.replacen(id.as_str().expect("the id is text"), "other", 1);
    std::fs::write(&manifest, text).expect("the manifest is written");
    new
}

/// Copies the shop's catalog into the folder `name`.
fn copy_catalog(name: &str) -> PathBuf {
    let catalog = shop().path(name);
    let _ = std::fs::remove_dir_all(&catalog);
    fixture::copy_folder(&shop().path("catalog"), &catalog).expect("the catalog is copied");
    catalog
}

#[test]
fn a_service_embeds_the_catalog_with_its_next_model_and_goes_on_with_its_own() {
    write_other_bundle("next");
    let service = Service::start_as(json!({ "next": "next", "admin_key": "key" }));
    let begun = Instant::now();
    let stats = loop {
        let answer = service.request("GET", "/api/v1/admin/stats").bearer_auth("key").send();
        let stats = body(answer.expect("the service answers"));
        let generations = stats["generations"].as_array().expect("there are generations");
        let live = generations.iter().find(|generation| generation["state"] == "live");
        if live.is_some_and(|live| live["model"] == model_id("next")) {
            break stats;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{stats}");
        std::thread::sleep(Duration::from_millis(100));
    };
    assert_eq!(stats["generations"][0]["state"], "kept", "{stats}");
    let found = hits(&service, &png(0), &[]);
    assert_eq!((found.model_id, found.hits.len()), (model_id("retrieval"), 10));
}

#[test]
fn embeddings_of_the_model_before_are_answered_as_long_as_its_generation_is_kept() {
    let new = write_other_bundle("other");
    let catalog = copy_catalog("rollout");
    let before = Service::start_as(json!({ "catalog": "rollout" }));
    let next = hits(&before, &png(0), &[("limit", "2")])
        .next
        .expect("there are more products");
    drop(before);
    let embed = ["selvedge", "--device", "cpu", "catalog", "embed", "--catalog"];
    let embed = embed.map(str::to_owned).into_iter();
    let embed = embed.chain([
        catalog.display().to_string(),
        "--bundle".to_owned(),
        new.display().to_string(),
    ]);
    run(Cli::try_parse_from(embed).expect("the command is valid")).expect("the photos are embedded");

    let with = Service::start_as(json!({
        "catalog": "rollout", "retrieval": "other", "previous": "retrieval", "query": false,
    }));
    assert_eq!(hits(&with, &png(0), &[]).model_id, model_id("other"));
    let answer = ask(&with, embedding_body());
    assert_eq!(answer.status(), 200);
    let answer = body(answer);
    assert_eq!(
        answer["model_id"],
        model_id("retrieval"),
        "the space of the query is searched"
    );
    assert_eq!(answer["hits"].as_array().map(Vec::len), Some(10));
    let page = ask(&with, json!({ "cursor": next }).to_string());
    assert_eq!(page.status(), 200, "the generation of the cursor is kept");

    let without = Service::start_as(json!({ "catalog": "rollout", "retrieval": "other", "query": false }));
    assert_problem("an old encoder", ask(&without, embedding_body()), 409, "wrong_model");
    drop((with, without));
    let command = ["selvedge", "catalog", "generations", "--delete", "1", "--catalog"];
    let command = command
        .map(str::to_owned)
        .into_iter()
        .chain([catalog.display().to_string()]);
    run(Cli::try_parse_from(command).expect("the command is valid")).expect("the generation is deleted");
    let gone = Service::start_as(json!({
        "catalog": "rollout", "retrieval": "other", "previous": "retrieval", "query": false,
    }));
    assert_problem("an old encoder", ask(&gone, embedding_body()), 409, "wrong_model");
    assert_problem(
        "an old cursor",
        ask(&gone, json!({ "cursor": next }).to_string()),
        410,
        "stale_cursor",
    );
}
