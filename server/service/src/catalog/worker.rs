//! A thread of the service that embeds the photos of new products.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use futures::executor::block_on;
use futures::future::try_join_all;
use shared::input::InputSpec;

use super::embed_pending::{EmbedJob, embed_pending};
use super::{Catalog, CatalogError};
use crate::embed::{EmbedQueue, QueueHealth};

/// Maximum pause between two looks for photos that wait.
const PAUSE: Duration = Duration::from_millis(500);

/// Segments that the live generation has collected when they are merged.
const MANY_SEGMENTS: u64 = 64;

/// Handle of the thread, which ends after its present batch when this is dropped. A batch that hangs does not keep the process.
pub(crate) struct Worker {
    catalog: Arc<Catalog>,
    is_ending: Arc<AtomicBool>,
}

/// State of the thread.
struct Work {
    catalog: Arc<Catalog>,
    spec: InputSpec,
    batch: usize,
    queue: Weak<EmbedQueue>,
    is_ending: Arc<AtomicBool>,
}

impl Worker {
    /// Starts the thread. It embeds through `queue`, at most `batch` photos at once, so visitors wait for one batch at most.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub(crate) fn start(
        catalog: &Arc<Catalog>,
        spec: InputSpec,
        batch: usize,
        queue: &Arc<EmbedQueue>,
    ) -> anyhow::Result<Self> {
        let is_ending = Arc::new(AtomicBool::new(false));
        let work = Work {
            catalog: Arc::clone(catalog),
            spec,
            batch,
            queue: Arc::downgrade(queue),
            is_ending: Arc::clone(&is_ending),
        };
        thread::Builder::new()
            .name("embed-catalog".into())
            .spawn(move || work.run())
            .context("cannot start the thread that embeds new photos")?;
        Ok(Self {
            catalog: Arc::clone(catalog),
            is_ending,
        })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.is_ending.store(true, Ordering::Relaxed);
        self.catalog.wake().ring();
    }
}

impl Work {
    fn run(&self) {
        let (mut seen, mut after) = (0, 0);
        let mut reported = None;
        while !self.is_ending.load(Ordering::Relaxed) {
            let worked = self.step(&mut after);
            let fault = worked.as_ref().err().map(ToString::to_string);
            if fault != reported {
                if let Some(fault) = &fault {
                    tracing::error!(fault, "new photos cannot be embedded; trying again");
                }
                reported = fault;
            }
            if matches!(worked, Ok(true)) {
                self.catalog.wake().ring();
            } else {
                seen = self.catalog.wake().wait(seen, PAUSE);
            }
        }
    }

    /// Embeds a batch behind the image number `after`. Returns false if no photo waited.
    fn step(&self, after: &mut i64) -> Result<bool, CatalogError> {
        let Some(queue) = self.queue.upgrade() else {
            return Ok(false);
        };
        if queue.health() != QueueHealth::Ready {
            return Ok(false);
        }
        let store = self.catalog.store();
        let files = self.catalog.photo_files()?;
        let job = EmbedJob {
            store,
            generation: self.catalog.live().generation(),
            files: &files,
            spec: &self.spec,
            batch: self.batch,
        };
        let views = self.catalog.space().views;
        let mut embed = |inputs: Vec<Vec<f32>>| {
            views.embed(inputs, &self.spec, |inputs| {
                let waiting = inputs.into_iter().map(|input| queue.embed(input, ()));
                Ok(block_on(try_join_all(waiting))?)
            })
        };
        let batch = embed_pending(&job, *after, &mut embed)?;
        for (source, reason) in &batch.failed {
            tracing::warn!(source, reason, "a photo cannot be embedded");
        }
        if let Some(last) = batch.last {
            *after = last;
            return Ok(true);
        }
        if store.stats()?.segments >= MANY_SEGMENTS {
            super::compact(store)?;
        }
        // Photos that came in front of the cursor are seen in the next round.
        let is_begin = *after == 0;
        *after = 0;
        Ok(!is_begin)
    }
}
