//! Errors of bundles.

use super::manifest::MANIFEST_FILE;
use crate::model::UnknownBackbone;
use crate::model::config::{RetrievalConfigError, SegmentConfigError, StyleConfigError};
use crate::pieces::PiecesError;
use crate::weights::WeightsError;

/// Errors of using a bundle.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum BundleError {
    /// This version cannot read the manifest.
    #[error("{MANIFEST_FILE} cannot be read: {0}")]
    Manifest(String),
    /// The manifest contradicts itself.
    #[error("{MANIFEST_FILE} is inconsistent: {0}")]
    Inconsistent(String),
    /// The bytes of a file differ from those that the manifest describes.
    #[error(
        "{file} is not the file of the manifest (expected sha256 {expected}, got {actual}); fetch or export the bundle again"
    )]
    Checksum {
        /// Name of the file.
        file: String,
        /// SHA-256 in the manifest.
        expected: String,
        /// SHA-256 of the bytes.
        actual: String,
    },
    /// The bundle is for another task.
    #[error("this is a {actual} bundle, and a {expected} bundle is needed")]
    Task {
        /// Needed task.
        expected: &'static str,
        /// Task of the bundle.
        actual: &'static str,
    },
    /// The architecture names an unknown backbone.
    #[error(transparent)]
    Backbone(#[from] UnknownBackbone),
    /// The classifier cannot be built here.
    #[error(transparent)]
    Style(#[from] StyleConfigError),
    /// The retrieval network cannot be built.
    #[error(transparent)]
    Retrieval(#[from] RetrievalConfigError),
    /// The segmentation network cannot be built.
    #[error(transparent)]
    Segment(#[from] SegmentConfigError),
    /// The classes of a segmentation network are not those of an outfit.
    #[error(transparent)]
    Pieces(#[from] PiecesError),
    /// The projection does not fit the network.
    #[error("{file}: {source}; whiten the bundle again")]
    Projection {
        /// Name of the file.
        file: String,
        /// Difference between the file and the network.
        source: WeightsError,
    },
    /// The weights do not fit the architecture.
    #[error(transparent)]
    Weights(#[from] WeightsError),
}
