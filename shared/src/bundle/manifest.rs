//! The manifest of a bundle.

use super::groups::LabelGroup;
use super::points::{ChosenOn, CurvePoint, PreciseThresholds, ScoreFloor};
use crate::input::InputSpec;
use crate::model::Architecture;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Name of the manifest within a bundle.
pub const MANIFEST_FILE: &str = "bundle.json";
/// Usual name of the weights file within a bundle.
pub const WEIGHTS_FILE: &str = "weights.safetensors";
/// Usual name of the projection's file within a bundle.
pub const PROJECTION_FILE: &str = "projection.safetensors";
/// Version of the format that this program reads and writes.
pub const FORMAT: u32 = 1;

/// Description of the weights file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WeightsInfo {
    /// Name of the file within the bundle.
    pub file: String,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256, lower-case hexadecimal.
    pub sha256: String,
    /// `f32`, `f16` or `int8`.
    pub dtype: String,
    /// True if batch norms are folded into the layers before them.
    pub folded: bool,
}

/// Description of the file of a projection: `mean`, `[from]`, and `weight`, `[to, from]`, f32. An adapted projection also has
/// `customer_mean`, `[from]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProjectionInfo {
    /// Name of the file within the bundle.
    pub file: String,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256, lower-case hexadecimal.
    pub sha256: String,
    /// Command that fitted the projection.
    pub command: String,
    /// Dataset that the projection was fitted on, in words.
    pub data: String,
    /// SHA-256 of that dataset's manifest.
    pub data_sha256: String,
    /// Adaptation to a shop's photos. `None` for a projection as it was fitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adapted: Option<Adaptation>,
}

/// Record of how a projection was adapted: customers' photos and shop photos have their own means.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adaptation {
    /// Command that adapted the projection.
    pub command: String,
    /// Dataset of the photos, in words.
    pub data: String,
    /// SHA-256 of that dataset's manifest.
    pub data_sha256: String,
    /// Number of customers' photos.
    pub customers: usize,
    /// Number of shop photos.
    pub shop: usize,
}

/// Record of a training, from which it can be repeated.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Training {
    /// Command that made the model.
    pub command: String,
    /// Name of the recipe.
    pub recipe: String,
    /// Seed of the recipe.
    pub seed: u64,
    /// Commit of the program, or empty if it is unknown.
    pub commit: String,
    /// Dataset in words.
    pub data: String,
    /// SHA-256 of the dataset's manifest.
    pub data_sha256: String,
}

/// Description of a model: everything apart from its weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of the format, [`FORMAT`].
    pub format: u32,
    /// Name for people and logs.
    pub id: String,
    /// Architecture of the network.
    pub architecture: Architecture,
    /// Input of the network.
    pub input: InputSpec,
    /// Identifiers of labels or classes in the order of the logits. They are empty for embeddings.
    pub labels: Vec<String>,
    /// One threshold per label, 0–1. Segmentation has none.
    pub thresholds: Vec<f32>,
    /// Groups of a style bundle's labels in their order. If empty, all labels are one group of the kind `several`; see
    /// [`Manifest::label_groups`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<LabelGroup>,
    /// Thresholds of high precision of a style bundle without groups, if they were chosen. Groups have their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub precise: Option<PreciseThresholds>,
    /// Length of the embedding, 0 for classification.
    pub embedding_dim: usize,
    /// Id of the model whose space a query encoder embeds into. Every other network has its own space and leaves this out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embeds_into: Option<String>,
    /// Score below which the best match of a retrieval network or a query encoder is not close, if it was chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floor: Option<ScoreFloor>,
    /// Weights file of the network.
    pub weights: WeightsInfo,
    /// File of the projection of a retrieval network's embeddings, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub projection: Option<ProjectionInfo>,
    /// Record of the training. It is not public.
    #[serde(default, skip_serializing_if = "is_default")]
    pub training: Training,
    /// Metrics by name. The name includes the split. They are not public.
    #[serde(default, skip_serializing_if = "is_default")]
    pub metrics: BTreeMap<String, f64>,
    /// Licence of the weights.
    pub licence: String,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Manifest {
    /// Returns the public part of the manifest, which is enough to run the network. It has no commands, paths, data or metrics
    /// of the training. [`Manifest::from_json`] reads it, and [`Manifest::model_id`] stays the same.
    pub fn public(&self) -> Self {
        let mut public = Self {
            training: Training::default(),
            metrics: BTreeMap::new(),
            ..self.clone()
        };
        public
            .precise
            .iter_mut()
            .for_each(|precise| precise.chosen_on = ChosenOn::default());
        for group in &mut public.groups {
            group.curves.iter_mut().flatten().for_each(CurvePoint::round);
            if let Some(precise) = &mut group.precise {
                precise.chosen_on = ChosenOn::default();
            }
            if let Some(calibration) = &mut group.calibration {
                calibration.fitted_on = ChosenOn::default();
            }
        }
        public
            .floor
            .iter_mut()
            .for_each(|floor| floor.chosen_on = ChosenOn::default());
        if let Some(projection) = &mut public.projection {
            for private in [
                &mut projection.command,
                &mut projection.data,
                &mut projection.data_sha256,
            ] {
                private.clear();
            }
        }
        public
    }

    /// Id of the model with its exact weights: `id@` and the first 12 digits of the weights' SHA-256. A projection adds `+` and
    /// the first 12 digits of its SHA-256.
    pub fn model_id(&self) -> String {
        if let Some(projection) = &self.projection {
            return format!("{}+{}", self.network_id(), digits(&projection.sha256));
        }
        self.network_id()
    }

    /// Id of the network without a projection. It names the space of the embeddings before they are projected.
    pub fn network_id(&self) -> String {
        format!("{}@{}", self.id, digits(&self.weights.sha256))
    }

    /// Name of the space of the model's embeddings: the id of the large model for a query encoder, otherwise the model's own
    /// id.
    pub fn space(&self) -> String {
        self.embeds_into.clone().unwrap_or_else(|| self.model_id())
    }

    /// Score below which a best match is not close, for a search of photos that the model `gallery` embedded. `None` if the
    /// bundle states none for that model.
    pub fn floor_in(&self, gallery: &str) -> Option<f32> {
        self.floor
            .as_ref()
            .filter(|floor| floor.gallery == gallery)
            .map(|floor| floor.score)
    }

    /// Score from which a best match is the product of the query, as [`floor_in`](Self::floor_in).
    pub fn same_in(&self, gallery: &str) -> Option<f32> {
        let floor = self.floor.as_ref().filter(|floor| floor.gallery == gallery);
        floor.and_then(|floor| floor.same.as_ref()).map(|same| same.score)
    }

    /// Task of the network: `style`, `retrieval`, `query` or `segment`.
    pub fn task(&self) -> &'static str {
        self.architecture.task()
    }
}

/// Returns the first 12 digits.
fn digits(sha256: &str) -> &str {
    sha256.get(..12).unwrap_or(sha256)
}
