//! Construction of the optimiser of a recipe.

use crate::recipe::{OptimiserKind, OptimiserRecipe};
use burn::grad_clipping::GradientClippingConfig;
use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{AdamConfig, AdamWConfig, ModuleOptimizer, SgdConfig};

impl OptimiserRecipe {
    /// Creates the optimiser before its first step.
    pub(crate) fn init(&self) -> ModuleOptimizer {
        let decay = self.weight_decay as f32;
        let coupled = (decay > 0.0).then(|| WeightDecayConfig::new(decay));
        let optimiser = match self.kind {
            OptimiserKind::Adamw => AdamWConfig::new().with_weight_decay(decay).with_epsilon(1e-8).init(),
            OptimiserKind::Adam => AdamConfig::new().with_weight_decay(coupled).with_epsilon(1e-8).init(),
            OptimiserKind::Sgd => {
                let momentum = MomentumConfig::new().with_momentum(self.momentum).with_dampening(0.0);
                let momentum = (self.momentum > 0.0).then(|| momentum.with_nesterov(self.nesterov));
                SgdConfig::new()
                    .with_weight_decay(coupled)
                    .with_momentum(momentum)
                    .init()
            }
        };
        if self.clip > 0.0 {
            return optimiser.with_grad_clipping(GradientClippingConfig::Norm(self.clip as f32).init());
        }
        optimiser
    }
}
