//! Batch norm of all networks, and its momentum in training.

use burn::nn::{BatchNorm, BatchNormConfig};
use burn::tensor::{Device, Tensor};
use std::cell::Cell;

thread_local! {
    /// Momentum of the batch norms that this thread builds; `None` for each network's own.
    static MOMENTUM: Cell<Option<f64>> = const { Cell::new(None) };
}

/// Builds networks whose batch norms all have a momentum: the share of a batch's statistics in the running statistics, 0–1.
/// With `None` each network has its own momentum. Applies to the networks that `build` builds on this thread.
pub fn with_norm_momentum<T>(momentum: Option<f64>, build: impl FnOnce() -> T) -> T {
    /// Restores the former momentum, also after a panic.
    struct Former(Option<f64>);

    impl Drop for Former {
        fn drop(&mut self) {
            MOMENTUM.set(self.0);
        }
    }

    let _former = Former(MOMENTUM.replace(momentum));
    build()
}

/// Builds a batch norm, with the momentum of [`with_norm_momentum`] if there is one.
pub(crate) fn batch_norm(config: &BatchNormConfig, device: &Device) -> BatchNorm {
    let momentum = MOMENTUM.get().unwrap_or(config.momentum);
    config.clone().with_momentum(momentum).init(device)
}

/// Applies a batch norm to maps, `[batch, channels, h, w]`.
pub(crate) fn normalise(norm: &BatchNorm, x: Tensor<4>) -> Tensor<4> {
    let device = x.device();
    if device.is_autodiff() && norm.training.is_enabled() && sums_with_one_thread(device) {
        train_map_by_map(norm, x)
    } else {
        norm.forward(x)
    }
}

/// True on a GPU: there, Burn sums the values of a channel with one thread.
fn sums_with_one_thread(device: Device) -> bool {
    #[cfg(all(feature = "cuda", feature = "flex"))]
    return device.inner() != Device::flex();
    #[cfg(not(all(feature = "cuda", feature = "flex")))]
    {
        let _ = device;
        false
    }
}

/// Applies a batch norm in training. Sums the values of a channel map by map, with many threads.
fn train_map_by_map(norm: &BatchNorm, x: Tensor<4>) -> Tensor<4> {
    let device = x.device();
    let [batch, channels, height, width] = x.dims();
    let maps = x.reshape([batch, channels, height * width]);
    let mean = |maps: Tensor<3>| maps.mean_dim(2).mean_dim(0); // [1, channels, 1]
    let centre = mean(maps.clone());
    let centred = maps - centre.clone();
    let variance = mean(centred.clone().square());
    let update = |state: &burn::module::RunningState<Tensor<1>>, batch: Tensor<3>| {
        let former = state.value_sync().to_device(&device).mul_scalar(1.0 - norm.momentum);
        let batch = batch.detach().reshape([channels]).mul_scalar(norm.momentum);
        state.update((former + batch).detach());
    };
    update(&norm.running_mean, centre);
    update(&norm.running_var, variance.clone());
    let gamma = norm.gamma.val().reshape([1, channels, 1]);
    let scale = gamma / (variance + norm.epsilon).sqrt();
    let y = centred * scale + norm.beta.val().reshape([1, channels, 1]);
    y.reshape([batch, channels, height, width])
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{TensorData, Tolerance};

    #[test]
    fn sums_map_by_map_are_the_norm_of_burn() {
        let device = Device::flex().autodiff();
        let values = |at: usize| (at * 7919 % 1009) as f32 / 100.0 - 5.0;
        let x = || {
            let data = TensorData::new((0..4 * 3 * 5 * 2).map(values).collect(), [4, 3, 5, 2]);
            Tensor::<4>::from_data(data, &device).require_grad()
        };
        let apply = |normalise: &dyn Fn(&BatchNorm, Tensor<4>) -> Tensor<4>| {
            let norm = BatchNormConfig::new(3).with_momentum(0.3).init(&device);
            let x = x();
            let y = normalise(&norm, x.clone());
            let gradients = (y.clone() * y.clone() * x.clone().detach()).sum().backward();
            let all = [
                y.detach().flatten::<1>(0, 3),
                norm.running_mean.value_sync(),
                norm.running_var.value_sync(),
                Tensor::from_inner(x.grad(&gradients).expect("x has a gradient").flatten::<1>(0, 3)),
                Tensor::from_inner(norm.gamma.val().grad(&gradients).expect("gamma has a gradient")),
            ];
            all.map(|tensor| tensor.into_data())
        };
        let expected = apply(&|norm, x| norm.forward(x));
        for (found, expected) in apply(&train_map_by_map).iter().zip(&expected) {
            found.assert_approx_eq::<f32>(expected, Tolerance::relative(1e-4).set_absolute(1e-4));
        }
    }

    #[test]
    fn a_momentum_applies_to_the_networks_that_are_built_within() {
        let device = Device::flex();
        let momentum = || batch_norm(&BatchNormConfig::new(2).with_momentum(0.01), &device).momentum;
        let within = with_norm_momentum(Some(0.5), || {
            (momentum(), with_norm_momentum(None, momentum), momentum())
        });
        assert_eq!((within, momentum()), ((0.5, 0.01, 0.5), 0.01));
    }
}
