//! Names of a store's generations: the model and the views of the photos.

use store::Generation;

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
