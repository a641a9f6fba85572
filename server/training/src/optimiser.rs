//! Optimiser of a recipe for a network, with its groups of parameters.

use crate::clip::clip_all;
use crate::parameters;
use crate::recipe::{OptimiserKind, OptimiserRecipe, RateGroup};
use burn::grad_clipping::GradientClippingConfig;
use burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::module::{Module, ParamGroup};
use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{AdamConfig, AdamWConfig, GradientsParams, ModuleOptimizer, Optimizer, SgdConfig};
use burn::store::RecordError;
use std::path::Path;

/// Optimiser of one network.
pub(crate) struct Optimiser {
    inner: ModuleOptimizer,
    /// Groups with their factors of the learning rate.
    rates: Vec<(ParamGroup, f64)>,
    /// Maximum norm of all gradients together; 0 for no limit.
    clip_all: f64,
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
        let undecayed = (!recipe.decay_all).then(|| ParamGroup::from_ids(parameters::one_dimensional(net)));
        Ok(Self {
            inner: recipe.init(undecayed),
            rates: recipe.groups.iter().map(group).collect::<anyhow::Result<_>>()?,
            clip_all: recipe.clip_all,
        })
    }

    /// Updates the parameters of the network that have a gradient. `rate` is the learning rate of parameters without a group.
    pub(crate) fn step<M: Module>(&mut self, rate: f64, net: M, mut gradients: GradientsParams) -> M {
        if self.clip_all > 0.0 {
            gradients = clip_all(&net, gradients, self.clip_all);
        }
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
    /// Creates the optimiser before its first step. The parameters `undecayed` have no weight decay.
    fn init(&self, undecayed: Option<ParamGroup>) -> ModuleOptimizer {
        let coupled = |decay: f32| (decay > 0.0).then(|| WeightDecayConfig::new(decay));
        match self.kind {
            OptimiserKind::Adamw => {
                let adamw = AdamWConfig::new().with_epsilon(1e-8);
                self.group(|decay| adamw.clone().with_weight_decay(decay).build(), undecayed)
            }
            OptimiserKind::Adam => {
                let adam = AdamConfig::new().with_epsilon(1e-8);
                self.group(
                    |decay| adam.clone().with_weight_decay(coupled(decay)).build(),
                    undecayed,
                )
            }
            OptimiserKind::Sgd => {
                let momentum = MomentumConfig::new().with_momentum(self.momentum).with_dampening(0.0);
                let momentum = (self.momentum > 0.0).then(|| momentum.with_nesterov(self.nesterov));
                let sgd = SgdConfig::new().with_momentum(momentum);
                self.group(|decay| sgd.clone().with_weight_decay(coupled(decay)).build(), undecayed)
            }
        }
    }

    /// Combines an optimiser with the recipe's weight decay and one without, for the parameters `undecayed`.
    fn group<O: Optimizer>(&self, build: impl Fn(f32) -> O, undecayed: Option<ParamGroup>) -> ModuleOptimizer {
        let clip = (self.clip > 0.0).then(|| GradientClippingConfig::Norm(self.clip as f32).init());
        let mut optimiser = ModuleOptimizer::from(build(self.weight_decay as f32));
        if let Some(clip) = &clip {
            optimiser = optimiser.with_grad_clipping(clip.clone());
        }
        match undecayed {
            Some(group) => optimiser.with_group(group, build(0.0), clip),
            None => optimiser,
        }
    }
}
