//! Learning rate over time.

use crate::recipe::{OptimiserRecipe, ScheduleKind};
use std::f64::consts::PI;

/// One-cycle begins at `rate / ONECYCLE_START` and ends at `1 / ONECYCLE_END` of that, as in PyTorch.
const ONECYCLE_START: f64 = 25.0;
const ONECYCLE_END: f64 = 1e4;

/// Learning rate of every step of one stage.
#[derive(Debug, Clone)]
pub(crate) struct Schedule {
    recipe: OptimiserRecipe,
    /// Steps per epoch.
    steps: usize,
    /// Steps of the whole stage.
    total: f64,
}

impl Schedule {
    /// Prepares the schedule of `epochs` epochs of `steps` steps each.
    pub(crate) fn new(recipe: &OptimiserRecipe, epochs: usize, steps: usize) -> Self {
        Self {
            recipe: recipe.clone(),
            steps,
            total: (epochs * steps) as f64,
        }
    }

    /// Steps per epoch.
    pub(crate) fn steps(&self) -> usize {
        self.steps
    }

    /// Returns the rate of a step of an epoch, both counted from 0.
    pub(crate) fn rate(&self, epoch: usize, step: usize) -> f64 {
        let OptimiserRecipe { rate, warmup, .. } = self.recipe;
        let steps_per_epoch = self.steps.max(1) as f64;
        let (step, warmup) = ((epoch * self.steps + step) as f64, warmup * steps_per_epoch);
        if step < warmup {
            return rate * (step + 1.0) / (warmup + 1.0);
        }
        // Progress is 0 at the end of the warm-up and 1 after the last step.
        let progress = ((step - warmup) / (self.total - warmup).max(1.0)).min(1.0);
        match self.recipe.schedule {
            ScheduleKind::Constant => rate,
            ScheduleKind::Cosine => {
                let progress = self.recipe.restarts.map_or(progress, |restarts| {
                    cycle(step - warmup, restarts.epochs * steps_per_epoch, restarts.factor)
                });
                half_cosine(rate, 0.0, progress)
            }
            ScheduleKind::Triangular => {
                let halves = (step - warmup) / (self.recipe.half_cycle * steps_per_epoch);
                let height = 1.0 - (halves % 2.0 - 1.0).abs();
                rate * (1.0 + (self.recipe.peak - 1.0) * height)
            }
            ScheduleKind::Onecycle => {
                let (start, rise) = (rate / ONECYCLE_START, self.recipe.rise);
                if progress < rise {
                    half_cosine(start, rate, progress / rise)
                } else {
                    half_cosine(rate, start / ONECYCLE_END, (progress - rise) / (1.0 - rise))
                }
            }
            ScheduleKind::Step => {
                let epoch = step / steps_per_epoch;
                let passed = self.recipe.steps.iter().filter(|at| epoch >= **at as f64).count();
                rate * self.recipe.factor.powi(passed as i32)
            }
        }
    }
}

/// Returns the progress within a cycle, 0–1, after `step` steps. `length` is the length of the first cycle in steps.
fn cycle(mut step: f64, mut length: f64, factor: f64) -> f64 {
    while step >= length {
        step -= length;
        length *= factor;
    }
    step / length
}

/// Interpolates from one value to another along half a cosine; `progress` is 0–1.
fn half_cosine(from: f64, to: f64, progress: f64) -> f64 {
    to + (from - to) * 0.5 * (1.0 + (PI * progress).cos())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::RestartsRecipe;

    #[test]
    fn restarts_begin_longer_and_longer_cycles() {
        // After a warm-up of one epoch of ten steps: cycles of 1, 2 and 4 epochs, or of one epoch each.
        for (factor, points) in [
            (2.0, [(10, 2.0), (15, 1.0), (20, 2.0), (30, 1.0), (40, 2.0), (60, 1.0)]),
            (1.0, [(10, 2.0), (15, 1.0), (20, 2.0), (25, 1.0), (30, 2.0), (75, 1.0)]),
        ] {
            let recipe = OptimiserRecipe {
                rate: 2.0,
                warmup: 1.0,
                restarts: Some(RestartsRecipe { epochs: 1.0, factor }),
                ..OptimiserRecipe::default()
            };
            for (step, expected) in points {
                let rate = Schedule::new(&recipe, 8, 10).rate(0, step);
                assert!(
                    (rate - expected).abs() < 1e-9,
                    "factor {factor}, step {step}: {rate}, not {expected}"
                );
            }
        }
    }

    #[test]
    fn schedules_pass_through_the_published_points() {
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
