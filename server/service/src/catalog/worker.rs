//! A thread of the service that embeds the photos of new products.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use futures::executor::block_on;
use futures::future::try_join_all;
use shared::input::InputSpec;
use store::Store;

use super::embed_pending::{EmbedJob, embed_images};
use super::faults::Unreadable;
use super::order::Order;
use super::upkeep::merge;
use super::{Catalog, CatalogError};
use crate::embed::{EmbedInput, EmbedQueue, QueueHealth};

/// Maximum pause between two looks for photos that wait.
const PAUSE: Duration = Duration::from_millis(500);

/// Pause before photos that cannot be read are tried again. It doubles with every attempt.
const RETRY: Duration = Duration::from_secs(1);

/// Maximum of this pause.
const MAX_RETRY: Duration = Duration::from_secs(60);

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

/// A pass over the photos that wait.
#[derive(Default)]
struct Pass {
    generation: i64,
    order: Order,
    /// Photos of the pass that cannot be read now.
    unreadable: Unreadable,
    /// Photos of an earlier pass that the log names.
    reported: Unreadable,
    /// Time of the next pass, if photos cannot be read. Until then only photos behind the last one are embedded.
    again: Option<Instant>,
    /// Pause before the last attempt.
    pause: Duration,
    /// True if files of embeddings were merged.
    has_merged: bool,
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
        let (mut seen, mut pass) = (0, Pass::default());
        let mut reported = None;
        while !self.is_ending.load(Ordering::Relaxed) {
            let worked = self.step(&mut pass);
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

    /// Embeds the next batch of the pass. Returns false if no photo waited.
    fn step(&self, pass: &mut Pass) -> Result<bool, CatalogError> {
        let Some(queue) = self.queue.upgrade() else {
            return Ok(false);
        };
        if queue.health() != QueueHealth::Ready {
            return Ok(false);
        }
        let store = self.catalog.store();
        let files = self.catalog.photo_files()?;
        let generation = self.catalog.live().generation();
        if pass.generation != generation {
            *pass = Pass {
                generation,
                order: Order::begin(store)?,
                ..Pass::default()
            };
        }
        let job = EmbedJob {
            store,
            generation,
            files: &files,
            spec: &self.spec,
            batch: self.batch,
        };
        let views = self.catalog.space().views;
        let mut embed = |inputs: Vec<Vec<f32>>| {
            views.embed(inputs, &self.spec, |inputs| {
                let waiting = inputs
                    .into_iter()
                    .map(|input| queue.embed(EmbedInput::product(input), ()));
                Ok(block_on(try_join_all(waiting))?)
            })
        };
        let before = pass.order.clone();
        let pending = pass.order.next(store, generation, self.batch.max(1))?;
        if pending.is_empty() {
            if std::mem::take(&mut pass.has_merged) {
                super::compact(store)?;
            }
            return pass.end(store);
        }
        // After an error the same photos are next.
        let batch = embed_images(&job, &pending, &mut embed).inspect_err(|_| pass.order = before)?;
        for (source, reason) in &batch.failed {
            tracing::warn!(source, reason, "a photo cannot be embedded");
        }
        pass.unreadable.extend(&batch.unreadable);
        if batch.stored > 0 {
            pass.has_merged |= merge(store)?;
        }
        Ok(true)
    }
}

impl Pass {
    /// Ends the pass, and begins the next one in its time. Returns true if it began.
    fn end(&mut self, store: &Store) -> Result<bool, CatalogError> {
        let now = Instant::now();
        if self.unreadable.is_empty() {
            (self.pause, self.reported) = (Duration::ZERO, Unreadable::default());
        } else if let Some(again) = self.again {
            if now < again {
                return Ok(false);
            }
        } else {
            self.pause = (self.pause * 2).clamp(RETRY, MAX_RETRY);
            self.again = Some(now + self.pause);
            if self.unreadable != self.reported {
                tracing::warn!(photos = %self.unreadable, "photos are tried again after a pause");
                self.reported = self.unreadable.clone();
            }
            return Ok(false);
        }
        // Photos that came in front of the last one are seen in the next pass.
        let is_begin = self.order.after == 0;
        self.order = Order::begin(store)?;
        (self.again, self.unreadable) = (None, Unreadable::default());
        Ok(!is_begin)
    }
}
