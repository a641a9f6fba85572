//! Names of a store's generations: the model and the views of the photos.

use store::{Element, Generation, GenerationState, Store, StoreError};

use crate::embed::PhotoViews;

/// Word between a model and its views in the name of a generation.
const VIEWS: &str = " views=";

/// Space of a catalog's embeddings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Space {
    /// The model that defines the space.
    pub model_id: String,
    /// Dimension.
    pub dim: usize,
    /// Views whose embeddings are averaged per photo of the catalog.
    pub views: PhotoViews,
}

impl Space {
    /// Space of a generation.
    #[must_use]
    pub fn parse(generation: &Generation) -> Self {
        let name = generation.model.as_str();
        let (model_id, views) = name.split_once(VIEWS).unwrap_or((name, ""));
        Self {
            model_id: model_id.to_owned(),
            dim: generation.dim,
            views: views.parse().unwrap_or_default(),
        }
    }

    /// Name of the space's generation.
    #[must_use]
    pub fn name(&self) -> String {
        match self.views {
            PhotoViews::None => self.model_id.clone(),
            PhotoViews::Flip => format!("{}{VIEWS}flip", self.model_id),
        }
    }
}

/// Number of the generation that is being built for `space`. One for another space, or with other numbers than `element`, is
/// dropped, and a new one is begun. Without `element` any numbers are right, and new ones are f32.
pub(super) fn building(store: &Store, space: &Space, element: Option<Element>) -> Result<i64, StoreError> {
    let mut generations = store.generations()?.into_iter();
    if let Some(found) = generations.find(|found| found.state == GenerationState::Building) {
        if found.model == space.name() && element.is_none_or(|element| element == found.element) {
            return Ok(found.number);
        }
        store.drop_generation(found.number)?;
    }
    let begun = store.begin_generation(&space.name(), space.dim, element.unwrap_or(Element::F32))?;
    Ok(begun.number)
}
