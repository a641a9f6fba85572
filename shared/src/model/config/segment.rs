//! Configuration of a segmentation network.

use crate::model::backbone::UnknownBackbone;
use serde::{Deserialize, Serialize};

/// Class of pixels that belong to no class.
pub const UNLABELLED: u8 = u8::MAX;

/// Errors of building a segmentation network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SegmentConfigError {
    /// The backbone is unknown.
    #[error(transparent)]
    Backbone(#[from] UnknownBackbone),
    /// The backbone is not a residual network.
    #[error("the encoder must be a residual network, and '{0}' is not one; use resnet10_w32, resnet18, …")]
    Family(String),
    /// There are fewer than 2 classes or more than 254, or two classes claim an id or the remaining ids.
    #[error(
        "a segmentation needs 2 to 254 classes, each id of a mask in one of them and at most one class for all others"
    )]
    Classes,
}

/// A segmentation network's configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentConfig {
    /// Name of a residual network in the registry of backbones.
    pub backbone: String,
    /// Channels of the expanding path per level, from the deepest level to the output.
    pub widths: [usize; 4],
    /// Ids in masks per class. An empty list stands for all ids that no other class claims.
    pub ids: Vec<Vec<u8>>,
}

impl SegmentConfig {
    /// Returns the class per id of a mask: [`UNLABELLED`] for ids of no class and for 255.
    ///
    /// # Errors
    /// [`SegmentConfigError::Classes`] if the classes contradict each other.
    pub fn classes(&self) -> Result<[u8; 256], SegmentConfigError> {
        if !(2..=254).contains(&self.ids.len()) {
            return Err(SegmentConfigError::Classes);
        }
        let mut rest = None;
        let mut classes = [UNLABELLED; 256];
        for (class, ids) in (0..).zip(&self.ids) {
            if ids.is_empty() && rest.replace(class).is_some() {
                return Err(SegmentConfigError::Classes);
            }
            for id in ids {
                if classes[usize::from(*id)] != UNLABELLED {
                    return Err(SegmentConfigError::Classes);
                }
                classes[usize::from(*id)] = class;
            }
        }
        if let Some(rest) = rest {
            classes[..255]
                .iter_mut()
                .filter(|class| **class == UNLABELLED)
                .for_each(|class| *class = rest);
        }
        classes[255] = UNLABELLED;
        Ok(classes)
    }

    /// Returns the height and width of the logits for an input of this height and width.
    pub const fn map_size(height: usize, width: usize) -> (usize, usize) {
        (height.div_ceil(2), width.div_ceil(2))
    }
}
