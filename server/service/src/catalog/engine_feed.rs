//! The copy of a catalog in a vector engine, and the thread that keeps it up to date.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use anyhow::Context;
use engine::{Engine, EngineError, Fed, FeedError, Feeder, FeederOptions};
use serde::Serialize;
use store::Store;

use super::wake::Wake;

/// A vector engine with a copy of the catalog's vectors. The thread that feeds it ends when this is dropped.
pub(super) struct EngineFeed {
    engine: Arc<dyn Engine>,
    state: Arc<Mutex<State>>,
    is_ending: Arc<AtomicBool>,
}

/// Knowledge about the copy.
#[derive(Default)]
struct State {
    /// Generations that are copied. `None` until the engine has answered.
    copied: Option<BTreeSet<i64>>,
    /// Why the last step failed.
    fault: Option<String>,
    /// True if the engine had every change of the store after the last step.
    is_complete: bool,
}

/// State of a vector engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct EngineState {
    /// Generations that are copied. Searches in them use the engine.
    pub(crate) copied: Vec<i64>,
    /// True if the engine has every change.
    pub(crate) complete: bool,
    /// Why the engine cannot be used now.
    pub(crate) fault: Option<String>,
}

impl EngineFeed {
    /// Starts the thread that copies `store` into `engine` and follows it. It rings `wake` when a copy is complete.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub(super) fn start(store: &Arc<Store>, engine: &Arc<dyn Engine>, wake: &Arc<Wake>) -> anyhow::Result<Self> {
        let feed = Self {
            engine: Arc::clone(engine),
            state: Arc::default(),
            is_ending: Arc::default(),
        };
        feed.state().copied = first_state(store, engine);
        let mut feeder = Feeder::new(Arc::clone(store), Arc::clone(engine), FeederOptions::default());
        let (state, is_ending, wake) = (Arc::clone(&feed.state), Arc::clone(&feed.is_ending), Arc::clone(wake));
        let report = move |copied: &BTreeSet<i64>, result: &Result<Fed, FeedError>| {
            if lock(&state).follow(copied, result) {
                wake.ring();
            }
        };
        thread::Builder::new()
            .name("feed-engine".into())
            .spawn(move || feeder.run(&is_ending, report))
            .context("cannot start the thread that feeds the vector engine")?;
        Ok(feed)
    }

    /// The engine, if it answers searches in a generation. A generation that is not copied yet is searched in memory. Until the
    /// engine has answered once, it counts as having all generations, because the vectors may not fit into memory.
    pub(super) fn engine_for(&self, generation: i64) -> Option<&Arc<dyn Engine>> {
        let state = self.state();
        let has = state.copied.as_ref().is_none_or(|copied| copied.contains(&generation));
        has.then_some(&self.engine)
    }

    /// State of the engine.
    pub(super) fn report(&self) -> EngineState {
        let state = self.state();
        EngineState {
            copied: state.copied.iter().flatten().copied().collect(),
            complete: state.is_complete && state.fault.is_none(),
            fault: state.fault.clone(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl Drop for EngineFeed {
    fn drop(&mut self) {
        self.is_ending.store(true, Ordering::Relaxed);
    }
}

impl State {
    /// Takes the result of a step. Returns true if other generations are copied now.
    fn follow(&mut self, copied: &BTreeSet<i64>, result: &Result<Fed, FeedError>) -> bool {
        let fault = result.as_ref().err().map(ToString::to_string);
        match (&fault, &self.fault) {
            (Some(fault), None) => tracing::warn!(fault, "the vector engine cannot be fed; trying again"),
            (None, Some(_)) => tracing::info!("the vector engine is fed again"),
            _ => {}
        }
        self.fault = fault;
        let Ok(fed) = result else {
            return false;
        };
        self.is_complete = fed.is_complete;
        if self.copied.as_ref() == Some(copied) {
            return false;
        }
        tracing::info!(generations = ?copied, "searches in these generations use the vector engine");
        self.copied = Some(copied.clone());
        true
    }
}

/// Generations that an earlier process copied. `None` if the engine does not answer.
fn first_state(store: &Store, engine: &Arc<dyn Engine>) -> Option<BTreeSet<i64>> {
    let mut copied = BTreeSet::new();
    for generation in store.generations().unwrap_or_default() {
        match engine.applied(generation.number) {
            Ok(Some(_)) => {
                copied.insert(generation.number);
            }
            Err(EngineError::Away { .. }) => return None,
            Ok(None) | Err(_) => {}
        }
    }
    Some(copied)
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
