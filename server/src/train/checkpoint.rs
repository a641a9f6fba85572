//! Checkpoints from which a run goes on exactly where it stopped.

use super::run::write_whole;
use anyhow::Context;
use burn::module::Module;
use burn::optim::ModuleOptimizer;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// What a checkpoint knows beside weights and optimiser.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Epochs that are done.
    pub epochs_done: usize,
    /// Best score so far and the epoch it came from.
    pub best: Option<(f64, usize)>,
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
pub fn save<M: Module>(run: &Path, net: &M, optimiser: &ModuleOptimizer, state: &State) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder(run))?;
    let fail = |what: &str| format!("cannot save the checkpoint's {what}; is the disk full?");
    let net_file = file(run, state.epochs_done, "net");
    let optimiser_file = file(run, state.epochs_done, "optimiser");
    // Left over from a run that was killed while it wrote.
    for left in [&net_file, &optimiser_file] {
        if left.exists() {
            std::fs::remove_file(left)?;
        }
    }
    net.clone().try_save_file(&net_file).map_err(|e| anyhow::anyhow!("{e:?}")).with_context(|| fail("weights"))?;
    optimiser.save(&optimiser_file).map_err(|e| anyhow::anyhow!("{e:?}")).with_context(|| fail("optimiser"))?;
    write_whole(&folder(run).join(STATE), &serde_json::to_vec_pretty(state)?)?;
    for entry in std::fs::read_dir(folder(run))? {
        let path = entry?.path();
        if path != net_file && path != optimiser_file && path.extension().is_some_and(|e| e == "bpk") {
            std::fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// Reads the last valid checkpoint, if there is one.
///
/// # Errors
/// If there is one and it cannot be read.
pub fn load<M: Module>(
    run: &Path,
    net: M,
    optimiser: ModuleOptimizer,
) -> anyhow::Result<(M, ModuleOptimizer, Option<State>)> {
    let path = folder(run).join(STATE);
    if !path.exists() {
        return Ok((net, optimiser, None));
    }
    let state: State = serde_json::from_slice(&std::fs::read(&path)?)
        .with_context(|| format!("{} is damaged; remove the checkpoint folder to start over", path.display()))?;
    let net = net
        .try_load_file(file(run, state.epochs_done, "net"))
        .map_err(|e| anyhow::anyhow!("cannot read the checkpoint's weights: {e:?}"))?;
    let optimiser = optimiser
        .load(file(run, state.epochs_done, "optimiser"))
        .map_err(|e| anyhow::anyhow!("cannot read the checkpoint's optimiser: {e:?}"))?;
    Ok((net, optimiser, Some(state)))
}
