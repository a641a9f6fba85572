//! Checkpoints, from which an interrupted run is resumed exactly where it stopped.

use crate::optimiser::Optimiser;
use anyhow::Context;
use burn::module::Module;
use dataset::atomic;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Progress of a training: the state of a checkpoint besides weights and optimiser.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct State {
    /// Finished epochs.
    pub(crate) epochs_done: usize,
    /// Epochs whose evaluation has been recorded. The last epoch's evaluation may be missing.
    pub(crate) evaluated: usize,
    /// Record of an epoch that has been trained but not evaluated.
    pub(crate) pending: Option<serde_json::Value>,
    /// Best score so far, and its epoch.
    pub(crate) best: Option<(f64, usize)>,
    /// True if training ended early.
    pub(crate) stopped: bool,
    /// Number of networks in the average of the weights.
    pub(crate) averaged: usize,
}

impl State {
    /// Returns the best score as a metric of this name; empty before the first evaluation.
    pub(crate) fn best_metric(&self, name: &str) -> BTreeMap<String, f64> {
        self.best.iter().map(|(score, _)| (name.to_owned(), *score)).collect()
    }
}

/// Start of a training: its beginning, or a checkpoint.
pub(crate) struct Resumed<M> {
    /// Network.
    pub(crate) net: M,
    /// Optimiser.
    pub(crate) optimiser: Optimiser,
    /// Average of the weights, without autodiff.
    pub(crate) average: Option<M>,
    /// Progress.
    pub(crate) state: State,
}

const STATE: &str = "state.json";

/// Returns the folder of checkpoints within a run.
fn folder(run: &Path) -> PathBuf {
    run.join("checkpoint")
}

fn file(run: &Path, epochs_done: usize, what: &str) -> PathBuf {
    folder(run).join(format!("epoch{epochs_done:04}-{what}.bpk"))
}

/// File of an objective's own state.
fn extra_file(run: &Path, epochs_done: usize) -> PathBuf {
    file(run, epochs_done, "extra").with_extension("bin")
}

/// Writes the state of an objective besides weights and optimiser. It belongs to the checkpoint that [`save`] then writes.
///
/// # Errors
/// If the file cannot be written.
pub(crate) fn save_extra(run: &Path, epochs_done: usize, state: &[u8]) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder(run))?;
    atomic::write(&extra_file(run, epochs_done), state)
}

/// Reads what [`save_extra`] wrote; `None` if there is no such file.
///
/// # Errors
/// If the file cannot be read.
pub(crate) fn load_extra(run: &Path, epochs_done: usize) -> anyhow::Result<Option<Vec<u8>>> {
    let path = extra_file(run, epochs_done);
    if epochs_done == 0 || !path.exists() {
        return Ok(None);
    }
    let bytes = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(Some(bytes))
}

/// Writes a checkpoint and removes older ones. The state file is written last and makes the checkpoint valid.
///
/// # Errors
/// If a file cannot be written.
pub(crate) fn save<M: Module>(
    run: &Path,
    net: &M,
    optimiser: &Optimiser,
    average: Option<&M>,
    state: &State,
) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder(run))?;
    let fail = |what: &str| format!("cannot save the checkpoint's {what}; is the disk full?");
    let net_file = file(run, state.epochs_done, "net");
    let optimiser_file = file(run, state.epochs_done, "optimiser");
    let average_file = file(run, state.epochs_done, "average");
    let files = [&net_file, &optimiser_file, &average_file];
    // A run that was killed while it wrote leaves files.
    for file in files {
        if file.exists() {
            std::fs::remove_file(file)?;
        }
    }
    let save_net = |net: &M, path: &Path| net.clone().save_file(path).map_err(|e| anyhow::anyhow!("{e:?}"));
    save_net(net, &net_file).with_context(|| fail("weights"))?;
    optimiser
        .save(&optimiser_file)
        .map_err(|e| anyhow::anyhow!("{e:?}"))
        .with_context(|| fail("optimiser"))?;
    if let Some(average) = average {
        save_net(average, &average_file).with_context(|| fail("average"))?;
    }
    save_state(run, state)?;
    let extra = extra_file(run, state.epochs_done);
    for entry in std::fs::read_dir(folder(run))? {
        let path = entry?.path();
        let is_kept = files.contains(&&path) || path == extra;
        if !is_kept && path.extension().is_some_and(|e| e == "bpk" || e == "bin") {
            std::fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// Writes the progress alone, if weights and optimiser have not changed since [`save`].
///
/// # Errors
/// If the file cannot be written.
pub(crate) fn save_state(run: &Path, state: &State) -> anyhow::Result<()> {
    atomic::write(&folder(run).join(STATE), &serde_json::to_vec_pretty(state)?)
}

/// True if a run has a valid checkpoint.
pub(crate) fn exists(run: &Path) -> bool {
    folder(run).join(STATE).exists()
}

/// Reads the last valid checkpoint. Without one returns the given network, and the optimiser before its first step.
/// `optimiser` creates the optimiser of a network.
///
/// # Errors
/// If a checkpoint exists and cannot be read, or the optimiser does not fit the network.
pub(crate) fn load<M: Module>(
    run: &Path,
    net: M,
    optimiser: impl FnOnce(&M) -> anyhow::Result<Optimiser>,
) -> anyhow::Result<Resumed<M>> {
    let path = folder(run).join(STATE);
    if !exists(run) {
        let optimiser = optimiser(&net)?;
        return Ok(Resumed {
            net,
            optimiser,
            average: None,
            state: State::default(),
        });
    }
    let state: State = serde_json::from_slice(&std::fs::read(&path)?).with_context(|| {
        format!(
            "{} is damaged; remove the checkpoint folder to start over",
            path.display()
        )
    })?;
    let read = |net: M, what: &str| {
        net.try_load_file(file(run, state.epochs_done, what))
            .map_err(|e| anyhow::anyhow!("cannot read the checkpoint's {what}: {e:?}"))
    };
    let average = if state.averaged > 0 {
        Some(read(net.valid(), "average")?)
    } else {
        None
    };
    let net = read(net, "net")?;
    // The groups of the optimiser list the identities that the loaded parameters have.
    let optimiser = optimiser(&net)?
        .load(&file(run, state.epochs_done, "optimiser"))
        .map_err(|e| anyhow::anyhow!("cannot read the checkpoint's optimiser: {e:?}"))?;
    Ok(Resumed {
        net,
        optimiser,
        average,
        state,
    })
}
