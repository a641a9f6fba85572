//! A bounded queue of jobs between many callers and one worker thread, first come, first served.
//!
//! The worker takes the waiting jobs in batches. A job whose caller has left is dropped before it is taken. The queue
//! measures for how long the worker has not taken waiting jobs, so that health checks recognise a hung one.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

/// An input with the channel to its caller.
pub(crate) struct Job<I, A> {
    /// The input.
    pub(crate) input: I,
    reply: oneshot::Sender<A>,
    since: Instant,
    /// Dropped with the job, after the answer.
    _held: Box<dyn Send>,
}

impl<I, A> Job<I, A> {
    /// Answers the job. If the caller has left, this has no effect.
    pub(crate) fn answer(self, answer: A) {
        let _ = self.reply.send(answer);
    }

    fn is_abandoned(&self) -> bool {
        self.reply.is_closed()
    }
}

/// Error of a job without an answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The queue is full.
    Full {
        /// Number of waiting jobs.
        waiting: usize,
        /// Estimated seconds until there is room, 1 to 60.
        retry_after_s: u64,
    },
    /// The worker has ended.
    Closed,
}

/// A queue of jobs. The worker's thread holds a [`CloseOnDrop`] of it.
pub(crate) struct JobQueue<I, A> {
    state: Mutex<State<I, A>>,
    changed: Condvar,
    capacity: usize,
    max_batch: usize,
}

struct State<I, A> {
    jobs: VecDeque<Job<I, A>>,
    closed: bool,
    /// Start of the worker's current batch.
    busy_since: Option<Instant>,
    /// Time of the worker's last call of [`JobQueue::take`].
    last_take: Instant,
    /// Exponential moving average of the time per batch.
    batch_time: Duration,
}

impl<I, A> JobQueue<I, A> {
    /// A queue of at most `capacity` waiting jobs and batches of at most `max_batch`; both are at least 1.
    pub(crate) fn new(capacity: usize, max_batch: usize) -> Self {
        let (jobs, last_take, batch_time) = (VecDeque::new(), Instant::now(), Duration::ZERO);
        let state = State {
            jobs,
            closed: false,
            busy_since: None,
            last_take,
            batch_time,
        };
        let (capacity, max_batch) = (capacity.max(1), max_batch.max(1));
        Self {
            state: Mutex::new(state),
            changed: Condvar::new(),
            capacity,
            max_batch,
        }
    }

    /// Adds a job and waits for its answer. Dropping the future withdraws a job that still waits. `held` is dropped when the
    /// job was answered or dropped.
    ///
    /// # Errors
    /// If the queue is full or closed, or the worker drops the job without an answer.
    pub(crate) async fn run(&self, input: I, held: impl Send + 'static) -> Result<A, Refused> {
        let (reply, answer) = oneshot::channel();
        self.push(Job {
            input,
            reply,
            since: Instant::now(),
            _held: Box::new(held),
        })?;
        answer.await.map_err(|_| Refused::Closed)
    }

    fn push(&self, job: Job<I, A>) -> Result<(), Refused> {
        let mut state = self.lock();
        if state.closed {
            return Err(Refused::Closed);
        }
        if state.jobs.len() >= self.capacity {
            state.jobs.retain(|job| !job.is_abandoned());
        }
        if state.jobs.len() >= self.capacity {
            let (waiting, retry_after_s) = (state.jobs.len(), self.retry_after_s(&state));
            return Err(Refused::Full { waiting, retry_after_s });
        }
        state.jobs.push_back(job);
        self.changed.notify_all();
        Ok(())
    }

    /// Takes the next batch: waits for a first job until `until` (without a limit if `None`), then at most `patience` for
    /// more. The batch is empty after `until`; `None` if the queue is closed and empty.
    pub(crate) fn take(&self, patience: Duration, until: Option<Instant>) -> Option<Vec<Job<I, A>>> {
        let mut state = self.lock();
        state.last_take = Instant::now();
        if let Some(since) = state.busy_since.take() {
            let (before, now) = (state.batch_time, since.elapsed());
            state.batch_time = if before.is_zero() {
                now
            } else {
                before / 8 * 7 + now / 8
            };
        }
        loop {
            state.jobs.retain(|job| !job.is_abandoned());
            if !state.jobs.is_empty() {
                break;
            }
            if state.closed {
                return None;
            }
            state = match until.map(|until| until.saturating_duration_since(Instant::now())) {
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(left) if left.is_zero() => return Some(Vec::new()),
                Some(left) => {
                    self.changed
                        .wait_timeout(state, left)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0
                }
            };
        }
        let enough = self.max_batch.min(self.capacity);
        let until = Instant::now() + patience;
        while state.jobs.len() < enough && !state.closed {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = self
                .changed
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        state.jobs.retain(|job| !job.is_abandoned());
        let size = state.jobs.len().min(self.max_batch);
        let batch: Vec<_> = state.jobs.drain(..size).collect();
        state.busy_since = (!batch.is_empty()).then(Instant::now);
        Some(batch)
    }

    /// Drops the jobs whose callers have left, with the values that they held.
    pub(crate) fn forget_abandoned(&self) {
        self.lock().jobs.retain(|job| !job.is_abandoned());
    }

    /// Number of waiting jobs.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.lock().jobs.len()
    }

    /// Estimated seconds until a new job is answered, 1 to 60.
    pub(crate) fn retry_after(&self) -> u64 {
        self.retry_after_s(&self.lock())
    }

    /// Time since the worker began its current batch, or since jobs wait without being taken.
    pub(crate) fn stuck_for(&self) -> Option<Duration> {
        let state = self.lock();
        let waits = || state.jobs.front().map(|job| job.since.max(state.last_take));
        state.busy_since.or_else(waits).map(|since| since.elapsed())
    }

    /// True if the queue is closed: the worker has ended or will end.
    pub(crate) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Refuses new jobs. The worker still takes the waiting ones.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    fn retry_after_s(&self, state: &State<I, A>) -> u64 {
        let batches = u32::try_from(state.jobs.len().div_ceil(self.max_batch)).unwrap_or(u32::MAX);
        state
            .batch_time
            .saturating_mul(batches)
            .as_secs_f64()
            .ceil()
            .clamp(1.0, 60.0) as u64
    }

    fn lock(&self) -> MutexGuard<'_, State<I, A>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes a queue and drops its waiting jobs when the worker's thread ends, even by a panic.
pub(crate) struct CloseOnDrop<'a, I, A>(pub(crate) &'a JobQueue<I, A>);

impl<I, A> Drop for CloseOnDrop<'_, I, A> {
    fn drop(&mut self) {
        self.0.close();
        self.0.lock().jobs.clear();
    }
}

/// Runs `work` and converts a panic to an error.
///
/// # Errors
/// The error or the panic of `work`, as text.
pub(crate) fn catch_panic<T>(work: impl FnOnce() -> anyhow::Result<T>) -> Result<T, String> {
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
mod tests {
    use std::sync::Arc;

    use super::*;

    type Numbers = JobQueue<u32, u32>;

    /// Starts a job that holds a clone of `held`, and waits until it is in the queue.
    async fn start(queue: &Arc<Numbers>, input: u32, held: &Arc<()>) -> tokio::task::JoinHandle<Result<u32, Refused>> {
        let (running, held) = (Arc::clone(queue), Arc::clone(held));
        let caller = tokio::spawn(async move { running.run(input, held).await });
        while queue.lock().jobs.back().is_none_or(|job| job.input != input) && !caller.is_finished() {
            tokio::task::yield_now().await;
        }
        caller
    }

    fn inputs(batch: &[Job<u32, u32>]) -> Vec<u32> {
        batch.iter().map(|job| job.input).collect()
    }

    #[tokio::test]
    async fn jobs_are_taken_in_order_and_withdrawn_ones_are_dropped() {
        let (queue, held) = (Arc::new(Numbers::new(6, 2)), Arc::new(()));
        let mut callers = Vec::new();
        for input in 0..6 {
            callers.push(start(&queue, input, &held).await);
        }
        assert_eq!(Arc::strong_count(&held), 7);
        assert!(matches!(
            queue.run(6, ()).await,
            Err(Refused::Full {
                waiting: 6,
                retry_after_s: 1
            })
        ));

        let first = queue.take(Duration::ZERO, None).expect("the queue is open");
        assert_eq!(inputs(&first), [0, 1]);
        // The caller of a taken job leaves: its value stays held. The caller of a waiting job leaves: it is never taken.
        for gone in [1, 2] {
            callers[gone].abort();
            while !callers[gone].is_finished() {
                tokio::task::yield_now().await;
            }
        }
        queue.forget_abandoned();
        assert_eq!((queue.waiting(), Arc::strong_count(&held)), (3, 6));
        first.into_iter().for_each(|job| {
            let doubled = job.input * 2;
            job.answer(doubled);
        });
        assert_eq!(Arc::strong_count(&held), 4);
        assert_eq!(
            inputs(&queue.take(Duration::ZERO, None).expect("the queue is open")),
            [3, 4]
        );
        let first = callers.remove(0).await.expect("the task ends");
        assert_eq!(first, Ok(0));
    }

    #[tokio::test]
    async fn withdrawn_jobs_make_room() {
        let (queue, held) = (Arc::new(Numbers::new(1, 1)), Arc::new(()));
        let gone = start(&queue, 0, &held).await;
        assert!(matches!(queue.run(1, ()).await, Err(Refused::Full { .. })));
        gone.abort();
        assert!(gone.await.is_err());
        let next = start(&queue, 2, &held).await;
        assert_eq!(
            inputs(&queue.take(Duration::ZERO, None).expect("the queue is open")),
            [2]
        );
        // The batch was dropped without an answer.
        assert_eq!(next.await.expect("the task ends"), Err(Refused::Closed));
    }

    #[tokio::test]
    async fn a_worker_that_hangs_or_ends_is_noticed() {
        let (queue, held) = (Arc::new(Numbers::new(4, 4)), Arc::new(()));
        assert_eq!(queue.stuck_for(), None);
        let caller = start(&queue, 0, &held).await;
        assert!(queue.stuck_for().is_some(), "a job waits and no worker takes it");
        let batch = queue.take(Duration::ZERO, None).expect("the queue is open");
        std::thread::sleep(Duration::from_millis(20));
        assert!(
            queue.stuck_for().is_some_and(|time| time >= Duration::from_millis(20)),
            "the time of the current batch counts"
        );
        drop(batch);
        assert!(
            queue
                .take(Duration::ZERO, Some(Instant::now()))
                .is_some_and(|batch| batch.is_empty())
        );
        assert_eq!(queue.stuck_for(), None);
        assert_eq!(caller.await.expect("the task ends"), Err(Refused::Closed));

        let caller = start(&queue, 1, &held).await;
        drop(CloseOnDrop(&queue));
        assert_eq!(caller.await.expect("the task ends"), Err(Refused::Closed));
        assert!(queue.is_closed() && queue.take(Duration::ZERO, None).is_none());
        assert_eq!(queue.run(2, ()).await, Err(Refused::Closed));
    }
}
