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
use shared::embedding::Embedding;
use thiserror::Error;

use crate::job_queue::{CloseOnDrop, Job, JobQueue, Refused, catch_panic};
use search::{Match, SearchOptions};

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

type Query = (Embedding, SearchOptions);
type Answer = Result<Vec<Match>, SearchError>;

/// Handle of the search thread, which ends when this is dropped.
pub struct Searcher {
    jobs: Arc<JobQueue<Query, Answer>>,
}

impl Searcher {
    /// Starts the search thread. `search` returns the matches per query, in order, as a catalog's
    /// [`search_batch`](super::Catalog::search_batch) does. At most `capacity` searches wait.
    ///
    /// # Errors
    /// If the system gives no threads.
    pub fn start(
        search: impl Fn(&[(&Embedding, SearchOptions)]) -> Vec<Vec<Match>> + Send + Sync + 'static,
        capacity: usize,
    ) -> anyhow::Result<Self> {
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

    /// Finds the products most similar to `query`. Dropping the future withdraws a search that still waits. `held` is
    /// dropped when the search has ended.
    ///
    /// # Errors
    /// See [`SearchError`].
    pub async fn search(&self, query: Embedding, options: SearchOptions, held: impl Send + 'static) -> Answer {
        self.jobs.run((query, options), held).await.unwrap_or_else(|refused| {
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

impl Drop for Searcher {
    fn drop(&mut self) {
        self.jobs.close();
    }
}

fn answer(
    search: &(impl Fn(&[(&Embedding, SearchOptions)]) -> Vec<Vec<Match>> + Sync),
    pool: &ThreadPool,
    batch: Vec<Job<Query, Answer>>,
) {
    let queries: Vec<(&Embedding, SearchOptions)> = batch.iter().map(|job| (&job.input.0, job.input.1)).collect();
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
    use search::rerank::Rerank;

    /// Returns as many matches as the limit; panics for a limit of 13.
    fn count(queries: &[(&Embedding, SearchOptions)]) -> Vec<Vec<Match>> {
        let matches = |(_, options): &(&Embedding, SearchOptions)| {
            assert_ne!(options.limit, 13, "unlucky");
            (0..options.limit)
                .map(|product| Match {
                    product,
                    row: product,
                    score: 0.0,
                })
                .collect()
        };
        queries.iter().map(matches).collect()
    }

    #[tokio::test]
    async fn every_search_gets_its_own_answer_and_a_panic_does_not_end_the_thread() {
        let searcher = Searcher::start(count, 64).expect("the thread starts");
        let ask = |limit| {
            let query = Embedding::new("m", vec![1.0, 2.0]).expect("the values are an embedding");
            searcher.search(
                query,
                SearchOptions {
                    limit,
                    category: None,
                    rerank: Rerank::None.into(),
                },
                (),
            )
        };
        let answers = futures::future::join_all((0..12).map(ask)).await;
        for (limit, answer) in answers.into_iter().enumerate() {
            assert_eq!(answer.expect("the search is answered").len(), limit);
        }
        let failed = ask(13).await.expect_err("a limit of 13 panics");
        assert!(
            matches!(&failed, SearchError::Failed(reason) if reason.contains("unlucky")),
            "{failed}"
        );
        assert_eq!(ask(3).await.expect("the thread still answers").len(), 3);
        assert!(!searcher.has_ended());
    }
}
