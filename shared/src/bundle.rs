//! A trained model as shops exchange it: a folder with the manifest, `bundle.json`, and the weights files that it names.
//!
//! **Invariant:** a network is built only from weights whose size and SHA-256 equal those in the manifest.

mod error;
mod files;
mod groups;
mod load;
mod manifest;
mod points;
mod read;
mod tags;

pub use error::BundleError;
pub use files::{Weights, describe_weights, sha256_hex};
pub use groups::{Calibration, CalibrationMap, DEFAULT_GROUP, GroupKind, LabelGroup, PlattScale};
#[cfg(feature = "server-models")]
pub(crate) use load::filled;
pub use load::{load_query, load_segment, load_single_retrieval, load_style};
pub use manifest::{
    Adaptation, FORMAT, MANIFEST_FILE, Manifest, PROJECTION_FILE, ProjectionInfo, Training, WEIGHTS_FILE, WeightsInfo,
};
pub use points::{ChosenOn, CurvePoint, PreciseThreshold, PreciseThresholds, SameScore, ScoreFloor};
