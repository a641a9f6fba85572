//! A bounded queue in front of one worker thread that embeds in batches.
//!
//! One worker owns one device, so batches never compete for it. The worker takes what has gathered, at most
//! [`QueueOptions::max_batch`] inputs, after waiting at most [`QueueOptions::max_wait`] for company. Inputs whose client
//! has gone are dropped before they cost compute. **Invariant:** a panic or an error of the model fails the batch it
//! happened in and no other; the model is then loaded again.

use std::fmt::{self, Display, Formatter};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::EmbedError;
use crate::line::{Closing, Job, Line, Refused, guarded};

/// How long the worker waits before it tries again to load a model.
const RETRY: Duration = Duration::from_secs(1);

/// Failed attempts to load the model again after which only a new process can help.
const HOPELESS: u32 = 3;

/// Multiples of [`QueueOptions::stall`] after which only a new process can help.
const HOPELESS_STALLS: u32 = 6;

/// Turns a batch of inputs into as many outputs, in order.
pub type EmbedFn = Box<dyn FnMut(Vec<Vec<f32>>) -> anyhow::Result<Vec<Vec<f32>>>>;

/// How the queue gathers batches, when it refuses and when it counts as hung.
#[derive(Debug, Clone, Copy)]
pub struct QueueOptions {
    /// The most inputs embedded at once.
    pub max_batch: usize,
    /// How long the first input of a batch waits for others.
    pub max_wait: Duration,
    /// The most inputs that wait; one more is refused.
    pub capacity: usize,
    /// The longest time for a batch; a model that takes longer counts as hung until the batch ends.
    pub stall: Duration,
}

impl Default for QueueOptions {
    fn default() -> Self {
        let (max_wait, stall) = (Duration::from_millis(5), Duration::from_secs(10));
        Self {
            max_batch: 16,
            max_wait,
            capacity: 128,
            stall,
        }
    }
}

/// Health of the worker and its model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueHealth {
    /// The model is loaded, and answers.
    Ready,
    /// The model is being loaded, for the first time or after it failed.
    Loading,
    /// The model has been at one batch for longer than [`QueueOptions::stall`].
    Stalled {
        /// Seconds so far.
        seconds: u64,
        /// True if it has been so long that only a new process can help.
        hopeless: bool,
    },
    /// The model failed and could not be loaded again.
    Broken {
        /// Failed attempts.
        attempts: u32,
    },
    /// The worker's thread has ended.
    Ended,
}

impl QueueHealth {
    /// True if only a new process can help.
    pub fn needs_restart(self) -> bool {
        match self {
            Self::Ready | Self::Loading => false,
            Self::Stalled { hopeless, .. } => hopeless,
            Self::Broken { attempts } => attempts >= HOPELESS,
            Self::Ended => true,
        }
    }
}

impl Display for QueueHealth {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready => f.write_str("the model is ready"),
            Self::Loading => f.write_str("the model is being loaded and warmed up"),
            Self::Stalled { seconds, .. } => write!(f, "the model has been at one batch of photos for {seconds} s"),
            Self::Broken { attempts } => {
                write!(
                    f,
                    "the model failed and could not be loaded again in {attempts} attempts; the log says why"
                )
            }
            Self::Ended => f.write_str("the thread that embeds photos has ended; restart the server"),
        }
    }
}

type Answer = Result<Vec<f32>, EmbedError>;

#[derive(Default)]
struct Gauges {
    loaded: AtomicBool,
    /// Attempts to load the model that failed since it was loaded last.
    failures: AtomicU32,
}

/// The front of the queue; when it is dropped, the worker finishes what waits and ends.
pub struct EmbedQueue {
    line: Arc<Line<Vec<f32>, Answer>>,
    gauges: Arc<Gauges>,
    options: QueueOptions,
    worker: JoinHandle<()>,
}

impl EmbedQueue {
    /// Starts the worker. `make` runs on the worker's thread, once now and again after every failure, and should warm
    /// the model up. The receiver tells when the first model is ready, or why there is none.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start<M>(
        options: QueueOptions,
        make: M,
    ) -> std::io::Result<(Self, oneshot::Receiver<Result<(), EmbedError>>)>
    where
        M: FnMut() -> anyhow::Result<EmbedFn> + Send + 'static,
    {
        let line = Arc::new(Line::new(options.capacity, options.max_batch));
        let (started, first) = oneshot::channel();
        let gauges = Arc::new(Gauges::default());
        let worker = Worker {
            line: Arc::clone(&line),
            make,
            gauges: Arc::clone(&gauges),
            options,
        };
        let worker = thread::Builder::new().name("embed".into()).spawn(move || {
            let line = Arc::clone(&worker.line);
            let _closing = Closing(&line);
            worker.run(started);
        })?;
        Ok((
            Self {
                line,
                gauges,
                options,
                worker,
            },
            first,
        ))
    }

    /// Health of the worker and its model.
    pub fn health(&self) -> QueueHealth {
        if self.line.is_closed() {
            return QueueHealth::Ended;
        }
        match self.gauges.failures.load(Ordering::Acquire) {
            0 => {}
            attempts => return QueueHealth::Broken { attempts },
        }
        if !self.gauges.loaded.load(Ordering::Acquire) {
            return QueueHealth::Loading;
        }
        match self.line.stuck_for().filter(|stuck| *stuck > self.options.stall) {
            Some(stuck) => {
                let hopeless = stuck > self.options.stall.saturating_mul(HOPELESS_STALLS);
                QueueHealth::Stalled {
                    seconds: stuck.as_secs(),
                    hopeless,
                }
            }
            None => QueueHealth::Ready,
        }
    }

    /// Inputs that wait.
    pub fn waiting(&self) -> usize {
        self.line.waiting()
    }

    /// Drops the inputs whose askers have gone, and what they held.
    pub fn forget_abandoned(&self) {
        self.line.forget_abandoned();
    }

    /// Seconds after which an input that comes now should have been embedded, 1 to 60.
    pub fn retry_after(&self) -> u64 {
        self.line.retry_after()
    }

    /// Embeds one input. Dropping the future withdraws the input if it still waits; `held` is dropped when the model has
    /// finished with the input, not before.
    ///
    /// # Errors
    /// [`EmbedError::Overloaded`] at once when the queue is full, [`EmbedError::Model`] when the model fails and
    /// [`EmbedError::Closed`] when the worker has ended.
    pub async fn embed(&self, input: Vec<f32>, held: impl Send + 'static) -> Result<Vec<f32>, EmbedError> {
        self.line.ask(input, held).await.unwrap_or_else(|refused| {
            Err(match refused {
                Refused::Full { waiting, retry_after_s } => EmbedError::Overloaded { waiting, retry_after_s },
                Refused::Closed => EmbedError::Closed,
            })
        })
    }

    /// Lets the worker finish what waits and end; whether it has ended when it returns, after `limit` at the latest.
    pub async fn end(&self, limit: Duration) -> bool {
        self.line.close();
        let until = Instant::now() + limit;
        while !self.worker.is_finished() && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.worker.is_finished()
    }
}

impl Drop for EmbedQueue {
    /// Does not wait for the worker, whose model may hang.
    fn drop(&mut self) {
        self.line.close();
    }
}

struct Worker<M> {
    line: Arc<Line<Vec<f32>, Answer>>,
    make: M,
    gauges: Arc<Gauges>,
    options: QueueOptions,
}

impl<M: FnMut() -> anyhow::Result<EmbedFn>> Worker<M> {
    fn run(mut self, started: oneshot::Sender<Result<(), EmbedError>>) {
        let mut model = match self.load() {
            Ok(model) => Some(model),
            Err(error) => {
                // Closed first, so that whoever hears of the error finds the queue ended.
                self.line.close();
                let _ = started.send(Err(error));
                return;
            }
        };
        let _ = started.send(Ok(()));
        loop {
            let ready = match model.take().map_or_else(|| self.load(), Ok) {
                Ok(ready) => ready,
                Err(error) => {
                    tracing::error!(%error, "the model cannot be loaded again; trying once more");
                    if !self.refuse_for(RETRY, &error) {
                        return;
                    }
                    continue;
                }
            };
            let Some(batch) = self.line.take(self.options.max_wait, None) else {
                return;
            };
            model = if batch.is_empty() {
                Some(ready)
            } else {
                self.answer(ready, batch)
            };
        }
    }

    /// Fails what arrives during `time`; false when the queue is gone.
    fn refuse_for(&self, time: Duration, error: &EmbedError) -> bool {
        let until = Instant::now() + time;
        while Instant::now() < until {
            match self.line.take(Duration::ZERO, Some(until)) {
                Some(jobs) => fail(jobs, &error.to_string()),
                None => return false,
            }
        }
        true
    }

    fn load(&mut self) -> Result<EmbedFn, EmbedError> {
        let model = guarded(|| (self.make)()).map_err(|why| {
            self.gauges.failures.fetch_add(1, Ordering::AcqRel);
            EmbedError::Model(why)
        })?;
        self.gauges.failures.store(0, Ordering::Release);
        self.gauges.loaded.store(true, Ordering::Release);
        Ok(model)
    }

    /// Answers the batch; returns the model if it can be used again.
    fn answer(&self, mut model: EmbedFn, mut batch: Vec<Job<Vec<f32>, Answer>>) -> Option<EmbedFn> {
        let begun = Instant::now();
        let inputs = batch.iter_mut().map(|job| std::mem::take(&mut job.question)).collect();
        let outputs = guarded(|| model(inputs)).and_then(|outputs| match outputs.len() == batch.len() {
            true => Ok(outputs),
            false => Err(format!("it gave {} outputs for {} inputs", outputs.len(), batch.len())),
        });
        match outputs {
            Ok(outputs) => {
                tracing::debug!(
                    size = batch.len(),
                    us = begun.elapsed().as_micros() as u64,
                    "embedded a batch"
                );
                batch
                    .into_iter()
                    .zip(outputs)
                    .for_each(|(job, output)| job.answer(Ok(output)));
                Some(model)
            }
            Err(message) => {
                self.gauges.loaded.store(false, Ordering::Release);
                tracing::error!(
                    size = batch.len(),
                    message,
                    "the model failed on a batch; it is loaded again"
                );
                // What a panic left behind may panic again when it is dropped.
                let _ = catch_unwind(AssertUnwindSafe(|| drop(model)));
                fail(batch, &message);
                None
            }
        }
    }
}

fn fail(batch: Vec<Job<Vec<f32>, Answer>>, message: &str) {
    for job in batch {
        job.answer(Err(EmbedError::Model(message.to_owned())));
    }
}

#[cfg(test)]
mod tests;
