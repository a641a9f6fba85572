//! The part of a recipe that configures the optimiser and the learning rate.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Minimum number of images in a batch: batch norm needs a second image for a variance.
pub const SMALLEST_BATCH: usize = 2;

/// Algorithm of the optimiser.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
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

/// Learning rate over time, after the warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ScheduleKind {
    /// Constant rate.
    Constant,
    /// Half a cosine from `rate` down to zero (Loshchilov & Hutter 2017).
    #[default]
    Cosine,
    /// Rises from `rate` to `rate · peak` in `half_cycle` epochs, falls in as many, and repeats (Smith 2017,
    /// <https://arxiv.org/abs/1506.01186>). The style champion used 5 and ½.
    Triangular,
    /// Rises to `rate` over the first `rise` of all steps and falls to nearly zero, both along a cosine (Smith & Topin
    /// 2019, <https://arxiv.org/abs/1708.07120>).
    Onecycle,
    /// Multiplied by `factor` at each epoch of `steps`.
    Step,
}

/// Group of parameters that learns at its own rate (layer-wise learning rates, Howard & Ruder 2018,
/// <https://arxiv.org/abs/1801.06146>).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RateGroup {
    /// Parts of the network, by a prefix of their names as in `stages.freeze`, such as `backbone`.
    pub of: Vec<String>,
    /// Factor of the learning rate, also of a stage's own rate. With 0 the weights of the group stay constant, while running
    /// statistics of batch norm change. Use `stages.freeze` to keep both.
    pub rate: f64,
}

/// Warm restarts: the rate falls along half a cosine in every cycle and jumps back to its start (SGDR, Loshchilov & Hutter 2017,
/// <https://arxiv.org/abs/1608.03983>). A stage begins with a first cycle.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RestartsRecipe {
    /// Length of the first cycle in epochs, which begins after the warm-up.
    pub epochs: f64,
    /// Length of a cycle as a multiple of the cycle before it, at least 1.
    #[serde(default = "default_growth")]
    pub factor: f64,
}

/// Optimiser and learning rate schedule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OptimiserRecipe {
    /// Algorithm.
    #[serde(default)]
    pub kind: OptimiserKind,
    /// Images per forward and backward pass, at least 2. The last batch of an epoch has the remaining images; a single
    /// remaining image joins the batch before it.
    pub batch: usize,
    /// Passes whose gradients are averaged for one step of the optimiser.
    #[serde(default = "one")]
    pub accumulate: usize,
    /// Learning rate that the schedule shapes.
    pub rate: f64,
    /// Groups of parameters that learn at another rate, such as a pretrained backbone. A parameter in several groups
    /// belongs to the last of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<RateGroup>,
    /// Momentum of SGD.
    #[serde(default = "default_momentum")]
    pub momentum: f64,
    /// Uses Nesterov's momentum instead of the classical one.
    #[serde(default)]
    pub nesterov: bool,
    /// Share of a batch's statistics in the running statistics of every batch norm, above 0 and at most 1. Without it each
    /// network has its own, usually 0.1. A smaller share suits small batches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub norm_momentum: Option<f64>,
    /// Weight decay.
    #[serde(default)]
    pub weight_decay: f64,
    /// True to decay all parameters. False to spare those of one dimension: scales and shifts of norms, biases and exponents of
    /// GeM pooling. False is recommended for fine-tuning (Goyal et al. 2017, <https://arxiv.org/abs/1706.02677>).
    #[serde(default = "yes")]
    pub decay_all: bool,
    /// Maximum norm of each parameter's gradient; 0 for no limit.
    #[serde(default)]
    pub clip: f64,
    /// Maximum norm of all gradients of a step together, as of PyTorch's `clip_grad_norm_`; 0 for no limit. Applies before
    /// `clip`.
    #[serde(default)]
    pub clip_all: f64,
    /// Learning rate over time.
    #[serde(default)]
    pub schedule: ScheduleKind,
    /// Restarts of `cosine`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restarts: Option<RestartsRecipe>,
    /// Epochs over which the rate rises from zero before the schedule begins.
    #[serde(default)]
    pub warmup: f64,
    /// Maximum rate of `triangular`, as a multiple of `rate`.
    #[serde(default = "default_peak")]
    pub peak: f64,
    /// Epochs of each rise and of each fall of `triangular`.
    #[serde(default = "default_half_cycle")]
    pub half_cycle: f64,
    /// Share of all steps in which `onecycle` rises.
    #[serde(default = "default_rise")]
    pub rise: f64,
    /// Epochs at which `step` multiplies the rate by `factor`.
    #[serde(default)]
    pub steps: Vec<usize>,
    /// Factor of the rate at each of `steps`.
    #[serde(default = "default_factor")]
    pub factor: f64,
}

fn one() -> usize {
    1
}

fn yes() -> bool {
    true
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

fn default_growth() -> f64 {
    1.0
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
            groups: Vec::new(),
            momentum: default_momentum(),
            nesterov: false,
            norm_momentum: None,
            weight_decay: 0.0,
            decay_all: yes(),
            clip: 0.0,
            clip_all: 0.0,
            schedule: ScheduleKind::default(),
            restarts: None,
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
    /// # Errors
    /// Names the key with an invalid value.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        anyhow::ensure!(
            self.batch >= SMALLEST_BATCH,
            "optimiser.batch must be at least {SMALLEST_BATCH}: batch norm needs {SMALLEST_BATCH} images in a batch; use \
             optimiser.accumulate for a step of more images than memory holds at once"
        );
        anyhow::ensure!(self.accumulate > 0, "optimiser.accumulate must be at least 1");
        anyhow::ensure!(
            self.rate.is_finite() && self.rate > 0.0,
            "optimiser.rate must be a positive number"
        );
        for RateGroup { of, rate } in &self.groups {
            anyhow::ensure!(
                !of.is_empty(),
                "one of optimiser.groups names no part of the network; write for example `of = [\"backbone\"]`"
            );
            anyhow::ensure!(
                rate.is_finite() && *rate >= 0.0,
                "the rate of optimiser.groups {of:?} must be 0 or a positive number; it is a factor of the learning rate"
            );
        }
        anyhow::ensure!(
            (0.0..1.0).contains(&self.momentum),
            "optimiser.momentum must lie between 0 and 1"
        );
        anyhow::ensure!(
            self.norm_momentum.is_none_or(|share| share > 0.0 && share <= 1.0),
            "optimiser.norm_momentum must lie above 0 and be at most 1; freeze norms by stages.freeze"
        );
        for (key, value) in [
            ("weight_decay", self.weight_decay),
            ("clip", self.clip),
            ("clip_all", self.clip_all),
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
        if let Some(restarts) = self.restarts {
            anyhow::ensure!(
                self.schedule == ScheduleKind::Cosine,
                "optimiser.restarts restart the schedule 'cosine'; set optimiser.schedule to it, or remove the restarts"
            );
            restarts.check()?;
        }
        anyhow::ensure!(self.peak >= 1.0, "optimiser.peak must be at least 1");
        anyhow::ensure!(self.half_cycle > 0.0, "optimiser.half_cycle must be positive");
        anyhow::ensure!(
            self.rise > 0.0 && self.rise < 1.0,
            "optimiser.rise must lie between 0 and 1"
        );
        Ok(())
    }
}

impl RestartsRecipe {
    fn check(self) -> anyhow::Result<()> {
        anyhow::ensure!(
            self.epochs.is_finite() && self.epochs > 0.0,
            "optimiser.restarts.epochs must be a positive number"
        );
        anyhow::ensure!(
            self.factor.is_finite() && self.factor >= 1.0,
            "optimiser.restarts.factor must be at least 1; the cycles do not shrink"
        );
        Ok(())
    }
}
