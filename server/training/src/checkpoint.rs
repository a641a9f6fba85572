//! Checkpoints from which a run goes on exactly where it stopped.

use anyhow::Context;
use burn::module::Module;
use burn::optim::ModuleOptimizer;
use dataset::atomic;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// What a checkpoint knows beside weights and optimiser.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct State {
    /// Epochs that are done.
    pub epochs_done: usize,
    /// Epochs whose evaluation has been recorded; the last one's may still have been under way.
    pub evaluated: usize,
    /// What is known of an epoch that has been trained but not evaluated.
    pub pending: Option<serde_json::Value>,
    /// Best score so far and the epoch it came from.
    pub best: Option<(f64, usize)>,
    /// Whether training ended before its epochs were done.
    pub stopped: bool,
    /// Networks in the average of the weights.
    pub averaged: usize,
}

/// Where a run goes on, or begins.
#[allow(missing_debug_implementations)] // Burn's optimiser has none
pub struct Resumed<M> {
    /// The network.
    pub net: M,
    /// The optimiser.
    pub optimiser: ModuleOptimizer,
    /// The average of the weights, without autodiff.
    pub average: Option<M>,
    /// What else is known.
    pub state: State,
}

const STATE: &str = "state.json";

/// The folder of checkpoints within a run.
fn folder(run: &Path) -> PathBuf {
    run.join("checkpoint")
}

fn file(run: &Path, epochs_done: usize, what: &str) -> PathBuf {
    folder(run).join(format!("epoch{epochs_done:04}-{what}.bpk"))
}

/// Writes the checkpoint; the state file, written last, makes it valid. Older ones go.
///
/// # Errors
/// If a file cannot be written.
pub fn save<M: Module>(
    run: &Path,
    net: &M,
    optimiser: &ModuleOptimizer,
    average: Option<&M>,
    state: &State,
) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder(run))?;
    let fail = |what: &str| format!("cannot save the checkpoint's {what}; is the disk full?");
    let net_file = file(run, state.epochs_done, "net");
    let optimiser_file = file(run, state.epochs_done, "optimiser");
    let average_file = file(run, state.epochs_done, "average");
    let files = [&net_file, &optimiser_file, &average_file];
    // Left over from a run that was killed while it wrote.
    for left in files {
        if left.exists() {
            std::fs::remove_file(left)?;
        }
    }
    let keep = |net: &M, path: &Path| net.clone().save_file(path).map_err(|e| anyhow::anyhow!("{e:?}"));
    keep(net, &net_file).with_context(|| fail("weights"))?;
    optimiser
        .save(&optimiser_file)
        .map_err(|e| anyhow::anyhow!("{e:?}"))
        .with_context(|| fail("optimiser"))?;
    if let Some(average) = average {
        keep(average, &average_file).with_context(|| fail("average"))?;
    }
    save_state(run, state)?;
    for entry in std::fs::read_dir(folder(run))? {
        let path = entry?.path();
        if !files.contains(&&path) && path.extension().is_some_and(|e| e == "bpk") {
            std::fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// Writes what is known beside weights and optimiser, which have not changed since [`save`].
///
/// # Errors
/// If it cannot be written.
pub fn save_state(run: &Path, state: &State) -> anyhow::Result<()> {
    atomic::write(&folder(run).join(STATE), &serde_json::to_vec_pretty(state)?)
}

/// Whether a run has a valid checkpoint.
pub fn is_there(run: &Path) -> bool {
    folder(run).join(STATE).exists()
}

/// Reads the last valid checkpoint, if there is one.
///
/// # Errors
/// If there is one and it cannot be read.
pub fn load<M: Module>(run: &Path, net: M, optimiser: ModuleOptimizer) -> anyhow::Result<Resumed<M>> {
    let path = folder(run).join(STATE);
    if !is_there(run) {
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
    let optimiser = optimiser
        .load(file(run, state.epochs_done, "optimiser"))
        .map_err(|e| anyhow::anyhow!("cannot read the checkpoint's optimiser: {e:?}"))?;
    Ok(Resumed {
        net,
        optimiser,
        average,
        state,
    })
}
