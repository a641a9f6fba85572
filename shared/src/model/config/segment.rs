//! Configuration of a segmentation network.

use crate::model::backbone::{BackboneConfig, UnknownBackbone};
use serde::{Deserialize, Serialize};

/// Class of pixels that belong to no class.
pub const UNLABELLED: u8 = u8::MAX;

/// Errors of building a segmentation network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SegmentConfigError {
    /// The backbone is unknown.
    #[error(transparent)]
    Backbone(#[from] UnknownBackbone),
    /// The backbone has no features of several stages.
    #[error(
        "'{0}' cannot be an encoder, because it has no features of several stages; use resnet18, efficientnet_lite0, …"
    )]
    Family(String),
    /// There are more widths than finer stages, or none.
    #[error("the encoder '{backbone}' needs 1 to {most} widths, and there are {given}; change widths")]
    Widths {
        /// Name of the backbone.
        backbone: String,
        /// Largest number of widths.
        most: usize,
        /// Number of widths.
        given: usize,
    },
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
    /// Name in the registry of backbones.
    pub backbone: String,
    /// Channels of two convolutions at half the resolution of the encoder's features. If it is absent, the expanding path begins
    /// at the encoder's features.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bridge: Option<usize>,
    /// Channels of the expanding path per level, from the deepest level to the output. Each level doubles the resolution.
    pub widths: Vec<usize>,
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

    /// Returns the height and width of the logits for an input of this height and width. Both are rounded up.
    ///
    /// # Errors
    /// [`SegmentConfigError`] if the backbone or the widths cannot be used.
    pub fn map_size(&self, height: usize, width: usize) -> Result<(usize, usize), SegmentConfigError> {
        // The maps have 1/2, 1/4, … of the input's resolution.
        let stride = 1 << (self.channels()?.len() - self.widths.len());
        Ok((height.div_ceil(stride), width.div_ceil(stride)))
    }

    /// Returns the channels of all maps of the contracting path, finest first, with the bridge.
    ///
    /// # Errors
    /// [`SegmentConfigError`] if the backbone or the widths cannot be used.
    pub(crate) fn channels(&self) -> Result<Vec<usize>, SegmentConfigError> {
        let mut channels = BackboneConfig::named(&self.backbone)?.pyramid_channels();
        if channels.len() < 2 {
            return Err(SegmentConfigError::Family(self.backbone.clone()));
        }
        channels.extend(self.bridge);
        if !(1..channels.len()).contains(&self.widths.len()) {
            return Err(SegmentConfigError::Widths {
                backbone: self.backbone.clone(),
                most: channels.len() - 1,
                given: self.widths.len(),
            });
        }
        Ok(channels)
    }
}
