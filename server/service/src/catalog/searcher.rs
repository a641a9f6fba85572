//! One thread that answers searches of a catalogue, first come, first served, in batches.
//!
//! Searches that ran side by side would take the threads from each other, and the unlucky ones would wait for as long as
//! others come. **Invariants:** a search is answered before any that came a batch later; what has not begun when its asker
//! goes is never computed.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::Context;
use rayon::{ThreadPool, ThreadPoolBuilder};
use shared::embedding::Embedding;
use thiserror::Error;

use crate::line::{Closing, Job, Line, Refused, guarded};
use search::{Match, SearchOptions};

/// Searches answered in one pass over the embeddings, at most. More would hardly be faster a search, but make the next
/// ones wait longer.
const MAX_BATCH: usize = 32;

/// Why a search found no answer.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum SearchError {
    /// Too many searches wait.
    #[error("{waiting} searches are waiting already; try again in {retry_after_s} s")]
    Overloaded {
        /// Searches waiting.
        waiting: usize,
        /// Seconds after which there should be room, 1 to 60.
        retry_after_s: u64,
    },
    /// The search panicked.
    #[error("the search failed: {0}")]
    Failed(String),
    /// The thread has ended.
    #[error("the thread that searches has ended; restart the server")]
    Closed,
}

type Question = (Embedding, SearchOptions);
type Answer = Result<Vec<Match>, SearchError>;

/// The front of the thread, which ends after this is dropped.
pub struct Searcher {
    line: Arc<Line<Question, Answer>>,
}

impl Searcher {
    /// Starts the thread, which answers with `search`, such as a catalogue's [`search_batch`](super::Catalog::search_batch):
    /// what it finds for each query, in order. At most `capacity` searches wait.
    ///
    /// # Errors
    /// When the system gives no threads.
    pub fn start(
        search: impl Fn(&[(&Embedding, SearchOptions)]) -> Vec<Vec<Match>> + Send + Sync + 'static,
        capacity: usize,
    ) -> anyhow::Result<Self> {
        // A pool of its own, so that a search never waits for other work that is split between threads.
        let pool = ThreadPoolBuilder::new()
            .thread_name(|at| format!("search-{at}"))
            .build();
        let pool = pool.context("cannot start the threads to search on")?;
        let line = Arc::new(Line::new(capacity, MAX_BATCH));
        let worker = Arc::clone(&line);
        thread::Builder::new()
            .name("search".into())
            .spawn(move || {
                let _closing = Closing(&*worker);
                while let Some(batch) = worker.take(Duration::ZERO, None) {
                    answer(&search, &pool, batch);
                }
            })
            .context("cannot start the thread that searches")?;
        Ok(Self { line })
    }

    /// The products most like `query`. Dropping the future withdraws the search if it still waits; `held` is dropped when
    /// the search has ended, not before.
    ///
    /// # Errors
    /// See [`SearchError`].
    pub async fn search(&self, query: Embedding, options: SearchOptions, held: impl Send + 'static) -> Answer {
        self.line.ask((query, options), held).await.unwrap_or_else(|refused| {
            Err(match refused {
                Refused::Full { waiting, retry_after_s } => SearchError::Overloaded { waiting, retry_after_s },
                Refused::Closed => SearchError::Closed,
            })
        })
    }

    /// Drops the searches whose askers have gone, and what they held.
    pub fn forget_abandoned(&self) {
        self.line.forget_abandoned();
    }

    /// Seconds after which a search that comes now should have been answered, 1 to 60.
    pub fn retry_after(&self) -> u64 {
        self.line.retry_after()
    }

    /// The time for which the thread has been at its batch, or has not come for searches that wait.
    pub fn stuck_for(&self) -> Option<Duration> {
        self.line.stuck_for()
    }

    /// True if the thread has ended.
    pub fn has_ended(&self) -> bool {
        self.line.is_closed()
    }
}

impl Drop for Searcher {
    fn drop(&mut self) {
        self.line.close();
    }
}

fn answer(
    search: &(impl Fn(&[(&Embedding, SearchOptions)]) -> Vec<Vec<Match>> + Sync),
    pool: &ThreadPool,
    batch: Vec<Job<Question, Answer>>,
) {
    let queries: Vec<(&Embedding, SearchOptions)> = batch.iter().map(|job| (&job.question.0, job.question.1)).collect();
    match guarded(|| Ok(pool.install(|| search(&queries)))) {
        Ok(found) => batch
            .into_iter()
            .zip(found)
            .for_each(|(job, found)| job.answer(Ok(found))),
        Err(why) => batch
            .into_iter()
            .for_each(|job| job.answer(Err(SearchError::Failed(why.clone())))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use search::rerank::Rerank;

    /// As many matches as the limit; a limit of 13 panics.
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
    async fn everyone_gets_their_own_answer_and_a_panic_ends_nothing() {
        let searcher = Searcher::start(count, 64).expect("starts");
        let ask = |limit| {
            let query = Embedding::new("m", vec![1.0, 2.0]).expect("valid");
            searcher.search(
                query,
                SearchOptions {
                    limit,
                    category: None,
                    rerank: Rerank::None,
                },
                (),
            )
        };
        let answers = futures::future::join_all((0..12).map(ask)).await;
        for (limit, answer) in answers.into_iter().enumerate() {
            assert_eq!(answer.expect("searched").len(), limit);
        }
        let failed = ask(13).await.expect_err("panics");
        assert!(
            matches!(&failed, SearchError::Failed(why) if why.contains("unlucky")),
            "{failed}"
        );
        assert_eq!(ask(3).await.expect("searched").len(), 3);
        assert!(!searcher.has_ended());
    }
}
