//! Attention before pooling: the convolutional block attention module (Woo et al. 2018, <https://arxiv.org/abs/1807.06521>).

use crate::model::block::{ConvBn, ConvBnConfig, Fold};
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::{relu, sigmoid};
use burn::tensor::{Device, Tensor};

/// Channels per unit of the hidden layer that weighs channels, as published.
const REDUCTION: usize = 16;
/// Side of the convolution's kernel that weighs positions, as published.
const WINDOW: usize = 7;

/// Weighs the channels of a map by their mean and maximum over all positions, then its positions by the mean and maximum
/// over all channels.
#[derive(Module, Debug)]
pub struct Cbam {
    squeeze: Linear,
    excite: Linear,
    place: ConvBn,
}

impl Cbam {
    /// Builds the module with random weights for maps of `channels`.
    pub fn new(channels: usize, device: &Device) -> Self {
        let hidden = (channels / REDUCTION).max(1);
        Self {
            squeeze: LinearConfig::new(channels, hidden).init(device),
            excite: LinearConfig::new(hidden, channels).init(device),
            place: ConvBnConfig::new(2, 1, WINDOW, 1).init(device),
        }
    }

    /// `[batch, channels, h, w]` → the same shape, with every value weighed by factors between 0 and 1.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let [batch, channels, height, width] = x.dims();
        let flat = x.clone().reshape([batch, channels, height * width]);
        let perceptron = |pooled: Tensor<3>| {
            let pooled = pooled.reshape([batch, channels]);
            self.excite.forward(relu(self.squeeze.forward(pooled)))
        };
        let channel = perceptron(flat.clone().mean_dim(2)) + perceptron(flat.max_dim(2));
        let x = x * sigmoid(channel).reshape([batch, channels, 1, 1]);
        let summary = Tensor::cat(vec![x.clone().mean_dim(1), x.clone().max_dim(1)], 1); // [batch, 2, h, w]
        x * sigmoid(self.place.forward(summary))
    }

    pub(crate) fn fold(self, fold: Fold) -> Self {
        Self {
            place: fold.apply(self.place),
            ..self
        }
    }
}
