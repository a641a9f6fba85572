//! The learning rate over time.

use super::optimiser::OptimiserRecipe;
use serde::{Deserialize, Serialize};
use std::f64::consts::PI;

/// Shape of the learning rate over time, beside the warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ScheduleKind {
    /// The same throughout.
    Constant,
    /// Half a cosine from `rate` down to zero (Loshchilov & Hutter 2017).
    #[default]
    Cosine,
    /// Up from `rate` to `rate · peak` in `half_cycle` epochs and down again, for ever (Smith 2017,
    /// <https://arxiv.org/abs/1506.01186>); 5 and ½ as the champion had it.
    Triangular,
    /// Up to `rate` over the first `rise` of all steps and down to nearly nothing, both along a cosine (Smith & Topin
    /// 2019, <https://arxiv.org/abs/1708.07120>).
    Onecycle,
    /// Times `factor` at each epoch of `steps`.
    Step,
}

/// `rate / ONECYCLE_START` is where one-cycle begins and `/ ONECYCLE_END` of that where it ends, as PyTorch has them.
const ONECYCLE_START: f64 = 25.0;
const ONECYCLE_END: f64 = 1e4;

/// A learning rate for every step of one stage.
#[derive(Debug, Clone)]
pub struct Schedule {
    recipe: OptimiserRecipe,
    /// Steps of an epoch, and of the whole stage.
    steps: usize,
    total: f64,
}

impl Schedule {
    /// For `epochs` of `steps` each.
    pub fn new(recipe: &OptimiserRecipe, epochs: usize, steps: usize) -> Self {
        Self {
            recipe: recipe.clone(),
            steps,
            total: (epochs * steps) as f64,
        }
    }

    /// Steps of an epoch.
    pub fn steps(&self) -> usize {
        self.steps
    }

    /// The rate of a step of an epoch, both counted from 0.
    pub fn rate(&self, epoch: usize, step: usize) -> f64 {
        let OptimiserRecipe { rate, warmup, .. } = self.recipe;
        let steps_an_epoch = self.steps.max(1) as f64;
        let (step, warmup) = ((epoch * self.steps + step) as f64, warmup * steps_an_epoch);
        if step < warmup {
            return rate * (step + 1.0) / (warmup + 1.0);
        }
        // 0 at the end of the warm-up, 1 after the last step.
        let progress = ((step - warmup) / (self.total - warmup).max(1.0)).min(1.0);
        match self.recipe.schedule {
            ScheduleKind::Constant => rate,
            ScheduleKind::Cosine => descend(rate, 0.0, progress),
            ScheduleKind::Triangular => {
                let halves = (step - warmup) / (self.recipe.half_cycle * steps_an_epoch);
                let height = 1.0 - (halves % 2.0 - 1.0).abs();
                rate * (1.0 + (self.recipe.peak - 1.0) * height)
            }
            ScheduleKind::Onecycle => {
                let (start, rise) = (rate / ONECYCLE_START, self.recipe.rise);
                if progress < rise {
                    descend(start, rate, progress / rise)
                } else {
                    descend(rate, start / ONECYCLE_END, (progress - rise) / (1.0 - rise))
                }
            }
            ScheduleKind::Step => {
                let epoch = step / steps_an_epoch;
                let passed = self.recipe.steps.iter().filter(|at| epoch >= **at as f64).count();
                rate * self.recipe.factor.powi(passed as i32)
            }
        }
    }
}

/// Half a cosine from one value to another.
fn descend(from: f64, to: f64, progress: f64) -> f64 {
    to + (from - to) * 0.5 * (1.0 + (PI * progress).cos())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pass_through_the_published_points() {
        let recipe = OptimiserRecipe {
            rate: 2.0,
            steps: vec![1, 2],
            factor: 0.2,
            ..OptimiserRecipe::default()
        };
        // Three epochs of ten steps: (shape, warm-up in epochs, step, expected rate).
        let cases = [
            (ScheduleKind::Constant, 0.0, 29, 2.0),
            (ScheduleKind::Constant, 1.0, 0, 2.0 / 11.0),
            (ScheduleKind::Cosine, 1.0, 9, 20.0 / 11.0),
            (ScheduleKind::Cosine, 1.0, 10, 2.0),
            (ScheduleKind::Cosine, 1.0, 20, 1.0),
            (ScheduleKind::Cosine, 0.0, 30, 0.0),
            (ScheduleKind::Triangular, 0.0, 0, 2.0),
            (ScheduleKind::Triangular, 0.0, 5, 10.0),
            (ScheduleKind::Triangular, 0.0, 10, 2.0),
            (ScheduleKind::Triangular, 0.0, 22, 2.0 + 8.0 * 0.4),
            (ScheduleKind::Onecycle, 0.0, 0, 2.0 / 25.0),
            (ScheduleKind::Onecycle, 0.0, 9, 2.0),
            (ScheduleKind::Onecycle, 0.0, 30, 2.0 / 25.0 / 1e4),
            (ScheduleKind::Step, 0.0, 9, 2.0),
            (ScheduleKind::Step, 0.0, 10, 0.4),
            (ScheduleKind::Step, 0.0, 29, 0.08),
        ];
        for (kind, warmup, step, expected) in cases {
            let recipe = OptimiserRecipe {
                schedule: kind,
                warmup,
                ..recipe.clone()
            };
            let rate = Schedule::new(&recipe, 3, 10).rate(0, step);
            assert!(
                (rate - expected).abs() < 1e-9,
                "{kind:?} at step {step}: {rate}, not {expected}"
            );
        }
    }
}
