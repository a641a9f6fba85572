//! A thread of the service that embeds the catalog with its next model.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use burn::tensor::Device;

use super::Catalog;
use super::embed_run::EmbedRun;
use crate::embed::RetrievalModel;

/// Pause between two looks for photos that wait.
const PAUSE: Duration = Duration::from_secs(1);

/// Photos per batch. Few, so that the visitors' photos do not wait long for the device.
const BATCH: usize = 8;

/// Handle of the thread, which ends when this is dropped.
pub(crate) struct NextModel {
    catalog: Arc<Catalog>,
    is_ending: Arc<AtomicBool>,
}

impl NextModel {
    /// Starts the thread. It loads the bundle in `dir` onto `device`, embeds all photos into a new generation, compares it with
    /// the live one, and makes it live. The service goes on with its own model, whose generation is kept. Photos that come later
    /// are embedded for both.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub(crate) fn start(catalog: &Arc<Catalog>, dir: PathBuf, device: Device) -> anyhow::Result<Self> {
        let is_ending = Arc::new(AtomicBool::new(false));
        let (followed, ending) = (Arc::clone(catalog), Arc::clone(&is_ending));
        let run = move || {
            if let Err(error) = embed(&followed, &dir, &device, &ending) {
                tracing::error!(bundle = %dir.display(), error = format!("{error:#}"), "the next model cannot embed the catalog");
            }
        };
        thread::Builder::new()
            .name("next-model".into())
            .spawn(run)
            .context("cannot start the thread of the next model")?;
        Ok(Self {
            catalog: Arc::clone(catalog),
            is_ending,
        })
    }
}

impl Drop for NextModel {
    fn drop(&mut self) {
        self.is_ending.store(true, Ordering::Relaxed);
        self.catalog.wake().ring();
    }
}

fn embed(catalog: &Catalog, dir: &Path, device: &Device, ending: &AtomicBool) -> anyhow::Result<()> {
    let model = RetrievalModel::open(dir, device)?;
    let name = model.manifest().model_id();
    anyhow::ensure!(
        name != catalog.space().model_id,
        "it is the model that the service runs"
    );
    let store = catalog.store();
    let element = store
        .live_generation()?
        .context("the catalog has no live generation")?
        .element;
    let mut seen = 0;
    while !ending.load(Ordering::Relaxed) {
        let files = catalog.photo_files()?;
        let run = EmbedRun {
            store,
            files: &files,
            model: &model,
            views: catalog.space().views,
            element,
            batch: BATCH,
        };
        let embedded = run.run(|_| !ending.load(Ordering::Relaxed))?;
        if let Some(comparison) = embedded.comparison {
            tracing::info!(model = name, %comparison, "the next model's generation is live; restart the service with its bundle");
        }
        seen = catalog.wake().wait(seen, PAUSE);
    }
    Ok(())
}
