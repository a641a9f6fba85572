//! Progress of a training on stderr: a bar on a terminal, lines in a log.

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

/// Interval between lines of a long epoch in a log.
const INTERVAL: Duration = Duration::from_secs(60);

/// Progress of a training.
pub(crate) struct Progress {
    epochs: usize,
    bar: ProgressBar,
    /// Time of the last line of a step.
    last_line: Mutex<Instant>,
}

impl Progress {
    /// Shows `done` of `total` steps of a training of `epochs` epochs.
    pub(crate) fn new(epochs: usize, total: usize, done: usize) -> Self {
        let bar = ProgressBar::new(total as u64).with_position(done as u64);
        if let Ok(style) = ProgressStyle::with_template("{bar:30} step {pos}/{len}  {elapsed} elapsed, {eta} left") {
            bar.set_style(style);
        }
        bar.reset_eta();
        Self {
            epochs,
            bar,
            last_line: Mutex::new(Instant::now()),
        }
    }

    /// Advances by one step: the number `step` of `steps` in an epoch that is counted from 0.
    pub(crate) fn step(&self, epoch: usize, step: usize, steps: usize, loss: f32) {
        self.bar.inc(1);
        let mut last_line = self.last_line.lock().unwrap_or_else(PoisonError::into_inner);
        if step == 1 {
            *last_line = Instant::now();
        }
        if self.bar.is_hidden() && last_line.elapsed() >= INTERVAL {
            *last_line = Instant::now();
            eprintln!(
                "epoch {:>3}/{}  step {step}/{steps}  loss {loss:.4}",
                epoch + 1,
                self.epochs
            );
        }
    }

    /// Prints a line about an evaluated epoch; `record` is its line of the run's log.
    pub(crate) fn epoch(&self, epoch: usize, record: &Value, metrics: &BTreeMap<String, f64>) {
        let number = |key: &str| record[key].as_f64().unwrap_or(f64::NAN);
        let metrics: Vec<String> = metrics
            .iter()
            .map(|(name, value)| format!("{name} {value:.4}"))
            .collect();
        self.bar.suspend(|| {
            eprintln!(
                "epoch {:>3}/{}  loss {:.4}  {}  {:.0} images/s",
                epoch + 1,
                self.epochs,
                number("train_loss"),
                metrics.join("  "),
                number("images_per_second")
            );
        });
    }

    /// Prints that training stops early.
    pub(crate) fn stopped(&self, patience: usize) {
        self.bar.suspend(|| {
            eprintln!("no better score for {patience} epochs: stopping early (patience = {patience})");
        });
    }

    /// Removes the bar.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
