//! A vector engine that can be taken away.

use std::path::PathBuf;
use std::time::Duration;

use engine::{Engine, EngineError, EngineHit, EngineQuery, ExactEngine, IdRange, ProductVectors, Stamp};

/// An exact engine that does not answer while a file exists.
pub(crate) struct GatedEngine {
    engine: ExactEngine,
    gate: PathBuf,
}

impl GatedEngine {
    /// Creates an empty engine that does not answer while the file `gate` exists.
    pub(crate) fn new(gate: PathBuf) -> Self {
        Self {
            engine: ExactEngine::new(),
            gate,
        }
    }

    fn reach(&self) -> Result<&ExactEngine, EngineError> {
        if self.gate.exists() {
            return Err(EngineError::Away {
                retry_after: Duration::from_millis(1500),
                message: "the gate is shut".into(),
            });
        }
        Ok(&self.engine)
    }
}

impl Engine for GatedEngine {
    fn create(&self, generation: i64, dim: usize) -> Result<(), EngineError> {
        self.reach()?.create(generation, dim)
    }

    fn generations(&self) -> Result<Vec<i64>, EngineError> {
        self.reach()?.generations()
    }

    fn remove(&self, generation: i64) -> Result<(), EngineError> {
        self.reach()?.remove(generation)
    }

    fn switch(&self, generation: i64) -> Result<(), EngineError> {
        self.reach()?.switch(generation)
    }

    fn live(&self) -> Result<Option<i64>, EngineError> {
        self.reach()?.live()
    }

    fn apply(&self, generation: i64, products: &[ProductVectors]) -> Result<(), EngineError> {
        self.reach()?.apply(generation, products)
    }

    fn delete(&self, generation: i64, ids: &[String]) -> Result<(), EngineError> {
        self.reach()?.delete(generation, ids)
    }

    fn search_in(&self, generation: i64, queries: &[EngineQuery<'_>]) -> Result<Vec<Vec<EngineHit>>, EngineError> {
        self.reach()?.search_in(generation, queries)
    }

    fn stamps(&self, generation: i64, range: IdRange<'_>) -> Result<Vec<Stamp>, EngineError> {
        self.reach()?.stamps(generation, range)
    }

    fn applied(&self, generation: i64) -> Result<Option<u64>, EngineError> {
        self.reach()?.applied(generation)
    }

    fn set_applied(&self, generation: i64, sequence: u64) -> Result<(), EngineError> {
        self.reach()?.set_applied(generation, sequence)
    }
}
