//! Batch norm of all networks, and its momentum in training.

use burn::nn::{BatchNorm, BatchNormConfig};
use burn::tensor::Device;
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

#[cfg(test)]
mod tests {
    use super::*;

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
