//! Recolouring of training photos in a recipe.

use dataset::Extent;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Recolouring of the garments in training photos.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RecolourRecipe {
    /// Probability, above 0 to 1, that a selected photo is recoloured. Each time another colour is drawn.
    pub probability: f64,
    /// Labels whose photos are selected.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// Selects also the photos of every label with fewer training rows than this. Without both keys all photos are
    /// selected.
    pub below: usize,
    /// Ids of skin and hair in the photos' own masks; 0 is the background. If absent, the ids that the segmenter was
    /// trained with.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub person: Vec<u8>,
    /// Folder of the segmentation bundle that finds the garments of photos without masks. If absent, these photos are not
    /// changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub segmenter: Option<PathBuf>,
    /// Pixels that change: the `garment`, or the `whole` image as published.
    pub extent: Extent,
}

impl RecolourRecipe {
    /// # Errors
    /// If the recipe never recolours anything, or garments cannot be found.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        anyhow::ensure!(
            self.probability > 0.0 && self.probability <= 1.0,
            "recolour.probability must lie above 0 and at most at 1; leave [recolour] out for never"
        );
        anyhow::ensure!(
            !self.person.is_empty() || self.segmenter.is_some(),
            "[recolour] needs a way to find garments: name recolour.segmenter, a segmentation bundle, or for photos with \
             masks recolour.person, the ids of skin and hair"
        );
        Ok(())
    }
}
