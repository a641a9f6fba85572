//! The process of a service, and its configuration.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use burn::tensor::Device;
use clap::ValueEnum;
use engine::Engine;
use search::rerank::Rerank;
use serde_json::Value;
use service::embed::{EmbedFn, PhotoViews, QueueOptions};
use service::http::{Limits, ServeConfig, serve, serve_with};
use service::telemetry::{self, LogFormat};
use tests::fixture;
use tests::process::instructions;

use super::engine::GatedEngine;

/// Path of [`service_process`] in the test program.
pub(crate) const SERVICE_PROCESS: &str = "harness::process::service_process";

/// Default configuration of a service on the folders in `dir`, with the query encoder in the folder `query`, if any.
pub(crate) fn config(dir: &Path, query: Option<&str>) -> ServeConfig {
    ServeConfig {
        addr: SocketAddr::from(([127, 0, 0, 1], 0)),
        site_dir: Some(dir.join("site")),
        tagger_dir: dir.join("tagger"),
        query_dir: query.map(|folder| dir.join(folder)),
        retrieval_dir: dir.join("retrieval"),
        category_dir: None,
        pieces_dir: None,
        catalog_dir: dir.join("catalog"),
        images_dir: None,
        next_dir: None,
        previous_dir: None,
        previous_query_dir: None,
        allowed_origins: Vec::new(),
        admin_key: None,
        snapshots_dir: None,
        engine: None,
        views: PhotoViews::None,
        rerank: Rerank::None.into(),
        decode_memory: 1 << 30,
        queue: QueueOptions::default(),
        limits: Limits::default(),
        drain_delay: Duration::from_secs(4),
        grace: Duration::from_secs(30),
    }
}

/// Body of the service's process. Without instructions, as in the test run itself, it does nothing.
#[test]
fn service_process() {
    let Some(instructions) = instructions() else {
        return;
    };
    let instructions: Value = serde_json::from_str(&instructions).expect("the instructions are JSON");
    let dir = Path::new(instructions["dir"].as_str().expect("the instructions have a path"));
    let told = Path::new(instructions["told"].as_str().expect("the instructions have a path"));
    if instructions["log"].as_bool().unwrap_or(false) {
        telemetry::init(LogFormat::Json, "info").expect("the log starts");
    }
    let mut config = configured(dir, &instructions);
    // One process has a catalog open, so every service has a copy.
    let copy = told.with_extension("catalog");
    let _ = fs::remove_dir_all(&copy);
    fixture::copy_folder(&config.catalog_dir, &copy).expect("the catalog is copied");
    config.catalog_dir = copy;
    let on_ready = |addr: SocketAddr| {
        let part = told.with_extension("part");
        fs::write(&part, addr.to_string())
            .and_then(|()| fs::rename(&part, told))
            .expect("the address is written");
    };
    let served = match instructions["gate"].as_str().map(|gate| dir.join(gate)) {
        Some(gate) => serve_with(&config, move || gated_model(gate.clone()), on_ready),
        None => serve(&config, &Device::flex(), on_ready),
    };
    served.expect("the service ends in order");
}

/// The default configuration with the changes of the instructions.
fn configured(dir: &Path, instructions: &Value) -> ServeConfig {
    let query = match &instructions["query"] {
        Value::Bool(false) => None,
        Value::String(folder) => Some(folder.as_str()),
        _ => Some("query"),
    };
    let default = config(dir, query);
    let folder = |name: &str| instructions[name].as_str().map(|folder| dir.join(folder));
    let number = |name: &str| instructions[name].as_u64();
    let count = |name: &str, default: usize| number(name).map_or(default, |number| number as usize);
    let time = |name: &str, default: Duration| number(name).map_or(default, Duration::from_millis);
    ServeConfig {
        queue: QueueOptions {
            max_batch: count("max_batch", default.queue.max_batch),
            capacity: count("queue", default.queue.capacity),
            stall: time("stall_ms", default.queue.stall),
            ..default.queue
        },
        limits: Limits {
            connections: count("connections", default.limits.connections),
            head: time("head_ms", default.limits.head),
            idle: time("idle_ms", default.limits.idle),
            write: time("write_ms", default.limits.write),
            body_grace: time("body_grace_ms", default.limits.body_grace),
            body_bytes: count("body_bytes", default.limits.body_bytes),
            upload_bytes: number("upload_bytes").unwrap_or(default.limits.upload_bytes),
            deadline: time("deadline_ms", default.limits.deadline),
            photos: count("photos", default.limits.photos),
            embeddings: count("embeddings", default.limits.embeddings),
            ..default.limits
        },
        drain_delay: time("drain_ms", default.drain_delay),
        grace: time("grace_ms", default.grace),
        category_dir: folder("category"),
        pieces_dir: folder("pieces"),
        tagger_dir: folder("tagger").unwrap_or(default.tagger_dir),
        retrieval_dir: folder("retrieval").unwrap_or(default.retrieval_dir),
        catalog_dir: folder("catalog").unwrap_or(default.catalog_dir),
        decode_memory: number("decode_memory").unwrap_or(default.decode_memory),
        images_dir: folder("images"),
        next_dir: folder("next"),
        previous_dir: folder("previous"),
        previous_query_dir: folder("previous_query"),
        allowed_origins: instructions["allow_origin"]
            .as_str()
            .map(|origin| origin.parse().expect("an origin"))
            .into_iter()
            .collect(),
        admin_key: instructions["admin_key"].as_str().map(str::to_owned),
        snapshots_dir: folder("snapshots"),
        engine: folder("engine").map(|gate| Arc::new(GatedEngine::new(gate)) as Arc<dyn Engine>),
        views: instructions["views"]
            .as_str()
            .map_or(default.views, |name| name.parse().expect("the views are known")),
        rerank: instructions["rerank"].as_str().map_or(default.rerank, |name| {
            Rerank::from_str(name, false).expect("the re-ranking is known").into()
        }),
        ..default
    }
}

/// A model that hangs while the file `gate` contains `shut`, after it has written the file `gate` + `.held`. While the gate
/// contains `panic`, the model panics and cannot be loaded.
fn gated_model(gate: PathBuf) -> anyhow::Result<EmbedFn> {
    let held = gate.with_extension("held");
    let holds = move |word: &str| fs::read_to_string(&gate).is_ok_and(|text| text == word);
    anyhow::ensure!(!holds("panic"), "the model cannot be loaded");
    Ok(Box::new(move |inputs| {
        assert!(!holds("panic"), "the model was told to panic");
        if holds("shut") {
            fs::write(&held, "")?;
        }
        while holds("shut") {
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(inputs
            .into_iter()
            .map(|input| input.values[..fixture::DIM].iter().map(|value| value + 3.0).collect())
            .collect())
    }))
}
