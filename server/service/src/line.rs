//! A bounded line of jobs, first come, first served, between many who ask and one worker thread that answers.
//!
//! The worker takes what has gathered as one batch. A job whose asker has gone is dropped before it is taken. The line
//! knows for how long the worker has not come for jobs that wait, so that health checks can tell a hung one.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

/// One question, with the way back to who asked it.
pub(crate) struct Job<Q, A> {
    /// The question.
    pub(crate) question: Q,
    reply: oneshot::Sender<A>,
    since: Instant,
    /// Dropped after the answer, with the job.
    _held: Box<dyn Send>,
}

impl<Q, A> Job<Q, A> {
    /// Answers it; an asker who has gone meanwhile does not mind.
    pub(crate) fn answer(self, answer: A) {
        let _ = self.reply.send(answer);
    }

    fn is_abandoned(&self) -> bool {
        self.reply.is_closed()
    }
}

/// The reason why a job was not answered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The line is full.
    Full {
        /// Jobs in it.
        waiting: usize,
        /// Seconds after which there should be room, 1 to 60.
        retry_after_s: u64,
    },
    /// The worker has ended.
    Closed,
}

/// The line. The worker's thread keeps a [`Closing`] of it.
pub(crate) struct Line<Q, A> {
    state: Mutex<State<Q, A>>,
    changed: Condvar,
    capacity: usize,
    max_batch: usize,
}

struct State<Q, A> {
    jobs: VecDeque<Job<Q, A>>,
    closed: bool,
    /// The time at which the worker took the batch that it is at.
    busy_since: Option<Instant>,
    /// The time at which the worker came for jobs last.
    came: Instant,
    /// Smoothed time of a batch.
    batch_time: Duration,
}

impl<Q, A> Line<Q, A> {
    /// A line for at most `capacity` waiting jobs, taken at most `max_batch` at once; each is at least one.
    pub(crate) fn new(capacity: usize, max_batch: usize) -> Self {
        let (jobs, came, batch_time) = (VecDeque::new(), Instant::now(), Duration::ZERO);
        let state = State {
            jobs,
            closed: false,
            busy_since: None,
            came,
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

    /// Waits for the answer to `question`. Dropping the future withdraws the job if it still waits; `held` is dropped
    /// when the job has been answered or dropped, not before.
    ///
    /// # Errors
    /// At once when the line is full or closed, later when the worker ends or drops the job without an answer.
    pub(crate) async fn ask(&self, question: Q, held: impl Send + 'static) -> Result<A, Refused> {
        let (reply, answer) = oneshot::channel();
        self.push(Job {
            question,
            reply,
            since: Instant::now(),
            _held: Box::new(held),
        })?;
        answer.await.map_err(|_| Refused::Closed)
    }

    fn push(&self, job: Job<Q, A>) -> Result<(), Refused> {
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

    /// The next batch: waits for a first job until `until` (for ever without one), then at most `patience` for others.
    /// It may be empty; `None` when the line is closed and empty.
    pub(crate) fn take(&self, patience: Duration, until: Option<Instant>) -> Option<Vec<Job<Q, A>>> {
        let mut state = self.lock();
        state.came = Instant::now();
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

    /// Drops the jobs whose askers have gone, and what they held.
    pub(crate) fn forget_abandoned(&self) {
        self.lock().jobs.retain(|job| !job.is_abandoned());
    }

    /// Jobs that wait.
    pub(crate) fn waiting(&self) -> usize {
        self.lock().jobs.len()
    }

    /// Seconds after which a job that comes now should have been answered, 1 to 60.
    pub(crate) fn retry_after(&self) -> u64 {
        self.retry_after_s(&self.lock())
    }

    /// The time for which the worker has been at its batch, or has not come for jobs that wait.
    pub(crate) fn stuck_for(&self) -> Option<Duration> {
        let state = self.lock();
        let waits = || state.jobs.front().map(|job| job.since.max(state.came));
        state.busy_since.or_else(waits).map(|since| since.elapsed())
    }

    /// Whether the worker has ended, or was told to.
    pub(crate) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Takes no more jobs; the worker still gets those that wait.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    fn retry_after_s(&self, state: &State<Q, A>) -> u64 {
        let batches = u32::try_from(state.jobs.len().div_ceil(self.max_batch)).unwrap_or(u32::MAX);
        state
            .batch_time
            .saturating_mul(batches)
            .as_secs_f64()
            .ceil()
            .clamp(1.0, 60.0) as u64
    }

    fn lock(&self) -> MutexGuard<'_, State<Q, A>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes a line when the worker's thread ends, however it ends; the jobs that still wait are dropped.
pub(crate) struct Closing<'a, Q, A>(pub(crate) &'a Line<Q, A>);

impl<Q, A> Drop for Closing<'_, Q, A> {
    fn drop(&mut self) {
        self.0.close();
        self.0.lock().jobs.clear();
    }
}

/// Runs `work`; a panic becomes an error like any other.
pub(crate) fn guarded<T>(work: impl FnOnce() -> anyhow::Result<T>) -> Result<T, String> {
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

    type Numbers = Line<u32, u32>;

    /// Asks `question`, held by a clone of `held`, and waits until the line has it.
    async fn ask(line: &Arc<Numbers>, question: u32, held: &Arc<()>) -> tokio::task::JoinHandle<Result<u32, Refused>> {
        let (asked, held) = (Arc::clone(line), Arc::clone(held));
        let asker = tokio::spawn(async move { asked.ask(question, held).await });
        while line.lock().jobs.back().is_none_or(|job| job.question != question) && !asker.is_finished() {
            tokio::task::yield_now().await;
        }
        asker
    }

    fn questions(batch: &[Job<u32, u32>]) -> Vec<u32> {
        batch.iter().map(|job| job.question).collect()
    }

    #[tokio::test]
    async fn the_first_come_are_the_first_served_and_the_gone_are_dropped() {
        let (line, held) = (Arc::new(Numbers::new(6, 2)), Arc::new(()));
        let mut askers = Vec::new();
        for question in 0..6 {
            askers.push(ask(&line, question, &held).await);
        }
        assert_eq!(Arc::strong_count(&held), 7);
        assert!(matches!(
            line.ask(6, ()).await,
            Err(Refused::Full {
                waiting: 6,
                retry_after_s: 1
            })
        ));

        let first = line.take(Duration::ZERO, None).expect("open");
        assert_eq!(questions(&first), [0, 1]);
        // One leaves while it is answered: what it holds stays held. One leaves while it waits: it is never taken.
        for gone in [1, 2] {
            askers[gone].abort();
            while !askers[gone].is_finished() {
                tokio::task::yield_now().await;
            }
        }
        line.forget_abandoned();
        assert_eq!((line.waiting(), Arc::strong_count(&held)), (3, 6));
        first.into_iter().for_each(|job| {
            let doubled = job.question * 2;
            job.answer(doubled);
        });
        assert_eq!(Arc::strong_count(&held), 4);
        assert_eq!(questions(&line.take(Duration::ZERO, None).expect("open")), [3, 4]);
        let first = askers.remove(0).await.expect("joined");
        assert_eq!(first, Ok(0));
    }

    #[tokio::test]
    async fn those_who_have_gone_make_room() {
        let (line, held) = (Arc::new(Numbers::new(1, 1)), Arc::new(()));
        let gone = ask(&line, 0, &held).await;
        assert!(matches!(line.ask(1, ()).await, Err(Refused::Full { .. })));
        gone.abort();
        assert!(gone.await.is_err());
        let next = ask(&line, 2, &held).await;
        assert_eq!(questions(&line.take(Duration::ZERO, None).expect("open")), [2]);
        // The batch was dropped without an answer.
        assert_eq!(next.await.expect("joined"), Err(Refused::Closed));
    }

    #[tokio::test]
    async fn a_worker_that_does_not_come_or_ends_is_noticed() {
        let (line, held) = (Arc::new(Numbers::new(4, 4)), Arc::new(()));
        assert_eq!(line.stuck_for(), None);
        let asker = ask(&line, 0, &held).await;
        assert!(
            line.stuck_for().is_some(),
            "a job waits for a worker that does not come"
        );
        let batch = line.take(Duration::ZERO, None).expect("open");
        std::thread::sleep(Duration::from_millis(20));
        assert!(
            line.stuck_for().is_some_and(|time| time >= Duration::from_millis(20)),
            "a batch takes its time"
        );
        drop(batch);
        assert!(
            line.take(Duration::ZERO, Some(Instant::now()))
                .is_some_and(|batch| batch.is_empty())
        );
        assert_eq!(line.stuck_for(), None);
        assert_eq!(asker.await.expect("joined"), Err(Refused::Closed));

        let asker = ask(&line, 1, &held).await;
        drop(Closing(&line));
        assert_eq!(asker.await.expect("joined"), Err(Refused::Closed));
        assert!(line.is_closed() && line.take(Duration::ZERO, None).is_none());
        assert_eq!(line.ask(2, ()).await, Err(Refused::Closed));
    }
}
