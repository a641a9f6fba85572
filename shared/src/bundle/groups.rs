//! Groups of a style bundle's labels, with the calibration of their probabilities.
//!
//! The labels of a group answer one question, such as the styles or the garments. Each group has its own activation, its own
//! calibration and its own precise thresholds.

use super::points::{ChosenOn, CurvePoint, PreciseThresholds};
use crate::score::{sigmoid, softmax};
use serde::{Deserialize, Serialize};

/// Name of the only group of a bundle without groups.
pub const DEFAULT_GROUP: &str = "style";

/// Number of labels of a group that hold for one image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum GroupKind {
    /// Any number of labels. A probability is the sigmoid of the label's logit.
    #[default]
    Several,
    /// Exactly one label. The probabilities are the softmax over the group's logits.
    One,
}

impl GroupKind {
    /// Computes the probabilities of a group's logits. Both have one value per label.
    pub fn probabilities(self, logits: &[f32]) -> Vec<f32> {
        match self {
            Self::Several => logits.iter().copied().map(sigmoid).collect(),
            Self::One => softmax(logits),
        }
    }
}

/// A label's logit becomes `scale · logit + bias` (Platt 1999).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PlattScale {
    /// Factor, above 0.
    pub scale: f32,
    /// Summand.
    pub bias: f32,
}

/// Map from logits to calibrated logits. It keeps the order of the probabilities of a label.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "method", rename_all = "lowercase")]
pub enum CalibrationMap {
    /// Every logit is divided by the temperature (Guo et al. 2017).
    Temperature {
        /// Temperature, above 0.
        temperature: f32,
    },
    /// Every label has a scale of its own. It is for groups of the kind `several`.
    Platt {
        /// One entry per label of the group.
        labels: Vec<PlattScale>,
    },
}

impl CalibrationMap {
    /// Scale of a label.
    pub fn of_label(&self, label: usize) -> PlattScale {
        match self {
            Self::Temperature { temperature } => PlattScale {
                scale: 1.0 / temperature,
                bias: 0.0,
            },
            Self::Platt { labels } => labels[label],
        }
    }

    /// Returns the calibrated logits of a group's logits. Both have one value per label.
    pub fn apply(&self, logits: &[f32]) -> Vec<f32> {
        let calibrated = |(label, logit): (usize, &f32)| {
            let PlattScale { scale, bias } = self.of_label(label);
            scale * logit + bias
        };
        logits.iter().enumerate().map(calibrated).collect()
    }
}

/// Calibration of a group, with its measurement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Map of the logits.
    #[serde(flatten)]
    pub map: CalibrationMap,
    /// Expected calibration error, 0–1, of the uncalibrated probabilities on the images that the map was fitted on.
    pub error_before: f64,
    /// Expected calibration error, 0–1, of the calibrated probabilities on the same images.
    pub error_after: f64,
    /// Images that the map was fitted on.
    #[serde(default, skip_serializing_if = "ChosenOn::is_unknown")]
    pub fitted_on: ChosenOn,
}

/// Consecutive labels of a style bundle that answer one question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LabelGroup {
    /// Name, unique within the bundle.
    pub name: String,
    /// Number of labels that hold for one image.
    pub kind: GroupKind,
    /// Number of labels. The first group has the first labels of the bundle.
    pub labels: usize,
    /// True if the labels were learnt from drawings instead of photos.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub drawn: bool,
    /// Calibration of the probabilities, if it was fitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<Calibration>,
    /// Thresholds of high precision, one entry per label of the group, if they were chosen. In a group of the kind `one` they
    /// apply to the most probable label alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub precise: Option<PreciseThresholds>,
    /// Precision and recall per label at falling thresholds, on the images that the precise thresholds were chosen on. Empty if
    /// they were not measured. Browsers get them with three decimals.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub curves: Vec<Vec<CurvePoint>>,
}

impl LabelGroup {
    /// Creates a group without calibration and precise thresholds.
    pub fn new(name: impl Into<String>, kind: GroupKind, labels: usize) -> Self {
        Self {
            name: name.into(),
            kind,
            labels,
            drawn: false,
            calibration: None,
            precise: None,
            curves: Vec::new(),
        }
    }

    /// Computes the calibrated probabilities of the group's logits. Both have one value per label.
    pub fn probabilities(&self, logits: &[f32]) -> Vec<f32> {
        match &self.calibration {
            Some(calibration) => self.kind.probabilities(&calibration.map.apply(logits)),
            None => self.kind.probabilities(logits),
        }
    }

    /// Precise threshold, 0–1, of a label.
    pub(super) fn precise_threshold(&self, label: usize) -> Option<f32> {
        let point = self.precise.as_ref()?.labels.get(label).copied().flatten()?;
        Some(point.threshold)
    }
}
