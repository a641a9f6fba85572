//! A thread of the service that embeds the catalog with its next model.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use burn::tensor::Device;
use dataset::MaxErrors;
use store::Element;

use super::embed_run::{EmbedRun, Embedded};
use super::{Catalog, CatalogError};
use crate::embed::RetrievalModel;

/// Pause between two looks for photos that wait.
const PAUSE: Duration = Duration::from_secs(1);

/// Maximum pause after a failure. The pause doubles with every one.
const MAX_PAUSE: Duration = Duration::from_secs(60);

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
    let element = catalog
        .store()
        .live_generation()?
        .context("the catalog has no live generation")?
        .element;
    let (mut seen, mut pause, mut reported) = (0, PAUSE, None);
    while !ending.load(Ordering::Relaxed) {
        let embedded = embed_all(catalog, &model, element, ending);
        let fault = match &embedded {
            Ok(embedded) if embedded.unreadable.is_empty() => None,
            Ok(embedded) => Some(embedded.unreadable.to_string()),
            Err(error) => Some(error.to_string()),
        };
        if let Some(comparison) = embedded.ok().and_then(|embedded| embedded.comparison) {
            tracing::info!(model = name, %comparison, "the next model's generation is live; restart the service with its bundle");
        }
        if let Some(fault) = fault.as_ref().filter(|_| fault != reported) {
            tracing::error!(
                model = name,
                fault,
                "the next model cannot embed all photos; trying again"
            );
        }
        if fault.is_none() {
            pause = PAUSE;
            seen = catalog.wake().wait(seen, pause);
        } else {
            // Changes of the catalog do not end this pause.
            let until = Instant::now() + pause;
            while !ending.load(Ordering::Relaxed) && Instant::now() < until {
                seen = catalog
                    .wake()
                    .wait(seen, until.saturating_duration_since(Instant::now()));
            }
            pause = (pause * 2).min(MAX_PAUSE);
        }
        reported = fault;
    }
    Ok(())
}

/// Embeds all photos that wait, and makes the model's generation live when it is finished.
fn embed_all(
    catalog: &Catalog,
    model: &RetrievalModel,
    element: Element,
    ending: &AtomicBool,
) -> Result<Embedded, CatalogError> {
    let run = EmbedRun {
        store: catalog.store(),
        files: &catalog.photo_files()?,
        model,
        views: catalog.space().views,
        element,
        batch: BATCH,
        max_errors: MaxErrors::default(),
    };
    run.run(|_| !ending.load(Ordering::Relaxed))
}
