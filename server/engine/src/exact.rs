//! The exact engine in memory.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::compare::{Compare, OnCpu};
use crate::engine::Engine;
use crate::error::EngineError;
use crate::product::{IdRange, ProductVectors, Stamp};
use crate::query::{EngineHit, EngineQuery};
use crate::space::Space;

/// An engine that keeps all vectors in memory and compares every one of them. Its content ends with the process.
///
/// Searches run at the same time. A change waits for the searches that run, and later searches wait for the change.
#[derive(Debug)]
pub struct ExactEngine {
    spaces: RwLock<Spaces>,
    compare: Box<dyn Compare>,
}

impl Default for ExactEngine {
    fn default() -> Self {
        Self::comparing(OnCpu)
    }
}

#[derive(Debug, Default)]
struct Spaces {
    by_generation: BTreeMap<i64, Space>,
    live: Option<i64>,
}

impl Spaces {
    fn get(&self, generation: i64) -> Result<&Space, EngineError> {
        self.by_generation
            .get(&generation)
            .ok_or_else(|| EngineError::unknown(generation))
    }

    fn get_mut(&mut self, generation: i64) -> Result<&mut Space, EngineError> {
        self.by_generation
            .get_mut(&generation)
            .ok_or_else(|| EngineError::unknown(generation))
    }
}

impl ExactEngine {
    /// Creates an engine without generations that compares vectors on the CPU.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates an engine without generations that compares vectors in another way.
    pub fn comparing(compare: impl Compare + 'static) -> Self {
        Self {
            spaces: RwLock::default(),
            compare: Box::new(compare),
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Spaces> {
        self.spaces.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Spaces> {
        self.spaces.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine for ExactEngine {
    fn create(&self, generation: i64, dim: usize) -> Result<(), EngineError> {
        let mut spaces = self.write();
        let space = spaces
            .by_generation
            .entry(generation)
            .or_insert_with(|| Space::new(dim));
        if space.dim() == dim {
            return Ok(());
        }
        let message = format!("it has dimension {}, not {dim}; remove it first", space.dim());
        Err(EngineError::generation(generation, message))
    }

    fn generations(&self) -> Result<Vec<i64>, EngineError> {
        Ok(self.read().by_generation.keys().copied().collect())
    }

    fn remove(&self, generation: i64) -> Result<(), EngineError> {
        let mut spaces = self.write();
        if spaces.live == Some(generation) {
            return Err(EngineError::generation(
                generation,
                "searches use it; switch to another one first",
            ));
        }
        spaces.by_generation.remove(&generation);
        Ok(())
    }

    fn switch(&self, generation: i64) -> Result<(), EngineError> {
        let mut spaces = self.write();
        spaces.get(generation)?;
        spaces.live = Some(generation);
        Ok(())
    }

    fn live(&self) -> Result<Option<i64>, EngineError> {
        Ok(self.read().live)
    }

    fn apply(&self, generation: i64, products: &[ProductVectors]) -> Result<(), EngineError> {
        let mut spaces = self.write();
        let space = spaces.get_mut(generation)?;
        products.iter().try_for_each(|product| product.check(space.dim()))?;
        products.iter().for_each(|product| space.put(product));
        space.compact();
        Ok(())
    }

    fn delete(&self, generation: i64, ids: &[String]) -> Result<(), EngineError> {
        let mut spaces = self.write();
        let space = spaces.get_mut(generation)?;
        ids.iter().for_each(|id| space.delete(id));
        space.compact();
        Ok(())
    }

    fn search_in(&self, generation: i64, queries: &[EngineQuery<'_>]) -> Result<Vec<Vec<EngineHit>>, EngineError> {
        let spaces = self.read();
        let space = spaces.get(generation)?;
        queries.iter().try_for_each(|query| query.check(space.dim()))?;
        space.search(queries, &*self.compare)
    }

    fn stamps(&self, generation: i64, range: IdRange<'_>) -> Result<Vec<Stamp>, EngineError> {
        Ok(self.read().get(generation)?.stamps(range))
    }

    fn applied(&self, generation: i64) -> Result<Option<u64>, EngineError> {
        Ok(self.read().get(generation)?.applied)
    }

    fn set_applied(&self, generation: i64, sequence: u64) -> Result<(), EngineError> {
        self.write().get_mut(generation)?.applied = Some(sequence);
        Ok(())
    }
}
