//! The optimiser of a recipe, and how its learning rate moves.

use super::batch::SMALLEST;
use super::schedule::ScheduleKind;
use burn::grad_clipping::GradientClippingConfig;
use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{AdamConfig, AdamWConfig, ModuleOptimizer, SgdConfig};
use serde::{Deserialize, Serialize};

/// Which optimiser.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OptimiserKind {
    /// Adam with decoupled weight decay (Loshchilov & Hutter 2019).
    #[default]
    Adamw,
    /// Adam (Kingma & Ba 2015); weight decay is added to the gradient.
    Adam,
    /// Stochastic gradient descent with momentum.
    Sgd,
}

/// The optimiser.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OptimiserRecipe {
    /// Which one.
    #[serde(default)]
    pub kind: OptimiserKind,
    /// Pictures a forward and backward pass, at least 2. The last batch of an epoch has what is left; a single picture that
    /// is left joins the batch before it.
    pub batch: usize,
    /// Passes whose gradients are averaged for one step of the optimiser.
    #[serde(default = "one")]
    pub accumulate: usize,
    /// The learning rate that the schedule shapes.
    pub rate: f64,
    /// Momentum of SGD.
    #[serde(default = "default_momentum")]
    pub momentum: f64,
    /// Nesterov's momentum instead of the classical one.
    #[serde(default)]
    pub nesterov: bool,
    /// Weight decay.
    #[serde(default)]
    pub weight_decay: f64,
    /// Largest norm of each parameter's gradient; 0 for any.
    #[serde(default)]
    pub clip: f64,
    /// Shape of the learning rate over time.
    #[serde(default)]
    pub schedule: ScheduleKind,
    /// Epochs over which the rate rises from zero.
    #[serde(default)]
    pub warmup: f64,
    /// Highest rate of `triangular`, as a multiple of `rate`.
    #[serde(default = "default_peak")]
    pub peak: f64,
    /// Epochs of a rise, and of a fall, of `triangular`.
    #[serde(default = "default_half_cycle")]
    pub half_cycle: f64,
    /// Share of all steps in which `onecycle` rises.
    #[serde(default = "default_rise")]
    pub rise: f64,
    /// Epochs at which `step` multiplies the rate by `factor`.
    #[serde(default)]
    pub steps: Vec<usize>,
    /// What `step` multiplies by.
    #[serde(default = "default_factor")]
    pub factor: f64,
}

fn one() -> usize {
    1
}

fn default_momentum() -> f64 {
    0.9
}

fn default_peak() -> f64 {
    5.0
}

fn default_half_cycle() -> f64 {
    0.5
}

fn default_rise() -> f64 {
    0.3
}

fn default_factor() -> f64 {
    0.2
}

impl Default for OptimiserRecipe {
    fn default() -> Self {
        Self {
            kind: OptimiserKind::default(),
            batch: 32,
            accumulate: one(),
            rate: 0.001,
            momentum: default_momentum(),
            nesterov: false,
            weight_decay: 0.0,
            clip: 0.0,
            schedule: ScheduleKind::default(),
            warmup: 0.0,
            peak: default_peak(),
            half_cycle: default_half_cycle(),
            rise: default_rise(),
            steps: Vec::new(),
            factor: default_factor(),
        }
    }
}

impl OptimiserRecipe {
    /// The optimiser before its first step.
    pub fn init(&self) -> ModuleOptimizer {
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

    /// # Errors
    /// Names the key that makes no sense.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        anyhow::ensure!(
            self.batch >= SMALLEST,
            "optimiser.batch must be at least {SMALLEST}: batch norm needs {SMALLEST} pictures in a batch; use \
             optimiser.accumulate for a step of more pictures than memory holds at once"
        );
        anyhow::ensure!(self.accumulate > 0, "optimiser.accumulate must be at least 1");
        anyhow::ensure!(
            self.rate.is_finite() && self.rate > 0.0,
            "optimiser.rate must be a positive number"
        );
        anyhow::ensure!(
            (0.0..1.0).contains(&self.momentum),
            "optimiser.momentum must lie between 0 and 1"
        );
        for (key, value) in [
            ("weight_decay", self.weight_decay),
            ("clip", self.clip),
            ("warmup", self.warmup),
        ] {
            anyhow::ensure!(
                value.is_finite() && value >= 0.0,
                "optimiser.{key} must be 0 or a positive number"
            );
        }
        anyhow::ensure!(
            self.factor.is_finite() && self.factor > 0.0,
            "optimiser.factor must be a positive number; {} would leave no rate",
            self.factor
        );
        anyhow::ensure!(self.peak >= 1.0, "optimiser.peak must be at least 1");
        anyhow::ensure!(self.half_cycle > 0.0, "optimiser.half_cycle must be positive");
        anyhow::ensure!(
            self.rise > 0.0 && self.rise < 1.0,
            "optimiser.rise must lie between 0 and 1"
        );
        Ok(())
    }
}
