//! Run directories: recipe, provenance, metrics, checkpoints and results of one training.
//!
//! **Invariant:** a run is never overwritten, and at most one process works on it.

use crate::atomic;
use anyhow::Context;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Invocation of the program, recorded in the files that it writes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Invocation {
    /// Command line.
    pub command: String,
    /// Commit of the program's source, with the suffix `-dirty` if it had uncommitted changes.
    pub commit: String,
}

/// Start of a new run, or continuation of an existing one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Create a new directory.
    New,
    /// Resume an existing run from its last checkpoint.
    Resume,
}

/// Provenance of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// Command line.
    pub command: String,
    /// Commit of the program's source, or `unknown`.
    pub commit: String,
    /// SHA-256 of the dataset's manifest in hexadecimal.
    pub data_sha256: String,
    /// Device of the training.
    pub device: String,
}

/// Open run directory.
#[derive(Debug, Clone)]
pub struct Run {
    /// Path of the directory.
    pub dir: PathBuf,
    /// Provenance of the run.
    pub provenance: Provenance,
    /// Lock of this process on the run. The operating system releases it when the process ends.
    _lock: Arc<File>,
}

/// Recipe within a run directory.
pub const RECIPE: &str = "recipe.toml";
/// [`Provenance`] within a run directory.
pub const PROVENANCE: &str = "run.json";
/// Metrics within a run directory, one line per epoch.
pub const METRICS: &str = "metrics.jsonl";
/// Folder of the bundle within a run directory.
pub const BUNDLE: &str = "bundle";
/// Weights of the best epoch within a run directory.
pub const BEST: &str = "best.safetensors";
/// Predictions for the rows that a classifier's thresholds were tuned on, within a run directory.
pub const TUNED: &str = "tuned.parquet";
/// File that a process locks while it works on the run.
pub const LOCK: &str = "run.lock";

impl Run {
    /// Creates a run directory, or opens one to resume.
    ///
    /// # Errors
    /// If a new directory exists already, or a run to resume is missing or has another recipe or dataset.
    pub fn open(dir: &Path, recipe: &impl Serialize, provenance: Provenance, start: Start) -> anyhow::Result<Self> {
        let text = toml::to_string_pretty(recipe)?;
        let lock;
        match start {
            Start::New => {
                refuse_existing(dir)?;
                std::fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
                lock = acquire_lock(dir)?;
                std::fs::write(dir.join(RECIPE), text)?;
                std::fs::write(dir.join(PROVENANCE), serde_json::to_string_pretty(&provenance)?)?;
            }
            Start::Resume => {
                let before = std::fs::read_to_string(dir.join(RECIPE))
                    .with_context(|| format!("{} is not a run that can be resumed", dir.display()))?;
                lock = acquire_lock(dir)?;
                anyhow::ensure!(
                    before == text,
                    "{} was started with another recipe; resume with the same recipe and --set, or start a new run",
                    dir.display()
                );
                let origin: Provenance = serde_json::from_slice(&std::fs::read(dir.join(PROVENANCE))?)?;
                anyhow::ensure!(
                    origin.data_sha256 == provenance.data_sha256,
                    "the dataset's manifest has changed since {} was started; start a new run",
                    dir.display()
                );
            }
        }
        Ok(Self {
            dir: dir.to_owned(),
            provenance,
            _lock: Arc::new(lock),
        })
    }

    /// Appends a line to `metrics.jsonl`.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn log(&self, line: &serde_json::Value) -> anyhow::Result<()> {
        let mut file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.dir.join(METRICS))?;
        writeln!(file, "{line}")?;
        Ok(())
    }

    /// Removes the lines of `epoch` and later epochs from `metrics.jsonl`. A resumed run writes them again.
    ///
    /// # Errors
    /// If the file cannot be read or written.
    pub fn forget_from(&self, epoch: usize) -> anyhow::Result<()> {
        let path = self.dir.join(METRICS);
        if !path.exists() {
            return Ok(());
        }
        let text = std::fs::read_to_string(&path)?;
        let kept = text.lines().filter(|line| {
            serde_json::from_str::<serde_json::Value>(line)
                .ok()
                .and_then(|value| value["epoch"].as_u64())
                .is_some_and(|at| (at as usize) < epoch)
        });
        let kept: String = kept.flat_map(|line| [line, "\n"]).collect();
        atomic::write(&path, kept.as_bytes())
    }
}

/// Checks that a path is free for a new run.
///
/// # Errors
/// If the path exists.
pub fn refuse_existing(dir: &Path) -> anyhow::Result<()> {
    anyhow::ensure!(
        !dir.exists(),
        "{} exists already, and a run is never overwritten\nhint: resume it with --resume, or name another directory with --out",
        dir.display()
    );
    Ok(())
}

/// Removes a run that ended before its first checkpoint. A folder with other files is kept.
///
/// # Errors
/// If the folder contains other files or cannot be removed.
pub fn remove_unborn(dir: &Path) -> anyhow::Result<()> {
    let remove = || -> std::io::Result<()> {
        for file in [RECIPE, PROVENANCE, LOCK]
            .map(|file| dir.join(file))
            .iter()
            .filter(|file| file.exists())
        {
            std::fs::remove_file(file)?;
        }
        std::fs::remove_dir(dir)
    };
    remove().with_context(|| {
        format!(
            "{} is not a run, and a run needs this path\nhint: move it away",
            dir.display()
        )
    })
}

/// Locks the run for this process.
fn acquire_lock(dir: &Path) -> anyhow::Result<File> {
    let path = dir.join(LOCK);
    let file = File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => {
            anyhow::bail!(
                "another process is working on {}; wait until it has ended, or end it",
                dir.display()
            )
        }
        // Some network file systems do not support locks. Then the run is not protected.
        Err(std::fs::TryLockError::Error(error)) => {
            tracing::warn!(%error, "{} cannot be locked", path.display());
            Ok(file)
        }
    }
}

/// True if a process is working on the run in `dir`.
pub fn is_locked(dir: &Path) -> bool {
    File::open(dir.join(LOCK))
        .is_ok_and(|file| matches!(file.try_lock_shared(), Err(std::fs::TryLockError::WouldBlock)))
}
