//! Layers and operations that the networks are built from.

use super::norm::{batch_norm, normalise};
use burn::module::{Module, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Initializer, PaddingConfig2d};
use burn::tensor::{Device, Tensor};

/// Zeros around the input of a convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Padding {
    /// Rows of zeros above and below, and columns of zeros left and right.
    Symmetric([usize; 2]),
    /// TensorFlow's "SAME": as few zeros as give a map of `side / stride`, rounded up. The smaller half is above and left.
    Same,
}

/// Configuration of a [`ConvBn`].
#[derive(Debug, Clone, Copy)]
pub struct ConvBnConfig {
    /// Input channels.
    pub input: usize,
    /// Output channels.
    pub output: usize,
    /// Height and width of the kernel.
    pub kernel: [usize; 2],
    /// Stride in both directions.
    pub stride: usize,
    /// Zeros around the input.
    pub padding: Padding,
    /// Channel groups. A depthwise convolution has `input` groups.
    pub groups: usize,
    /// Epsilon of the batch norm.
    pub epsilon: f64,
    /// Momentum of the batch norm.
    pub momentum: f64,
}

impl ConvBnConfig {
    /// Returns an ungrouped convolution with a square kernel and torchvision's default batch norm. It keeps the size at
    /// stride 1.
    pub fn new(input: usize, output: usize, kernel: usize, stride: usize) -> Self {
        let (kernel, padding) = ([kernel; 2], Padding::Symmetric([kernel / 2; 2]));
        Self {
            input,
            output,
            kernel,
            stride,
            padding,
            groups: 1,
            epsilon: 1e-5,
            momentum: 0.1,
        }
    }

    /// Builds the layer with random weights (He et al. 2015, fan-out, as in torchvision).
    pub fn init(&self, device: &Device) -> ConvBn {
        let padding = match self.padding {
            Padding::Symmetric([rows, columns]) => PaddingConfig2d::Explicit(rows, columns, rows, columns),
            Padding::Same => PaddingConfig2d::Same,
        };
        let conv = Conv2dConfig::new([self.input, self.output], self.kernel)
            .with_stride([self.stride; 2])
            .with_groups(self.groups)
            .with_padding(padding)
            .with_initializer(Initializer::KaimingNormal {
                gain: std::f64::consts::SQRT_2,
                fan_out_only: true,
            })
            .with_bias(false)
            .init(device);
        let bn = BatchNormConfig::new(self.output)
            .with_epsilon(self.epsilon)
            .with_momentum(self.momentum);
        let bn = batch_norm(&bn, device);
        ConvBn { conv, bn: Some(bn) }
    }
}

/// Convolution followed by batch norm. After [`fold`](ConvBn::fold) it is a convolution with bias.
#[derive(Module, Debug)]
pub struct ConvBn {
    /// The convolution. It has a bias only when folded.
    pub conv: Conv2d,
    /// The norm. It is absent when folded.
    pub bn: Option<BatchNorm>,
}

impl ConvBn {
    /// `[batch, input, h, w]` → `[batch, output, h / stride, w / stride]`. Sizes are rounded up if the padding keeps the size
    /// at stride 1.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let x = convolve(&self.conv, x);
        match &self.bn {
            Some(bn) => normalise(bn, x),
            None => x,
        }
    }

    /// Folds the norm into the convolution (Jacob et al. 2018, §3.2). The function in evaluation mode stays the same.
    pub fn fold(mut self) -> Self {
        let Some(bn) = self.bn.take() else { return self };
        let channels = bn.gamma.dims()[0];
        let scale = bn.gamma.val() / (bn.running_var.value() + bn.epsilon).sqrt();
        let bias = bn.beta.val() - bn.running_mean.value() * scale.clone();
        let bias = match self.conv.bias.take() {
            Some(before) => bias + before.val() * scale.clone(),
            None => bias,
        };
        self.conv.weight = self
            .conv
            .weight
            .map(|weight| weight * scale.reshape([channels, 1, 1, 1]));
        self.conv.bias = Some(Param::from_tensor(bias));
        self
    }

    /// Replaces the norm by a bias and leaves the weights unchanged. Folded weights are loaded into this form.
    pub(crate) fn without_norm(mut self) -> Self {
        if let Some(bn) = self.bn.take() {
            self.conv.bias = Some(bn.beta);
        }
        self
    }
}

/// Applies a convolution. In training, a 1×1 convolution is a matrix product: on the CPU its gradients need no transposed
/// copies then.
fn convolve(conv: &Conv2d, x: Tensor<4>) -> Tensor<4> {
    let [output, input, rows, columns] = conv.weight.dims();
    let point = [rows, columns, conv.groups] == [1; 3] && conv.stride == [1; 2] && conv.bias.is_none();
    if !point || !x.device().is_autodiff() {
        return conv.forward(x);
    }
    let [batch, _, height, width] = x.dims();
    let weight = conv.weight.val().reshape([1, output, input]);
    weight
        .matmul(x.reshape([batch, input, height * width]))
        .reshape([batch, output, height, width])
}

/// Way of folding a network's norms into the layers before them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fold {
    /// Keeps the function of a trained network.
    Exact,
    /// Changes the form alone, for a network that folded weights are loaded into.
    Form,
    /// Keeps folded layers, and adds weights in another order where a network has kernels of its own for one thread of a CPU.
    Pack,
}

impl Fold {
    /// Folds one layer.
    pub(crate) fn apply(self, layer: ConvBn) -> ConvBn {
        match self {
            Self::Exact => layer.fold(),
            Self::Form => layer.without_norm(),
            Self::Pack => layer,
        }
    }
}

/// Computes the mean over all positions, `[batch, channels, h, w]` → `[batch, channels]`.
pub fn global_average(x: Tensor<4>) -> Tensor<2> {
    let [batch, channels, height, width] = x.dims();
    x.reshape([batch, channels, height * width])
        .mean_dim(2)
        .reshape([batch, channels])
}

/// Scales every row of `[batch, dim]` to unit length.
pub fn unit_norm(x: Tensor<2>) -> Tensor<2> {
    let norm = x.clone().square().sum_dim(1).sqrt().clamp_min(1e-12);
    x / norm
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Distribution, Tolerance};

    #[test]
    fn zeros_of_same_padding_are_below_and_right_of_an_even_side() {
        let device = Device::flex();
        let config = ConvBnConfig {
            padding: Padding::Same,
            ..ConvBnConfig::new(1, 1, 3, 2)
        };
        let mut layer = config.init(&device);
        layer.conv.weight = layer.conv.weight.map(|weight| weight.ones_like());
        layer.bn = None;
        for (side, expected) in [(4, vec![9.0_f32, 6.0, 6.0, 4.0]), (3, vec![4.0; 4])] {
            let map = layer.forward(Tensor::ones([1, 1, side, side], &device)).into_data();
            assert_eq!(map.iter::<f32>().collect::<Vec<_>>(), expected, "side {side}");
        }
    }

    #[test]
    fn a_1x1_convolution_in_training_equals_the_convolution() {
        let device = Device::flex().autodiff();
        let layer = ConvBnConfig::new(5, 7, 1, 1).init(&device);
        let x = Tensor::<4>::random([3, 5, 4, 6], Distribution::Normal(0.0, 1.0), &device).require_grad();
        let run = |forward: &dyn Fn(Tensor<4>) -> Tensor<4>| {
            let y = forward(x.clone());
            let gradients = y.clone().square().sum().backward();
            let weight = layer
                .conv
                .weight
                .val()
                .grad(&gradients)
                .expect("the weight has a gradient");
            let input = x.grad(&gradients).expect("the input has a gradient");
            [y.into_data(), weight.into_data(), input.into_data()]
        };
        let (product, convolution) = (run(&|x| convolve(&layer.conv, x)), run(&|x| layer.conv.forward(x)));
        for (ours, theirs) in product.iter().zip(&convolution) {
            ours.assert_approx_eq::<f32>(theirs, Tolerance::absolute(1e-3));
        }
    }

    #[test]
    fn folding_keeps_the_function() {
        let device = Device::flex();
        let mut layer = ConvBnConfig::new(4, 6, 3, 2).init(&device);
        if let Some(bn) = &mut layer.bn {
            let random = |low, high| Tensor::<1>::random([6], Distribution::Uniform(low, high), &device);
            bn.gamma = Param::from_tensor(random(-2.0, 2.0));
            bn.beta = Param::from_tensor(random(-1.0, 1.0));
            bn.running_mean.update(random(-1.0, 1.0));
            bn.running_var.update(random(0.1, 3.0));
            bn.running_mean.value_sync();
            bn.running_var.value_sync();
        }
        let x = Tensor::<4>::random([2, 4, 9, 7], Distribution::Normal(0.0, 1.0), &device);
        let before = layer.forward(x.clone());
        let folded = layer.fold();
        assert!(folded.bn.is_none());
        folded
            .forward(x)
            .into_data()
            .assert_approx_eq::<f32>(&before.into_data(), Tolerance::absolute(1e-4));
    }
}
