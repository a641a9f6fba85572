//! Export of a run's best weights as a bundle: batch norm folded, weights stored as f16, provenance recorded.

use crate::checkpoint::State;
use crate::network::NetworkConfig;
use crate::recipe::Recipe;
use crate::run_report;
use crate::task::Task;
use burn::tensor::Device;
use dataset::bundle;
use dataset::run::{BEST, BUNDLE, Run};
use shared::bundle::{FORMAT, Manifest, Training, Weights, describe_weights};
use shared::model::Architecture;
use shared::weights::{Precision, load, save};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Writes the bundle and the report of a finished run; returns the bundle's folder.
///
/// Thresholds and metrics are those of the folded network.
///
/// # Errors
/// If a file cannot be read or written, or the network cannot be stored as f16.
pub(crate) fn export<T: Task>(
    task: &T,
    recipe: &Recipe,
    objective: &T::Objective<'_>,
    state: &State,
    run: &Run,
    device: &Device,
) -> anyhow::Result<PathBuf> {
    let config = task.config(objective);
    let best = std::fs::read(run.dir.join(BEST))?;
    let net = T::Config::fold(load(config.network(device)?, &best)?);
    let weights = save(&net, Precision::F16)?;
    let manifest = describe(recipe, run, config.architecture(), &weights);
    let mut manifest = task.manifest(manifest, &net, objective, state, run)?;
    // JSON has no NaN.
    manifest.metrics.retain(|_, value| value.is_finite());
    let dir = run.dir.join(BUNDLE);
    bundle::write(&dir, &manifest, &Weights::from(weights), device)?;
    run_report::after(&run.dir);
    Ok(dir)
}

/// Returns the part of a manifest that does not depend on the task.
fn describe(recipe: &Recipe, run: &Run, architecture: Architecture, weights: &[u8]) -> Manifest {
    let mut data: Vec<String> = Vec::new();
    for group in recipe.data.all_groups() {
        let name = group.dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !data.contains(&name) {
            data.push(name);
        }
    }
    Manifest {
        format: FORMAT,
        id: recipe.name.clone(),
        architecture,
        input: recipe.input.clone(),
        labels: Vec::new(),
        thresholds: Vec::new(),
        groups: Vec::new(),
        precise: None,
        embedding_dim: 0,
        embeds_into: None,
        floor: None,
        weights: describe_weights(weights, Precision::F16, true),
        projection: None,
        training: Training {
            command: run.provenance.command.clone(),
            recipe: recipe.name.clone(),
            seed: recipe.seed,
            commit: run.provenance.commit.clone(),
            data: data.join("+"),
            data_sha256: run.provenance.data_sha256.clone(),
        },
        metrics: BTreeMap::new(),
        licence: "MIT OR Apache-2.0".to_owned(),
    }
}
