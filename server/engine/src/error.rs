//! Errors of engines and of the feeder.

use std::time::Duration;

use store::StoreError;

/// Error of an engine. After an error, a part of the change may be applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The engine does not answer. The caller tries again later.
    #[error("the vector engine does not answer: {message}; try again in {} s", .retry_after.as_secs_f32().ceil())]
    Away {
        /// Time until the next try is worthwhile.
        retry_after: Duration,
        /// The fault.
        message: String,
    },
    /// The generation is missing, is live, or has another dimension.
    #[error("generation {generation} of the vector engine: {message}")]
    Generation {
        /// Number of the generation. It is 0 if none is live.
        generation: i64,
        /// The fault, and what to do.
        message: String,
    },
    /// A product or a query cannot be used.
    #[error("{subject}: {message}")]
    Invalid {
        /// The product or the query.
        subject: String,
        /// The fault, and what to do.
        message: String,
    },
    /// The engine refused a request.
    #[error("the vector engine refused to {action}: {message}")]
    Refused {
        /// The request as a verb.
        action: &'static str,
        /// Message of the engine.
        message: String,
    },
}

impl EngineError {
    /// The error of a generation.
    #[must_use]
    pub fn generation(generation: i64, message: impl Into<String>) -> Self {
        Self::Generation {
            generation,
            message: message.into(),
        }
    }

    /// The error of a generation that does not exist.
    #[must_use]
    pub fn unknown(generation: i64) -> Self {
        Self::generation(generation, "it does not exist; create it first")
    }

    /// The error of a search while no generation is live.
    #[must_use]
    pub fn none_live() -> Self {
        Self::generation(0, "no generation is live; switch to one first")
    }

    /// The error of a product or a query.
    #[must_use]
    pub fn invalid(subject: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid {
            subject: subject.into(),
            message: message.into(),
        }
    }

    /// Time after which the caller should try again, if the engine is away.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Away { retry_after, .. } => Some(*retry_after),
            _ => None,
        }
    }
}

/// Error of the feeder.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FeedError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
}
