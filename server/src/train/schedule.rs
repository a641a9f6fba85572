//! The learning rate over time.

use super::recipe::{OptimiserRecipe, ScheduleKind};

/// A learning rate for every step.
#[derive(Debug, Clone)]
pub struct Schedule {
    kind: ScheduleKind,
    rate: f64,
    warmup: f64,
    total: f64,
}

impl Schedule {
    /// For `epochs` of `steps` each.
    pub fn new(recipe: &OptimiserRecipe, epochs: usize, steps: usize) -> Self {
        Self {
            kind: recipe.schedule,
            rate: recipe.rate,
            warmup: recipe.warmup * steps as f64,
            total: (epochs * steps) as f64,
        }
    }

    /// The rate of step `step`, counted from 0 over all epochs.
    pub fn rate(&self, step: usize) -> f64 {
        let step = step as f64;
        if step < self.warmup {
            return self.rate * (step + 1.0) / (self.warmup + 1.0);
        }
        match self.kind {
            ScheduleKind::Constant => self.rate,
            ScheduleKind::Cosine => {
                let progress = (step - self.warmup) / (self.total - self.warmup).max(1.0);
                self.rate * 0.5 * (1.0 + (std::f64::consts::PI * progress.min(1.0)).cos())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rises_then_falls_to_zero() {
        let recipe =
            OptimiserRecipe { batch: 1, rate: 2.0, weight_decay: 0.0, schedule: ScheduleKind::Cosine, warmup: 1.0 };
        let schedule = Schedule::new(&recipe, 3, 10);
        let rates: Vec<f64> = (0..30).map(|step| schedule.rate(step)).collect();
        assert!(rates[..10].windows(2).all(|pair| pair[0] < pair[1]));
        assert!(rates[10..].windows(2).all(|pair| pair[0] > pair[1]));
        assert!((rates[10] - 2.0).abs() < 1e-9 && rates[29] < 0.02);
        let constant = Schedule::new(&OptimiserRecipe { schedule: ScheduleKind::Constant, ..recipe }, 3, 10);
        assert_eq!(constant.rate(29), 2.0);
    }
}
