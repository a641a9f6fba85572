//! The one training loop: batches, steps, evaluation, checkpoints, progress.

use super::checkpoint::{self, State};
use super::recipe::Recipe;
use super::run::{Run, write_whole};
use super::schedule::Schedule;
use crate::data::{Images, Loader, Plan};
use burn::module::Module;
use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor, TensorData};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What a task adds to the loop.
pub trait Objective {
    /// The network that is trained, with whatever exists for training only.
    type Net: Module;

    /// Rows of every batch of an epoch.
    fn batches(&self, epoch: usize) -> Vec<Vec<usize>>;

    /// Loss of `images`, `[rows, 3, height, width]`.
    ///
    /// # Errors
    /// If the rows' truth cannot be had.
    fn loss(&self, net: &Self::Net, images: Tensor<4>, rows: &[usize]) -> anyhow::Result<Tensor<1>>;

    /// Figures of the network on the tuning split; `score` is the one that chooses the epoch, higher is better.
    ///
    /// # Errors
    /// If pictures cannot be read.
    fn evaluate(&self, net: &Self::Net) -> anyhow::Result<Figures>;

    /// The part that is kept, as safetensors.
    ///
    /// # Errors
    /// If it cannot be written down.
    fn weights(&self, net: &Self::Net) -> anyhow::Result<Vec<u8>>;
}

/// Figures of an evaluation.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    /// What chooses the epoch.
    pub score: f64,
    /// All figures by name.
    pub figures: BTreeMap<String, f64>,
}

/// The best epoch's weights within a run.
pub const BEST: &str = "best.safetensors";

/// How often a log without a terminal hears of a long epoch.
const SAY_EVERY: Duration = Duration::from_secs(60);

/// Trains until the recipe's epochs are done; `best.safetensors` holds the best epoch's weights.
///
/// # Errors
/// If data cannot be read, files cannot be written, or the loss stops being a number.
pub fn fit<O: Objective>(
    run: &Run,
    recipe: &Recipe,
    images: &Arc<Images>,
    objective: &O,
    net: O::Net,
    device: &Device,
) -> anyhow::Result<State> {
    let training = device.clone().autodiff();
    let optimiser: ModuleOptimizer =
        AdamWConfig::new().with_weight_decay(recipe.optimiser.weight_decay as f32).with_epsilon(1e-8).init();
    let (mut net, mut optimiser, state) = checkpoint::load(&run.dir, net, optimiser)?;
    let mut state = state.unwrap_or(State { epochs_done: 0, best: None });
    run.forget_from(state.epochs_done)?;
    let steps = objective.batches(0).len();
    let schedule = Schedule::new(&recipe.optimiser, recipe.epochs, steps);
    if state.epochs_done > 0 {
        eprintln!("going on after epoch {} of {}", state.epochs_done, recipe.epochs);
    }

    let progress = progress_bar(recipe.epochs * steps, state.epochs_done * steps);
    for epoch in state.epochs_done..recipe.epochs {
        let begun = Instant::now();
        let mut said = begun;
        let plan = Plan { batches: objective.batches(epoch), seed: recipe.seed, epoch };
        let mut total = 0.0;
        let mut seen = 0;
        for (step, batch) in
            Loader::start(Arc::clone(images), recipe.input.clone(), Some(recipe.augment), plan).enumerate()
        {
            let batch = batch?;
            let rows = batch.rows.len();
            let shape = [rows, 3, recipe.input.height, recipe.input.width];
            let input = Tensor::<4>::from_data(TensorData::new(batch.pixels, shape), &training);
            let loss = objective.loss(&net, input, &batch.rows)?;
            let value: f32 = loss.clone().into_scalar();
            anyhow::ensure!(
                value.is_finite(),
                "the loss became {value} in epoch {epoch}, step {step}; lower optimiser.rate"
            );
            let gradients = GradientsParams::from_grads(loss.backward(), &net);
            net = optimiser.step(schedule.rate(epoch * steps + step), net, gradients);
            total += f64::from(value) * rows as f64;
            seen += rows;
            progress.inc(1);
            if progress.is_hidden() && said.elapsed() >= SAY_EVERY {
                said = Instant::now();
                eprintln!("epoch {:>3}/{}  step {}/{steps}  loss {value:.4}", epoch + 1, recipe.epochs, step + 1);
            }
        }
        let trained = begun.elapsed().as_secs_f64();
        let Figures { score, figures } = objective.evaluate(&net.valid())?;
        if state.best.is_none_or(|(best, _)| score > best) {
            state.best = Some((score, epoch));
            write_whole(&run.dir.join(BEST), &objective.weights(&net.valid())?)?;
        }
        state.epochs_done = epoch + 1;
        let train_loss = total / seen.max(1) as f64;
        run.log(&json!({
            "epoch": epoch, "train_loss": train_loss, "score": score, "figures": figures,
            "rate": schedule.rate(epoch * steps), "train_seconds": trained,
            "images_per_second": seen as f64 / trained, "seconds": begun.elapsed().as_secs_f64(),
        }))?;
        checkpoint::save(&run.dir, &net, &optimiser, &state)?;
        let shown: Vec<String> = figures.iter().map(|(name, value)| format!("{name} {value:.4}")).collect();
        progress.suspend(|| {
            eprintln!(
                "epoch {:>3}/{}  loss {train_loss:.4}  {}  {:.0} images/s",
                epoch + 1,
                recipe.epochs,
                shown.join("  "),
                seen as f64 / trained
            );
        });
    }
    progress.finish_and_clear();
    Ok(state)
}

fn progress_bar(total: usize, done: usize) -> ProgressBar {
    let bar = ProgressBar::new(total as u64).with_position(done as u64);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} step {pos}/{len}  {elapsed} elapsed, {eta} left") {
        bar.set_style(style);
    }
    bar.reset_eta();
    bar
}
