//! A bounded queue in front of one worker thread that embeds in batches.
//!
//! One worker owns one device, so batches never compete for it. A batch has at most [`QueueOptions::max_batch`] inputs and
//! is completed for at most [`QueueOptions::max_wait`]. Inputs whose client has left are dropped before they are computed.
//! **Invariant:** a panic or an error of the model fails only the current batch; the model is then loaded again.

use std::fmt::{self, Display, Formatter};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::{EmbedError, EmbedInput};
use crate::job_queue::{CloseOnDrop, Job, JobQueue, Refused, catch_panic};

/// Pause before the worker tries again to load a model.
const RETRY: Duration = Duration::from_secs(1);

/// Failed attempts to load the model after which only a restart can help.
const RESTART_ATTEMPTS: u32 = 3;

/// Multiple of [`QueueOptions::stall`] after which only a restart can help.
const RESTART_STALLS: u32 = 6;

/// Function from a batch of inputs to as many outputs, in order.
pub type EmbedFn = Box<dyn FnMut(Vec<EmbedInput>) -> anyhow::Result<Vec<Vec<f32>>>>;

/// Options of the queue: batches, capacity, and time limit.
#[derive(Debug, Clone, Copy)]
pub struct QueueOptions {
    /// Maximum number of inputs per batch.
    pub max_batch: usize,
    /// Maximum time for which the first input of a batch waits for others.
    pub max_wait: Duration,
    /// Maximum number of waiting inputs; further ones are refused.
    pub capacity: usize,
    /// Maximum time of a batch. A model that takes longer counts as hung until the batch ends.
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
pub(crate) enum QueueHealth {
    /// The model is loaded and answers.
    Ready,
    /// The model is being loaded, for the first time or after a failure.
    Loading,
    /// The current batch takes longer than [`QueueOptions::stall`].
    Stalled {
        /// Seconds since the start of the batch.
        seconds: u64,
        /// True if only a restart can help.
        needs_restart: bool,
    },
    /// The model failed and could not be loaded again.
    Broken {
        /// Number of failed attempts.
        attempts: u32,
    },
    /// The worker's thread has ended.
    Ended,
}

impl QueueHealth {
    /// True if only a restart can help.
    pub(crate) fn needs_restart(self) -> bool {
        match self {
            Self::Ready | Self::Loading => false,
            Self::Stalled { needs_restart, .. } => needs_restart,
            Self::Broken { attempts } => attempts >= RESTART_ATTEMPTS,
            Self::Ended => true,
        }
    }
}

impl Display for QueueHealth {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready => f.write_str("the model is ready"),
            Self::Loading => f.write_str("the model is being loaded and warmed up"),
            Self::Stalled { seconds, .. } => {
                write!(f, "the model has been computing one batch of photos for {seconds} s")
            }
            Self::Broken { attempts } => {
                write!(
                    f,
                    "the model failed and could not be loaded again in {attempts} attempts; the log has the cause"
                )
            }
            Self::Ended => f.write_str("the embedding thread has ended; restart the server"),
        }
    }
}

type Answer = Result<Vec<f32>, EmbedError>;

/// State of the model, shared with the worker.
#[derive(Default)]
struct Gauges {
    loaded: AtomicBool,
    /// Failed attempts to load the model since it was last loaded.
    failures: AtomicU32,
}

/// Handle of the queue. When it is dropped, the worker answers the waiting inputs and ends.
pub(crate) struct EmbedQueue {
    jobs: Arc<JobQueue<EmbedInput, Answer>>,
    gauges: Arc<Gauges>,
    options: QueueOptions,
    worker: JoinHandle<()>,
}

impl EmbedQueue {
    /// Starts the worker. `make` loads and warms up the model. It runs on the worker's thread, now and after every failure.
    /// The receiver tells when the first model is ready, or why it cannot be loaded.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub(crate) fn start<M>(
        options: QueueOptions,
        make: M,
    ) -> std::io::Result<(Self, oneshot::Receiver<Result<(), EmbedError>>)>
    where
        M: FnMut() -> anyhow::Result<EmbedFn> + Send + 'static,
    {
        let jobs = Arc::new(JobQueue::new(options.capacity, options.max_batch));
        let (started, first) = oneshot::channel();
        let gauges = Arc::new(Gauges::default());
        let worker = Worker {
            jobs: Arc::clone(&jobs),
            make,
            gauges: Arc::clone(&gauges),
            options,
        };
        let worker = thread::Builder::new().name("embed".into()).spawn(move || {
            let jobs = Arc::clone(&worker.jobs);
            let _closing = CloseOnDrop(&jobs);
            worker.run(started);
        })?;
        Ok((
            Self {
                jobs,
                gauges,
                options,
                worker,
            },
            first,
        ))
    }

    /// Health of the worker and its model.
    pub(crate) fn health(&self) -> QueueHealth {
        if self.jobs.is_closed() {
            return QueueHealth::Ended;
        }
        match self.gauges.failures.load(Ordering::Acquire) {
            0 => {}
            attempts => return QueueHealth::Broken { attempts },
        }
        if !self.gauges.loaded.load(Ordering::Acquire) {
            return QueueHealth::Loading;
        }
        match self.jobs.stuck_for().filter(|stuck| *stuck > self.options.stall) {
            Some(stuck) => {
                let needs_restart = stuck > self.options.stall.saturating_mul(RESTART_STALLS);
                QueueHealth::Stalled {
                    seconds: stuck.as_secs(),
                    needs_restart,
                }
            }
            None => QueueHealth::Ready,
        }
    }

    /// Number of waiting inputs.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.jobs.waiting()
    }

    /// Drops the waiting inputs whose futures were dropped, with the values that they held.
    pub(crate) fn forget_abandoned(&self) {
        self.jobs.forget_abandoned();
    }

    /// Estimated seconds until a new input is embedded, 1 to 60.
    pub(crate) fn retry_after(&self) -> u64 {
        self.jobs.retry_after()
    }

    /// Embeds an input. Dropping the future withdraws an input that still waits. `held` is dropped when the model has ended
    /// its work on the input.
    ///
    /// # Errors
    /// [`EmbedError::Overloaded`] if the queue is full, [`EmbedError::Model`] if the model fails, and
    /// [`EmbedError::Closed`] if the worker has ended.
    pub(crate) async fn embed(&self, input: EmbedInput, held: impl Send + 'static) -> Result<Vec<f32>, EmbedError> {
        self.jobs.run(input, held).await.unwrap_or_else(|refused| {
            Err(match refused {
                Refused::Full { waiting, retry_after_s } => EmbedError::Overloaded { waiting, retry_after_s },
                Refused::Closed => EmbedError::Closed,
            })
        })
    }

    /// Lets the worker answer the waiting inputs and end, within `limit`. True if it has ended.
    pub(crate) async fn end(&self, limit: Duration) -> bool {
        self.jobs.close();
        let until = Instant::now() + limit;
        while !self.worker.is_finished() && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.worker.is_finished()
    }
}

impl Drop for EmbedQueue {
    /// Does not wait for the worker, because its model may hang.
    fn drop(&mut self) {
        self.jobs.close();
    }
}

struct Worker<M> {
    jobs: Arc<JobQueue<EmbedInput, Answer>>,
    make: M,
    gauges: Arc<Gauges>,
    options: QueueOptions,
}

impl<M: FnMut() -> anyhow::Result<EmbedFn>> Worker<M> {
    fn run(mut self, started: oneshot::Sender<Result<(), EmbedError>>) {
        let mut model = match self.load() {
            Ok(model) => Some(model),
            Err(error) => {
                // Closed first, so that the queue is closed when the receiver gets the error.
                self.jobs.close();
                let _ = started.send(Err(error));
                return;
            }
        };
        let _ = started.send(Ok(()));
        loop {
            let ready = match model.take().map_or_else(|| self.load(), Ok) {
                Ok(ready) => ready,
                Err(error) => {
                    tracing::error!(%error, "the model cannot be loaded again; trying again");
                    if !self.refuse_for(RETRY, &error) {
                        return;
                    }
                    continue;
                }
            };
            let Some(batch) = self.jobs.take(self.options.max_wait, None) else {
                return;
            };
            model = if batch.is_empty() {
                Some(ready)
            } else {
                self.answer(ready, batch)
            };
        }
    }

    /// Answers all inputs during `time` with an error. False if the queue is closed.
    fn refuse_for(&self, time: Duration, error: &EmbedError) -> bool {
        let until = Instant::now() + time;
        while Instant::now() < until {
            match self.jobs.take(Duration::ZERO, Some(until)) {
                Some(jobs) => fail(jobs, &error.to_string()),
                None => return false,
            }
        }
        true
    }

    fn load(&mut self) -> Result<EmbedFn, EmbedError> {
        let model = catch_panic(|| (self.make)()).map_err(|reason| {
            self.gauges.failures.fetch_add(1, Ordering::AcqRel);
            EmbedError::Model(reason)
        })?;
        self.gauges.failures.store(0, Ordering::Release);
        self.gauges.loaded.store(true, Ordering::Release);
        Ok(model)
    }

    /// Answers a batch. Returns the model, unless it failed.
    fn answer(&self, mut model: EmbedFn, mut batch: Vec<Job<EmbedInput, Answer>>) -> Option<EmbedFn> {
        let begun = Instant::now();
        let inputs = batch.iter_mut().map(|job| std::mem::take(&mut job.input)).collect();
        let outputs = catch_panic(|| model(inputs)).and_then(|outputs| match outputs.len() == batch.len() {
            true => Ok(outputs),
            false => Err(format!(
                "it returned {} outputs for {} inputs",
                outputs.len(),
                batch.len()
            )),
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
                // A model that panicked may panic again when it is dropped.
                let _ = catch_unwind(AssertUnwindSafe(|| drop(model)));
                fail(batch, &message);
                None
            }
        }
    }
}

fn fail(batch: Vec<Job<EmbedInput, Answer>>, message: &str) {
    for job in batch {
        job.answer(Err(EmbedError::Model(message.to_owned())));
    }
}

#[cfg(test)]
mod tests;
