//! Rollout of models: a generation is built in the background, switched to in one step, and kept for a rollback.

use rusqlite::Connection;

use crate::clock::now;
use crate::db::generations::{self, Generation, GenerationProgress, GenerationState as State};
use crate::error::StoreError;
use crate::segment::Element;
use crate::store::Store;

impl Store {
    /// Begins a generation. Its images are all images of the catalog.
    ///
    /// # Errors
    /// [`StoreError::Generation`] if another one is being built.
    pub fn begin_generation(&self, model: &str, dim: usize, element: Element) -> Result<Generation, StoreError> {
        self.write(|db| {
            if dim == 0 || model.trim().is_empty() {
                return Err(StoreError::invalid(
                    "model",
                    "needs a name and a dimension of at least 1",
                ));
            }
            if let Some(other) = generations::in_state(db, State::Building)? {
                return Err(fault(other.number, "it is being built; switch to it or drop it first"));
            }
            let number = generations::insert(db, model, dim, element, now())?;
            generations::get(db, number)
        })
    }

    /// All generations, oldest first.
    ///
    /// # Errors
    /// Errors of the database.
    pub fn generations(&self) -> Result<Vec<Generation>, StoreError> {
        self.read(generations::all)
    }

    /// The generation that searches use.
    ///
    /// # Errors
    /// Errors of the database.
    pub fn live_generation(&self) -> Result<Option<Generation>, StoreError> {
        self.read(|db| generations::in_state(db, State::Live))
    }

    /// Numbers of embedded, failed and all images of a generation.
    ///
    /// # Errors
    /// [`StoreError::Generation`] if there is no such generation.
    pub fn progress(&self, generation: i64) -> Result<GenerationProgress, StoreError> {
        self.read(|db| {
            generations::get(db, generation)?;
            generations::progress(db, generation)
        })
    }

    /// Makes a finished generation the live one. The live one is kept, and the kept one is retired. The first generation of a
    /// store need not be finished.
    ///
    /// # Errors
    /// [`StoreError::Generation`] if it is not being built or images wait for their embedding.
    pub fn switch_generation(&self, generation: i64) -> Result<(), StoreError> {
        self.switch_generation_if(generation, |progress| progress.pending() == 0)
    }

    /// As [`Store::switch_generation`], but `is_finished` decides by the progress whether the generation is finished. Images
    /// without an embedding wait for it after the switch, unless they failed.
    ///
    /// # Errors
    /// [`StoreError::Generation`] if it is not being built or not finished.
    pub fn switch_generation_if(
        &self,
        generation: i64,
        is_finished: impl FnOnce(&GenerationProgress) -> bool,
    ) -> Result<(), StoreError> {
        let files = self.write(|db| {
            if generations::get(db, generation)?.state != State::Building {
                return Err(fault(
                    generation,
                    "it is not being built, so there is nothing to switch to",
                ));
            }
            let live = generations::in_state(db, State::Live)?;
            let progress = generations::progress(db, generation)?;
            // The first generation replaces nothing, so it can fill while searches use it.
            if live.is_some() && !is_finished(&progress) {
                let message = format!(
                    "{} images wait for their embedding, and {} have failed",
                    progress.pending(),
                    progress.failed
                );
                return Err(fault(generation, message));
            }
            let files = match generations::in_state(db, State::Kept)? {
                Some(kept) => retire(db, kept.number)?,
                None => Vec::new(),
            };
            if let Some(live) = live {
                generations::set_state(db, live.number, State::Kept, now())?;
            }
            generations::set_state(db, generation, State::Live, now())?;
            Ok(files)
        })?;
        self.remove_files(&files);
        Ok(())
    }

    /// Makes the kept generation the live one, and keeps the live one. Returns the new live one.
    ///
    /// Images that came after the switch wait for their embedding in it.
    ///
    /// # Errors
    /// [`StoreError::Generation`] with the number 0 if none is kept.
    pub fn roll_back(&self) -> Result<Generation, StoreError> {
        self.write(|db| {
            let kept = generations::in_state(db, State::Kept)?.ok_or_else(|| fault(0, "no generation is kept"))?;
            if let Some(live) = generations::in_state(db, State::Live)? {
                // No two generations may have one state, so the states are exchanged in three steps.
                generations::set_state(db, live.number, State::Retired, now())?;
                generations::set_state(db, kept.number, State::Live, now())?;
                generations::set_state(db, live.number, State::Kept, now())?;
            } else {
                generations::set_state(db, kept.number, State::Live, now())?;
            }
            generations::get(db, kept.number)
        })
    }

    /// Deletes the embeddings of a generation. Its entry stays as a retired one.
    ///
    /// # Errors
    /// [`StoreError::Generation`] if it is live.
    pub fn drop_generation(&self, generation: i64) -> Result<(), StoreError> {
        let files = self.write(|db| match generations::get(db, generation)?.state {
            State::Live => Err(fault(generation, "searches use it; switch to another one first")),
            State::Building | State::Kept | State::Retired => retire(db, generation),
        })?;
        self.remove_files(&files);
        Ok(())
    }
}

/// Retires a generation and returns the files to remove.
fn retire(db: &Connection, generation: i64) -> Result<Vec<String>, StoreError> {
    let files = generations::clear(db, generation)?;
    generations::set_state(db, generation, State::Retired, now())?;
    Ok(files)
}

fn fault(generation: i64, message: impl Into<String>) -> StoreError {
    StoreError::Generation {
        generation,
        message: message.into(),
    }
}
