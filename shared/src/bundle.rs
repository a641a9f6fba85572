//! A trained model as shops exchange it: a folder of `bundle.json`, the manifest, and the weights it names.
//!
//! **Invariant:** a network is only ever built from weights whose size and SHA-256 are the manifest's.

mod points;

pub use points::{ChosenOn, PreciseThreshold, PreciseThresholds, ScoreFloor};

use crate::input::InputSpec;
use crate::model::retrieval::RetrievalConfigError;
use crate::model::{Architecture, BackboneConfig, RetrievalNet, StyleNet, UnknownBackbone};
#[cfg(feature = "backbones")]
use crate::model::{
    Projection,
    unet::{SegmentConfigError, UNet},
};
use crate::score::{self, Tag};
use crate::weights::{Precision, Scope, WeightsError, load};
use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// The manifest's name within a bundle.
pub const MANIFEST_FILE: &str = "bundle.json";
/// The usual name of the weights within a bundle.
pub const WEIGHTS_FILE: &str = "weights.safetensors";
/// The usual name of the projection within a bundle.
#[cfg(feature = "backbones")]
pub const PROJECTION_FILE: &str = "projection.safetensors";
/// The format that this version reads and writes.
pub const FORMAT: u32 = 1;

/// Why a bundle cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum BundleError {
    /// The manifest is not what this version reads.
    #[error("{MANIFEST_FILE} cannot be read: {0}")]
    Manifest(String),
    /// The manifest contradicts itself.
    #[error("{MANIFEST_FILE} is inconsistent: {0}")]
    Inconsistent(String),
    /// A file has other bytes than the manifest describes.
    #[error(
        "{file} is not the file of the manifest (expected sha256 {expected}, got {actual}); fetch or export the bundle again"
    )]
    Checksum {
        /// The file.
        file: String,
        /// In the manifest.
        expected: String,
        /// Of the bytes.
        actual: String,
    },
    /// A bundle for another task.
    #[error("this is a {actual} bundle, and a {expected} bundle is needed")]
    Task {
        /// Needed.
        expected: &'static str,
        /// Found.
        actual: &'static str,
    },
    /// The architecture names an unknown backbone.
    #[error(transparent)]
    Backbone(#[from] UnknownBackbone),
    /// The retrieval network cannot be built.
    #[error(transparent)]
    Retrieval(#[from] RetrievalConfigError),
    /// The segmentation network cannot be built.
    #[cfg(feature = "backbones")]
    #[error(transparent)]
    Segment(#[from] SegmentConfigError),
    /// The projection does not fit the network.
    #[cfg(feature = "backbones")]
    #[error("{file}: {source}; whiten the bundle again")]
    Projection {
        /// The file.
        file: String,
        /// Mismatch between the weights and the architecture.
        source: WeightsError,
    },
    /// The weights do not fit the architecture.
    #[error(transparent)]
    Weights(#[from] WeightsError),
}

/// The weights file of a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WeightsInfo {
    /// Name within the bundle.
    pub file: String,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256, lower-case hexadecimal.
    pub sha256: String,
    /// `f32` or `f16`.
    pub dtype: String,
    /// True if batch norms are folded into the layers before them.
    pub folded: bool,
}

/// The projection of a bundle's embeddings, a file of `mean`, `[from]`, and `weight`, `[to, from]`, f32.
#[cfg(feature = "backbones")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProjectionInfo {
    /// Name within the bundle.
    pub file: String,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256, lower-case hexadecimal.
    pub sha256: String,
    /// The command that fitted it.
    pub command: String,
    /// The dataset that it was fitted on, in words.
    pub data: String,
    /// SHA-256 of that dataset's manifest.
    pub data_sha256: String,
}

/// A bundle's files of numbers, as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Weights {
    /// The file that [`Manifest::weights`] describes.
    pub network: Vec<u8>,
    /// The file that the manifest's `projection` describes, if it has one.
    pub projection: Option<Vec<u8>>,
}

impl From<Vec<u8>> for Weights {
    fn from(network: Vec<u8>) -> Self {
        Self {
            network,
            projection: None,
        }
    }
}

/// The network's, which is all that most bundles have.
impl std::ops::Deref for Weights {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.network
    }
}

/// Record of the training, so that it can be repeated.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Training {
    /// The command that made the model.
    pub command: String,
    /// The recipe's name.
    pub recipe: String,
    /// Its seed.
    pub seed: u64,
    /// Commit of the program, if known.
    pub commit: String,
    /// The dataset in words.
    pub data: String,
    /// SHA-256 of the dataset's manifest.
    pub data_sha256: String,
}

/// Everything about a model but its numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: u32,
    /// Name for people and logs.
    pub id: String,
    /// Architecture of the network.
    pub architecture: Architecture,
    /// Input of the network.
    pub input: InputSpec,
    /// Label or class identifiers in the order of the logits; empty for retrieval.
    pub labels: Vec<String>,
    /// One threshold a label, 0–1; none for segmentation.
    pub thresholds: Vec<f32>,
    /// For a style bundle thresholds at which its labels are seldom wrong, where they were chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub precise: Option<PreciseThresholds>,
    /// Length of the embedding; 0 for classification.
    pub embedding_dim: usize,
    /// For a query encoder the id of the model whose space its embeddings lie in; nothing for every other network, which
    /// has a space of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embeds_into: Option<String>,
    /// For a retrieval network or a query encoder the score below which a best match is not close, where it was chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floor: Option<ScoreFloor>,
    /// The file beside the manifest.
    pub weights: WeightsInfo,
    /// Projection of a retrieval network's embeddings, if any.
    #[cfg(feature = "backbones")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub projection: Option<ProjectionInfo>,
    /// Record of the training; not public.
    #[serde(default, skip_serializing_if = "is_default")]
    pub training: Training,
    /// Figures by name, measured on the split that the name says; not public.
    #[serde(default, skip_serializing_if = "is_default")]
    pub metrics: BTreeMap<String, f64>,
    /// Licence of the weights.
    pub licence: String,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Manifest {
    /// Public part of the manifest: all that a program needs to run the network. Commands, paths, data and metrics of the
    /// training are left out. [`Manifest::from_json`] reads it, and [`Manifest::model_id`] stays the same.
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
        public
            .floor
            .iter_mut()
            .for_each(|floor| floor.chosen_on = ChosenOn::default());
        #[cfg(feature = "backbones")]
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

    /// Reads and checks a manifest.
    ///
    /// # Errors
    /// [`BundleError::Manifest`] or [`BundleError::Inconsistent`].
    pub fn from_json(json: &[u8]) -> Result<Self, BundleError> {
        let manifest: Self = serde_json::from_slice(json).map_err(|error| BundleError::Manifest(error.to_string()))?;
        manifest.check()?;
        Ok(manifest)
    }

    fn check(&self) -> Result<(), BundleError> {
        let expect = |good: bool, what: &str| {
            if good {
                Ok(())
            } else {
                Err(BundleError::Inconsistent(what.to_owned()))
            }
        };
        expect(
            self.format == FORMAT,
            "it is of another format; use a matching version of selvedge",
        )?;
        self.input
            .check()
            .map_err(|error| BundleError::Inconsistent(error.to_string()))?;
        // Every size of a network is that of a parameter, of which the file holds each value.
        let sizes =
            serde_json::to_value(&self.architecture).map_err(|error| BundleError::Manifest(error.to_string()))?;
        expect(
            largest(&sizes) <= self.weights.bytes,
            "the architecture is larger than its file of weights",
        )?;
        expect(
            self.thresholds.iter().all(|t| (0.0..=1.0).contains(t)),
            "a threshold is not between 0 and 1",
        )?;
        let plain = |name: &str| !name.is_empty() && !name.contains(['/', '\\']) && !name.starts_with('.');
        expect(plain(&self.weights.file), "the weights file is not a plain file name")?;
        let backbone = match &self.architecture {
            Architecture::Style(style) => &style.backbone,
            Architecture::Retrieval(retrieval) => &retrieval.backbone,
            Architecture::Query(query) => &query.backbone,
            #[cfg(feature = "backbones")]
            Architecture::Segment(segment) => &segment.backbone,
        };
        // An unknown one is named when the network is built.
        let smallest = BackboneConfig::named(backbone).map_or(1, |backbone| backbone.input().smallest);
        let side = self.input.width.min(self.input.height);
        expect(side >= smallest, "the input is smaller than the backbone can see")?;
        expect(
            self.embeds_into.is_some() == matches!(self.architecture, Architecture::Query(_)),
            "a query encoder, and nothing else, names the model whose space it embeds into",
        )?;
        if let Some(precise) = &self.precise {
            let style = matches!(self.architecture, Architecture::Style(_));
            expect(style, "a style bundle, and nothing else, has precise thresholds")?;
            expect(
                precise.labels.len() == self.labels.len(),
                "labels and precise thresholds differ in number",
            )?;
            let mut points = precise.labels.iter().flatten();
            expect(
                points.all(|point| (0.0..=1.0).contains(&point.threshold)),
                "a precise threshold is not between 0 and 1",
            )?;
        }
        if let Some(floor) = &self.floor {
            let searches = matches!(self.architecture, Architecture::Retrieval(_) | Architecture::Query(_));
            expect(
                searches,
                "a retrieval network or a query encoder, and nothing else, has a score floor",
            )?;
            expect(
                (-1.0..=1.0).contains(&floor.score),
                "the score floor is not between -1 and 1",
            )?;
        }
        #[cfg(feature = "backbones")]
        if let Some(projection) = &self.projection {
            expect(
                plain(&projection.file),
                "the projection's file is not a plain file name",
            )?;
            expect(
                projection.file != self.weights.file,
                "the projection's file is that of the weights",
            )?;
            let Architecture::Retrieval(retrieval) = &self.architecture else {
                return expect(false, "a retrieval network, and nothing else, has a projection");
            };
            let lengths = 1..=retrieval.embedding_dim();
            return expect(
                lengths.contains(&self.embedding_dim),
                "the projection is to more values than the network's",
            );
        }
        match &self.architecture {
            Architecture::Style(style) => {
                expect(style.n_labels > 0, "there are no labels")?;
                expect(
                    self.labels.len() == self.thresholds.len(),
                    "labels and thresholds differ in number",
                )?;
                expect(
                    style.n_labels == self.labels.len(),
                    "the architecture has another number of labels",
                )
            }
            Architecture::Retrieval(retrieval) => expect(
                retrieval.embedding_dim() == self.embedding_dim,
                "the architecture has another embedding length",
            ),
            Architecture::Query(query) => {
                expect(query.embedding_dim > 0, "the embedding has no values")?;
                expect(
                    query.embedding_dim == self.embedding_dim,
                    "the architecture has another embedding length",
                )
            }
            #[cfg(feature = "backbones")]
            Architecture::Segment(segment) => expect(
                segment.ids.len() == self.labels.len(),
                "the architecture has another number of classes",
            ),
        }
    }

    /// Names the model and its exact weights: `id@` and the first 12 digits of their SHA-256, and `+` and those of the
    /// projection's, where there is one.
    pub fn model_id(&self) -> String {
        #[cfg(feature = "backbones")]
        if let Some(projection) = &self.projection {
            return format!("{}+{}", self.network_id(), digits(&projection.sha256));
        }
        self.network_id()
    }

    /// As [`model_id`](Self::model_id), of the network without a projection; names the space that its embeddings lie in
    /// before they are projected.
    pub fn network_id(&self) -> String {
        format!("{}@{}", self.id, digits(&self.weights.sha256))
    }

    /// Names the space that the model's embeddings lie in: the id of the large model for a query encoder, otherwise the
    /// model's own.
    pub fn space(&self) -> String {
        self.embeds_into.clone().unwrap_or_else(|| self.model_id())
    }

    /// Checks size and SHA-256.
    ///
    /// # Errors
    /// [`BundleError::Checksum`].
    pub fn check_weights(&self, bytes: &[u8]) -> Result<(), BundleError> {
        let actual = sha256_hex(bytes);
        if actual == self.weights.sha256 && bytes.len() as u64 == self.weights.bytes {
            Ok(())
        } else {
            Err(BundleError::Checksum {
                file: self.weights.file.clone(),
                expected: self.weights.sha256.clone(),
                actual,
            })
        }
    }

    /// Checks all files.
    ///
    /// # Errors
    /// [`BundleError::Checksum`], which names the file.
    #[cfg(feature = "backbones")]
    pub fn check_files(&self, files: &Weights) -> Result<(), BundleError> {
        self.check_weights(&files.network)?;
        self.check_projection(files.projection.as_deref())
    }

    #[cfg(feature = "backbones")]
    fn check_projection(&self, read: Option<&[u8]>) -> Result<(), BundleError> {
        let Some(ProjectionInfo {
            file, bytes, sha256, ..
        }) = &self.projection
        else {
            return Ok(());
        };
        let read = read.unwrap_or_default();
        let actual = sha256_hex(read);
        if actual == *sha256 && read.len() as u64 == *bytes {
            Ok(())
        } else {
            Err(BundleError::Checksum {
                file: file.clone(),
                expected: sha256.clone(),
                actual,
            })
        }
    }

    /// Tags of a picture from its logits, one a label; most probable first.
    pub fn tags(&self, logits: &[f32]) -> Vec<Tag> {
        let points = self.precise.as_ref().map_or(&[][..], |precise| &precise.labels);
        let precise: Vec<Option<f32>> = points.iter().map(|point| point.map(|point| point.threshold)).collect();
        score::tags(&self.labels, logits, &self.thresholds, &precise)
    }

    /// The score below which a best match is not close, for a search of a gallery that the model `gallery` embedded;
    /// nothing where the bundle states none for that gallery.
    pub fn floor_in(&self, gallery: &str) -> Option<f32> {
        self.floor
            .as_ref()
            .filter(|floor| floor.gallery == gallery)
            .map(|floor| floor.score)
    }

    /// Task of the network: `style`, `retrieval` or `query`.
    pub fn task(&self) -> &'static str {
        match self.architecture {
            Architecture::Style(_) => "style",
            Architecture::Retrieval(_) => "retrieval",
            Architecture::Query(_) => "query",
            #[cfg(feature = "backbones")]
            Architecture::Segment(_) => "segment",
        }
    }
}

/// The largest whole number in a piece of JSON.
fn largest(json: &serde_json::Value) -> u64 {
    match json {
        serde_json::Value::Array(items) => items.iter().map(largest).max().unwrap_or(0),
        serde_json::Value::Object(entries) => entries.values().map(largest).max().unwrap_or(0),
        other => other.as_u64().unwrap_or(0),
    }
}

/// The first 12 digits.
fn digits(sha256: &str) -> &str {
    sha256.get(..12).unwrap_or(sha256)
}

/// Describes weights about to be written as [`WEIGHTS_FILE`].
pub fn describe_weights(bytes: &[u8], precision: Precision, folded: bool) -> WeightsInfo {
    WeightsInfo {
        file: WEIGHTS_FILE.to_owned(),
        bytes: bytes.len() as u64,
        sha256: sha256_hex(bytes),
        dtype: precision.name().to_owned(),
        folded,
    }
}

/// SHA-256 in lower-case hexadecimal.
pub fn sha256_hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    Sha256::digest(bytes)
        .iter()
        .fold(String::with_capacity(64), |mut hex, byte| {
            // Writing to a string cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}

/// The style network of a bundle, for inference on `device`.
///
/// # Errors
/// [`BundleError`] if it is no style bundle or its weights are not right.
pub fn load_style(manifest: &Manifest, weights: &[u8], device: &Device) -> Result<StyleNet, BundleError> {
    let Architecture::Style(config) = &manifest.architecture else {
        return Err(BundleError::Task {
            expected: "style",
            actual: manifest.task(),
        });
    };
    load_classifier(manifest, weights, || config.init(device))
}

/// The query encoder of a bundle, for inference on `device`: see [`QueryConfig::init`](crate::model::QueryConfig::init).
///
/// # Errors
/// [`BundleError`] if it is no query encoder's bundle or its weights are not right.
pub fn load_query(manifest: &Manifest, weights: &[u8], device: &Device) -> Result<StyleNet, BundleError> {
    let Architecture::Query(config) = &manifest.architecture else {
        return Err(BundleError::Task {
            expected: "query",
            actual: manifest.task(),
        });
    };
    load_classifier(manifest, weights, || config.init(device))
}

fn load_classifier(
    manifest: &Manifest,
    weights: &[u8],
    init: impl FnOnce() -> Result<StyleNet, UnknownBackbone>,
) -> Result<StyleNet, BundleError> {
    manifest.check_weights(weights)?;
    let net = init()?;
    let net = if manifest.weights.folded {
        net.folded_form()
    } else {
        net
    };
    Ok(load(net, weights, Scope::Whole)?)
}

/// The retrieval network of a bundle, for inference on `device`; its embeddings are projected if the bundle says so.
///
/// # Errors
/// [`BundleError`] if it is no retrieval bundle or one of its files is not right.
pub fn load_retrieval(manifest: &Manifest, weights: &Weights, device: &Device) -> Result<RetrievalNet, BundleError> {
    let Architecture::Retrieval(config) = &manifest.architecture else {
        return Err(BundleError::Task {
            expected: "retrieval",
            actual: manifest.task(),
        });
    };
    manifest.check_weights(weights)?;
    let net = config.init(device)?;
    let net = if manifest.weights.folded {
        net.folded_form()
    } else {
        net
    };
    let net = load(net, weights, Scope::Whole)?;
    #[cfg(feature = "backbones")]
    if let Some(projection) = load_projection(manifest, weights.projection.as_deref(), device)? {
        return Ok(net.with_projection(projection));
    }
    Ok(net)
}

/// Loads the projection of a retrieval bundle's embeddings onto `device`, from the file that it names; `None` if it
/// does not.
///
/// # Errors
/// [`BundleError`] if that file is not right.
#[cfg(feature = "backbones")]
pub fn load_projection(
    manifest: &Manifest,
    file: Option<&[u8]>,
    device: &Device,
) -> Result<Option<Projection>, BundleError> {
    let (Architecture::Retrieval(config), Some(info)) = (&manifest.architecture, &manifest.projection) else {
        return Ok(None);
    };
    manifest.check_projection(file)?;
    let blank = Projection::blank(config.embedding_dim(), manifest.embedding_dim, device);
    let wrong = |source| BundleError::Projection {
        file: info.file.clone(),
        source,
    };
    load(blank, file.unwrap_or_default(), Scope::Whole)
        .map(Some)
        .map_err(wrong)
}

/// The segmentation network of a bundle, for inference on `device`.
///
/// # Errors
/// [`BundleError`] if it is no segmentation bundle or its weights are not right.
#[cfg(feature = "backbones")]
pub fn load_segment(manifest: &Manifest, weights: &[u8], device: &Device) -> Result<UNet, BundleError> {
    let Architecture::Segment(config) = &manifest.architecture else {
        return Err(BundleError::Task {
            expected: "segment",
            actual: manifest.task(),
        });
    };
    manifest.check_weights(weights)?;
    let net = config.init(device)?;
    let net = if manifest.weights.folded {
        net.folded_form()
    } else {
        net
    };
    Ok(load(net, weights, Scope::Whole)?)
}
