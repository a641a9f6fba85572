//! Optimiser of a recipe for a network, with its groups of parameters.

use crate::parameters;
use crate::recipe::{OptimiserKind, OptimiserRecipe, RateGroup};
use burn::grad_clipping::GradientClippingConfig;
use burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::module::{Module, ParamGroup};
use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{AdamConfig, AdamWConfig, GradientsParams, ModuleOptimizer, SgdConfig};
use burn::store::RecordError;
use std::path::Path;

/// Optimiser of one network.
pub(crate) struct Optimiser {
    inner: ModuleOptimizer,
    /// Groups with their factors of the learning rate.
    rates: Vec<(ParamGroup, f64)>,
}

impl Optimiser {
    /// Creates the optimiser of a network before its first step.
    ///
    /// # Errors
    /// If a group names a part that the network lacks.
    pub(crate) fn new<M: Module>(recipe: &OptimiserRecipe, net: &M) -> anyhow::Result<Self> {
        let group = |RateGroup { of, rate }: &RateGroup| {
            let found = parameters::find(net, of, "optimiser.groups")?;
            Ok((ParamGroup::from_ids(found.ids), *rate))
        };
        Ok(Self {
            inner: recipe.init(),
            rates: recipe.groups.iter().map(group).collect::<anyhow::Result<_>>()?,
        })
    }

    /// Updates the parameters of the network that have a gradient. `rate` is the learning rate of parameters without a group.
    pub(crate) fn step<M: Module>(&mut self, rate: f64, net: M, gradients: GradientsParams) -> M {
        let mut rates = self
            .rates
            .iter()
            .fold(ModuleLrScheduler::new(rate), |rates, (group, factor)| {
                rates.with_group(group.clone(), rate * factor)
            });
        self.inner.step(rates.step(), net, gradients)
    }

    /// Writes the state.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub(crate) fn save(&self, path: &Path) -> Result<(), RecordError> {
        self.inner.save(path)
    }

    /// Continues from a state that [`save`](Self::save) wrote.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub(crate) fn load(self, path: &Path) -> Result<Self, RecordError> {
        Ok(Self {
            inner: self.inner.load(path)?,
            ..self
        })
    }
}

impl OptimiserRecipe {
    /// Creates the optimiser before its first step.
    fn init(&self) -> ModuleOptimizer {
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
