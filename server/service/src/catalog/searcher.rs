//! One thread that answers the searches of a catalog in batches, first come, first served.
//!
//! Concurrent searches would compete for the threads, and some could wait without bound. **Invariants:** a search is
//! answered before every search that arrived a batch later. A search whose client has left before its batch began is
//! never computed.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::Context;
use rayon::{ThreadPool, ThreadPoolBuilder};
use thiserror::Error;

use crate::job_queue::{CloseOnDrop, Job, JobQueue, Refused, catch_panic};

/// Maximum number of searches per pass over the embeddings. A larger batch would hardly be faster per search and would
/// delay the next one.
const MAX_BATCH: usize = 32;

/// Error of a search.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum SearchError {
    /// The queue of searches is full.
    #[error("{waiting} searches are waiting; try again in {retry_after_s} s")]
    Overloaded {
        /// Number of waiting searches.
        waiting: usize,
        /// Estimated seconds until there is room, 1 to 60.
        retry_after_s: u64,
    },
    /// The search panicked.
    #[error("the search failed: {0}")]
    Failed(String),
    /// The search thread has ended.
    #[error("the search thread has ended; restart the server")]
    Closed,
}

/// Handle of the search thread, which ends when this is dropped. `Q` is a query, and `F` what a query found.
pub struct Searcher<Q, F> {
    jobs: Arc<JobQueue<Q, Result<F, SearchError>>>,
}

impl<Q: Send + Sync + 'static, F: Send + 'static> Searcher<Q, F> {
    /// Starts the search thread. `search` returns what each query found, in order. At most `capacity` searches wait.
    ///
    /// # Errors
    /// If the system gives no threads.
    pub fn start(search: impl Fn(&[&Q]) -> Vec<F> + Send + Sync + 'static, capacity: usize) -> anyhow::Result<Self> {
        // A separate pool, so that a search never waits for other parallel work.
        let pool = ThreadPoolBuilder::new()
            .thread_name(|at| format!("search-{at}"))
            .build();
        let pool = pool.context("cannot start the threads for searches")?;
        let jobs = Arc::new(JobQueue::new(capacity, MAX_BATCH));
        let worker = Arc::clone(&jobs);
        thread::Builder::new()
            .name("search".into())
            .spawn(move || {
                let _closing = CloseOnDrop(&*worker);
                while let Some(batch) = worker.take(Duration::ZERO, None) {
                    answer(&search, &pool, batch);
                }
            })
            .context("cannot start the search thread")?;
        Ok(Self { jobs })
    }

    /// Answers `query`. Dropping the future withdraws a search that still waits. `held` is dropped when the search has ended.
    ///
    /// # Errors
    /// See [`SearchError`].
    pub async fn search(&self, query: Q, held: impl Send + 'static) -> Result<F, SearchError> {
        self.jobs.run(query, held).await.unwrap_or_else(|refused| {
            Err(match refused {
                Refused::Full { waiting, retry_after_s } => SearchError::Overloaded { waiting, retry_after_s },
                Refused::Closed => SearchError::Closed,
            })
        })
    }

    /// Drops the waiting searches whose futures were dropped, with the values that they held.
    pub fn forget_abandoned(&self) {
        self.jobs.forget_abandoned();
    }

    /// Estimated seconds until a new search is answered, 1 to 60.
    pub fn retry_after(&self) -> u64 {
        self.jobs.retry_after()
    }

    /// Time since the thread began its current batch, or since searches wait without being taken.
    pub fn stuck_for(&self) -> Option<Duration> {
        self.jobs.stuck_for()
    }

    /// True if the search thread has ended.
    pub fn has_ended(&self) -> bool {
        self.jobs.is_closed()
    }
}

impl<Q, F> Drop for Searcher<Q, F> {
    fn drop(&mut self) {
        self.jobs.close();
    }
}

fn answer<Q: Sync, F: Send>(
    search: &(impl Fn(&[&Q]) -> Vec<F> + Sync),
    pool: &ThreadPool,
    batch: Vec<Job<Q, Result<F, SearchError>>>,
) {
    let queries: Vec<&Q> = batch.iter().map(|job| &job.input).collect();
    match catch_panic(|| Ok(pool.install(|| search(&queries)))) {
        Ok(found) => batch
            .into_iter()
            .zip(found)
            .for_each(|(job, found)| job.answer(Ok(found))),
        Err(reason) => batch
            .into_iter()
            .for_each(|job| job.answer(Err(SearchError::Failed(reason.clone())))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the double of each query; panics for 13.
    fn double(queries: &[&usize]) -> Vec<usize> {
        let double = |query: &&usize| {
            assert_ne!(**query, 13, "unlucky");
            2 * **query
        };
        queries.iter().map(double).collect()
    }

    #[tokio::test]
    async fn every_search_gets_its_own_answer_and_a_panic_does_not_end_the_thread() {
        let searcher = Searcher::start(double, 64).expect("the thread starts");
        let ask = |query: usize| searcher.search(query, ());
        let answers = futures::future::join_all((0..12).map(ask)).await;
        for (query, answer) in answers.into_iter().enumerate() {
            assert_eq!(answer.expect("the search is answered"), 2 * query);
        }
        let failed = ask(13).await.expect_err("13 panics");
        assert!(
            matches!(&failed, SearchError::Failed(reason) if reason.contains("unlucky")),
            "{failed}"
        );
        assert_eq!(ask(3).await.expect("the thread still answers"), 6);
        assert!(!searcher.has_ended());
    }
}
