//! Dense supervision: a feature pyramid (Lin et al. 2017, <https://arxiv.org/abs/1612.03144>) predicts a class per position.
//!
//! It learns from masks, where images have them. A summary of its class maps is an input of the classifier's output layer.

use crate::model::backbone::{Backbone, BackboneConfig};
use crate::model::block::{ConvBn, ConvBnConfig, Fold, global_average};
use crate::model::config::DenseConfig;
use crate::model::keys::plain;
use crate::model::norm::batch_norm;
use crate::model::pooling::part_rows;
use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig};
use burn::tensor::activation::{relu, softmax};
use burn::tensor::{Device, Tensor};

impl DenseConfig {
    /// Builds the head with random weights over stages of these channels, finest first.
    pub fn init(&self, channels: &[usize], device: &Device) -> DenseHead {
        DenseHead {
            laterals: channels
                .iter()
                .map(|c| Conv2dConfig::new([*c, self.width], [1, 1]).init(device))
                .collect(),
            fuse: ConvBnConfig::new(self.width, self.width, 3, 1).init(device),
            classes: Conv2dConfig::new([self.width, self.classes], [1, 1]).init(device),
            norm: batch_norm(&BatchNormConfig::new(self.evidence()), device),
            stripes: self.stripes,
        }
    }
}

/// The feature pyramid and the layers of its class maps.
#[derive(Module, Debug)]
pub struct DenseHead {
    laterals: Vec<Conv2d>,
    fuse: ConvBn,
    classes: Conv2d,
    norm: BatchNorm,
    stripes: usize,
}

impl DenseHead {
    /// Stages `[batch, c, h, w]`, finest first → class logits `[batch, classes, h, w]` at the size of the finest stage.
    pub fn maps(&self, stages: &[Tensor<4>]) -> Tensor<4> {
        let mut top: Option<Tensor<4>> = None;
        for (stage, lateral) in stages.iter().zip(&self.laterals).rev() {
            let here = lateral.forward(stage.clone());
            let [_, _, height, width] = here.dims();
            top = Some(match top {
                Some(above) => here + twice(above).narrow(2, 0, height).narrow(3, 0, width),
                None => here,
            });
        }
        let fused = top.unwrap_or_else(|| stages[0].clone());
        self.classes.forward(relu(self.fuse.forward(fused)))
    }

    /// `[batch, c, h, w]` → `[batch, c · (1 + stripes)]`: the global average, then the average of each stripe.
    pub fn pool(&self, features: Tensor<4>) -> Tensor<2> {
        let [_, _, height, _] = features.dims();
        let stripe = |i| {
            let rows = part_rows(height, i, self.stripes);
            global_average(features.clone().narrow(2, rows.start, rows.len()))
        };
        let stripes = (0..self.stripes).map(stripe);
        Tensor::cat(
            std::iter::once(global_average(features.clone()))
                .chain(stripes)
                .collect(),
            1,
        )
    }

    /// Class logits → `[batch, 2 · classes]`: each class's mean and highest probability over all positions, as logarithms.
    pub fn evidence(&self, maps: Tensor<4>) -> Tensor<2> {
        let [batch, classes, height, width] = maps.dims();
        let probs = softmax(maps, 1).reshape([batch, classes, height * width]);
        let mean = (probs.clone().mean_dim(2) + 1e-3).log();
        let highest = (probs.max_dim(2) + 1e-2).log();
        self.norm
            .forward(Tensor::cat(vec![mean, highest], 1).reshape([batch, 2 * classes]))
    }

    pub(crate) fn torch_key(&self, fields: &[&str]) -> String {
        format!("head.dense.{}", plain(fields))
    }

    pub(crate) fn fold(self, fold: Fold) -> Self {
        Self {
            fuse: fold.apply(self.fuse),
            ..self
        }
    }
}

/// Enlarges to twice the size by repeating every value.
fn twice(x: Tensor<4>) -> Tensor<4> {
    let [batch, channels, height, width] = x.dims();
    x.reshape([batch, channels, height, 1, width, 1])
        .repeat(&[1, 1, 1, 2, 1, 2])
        .reshape([batch, channels, 2 * height, 2 * width])
}

impl BackboneConfig {
    /// Channels per stage that [`Backbone::forward_stages`] returns, finest first.
    pub(crate) fn stage_channels(&self) -> Vec<usize> {
        let mut channels = self.pyramid_channels();
        channels.split_off(channels.len().saturating_sub(3))
    }
}

impl Backbone {
    /// Computes the features of several stages, finest first and [`forward_features`](Self::forward_features) last. Families
    /// without such stages return the last features only.
    pub(crate) fn forward_stages(&self, x: Tensor<4>) -> Vec<Tensor<4>> {
        let mut maps = self.forward_pyramid(x);
        maps.split_off(maps.len().saturating_sub(3))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enlargement_repeats_values_and_maps_keep_odd_sizes() {
        let device = Device::flex();
        let x = Tensor::<1>::from_floats([1.0, 2.0, 3.0, 4.0], &device).reshape([1, 1, 2, 2]);
        let values: Vec<f32> = twice(x).into_data().iter::<f32>().collect();
        assert_eq!(values, [1., 1., 2., 2., 1., 1., 2., 2., 3., 3., 4., 4., 3., 3., 4., 4.]);
        let config = DenseConfig {
            classes: 5,
            width: 4,
            stripes: 6,
        };
        let head = config.init(&[8, 16, 32], &device);
        let stage = |c, h, w| Tensor::<4>::ones([2, c, h, w], &device);
        let stages = [stage(8, 18, 12), stage(16, 9, 6), stage(32, 5, 3)];
        let maps = head.maps(&stages);
        assert_eq!(maps.dims(), [2, 5, 18, 12]);
        assert_eq!(head.evidence(maps).dims(), [2, config.evidence()]);
        assert_eq!(head.pool(stages[2].clone()).dims(), [2, config.pooled(32)]);
    }
}
