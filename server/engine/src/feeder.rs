//! The feeder: it applies the changes of a store to an engine.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use store::{Change, Generation, GenerationState, Store};

use crate::engine::Engine;
use crate::error::FeedError;
use crate::product::ProductVectors;
use crate::reconcile::{Reconciled, reconcile_page};
use crate::source::{active, load};

/// Time after which a step is repeated that failed for another reason than an engine that is away.
const RETRY: Duration = Duration::from_secs(1);

/// Limits of a feeder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeederOptions {
    /// Maximum number of changes that are read, and of products that are held, at once.
    pub batch: usize,
    /// Time between two looks at the store while nothing changes.
    pub pause: Duration,
}

impl Default for FeederOptions {
    fn default() -> Self {
        Self {
            batch: 256,
            pause: Duration::from_millis(200),
        }
    }
}

/// Work of a feeder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Fed {
    /// Changes that were applied, counted per generation.
    pub changes: usize,
    /// Comparison with the store, if the changes were not enough.
    pub reconciled: Reconciled,
    /// True if the engine contained every change of the store at the end.
    pub is_complete: bool,
}

/// Place of a generation in the changes of the store.
#[derive(Debug, Clone)]
enum Place {
    /// Every change up to this sequence is applied.
    Applied(u64),
    /// The products up to the id `after` are compared. Every change up to `before` is applied when all products are.
    Comparing { before: u64, after: String },
}

/// Copies a store into an engine, and follows its changes.
///
/// * The engine stores the sequence of the last applied change next to the vectors. So a new feeder continues there, and an
///   engine that lost its data is filled again.
/// * The sequence is stored after the changes. So a change may be applied twice, and none is left out.
/// * All products of a generation are compared with the store if the outbox no longer has its next change. They are also
///   compared if the engine is ahead of the store. That is how the first copy is made. A store that was restored has other
///   sequences, so its products are compared, too.
/// * The engine gets the store's generations: the live one, the one that is being built, and the kept one. Searches of the
///   engine switch to the store's live generation when the engine contains all of it.
/// * The feeder only reads the store. So writes to the store go on while the engine is away.
///
/// One feeder serves an engine. The store's lock keeps other processes away.
pub struct Feeder {
    store: Arc<Store>,
    engine: Arc<dyn Engine>,
    options: FeederOptions,
    /// Places by generation. A generation is missing until the engine was asked.
    places: BTreeMap<i64, Place>,
    /// Generations of which the engine had everything up to some change, in the last step that succeeded.
    copied: BTreeSet<i64>,
    /// Active generations of the store when the engine was last known to have no others.
    cleaned: Option<Vec<i64>>,
}

impl Feeder {
    /// Creates a feeder.
    #[must_use]
    pub fn new(store: Arc<Store>, engine: Arc<dyn Engine>, options: FeederOptions) -> Self {
        let batch = options.batch.max(1);
        Self {
            store,
            engine,
            options: FeederOptions { batch, ..options },
            places: BTreeMap::new(),
            copied: BTreeSet::new(),
            cleaned: None,
        }
    }

    /// Generations that the engine had copied completely when the last step succeeded. Later changes may be missing.
    #[must_use]
    pub fn copied(&self) -> &BTreeSet<i64> {
        &self.copied
    }

    /// Applies at most one batch of changes to each generation, or compares one batch of products.
    ///
    /// # Errors
    /// [`FeedError`]. The next step repeats what was not finished.
    pub fn step(&mut self) -> Result<Fed, FeedError> {
        let fed = self.try_step();
        if fed.is_err() {
            // The engine may have lost what it had. The next step asks it.
            self.places.clear();
            self.cleaned = None;
        }
        fed
    }

    /// Repeats [`Feeder::step`] until the engine contains every change. Returns the sum of the steps.
    ///
    /// # Errors
    /// As [`Feeder::step`].
    pub fn catch_up(&mut self) -> Result<Fed, FeedError> {
        let mut total = Fed::default();
        while !total.is_complete {
            let fed = self.step()?;
            total.changes += fed.changes;
            total.reconciled.add(fed.reconciled);
            total.is_complete = fed.is_complete;
        }
        Ok(total)
    }

    /// Follows the store until `stop` is true. After each step, calls `report` with the generations that are copied
    /// ([`Feeder::copied`]) and with the step's result. After an error it waits and continues.
    pub fn run(&mut self, stop: &AtomicBool, mut report: impl FnMut(&BTreeSet<i64>, &Result<Fed, FeedError>)) {
        while !stop.load(Ordering::Relaxed) {
            let result = self.step();
            report(&self.copied, &result);
            let pause = match &result {
                Ok(fed) if fed.is_complete => self.options.pause,
                Ok(_) => continue,
                Err(FeedError::Engine(error)) => error.retry_after().unwrap_or(RETRY),
                Err(FeedError::Store(_)) => RETRY,
            };
            wait(pause, stop);
        }
    }

    /// Compares every generation with the store, and repairs the engine. Returns the sum over the generations.
    ///
    /// # Errors
    /// As [`Feeder::step`].
    pub fn reconcile(&mut self) -> Result<Reconciled, FeedError> {
        self.places.clear();
        for generation in active(&self.store)? {
            self.engine.create(generation.number, generation.dim)?;
            self.compare(generation.number)?;
        }
        Ok(self.catch_up()?.reconciled)
    }

    fn try_step(&mut self) -> Result<Fed, FeedError> {
        let generations = active(&self.store)?;
        let mut total = Fed {
            is_complete: true,
            ..Fed::default()
        };
        for generation in &generations {
            let fed = self.feed(generation)?;
            total.changes += fed.changes;
            total.reconciled.add(fed.reconciled);
            total.is_complete &= fed.is_complete;
            let is_live = generation.state == GenerationState::Live;
            if is_live && fed.is_complete && self.engine.live()? != Some(generation.number) {
                self.engine.switch(generation.number)?;
            }
        }
        self.remove_retired(&generations)?;
        let is_copied = |(number, place): (&i64, &Place)| matches!(place, Place::Applied(_)).then_some(*number);
        self.copied = self.places.iter().filter_map(is_copied).collect();
        Ok(total)
    }

    /// Applies one batch of changes to a generation, or compares one batch of products.
    fn feed(&mut self, generation: &Generation) -> Result<Fed, FeedError> {
        let number = generation.number;
        if !self.places.contains_key(&number) {
            self.engine.create(number, generation.dim)?;
            match self.engine.applied(number)? {
                Some(applied) => {
                    self.places.insert(number, Place::Applied(applied));
                }
                None => self.compare(number)?,
            }
        }
        let mut fed = Fed::default();
        match self.places.get(&number).cloned() {
            Some(Place::Applied(applied)) => fed.changes = self.follow(number, applied)?,
            Some(Place::Comparing { before, after }) => fed.reconciled = self.fill(number, before, &after)?,
            None => {}
        }
        let last = self.store.last_change()?;
        fed.is_complete = matches!(self.places.get(&number), Some(Place::Applied(applied)) if *applied == last);
        Ok(fed)
    }

    /// Applies one batch of the changes after `applied`. Returns their number.
    fn follow(&mut self, generation: i64, applied: u64) -> Result<usize, FeedError> {
        let last = self.store.last_change()?;
        let changes = self.store.changes(applied, self.options.batch)?;
        if !is_next(applied, last, &changes) {
            self.compare(generation)?;
            return Ok(0);
        }
        let Some(end) = changes.last().map(|change| change.sequence) else {
            return Ok(0);
        };
        self.apply(generation, &changes)?;
        self.engine.set_applied(generation, end)?;
        self.places.insert(generation, Place::Applied(end));
        Ok(changes.len())
    }

    /// Applies the present state of the products that changed.
    fn apply(&self, generation: i64, changes: &[Change]) -> Result<(), FeedError> {
        let ids: BTreeSet<&str> = changes.iter().map(|change| change.id.as_str()).collect();
        let products: Vec<ProductVectors> = ids
            .into_iter()
            .map(|id| load(&self.store, generation, id))
            .collect::<Result<_, _>>()?;
        Ok(self.engine.apply(generation, &products)?)
    }

    /// Begins a comparison of a generation. Changes that come meanwhile are applied after it.
    fn compare(&mut self, generation: i64) -> Result<(), FeedError> {
        let place = Place::Comparing {
            before: self.store.last_change()?,
            after: String::new(),
        };
        self.places.insert(generation, place);
        Ok(())
    }

    /// Compares one batch of products and repairs the engine.
    fn fill(&mut self, generation: i64, before: u64, after: &str) -> Result<Reconciled, FeedError> {
        let (reconciled, next) = reconcile_page(&self.store, &*self.engine, generation, after, self.options.batch)?;
        let place = match next {
            Some(after) => Place::Comparing { before, after },
            None => {
                self.engine.set_applied(generation, before)?;
                Place::Applied(before)
            }
        };
        self.places.insert(generation, place);
        Ok(reconciled)
    }

    /// Removes generations from the engine that the store has retired. The engine's live one stays until it is replaced.
    fn remove_retired(&mut self, active: &[Generation]) -> Result<(), FeedError> {
        let active: Vec<i64> = active.iter().map(|generation| generation.number).collect();
        if self.cleaned.as_ref() == Some(&active) {
            return Ok(());
        }
        self.places.retain(|number, _| active.contains(number));
        let live = self.engine.live()?;
        let mut is_clean = true;
        for number in self.engine.generations()? {
            if live == Some(number) {
                is_clean &= active.contains(&number);
            } else if !active.contains(&number) {
                self.engine.remove(number)?;
            }
        }
        self.cleaned = is_clean.then_some(active);
        Ok(())
    }
}

/// True if `changes` begin right after `applied`, so that none is missing. False if the engine is ahead of the store.
fn is_next(applied: u64, last: u64, changes: &[Change]) -> bool {
    match changes.first() {
        Some(change) => change.sequence == applied + 1,
        None => applied == last,
    }
}

/// Sleeps, but not long after `stop` becomes true.
fn wait(time: Duration, stop: &AtomicBool) {
    let end = Instant::now() + time;
    while !stop.load(Ordering::Relaxed) {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        thread::sleep(left.min(Duration::from_millis(50)));
    }
}
