//! A bounded queue in front of one worker thread that embeds in batches.
//!
//! One worker owns one device, so batches never compete for it. The worker takes what has gathered, at most
//! [`QueueOptions::max_batch`] inputs, after waiting at most [`QueueOptions::max_wait`] for company. Inputs whose client
//! has gone are dropped before they cost compute. **Invariant:** a panic or an error of the model fails the batch it
//! happened in and no other; the model is then made anew.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::EmbedError;

/// How long the worker waits before it tries again to make a model.
const RETRY: Duration = Duration::from_secs(1);

/// Turns a batch of inputs into as many outputs, in order.
pub type EmbedFn = Box<dyn FnMut(Vec<Vec<f32>>) -> anyhow::Result<Vec<Vec<f32>>>>;

/// How the queue gathers batches and when it refuses.
#[derive(Debug, Clone, Copy)]
pub struct QueueOptions {
    /// The most inputs embedded at once.
    pub max_batch: usize,
    /// How long the first input of a batch waits for others.
    pub max_wait: Duration,
    /// The most inputs that wait; one more is refused.
    pub capacity: usize,
}

impl Default for QueueOptions {
    fn default() -> Self {
        Self { max_batch: 16, max_wait: Duration::from_millis(5), capacity: 128 }
    }
}

struct Job {
    input: Vec<f32>,
    reply: oneshot::Sender<Result<Vec<f32>, EmbedError>>,
}

#[derive(Default)]
struct Gauges {
    waiting: AtomicUsize,
    ready: AtomicBool,
    /// Smoothed time of a batch in microseconds, for `Retry-After`.
    batch_us: AtomicU64,
}

/// The front of the queue; dropping it lets the worker finish what waits and end.
pub struct EmbedQueue {
    jobs: Option<SyncSender<Job>>,
    gauges: Arc<Gauges>,
    options: QueueOptions,
    worker: Mutex<Option<JoinHandle<()>>>,
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
        let (jobs, inbox) = sync_channel(options.capacity.max(1));
        let (started, first) = oneshot::channel();
        let gauges = Arc::new(Gauges::default());
        let worker = Worker { inbox, make, gauges: Arc::clone(&gauges), options };
        let handle = thread::Builder::new().name("embed".into()).spawn(move || worker.run(started))?;
        Ok((Self { jobs: Some(jobs), gauges, options, worker: Mutex::new(Some(handle)) }, first))
    }

    /// Whether a model is loaded.
    pub fn is_ready(&self) -> bool {
        self.gauges.ready.load(Ordering::Acquire)
    }

    /// Refuses when the queue is full already, so that a request can be turned away before its body is read.
    ///
    /// # Errors
    /// [`EmbedError::Overloaded`].
    pub fn check_room(&self) -> Result<(), EmbedError> {
        if self.gauges.waiting.load(Ordering::Relaxed) >= self.options.capacity {
            Err(self.overloaded())
        } else {
            Ok(())
        }
    }

    /// Embeds one input. Dropping the future withdraws the input if it still waits.
    ///
    /// # Errors
    /// [`EmbedError::Overloaded`] at once when the queue is full, [`EmbedError::Model`] when the model fails and
    /// [`EmbedError::Closed`] when the worker has ended.
    pub async fn embed(&self, input: Vec<f32>) -> Result<Vec<f32>, EmbedError> {
        let (reply, answer) = oneshot::channel();
        let jobs = self.jobs.as_ref().ok_or(EmbedError::Closed)?;
        // Counted before it is sent, since the worker counts down as soon as it has it.
        self.gauges.waiting.fetch_add(1, Ordering::Relaxed);
        if let Err(refused) = jobs.try_send(Job { input, reply }) {
            self.gauges.waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(match refused {
                TrySendError::Full(_) => self.overloaded(),
                TrySendError::Disconnected(_) => EmbedError::Closed,
            });
        }
        answer.await.unwrap_or(Err(EmbedError::Closed))
    }

    fn overloaded(&self) -> EmbedError {
        let waiting = self.gauges.waiting.load(Ordering::Relaxed);
        let batches = waiting.div_ceil(self.options.max_batch.max(1)) as u64;
        let wait_us = batches.saturating_mul(self.gauges.batch_us.load(Ordering::Relaxed));
        EmbedError::Overloaded { waiting, retry_after_s: wait_us.div_ceil(1_000_000).clamp(1, 60) }
    }
}

impl Drop for EmbedQueue {
    fn drop(&mut self) {
        self.jobs = None;
        let worker = self.worker.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(worker) = worker {
            // The worker catches the model's panics; one of its own has been reported by the panic hook.
            let _ = worker.join();
        }
    }
}

struct Worker<M> {
    inbox: Receiver<Job>,
    make: M,
    gauges: Arc<Gauges>,
    options: QueueOptions,
}

impl<M: FnMut() -> anyhow::Result<EmbedFn>> Worker<M> {
    fn run(mut self, started: oneshot::Sender<Result<(), EmbedError>>) {
        let mut model = match self.load() {
            Ok(model) => Some(model),
            Err(error) => {
                let _ = started.send(Err(error));
                return;
            }
        };
        let _ = started.send(Ok(()));
        loop {
            let ready = match model.take().map_or_else(|| self.load(), Ok) {
                Ok(ready) => ready,
                Err(error) => {
                    tracing::error!(%error, "the model cannot be made anew; trying again");
                    if !self.refuse_for(RETRY, &error) {
                        return;
                    }
                    continue;
                }
            };
            let Some(batch) = self.gather() else {
                return;
            };
            model = if batch.is_empty() { Some(ready) } else { self.answer(ready, batch) };
        }
    }

    /// Fails what arrives during `time`; false when the queue is gone.
    fn refuse_for(&self, time: Duration, error: &EmbedError) -> bool {
        let until = Instant::now() + time;
        loop {
            match self.inbox.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(job) => {
                    self.gauges.waiting.fetch_sub(1, Ordering::Relaxed);
                    fail(vec![job], &error.to_string());
                }
                Err(RecvTimeoutError::Timeout) => return true,
                Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
    }

    fn load(&mut self) -> Result<EmbedFn, EmbedError> {
        let model = guarded(|| (self.make)()).map_err(EmbedError::Model)?;
        self.gauges.ready.store(true, Ordering::Release);
        Ok(model)
    }

    /// The next batch, without those who no longer wait; `None` when the queue is gone and empty.
    fn gather(&self) -> Option<Vec<Job>> {
        let mut batch = vec![self.inbox.recv().ok()?];
        let until = Instant::now() + self.options.max_wait;
        while batch.len() < self.options.max_batch {
            match self.inbox.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(job) => batch.push(job),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            }
        }
        self.gauges.waiting.fetch_sub(batch.len(), Ordering::Relaxed);
        batch.retain(|job| !job.reply.is_closed());
        Some(batch)
    }

    /// Answers the batch; returns the model if it can be used again.
    fn answer(&self, mut model: EmbedFn, mut batch: Vec<Job>) -> Option<EmbedFn> {
        let begun = Instant::now();
        let inputs = batch.iter_mut().map(|job| std::mem::take(&mut job.input)).collect();
        let outputs = guarded(|| model(inputs)).and_then(|outputs| match outputs.len() == batch.len() {
            true => Ok(outputs),
            false => Err(format!("it gave {} outputs for {} inputs", outputs.len(), batch.len())),
        });
        match outputs {
            Ok(outputs) => {
                let us = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
                let before = self.gauges.batch_us.load(Ordering::Relaxed);
                let smooth = if before == 0 { us } else { before / 8 * 7 + us / 8 };
                self.gauges.batch_us.store(smooth, Ordering::Relaxed);
                tracing::debug!(size = batch.len(), us, "embedded a batch");
                for (job, output) in batch.into_iter().zip(outputs) {
                    // A client that left meanwhile does not mind.
                    let _ = job.reply.send(Ok(output));
                }
                Some(model)
            }
            Err(message) => {
                self.gauges.ready.store(false, Ordering::Release);
                tracing::error!(size = batch.len(), message, "the model failed on a batch; it is made anew");
                // What a panic left behind may panic again when it is dropped.
                let _ = catch_unwind(AssertUnwindSafe(|| drop(model)));
                fail(batch, &message);
                None
            }
        }
    }
}

fn fail(batch: Vec<Job>, message: &str) {
    for job in batch {
        let _ = job.reply.send(Err(EmbedError::Model(message.to_owned())));
    }
}

/// Runs `work`; a panic becomes an error like any other.
fn guarded<T>(work: impl FnOnce() -> anyhow::Result<T>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(format!("{error:#}")),
        Err(panic) => Err(match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
            (Some(text), _) => format!("it panicked: {text}"),
            (_, Some(text)) => format!("it panicked: {text}"),
            _ => "it panicked".into(),
        }),
    }
}

#[cfg(test)]
mod tests;
