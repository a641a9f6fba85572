//! Another model for a catalog: its own generation, and embeddings of the model before.

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

#[test]
fn embeddings_of_the_model_before_are_answered_as_long_as_its_generation_is_kept() {
    let (old, new, catalog) = (shop().path("retrieval"), shop().path("other"), shop().path("rollout"));
    fixture::copy_folder(&old, &new).expect("the bundle is copied");
    // Another id makes another model.
    let manifest = new.join("bundle.json");
    let text = std::fs::read_to_string(&manifest).expect("the manifest is readable");
    let id = serde_json::from_str::<Value>(&text).expect("the manifest is JSON")["id"].clone();
    let text = text.replacen(id.as_str().expect("the id is text"), "other", 1);
    std::fs::write(&manifest, text).expect("the manifest is written");
    let _ = std::fs::remove_dir_all(&catalog);
    fixture::copy_folder(&shop().path("catalog"), &catalog).expect("the catalog is copied");

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
