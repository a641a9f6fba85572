//! Embedding of all images of a store by one model.

use dataset::MaxErrors;
use store::{Element, Generation, GenerationProgress, Store};

use super::compare::{Comparison, compare};
use super::embed_pending::EmbedJob;
use super::faults::Unreadable;
use super::generation::building;
use super::{CatalogError, Failures, PhotoFiles, Space};
use crate::embed::{EmbedInput, PhotoViews, RetrievalModel};

/// Progress of an embedding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexProgress {
    /// Number of photos done.
    pub done: usize,
    /// Number of all photos.
    pub total: usize,
}

/// Store, model and options of the embedding of a whole catalog.
pub struct EmbedRun<'a> {
    /// The store.
    pub store: &'a Store,
    /// The image files.
    pub files: &'a PhotoFiles,
    /// The model.
    pub model: &'a RetrievalModel,
    /// Views whose embeddings are averaged per photo.
    pub views: PhotoViews,
    /// Type of the stored numbers.
    pub element: Element,
    /// Photos per batch.
    pub batch: usize,
    /// Maximum number of photos without an embedding in a generation that replaces another one.
    pub max_errors: MaxErrors,
}

/// Result of an embedding.
#[derive(Debug, Clone, PartialEq)]
pub struct Embedded {
    /// Number of the generation, which is live unless the run was ended early.
    pub generation: i64,
    /// Comparison with the generation before, if there was one.
    pub comparison: Option<Comparison>,
    /// Images that cannot be embedded, each with the reason.
    pub skipped: Vec<(String, String)>,
    /// Images that wait on, because they cannot be read now.
    pub unreadable: Unreadable,
}

/// Queries of a comparison.
const COMPARED: usize = 100;

impl EmbedRun<'_> {
    /// Embeds all images that wait.
    ///
    /// With another model, other views or another type of numbers than those of the live generation, all images are embedded
    /// into a new one. At the end it is compared with the live one and replaces it. A run that was killed continues where it
    /// stopped. Calls `progress` after every batch. The run ends early when it returns false.
    ///
    /// # Errors
    /// If the model or the store fails, or too many photos have no embedding in the new generation. It is then not switched to,
    /// and the next run continues.
    pub fn run(&self, mut progress: impl FnMut(IndexProgress) -> bool) -> Result<Embedded, CatalogError> {
        let generation = self.generation()?;
        let spec = &self.model.manifest().input;
        let job = EmbedJob {
            store: self.store,
            generation,
            files: self.files,
            spec,
            batch: self.batch,
        };
        let mut embed = |inputs: Vec<Vec<f32>>| {
            self.views.embed(inputs, spec, |inputs| {
                self.model.embed(inputs.into_iter().map(EmbedInput::product).collect())
            })
        };
        let state = self.store.progress(generation)?;
        let total = usize::try_from(state.images).unwrap_or(usize::MAX);
        let mut done = usize::try_from(state.embedded).unwrap_or_default();
        let mut embedded = Embedded {
            generation,
            comparison: None,
            skipped: Vec::new(),
            unreadable: Unreadable::default(),
        };
        let is_complete = job.run(&mut embed, |batch| {
            done += batch.stored + batch.failed.len();
            embedded.skipped.extend(batch.failed.iter().cloned());
            embedded.unreadable.extend(&batch.unreadable);
            progress(IndexProgress { done, total })
        })?;
        if is_complete {
            self.switch(&mut embedded)?;
        }
        Ok(embedded)
    }

    /// Makes the generation live unless it is, and compares it with the one that it replaces.
    fn switch(&self, embedded: &mut Embedded) -> Result<(), CatalogError> {
        let generation = embedded.generation;
        match self.store.live_generation()? {
            Some(live) if live.number == generation => {}
            // The first generation replaces nothing.
            None => self.store.switch_generation(generation)?,
            Some(live) => {
                let state = self.store.progress(generation)?;
                if !self.is_finished(&state) {
                    return Err(CatalogError::Unfinished {
                        missing: missing(&state),
                        total: state.images,
                        limit: self.max_errors,
                        unreadable: embedded.unreadable.clone(),
                        failures: Failures(std::mem::take(&mut embedded.skipped)),
                    });
                }
                embedded.comparison = compare(self.store, [live.number, generation], COMPARED)?;
                self.store
                    .switch_generation_if(generation, |state| self.is_finished(state))?;
            }
        }
        Ok(())
    }

    /// True if so few photos have no embedding that a generation may replace another one.
    fn is_finished(&self, state: &GenerationProgress) -> bool {
        let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        self.max_errors.allows(count(missing(state)), count(state.images))
    }

    /// The generation that takes the embeddings: the live one, or one that is built for another space or storage.
    fn generation(&self) -> Result<i64, CatalogError> {
        let space = Space {
            model_id: self.model.manifest().model_id(),
            dim: self.model.manifest().embedding_dim,
            views: self.views,
        };
        let fits = |found: &Generation| found.model == space.name() && found.element == self.element;
        if let Some(live) = self.store.live_generation()?.filter(fits) {
            return Ok(live.number);
        }
        Ok(building(self.store, &space, Some(self.element))?)
    }
}

/// Number of photos without an embedding.
fn missing(state: &GenerationProgress) -> u64 {
    state.images.saturating_sub(state.embedded)
}
