//! The trait of all engines.

use crate::error::EngineError;
use crate::product::{Fingerprint, IdRange, ProductVectors, Stamp};
use crate::query::{EngineHit, EngineQuery};

/// A store of vectors that can be searched. The crate's documentation states the contract.
///
/// Functions block. Asynchronous code calls them on a thread for blocking work.
pub trait Engine: Send + Sync {
    /// Creates the empty space of a generation with vectors of dimension `dim`. Does nothing if it exists.
    ///
    /// # Errors
    /// [`EngineError::Generation`] if it exists with another dimension.
    fn create(&self, generation: i64, dim: usize) -> Result<(), EngineError>;

    /// Numbers of all generations, in ascending order.
    ///
    /// # Errors
    /// [`EngineError::Away`].
    fn generations(&self) -> Result<Vec<i64>, EngineError>;

    /// Removes a generation and its vectors. Does nothing if it does not exist.
    ///
    /// # Errors
    /// [`EngineError::Generation`] if it is live.
    fn remove(&self, generation: i64) -> Result<(), EngineError>;

    /// Makes a generation the live one in one step.
    ///
    /// # Errors
    /// [`EngineError::Generation`] if it does not exist.
    fn switch(&self, generation: i64) -> Result<(), EngineError>;

    /// Number of the live generation.
    ///
    /// # Errors
    /// [`EngineError::Away`].
    fn live(&self) -> Result<Option<i64>, EngineError>;

    /// Adds products, or replaces all their vectors and values. A product without vectors is deleted.
    ///
    /// If a product occurs twice, the last one counts.
    ///
    /// # Errors
    /// [`EngineError::Invalid`] for a product that cannot be stored. Then nothing is applied.
    fn apply(&self, generation: i64, products: &[ProductVectors]) -> Result<(), EngineError>;

    /// Deletes products. Unknown ids are ignored.
    ///
    /// # Errors
    /// [`EngineError::Generation`] if the generation does not exist.
    fn delete(&self, generation: i64, ids: &[String]) -> Result<(), EngineError>;

    /// Finds the nearest products of a generation for each query, best first.
    ///
    /// # Errors
    /// [`EngineError::Generation`] if the generation does not exist, and [`EngineError::Invalid`] for a query that cannot be
    /// used.
    fn search_in(&self, generation: i64, queries: &[EngineQuery<'_>]) -> Result<Vec<Vec<EngineHit>>, EngineError>;

    /// Finds the nearest products of the live generation for each query, best first.
    ///
    /// # Errors
    /// [`EngineError::Generation`] if no generation is live, or as [`Engine::search_in`].
    fn search(&self, queries: &[EngineQuery<'_>]) -> Result<Vec<Vec<EngineHit>>, EngineError> {
        let live = self.live()?.ok_or_else(EngineError::none_live)?;
        self.search_in(live, queries)
    }

    /// Stamps of the products in a range, sorted by id.
    ///
    /// # Errors
    /// [`EngineError::Generation`] if the generation does not exist.
    fn stamps(&self, generation: i64, range: IdRange<'_>) -> Result<Vec<Stamp>, EngineError>;

    /// Fingerprint of the products in a range.
    ///
    /// # Errors
    /// As [`Engine::stamps`].
    fn fingerprint(&self, generation: i64, range: IdRange<'_>) -> Result<Fingerprint, EngineError> {
        Ok(Fingerprint::of(&self.stamps(generation, range)?))
    }

    /// Sequence of the last change that the generation contains, as [`Engine::set_applied`] stored it.
    ///
    /// # Errors
    /// [`EngineError::Generation`] if the generation does not exist.
    fn applied(&self, generation: i64) -> Result<Option<u64>, EngineError>;

    /// Stores the sequence of the last change that the generation contains. It is as durable as the vectors.
    ///
    /// # Errors
    /// [`EngineError::Generation`] if the generation does not exist.
    fn set_applied(&self, generation: i64, sequence: u64) -> Result<(), EngineError>;
}
