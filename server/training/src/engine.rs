//! The one training loop: batches, steps, evaluation, checkpoints, progress.

use super::average::{self, Average};
use super::checkpoint::{self, Resumed, State};
use super::recipe::Recipe;
use super::stage::Stages;
use anyhow::Context;
use burn::module::Module;
use burn::optim::{GradientsAccumulator, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor, TensorData};
use dataset::atomic;
use dataset::run::{BEST, Run, remove_unborn};
use dataset::{Batch, Images, Loader, Plan, Recolouring, Source};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::{Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};

/// Which batch a loss is asked of.
#[derive(Debug, Clone, Copy)]
pub struct Step<'a> {
    /// Rows of the dataset.
    pub rows: &'a [usize],
    /// The epoch.
    pub epoch: usize,
    /// Number of the batch within the epoch.
    pub index: usize,
    /// Label maps of the size that the objective asked for; `None` for rows without a mask.
    pub maps: &'a [Option<Vec<u8>>],
}

/// What a task adds to the loop.
pub trait Objective: Sync {
    /// The network that is trained, with whatever exists for training only.
    type Net: Module;

    /// Rows of every batch of an epoch.
    fn batches(&self, epoch: usize) -> Vec<Vec<usize>>;

    /// Height and width of the label maps that the loss needs, if it needs any.
    fn maps(&self) -> Option<(usize, usize)> {
        None
    }

    /// Which training pictures get garments of other colours.
    fn recolouring(&self) -> Option<Arc<Recolouring>> {
        None
    }

    /// Loss of `images`, `[rows, 3, height, width]`.
    ///
    /// # Errors
    /// If the rows' truth cannot be had.
    fn loss(&self, net: &Self::Net, images: Tensor<4>, step: &Step<'_>) -> anyhow::Result<Tensor<1>>;

    /// Figures of the network after an epoch on the tuning split; `score` is the one that chooses the epoch, higher is better.
    ///
    /// # Errors
    /// If pictures cannot be read.
    fn evaluate(&self, net: &Self::Net, epoch: usize) -> anyhow::Result<Figures>;

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

/// How often a log without a terminal hears of a long epoch.
const SAY_EVERY: Duration = Duration::from_secs(60);

/// Trains until the recipe's epochs are done or the score has stopped rising; `best.safetensors` holds the best epoch's
/// weights.
///
/// Evaluation runs on a thread of its own, on a copy of the weights, while the next epoch trains.
///
/// A training that fails before its first checkpoint leaves no run behind.
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
    let trained = go_on(run, recipe, images, objective, net, device);
    if trained.is_err() && !checkpoint::is_there(&run.dir) {
        // The folder would be in the way of the next try. The training's error is what counts.
        let _ = remove_unborn(&run.dir);
    }
    trained
}

/// Trains from the run's last checkpoint, or from its beginning.
fn go_on<O: Objective>(
    run: &Run,
    recipe: &Recipe,
    images: &Arc<Images>,
    objective: &O,
    net: O::Net,
    device: &Device,
) -> anyhow::Result<State> {
    let Resumed {
        net,
        optimiser,
        average,
        state,
    } = checkpoint::load(&run.dir, net, recipe.optimiser.init())?;
    run.forget_from(state.evaluated)?;
    if state.epochs_done > 0 {
        eprintln!("going on after epoch {} of {}", state.epochs_done, recipe.epochs);
    }
    let stages = Stages::new(&recipe.stages, &recipe.optimiser, recipe.epochs, |epoch| {
        objective.batches(epoch).len()
    })?;
    let steps = |epochs| (0..epochs).map(|epoch| stages.steps(epoch)).sum();
    let bar = progress_bar(steps(recipe.epochs), steps(state.epochs_done));
    let training = Training {
        run,
        recipe,
        images,
        objective,
        device: device.clone().autodiff(),
        stages,
        bar,
        pool: rayon::ThreadPoolBuilder::new()
            .build()
            .context("cannot start the threads to evaluate on")?,
    };
    let average = Average::new(recipe.average, average, state.averaged);
    std::thread::scope(|scope| training.run(scope, net, optimiser, average, state))
}

/// What stays the same throughout a training.
struct Training<'a, O> {
    run: &'a Run,
    recipe: &'a Recipe,
    images: &'a Arc<Images>,
    objective: &'a O,
    device: Device,
    stages: Stages,
    bar: ProgressBar,
    /// Where evaluation computes, apart from the training.
    pool: rayon::ThreadPool,
}

/// A network that has been evaluated.
struct Judged<N> {
    net: N,
    figures: Figures,
    seconds: f64,
}

type Evaluation<'scope, N> = ScopedJoinHandle<'scope, anyhow::Result<Judged<N>>>;

impl<O: Objective> Training<'_, O> {
    fn run<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        mut net: O::Net,
        mut optimiser: ModuleOptimizer,
        mut average: Average<O::Net>,
        mut state: State,
    ) -> anyhow::Result<State> {
        // A run that was interrupted may have trained an epoch that nobody has looked at.
        let mut evaluation = state
            .pending
            .clone()
            .map(|_| self.evaluate(scope, average.to_evaluate(&net), state.evaluated));
        for epoch in state.epochs_done..self.recipe.epochs {
            if state.stopped {
                break;
            }
            if epoch == state.epochs_done || self.stages.begins(epoch) {
                net = self.stages.freeze(net, epoch)?;
            }
            let facts = self.epoch(epoch, &mut net, &mut optimiser, &mut average)?;
            average.after_epoch(&net, epoch);
            if let Some(evaluation) = evaluation.take() {
                self.record(evaluation, &mut state)?;
            }
            evaluation = Some(self.evaluate(scope, average.to_evaluate(&net), epoch));
            state.epochs_done = epoch + 1;
            state.averaged = average.count();
            state.pending = Some(facts);
            checkpoint::save(&self.run.dir, &net, &optimiser, average.net(), &state)?;
        }
        if let Some(evaluation) = evaluation.take() {
            self.record(evaluation, &mut state)?;
            checkpoint::save_state(&self.run.dir, &state)?;
        }
        self.bar.finish_and_clear();
        Ok(state)
    }

    /// Trains one epoch; what is known of it.
    fn epoch(
        &self,
        epoch: usize,
        net: &mut O::Net,
        optimiser: &mut ModuleOptimizer,
        average: &mut Average<O::Net>,
    ) -> anyhow::Result<serde_json::Value> {
        let begun = Instant::now();
        let mut said = begun;
        let accumulate = self.recipe.optimiser.accumulate;
        let mut gradients = GradientsAccumulator::new();
        let batches = self.objective.batches(epoch);
        let steps = batches.len();
        let (mut total, mut seen) = (0.0, 0);
        for (step, batch) in self.load(batches, epoch).enumerate() {
            let batch = batch?;
            let rows = batch.rows.len();
            let loss = self.loss(net, batch, epoch, step)?;
            let value: f32 = loss.clone().into_scalar();
            anyhow::ensure!(value.is_finite(), not_finite(value, epoch, step));
            // The last step of an epoch may have fewer passes.
            let passes = accumulate.min(steps - step / accumulate * accumulate);
            let scaled = if passes > 1 { loss / passes as f64 } else { loss };
            gradients.accumulate(net, GradientsParams::from_grads(scaled.backward(), net));
            if (step + 1) % accumulate == 0 || step + 1 == steps {
                *net = optimiser.step(self.stages.rate(epoch, step), net.clone(), gradients.grads());
                average.after_step(net);
            }
            total += f64::from(value) * rows as f64;
            seen += rows;
            self.bar.inc(1);
            if self.bar.is_hidden() && said.elapsed() >= SAY_EVERY {
                said = Instant::now();
                eprintln!(
                    "epoch {:>3}/{}  step {}/{steps}  loss {value:.4}",
                    epoch + 1,
                    self.recipe.epochs,
                    step + 1
                );
            }
        }
        let seconds = begun.elapsed().as_secs_f64();
        Ok(json!({
            "epoch": epoch, "train_loss": total / seen.max(1) as f64, "rate": self.stages.rate(epoch, 0),
            "train_seconds": seconds, "images_per_second": seen as f64 / seconds,
        }))
    }

    fn load(&self, batches: Vec<Vec<usize>>, epoch: usize) -> Loader {
        let plan = Plan {
            batches,
            seed: self.recipe.seed,
            epoch,
        };
        let source = Source {
            images: Arc::clone(self.images),
            spec: self.recipe.input.clone(),
            augment: Some(self.recipe.augment),
            recolour: self.objective.recolouring(),
            maps: self.objective.maps(),
            pool: None,
        };
        Loader::open(source, plan)
    }

    fn loss(&self, net: &O::Net, batch: Batch, epoch: usize, index: usize) -> anyhow::Result<Tensor<1>> {
        let shape = [batch.rows.len(), 3, self.recipe.input.height, self.recipe.input.width];
        let images = Tensor::from_data(TensorData::new(batch.pixels, shape), &self.device);
        self.objective.loss(
            net,
            images,
            &Step {
                rows: &batch.rows,
                epoch,
                index,
                maps: &batch.maps,
            },
        )
    }

    /// Starts evaluating the network after an epoch.
    fn evaluate<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        (net, batches): (O::Net, usize),
        epoch: usize,
    ) -> Evaluation<'scope, O::Net> {
        scope.spawn(move || {
            self.pool.install(|| {
                let begun = Instant::now();
                let net = if batches > 0 {
                    self.reestimate(net, batches, epoch)?
                } else {
                    net
                };
                let figures = self.objective.evaluate(&net, epoch)?;
                Ok(Judged {
                    net,
                    figures,
                    seconds: begun.elapsed().as_secs_f64(),
                })
            })
        })
    }

    fn reestimate(&self, net: O::Net, batches: usize, epoch: usize) -> anyhow::Result<O::Net> {
        let mut plan = self.objective.batches(epoch);
        plan.truncate(batches);
        let loaded: Vec<Batch> = self.load(plan, epoch).collect::<anyhow::Result<_>>()?;
        anyhow::ensure!(
            !loaded.is_empty(),
            "there is no batch to estimate batch norm's statistics from"
        );
        // An average that a checkpoint brought does not know what is frozen.
        let net = self.stages.freeze(net, epoch)?;
        average::reestimate(net, loaded.len(), |net, index| {
            self.loss(net, loaded[index].clone(), epoch, index).map(drop)
        })
    }

    /// Waits for an evaluation and writes down what it found.
    fn record(&self, evaluation: Evaluation<'_, O::Net>, state: &mut State) -> anyhow::Result<()> {
        let judged = evaluation
            .join()
            .map_err(|_| anyhow::anyhow!("the evaluation of an epoch panicked"))??;
        let Judged {
            net,
            figures: Figures { score, figures },
            seconds,
        } = judged;
        let epoch = state.evaluated;
        anyhow::ensure!(
            score.is_finite(),
            "the score of epoch {epoch} is {score}, so no epoch can be chosen; the training diverged, or the photos that \
             choose the epoch show nothing to measure\nhint: lower optimiser.rate, or look at the split 'val'"
        );
        if state.best.is_none_or(|(best, _)| score > best) {
            state.best = Some((score, epoch));
            let weights = self.objective.weights(&net).with_context(|| {
                format!("the weights of epoch {epoch} cannot be used; lower optimiser.rate or set optimiser.clip")
            })?;
            atomic::write(&self.run.dir.join(BEST), &weights)?;
        }
        let since_best = state.best.map_or(0, |(_, best)| epoch - best);
        state.stopped = self.recipe.patience > 0 && since_best >= self.recipe.patience;
        state.evaluated = epoch + 1;
        let mut line = state.pending.take().unwrap_or_else(|| json!({ "epoch": epoch }));
        let train_seconds = line["train_seconds"].as_f64().unwrap_or(0.0);
        line["score"] = json!(score);
        line["figures"] = json!(figures);
        line["evaluate_seconds"] = json!(seconds);
        line["seconds"] = json!(train_seconds + seconds);
        self.run.log(&line)?;
        let shown: Vec<String> = figures
            .iter()
            .map(|(name, value)| format!("{name} {value:.4}"))
            .collect();
        self.bar.suspend(|| {
            eprintln!(
                "epoch {:>3}/{}  loss {:.4}  {}  {:.0} images/s",
                epoch + 1,
                self.recipe.epochs,
                line["train_loss"].as_f64().unwrap_or(f64::NAN),
                shown.join("  "),
                line["images_per_second"].as_f64().unwrap_or(f64::NAN)
            );
            if state.stopped {
                eprintln!("no better score for {since_best} epochs: stopping early (patience = {since_best})");
            }
        });
        Ok(())
    }
}

/// The message for a loss that is no number; before the first step no learning rate is to blame.
fn not_finite(loss: f32, epoch: usize, step: usize) -> String {
    let cause = if epoch == 0 && step == 0 {
        "before anything was learnt; the weights of --init, [input] or the loss's own numbers are at fault"
    } else {
        "lower optimiser.rate or set optimiser.clip"
    };
    format!("the loss is {loss} in epoch {epoch}, step {step}: {cause}")
}

fn progress_bar(total: usize, done: usize) -> ProgressBar {
    let bar = ProgressBar::new(total as u64).with_position(done as u64);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} step {pos}/{len}  {elapsed} elapsed, {eta} left") {
        bar.set_style(style);
    }
    bar.reset_eta();
    bar
}
