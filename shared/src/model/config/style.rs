//! Configuration of a multi-label classifier.

use crate::model::backbone::UnknownBackbone;
use serde::{Deserialize, Serialize};

/// Widths of a head's hidden layers, from the features to the labels. Each width is at least 1. A head without hidden
/// layers is linear.
///
/// Files write one number, `256`, or a list, `[512, 256]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Widths", into = "Widths")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Hidden(Vec<usize>);

/// Form of [`Hidden`] in files.
#[derive(Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "hidden must be a number of units such as 256, or a list of them such as [512, 256]"
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
enum Widths {
    One(usize),
    Many(Vec<usize>),
}

/// A hidden layer without units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a hidden layer needs at least 1 unit; write hidden = [] for a head without one")]
pub struct NoUnits;

impl Hidden {
    /// Checks that no width is 0.
    ///
    /// # Errors
    /// [`NoUnits`] if a width is 0.
    pub fn new(widths: Vec<usize>) -> Result<Self, NoUnits> {
        if widths.contains(&0) {
            Err(NoUnits)
        } else {
            Ok(Self(widths))
        }
    }

    /// Returns the widths of a linear head, which has no hidden layer.
    pub fn none() -> Self {
        Self(Vec::new())
    }

    /// Units per hidden layer.
    pub fn widths(&self) -> &[usize] {
        &self.0
    }
}

/// One layer of 256 units, as published.
impl Default for Hidden {
    fn default() -> Self {
        Self(vec![256])
    }
}

impl TryFrom<Widths> for Hidden {
    type Error = NoUnits;

    fn try_from(widths: Widths) -> Result<Self, NoUnits> {
        Self::new(match widths {
            Widths::One(width) => vec![width],
            Widths::Many(widths) => widths,
        })
    }
}

impl From<Hidden> for Widths {
    fn from(Hidden(widths): Hidden) -> Self {
        match widths[..] {
            [width] => Self::One(width),
            _ => Self::Many(widths),
        }
    }
}

/// Head on the pooled features of the backbone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "head", rename_all = "lowercase")]
pub enum HeadConfig {
    /// The head of the JD AI Fashion Challenge's winner: hidden layers with batch norm, then a linear layer.
    Style {
        /// Widths of the hidden layers.
        hidden: Hidden,
    },
    /// torchvision's classifier: a linear layer. MobileNetV3 has a hidden layer with hard swish before it.
    Torchvision,
}

impl Default for HeadConfig {
    fn default() -> Self {
        Self::Style {
            hidden: Hidden::default(),
        }
    }
}

/// A classifier's configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StyleConfig {
    /// Name in the registry of backbones.
    pub backbone: String,
    /// Head on the backbone's features.
    #[serde(flatten)]
    pub head: HeadConfig,
    /// Dense supervision next to the head's hidden layers. Browsers do not run it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dense: Option<DenseConfig>,
    /// One network per label instead of one for all labels, as the challenge's runner-up had. Browsers do not run it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub per_label: bool,
    /// Number of labels.
    pub n_labels: usize,
}

impl StyleConfig {
    /// True if one network with this head and no dense supervision predicts all labels.
    pub fn is_plain(&self) -> bool {
        self.dense.is_none() && !self.per_label
    }
}

/// Errors of building a plain classifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StyleConfigError {
    /// The backbone is unknown.
    #[error(transparent)]
    Backbone(#[from] UnknownBackbone),
    /// The classifier has dense supervision, or one network per label.
    #[error("a classifier with dense supervision or with one network per label runs only on a server")]
    ServerOnly,
}

/// Layers that dense supervision adds to a classifier's backbone and hidden layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DenseConfig {
    /// Number of ids in masks. The ids are 0 to `classes − 1`.
    pub classes: usize,
    /// Channels of the feature pyramid.
    #[serde(default = "default_width")]
    pub width: usize,
    /// Horizontal stripes of the last features whose averages follow the global average in the hidden layers' input.
    #[serde(default = "default_stripes")]
    pub stripes: usize,
}

fn default_width() -> usize {
    64
}

fn default_stripes() -> usize {
    6
}

impl DenseConfig {
    /// Number of values that the first layer of the head receives from `channels` features.
    pub fn pooled(&self, channels: usize) -> usize {
        channels * (1 + self.stripes)
    }

    /// Number of values that the output layer receives from the class maps.
    pub fn evidence(&self) -> usize {
        2 * self.classes
    }
}
