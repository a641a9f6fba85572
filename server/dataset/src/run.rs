//! Run directories: the recipe, where it came from, and everything that came out. Never overwritten.

use crate::atomic;
use anyhow::Context;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Call of the program that made a file, for the record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Invocation {
    /// The command line.
    pub command: String,
    /// Commit of the program's source. It ends in `-dirty` if files had been changed since.
    pub commit: String,
}

/// Whether a run begins or goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// A new directory.
    New,
    /// From the last checkpoint of an existing one.
    Resume,
}

/// What else is known of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// The command line.
    pub command: String,
    /// Commit of the program's source, or `unknown`.
    pub commit: String,
    /// SHA-256 of the dataset's manifest.
    pub data_sha256: String,
    /// Where it computed.
    pub device: String,
}

/// A run's directory.
#[derive(Debug, Clone)]
pub struct Run {
    /// The directory.
    pub dir: PathBuf,
    /// Where the run came from.
    pub provenance: Provenance,
    /// Held while this process works on the run; the system lets go of it however the process ends.
    _lock: Arc<File>,
}

/// The recipe within a run.
pub const RECIPE: &str = "recipe.toml";
/// Where the run came from, within it.
pub const PROVENANCE: &str = "run.json";
/// An epoch a line, within a run.
pub const METRICS: &str = "metrics.jsonl";
/// The folder of the bundle within a run.
pub const BUNDLE: &str = "bundle";
/// Weights of the best epoch, within a run.
pub const BEST: &str = "best.safetensors";
/// Predictions of a classifier's bundle for the rows that its thresholds were chosen on, within a run.
pub const TUNED: &str = "tuned.parquet";
/// Locked by the process that works on the run.
pub const LOCK: &str = "run.lock";

impl Run {
    /// Makes the directory, or opens it again.
    ///
    /// # Errors
    /// If a new one exists already, or one to resume is missing or was started with another recipe or other data.
    pub fn open(dir: &Path, recipe: &impl Serialize, provenance: Provenance, start: Start) -> anyhow::Result<Self> {
        let text = toml::to_string_pretty(recipe)?;
        let lock;
        match start {
            Start::New => {
                refuse_existing(dir)?;
                std::fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
                lock = locked(dir)?;
                std::fs::write(dir.join(RECIPE), text)?;
                std::fs::write(dir.join(PROVENANCE), serde_json::to_string_pretty(&provenance)?)?;
            }
            Start::Resume => {
                let before = std::fs::read_to_string(dir.join(RECIPE))
                    .with_context(|| format!("{} is no run that could go on", dir.display()))?;
                lock = locked(dir)?;
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

    /// Drops lines of epochs from `epoch` on, which a resumed run will write again.
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

/// # Errors
/// If there is something where a new run is to go.
pub fn refuse_existing(dir: &Path) -> anyhow::Result<()> {
    anyhow::ensure!(
        !dir.exists(),
        "{} exists already, and a run is never overwritten\nhint: go on with it by --resume, or name another directory with --out",
        dir.display()
    );
    Ok(())
}

/// Removes a run that ended before it had anything to go on from; a folder with anything else in it stays.
///
/// # Errors
/// If it cannot be removed.
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
            "{} is no run, and is in the way of one\nhint: move it away",
            dir.display()
        )
    })
}

/// Takes the run for this process alone.
fn locked(dir: &Path) -> anyhow::Result<File> {
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
        // Some network file systems know no locks; then nothing guards the run, as without this file.
        Err(std::fs::TryLockError::Error(error)) => {
            tracing::warn!(%error, "{} cannot be locked", path.display());
            Ok(file)
        }
    }
}

/// Whether a process is working on the run in `dir`.
pub fn is_locked(dir: &Path) -> bool {
    File::open(dir.join(LOCK))
        .is_ok_and(|file| matches!(file.try_lock_shared(), Err(std::fs::TryLockError::WouldBlock)))
}
