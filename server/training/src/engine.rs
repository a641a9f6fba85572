//! The training loop of every task: batches, steps, evaluation, checkpoints.

use crate::average::{self, Average};
use crate::checkpoint::{self, Resumed, State};
use crate::objective::{Metrics, Objective, Step, TrainingData};
use crate::optimiser::Optimiser;
use crate::progress::Progress;
use crate::recipe::Recipe;
use crate::stage::Stages;
use anyhow::Context;
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::{Device, Tensor, TensorData};
use dataset::atomic;
use dataset::run::{BEST, Run, remove_unborn};
use dataset::{Batch, Loader, Plan, Source};
use serde_json::json;
use shared::input::InputSpec;
use std::sync::Arc;
use std::thread::{Scope, ScopedJoinHandle};
use std::time::Instant;

/// Trains for the recipe's epochs, or until the score stops rising. `best.safetensors` has the best epoch's weights.
///
/// Evaluation runs on a thread of its own, on a copy of the weights, while the next epoch trains. A training that fails
/// before its first checkpoint removes its run.
///
/// # Errors
/// If an image cannot be read, a file cannot be written, or the loss is not finite.
pub(crate) fn fit<D: TrainingData, O: Objective>(
    run: &Run,
    recipe: &Recipe,
    data: &D,
    objective: &O,
    net: O::Net,
    device: &Device,
) -> anyhow::Result<State> {
    let trained = resume(run, recipe, data, objective, net, device);
    if trained.is_err() && !checkpoint::exists(&run.dir) {
        // The folder would block the next attempt. The training's error matters more than one of removing it.
        let _ = remove_unborn(&run.dir);
    }
    trained
}

/// Trains from the run's last checkpoint, or from the beginning if there is none.
fn resume<D: TrainingData, O: Objective>(
    run: &Run,
    recipe: &Recipe,
    data: &D,
    objective: &O,
    net: O::Net,
    device: &Device,
) -> anyhow::Result<State> {
    let Resumed {
        net,
        optimiser,
        average,
        state,
    } = checkpoint::load(&run.dir, net, |net| Optimiser::new(&recipe.optimiser, net))?;
    if let Some(extra) = checkpoint::load_extra(&run.dir, state.epochs_done)? {
        objective.restore(&extra)?;
    }
    run.forget_from(state.evaluated)?;
    if state.epochs_done > 0 {
        eprintln!("resuming after epoch {} of {}", state.epochs_done, recipe.epochs);
    }
    let stages = Stages::new(&recipe.stages, &recipe.optimiser, recipe.epochs, |epoch| {
        data.batches(recipe, epoch).len()
    });
    let steps = |epochs| (0..epochs).map(|epoch| stages.steps(epoch)).sum();
    let progress = Progress::new(recipe.epochs, steps(recipe.epochs), steps(state.epochs_done));
    let training = Training {
        run,
        recipe,
        data,
        objective,
        device: device.clone().autodiff(),
        stages,
        progress,
        pool: rayon::ThreadPoolBuilder::new()
            .build()
            .context("cannot start the threads to evaluate on")?,
    };
    let average = Average::new(recipe.average, average, state.averaged);
    std::thread::scope(|scope| training.run(scope, net, optimiser, average, state))
}

/// Constant context of a training.
struct Training<'a, D, O> {
    run: &'a Run,
    recipe: &'a Recipe,
    data: &'a D,
    objective: &'a O,
    /// Device of the training, with autodiff.
    device: Device,
    stages: Stages,
    progress: Progress,
    /// Threads of evaluation, separate from those of the training.
    pool: rayon::ThreadPool,
}

/// A network with its metrics.
struct Evaluated<N> {
    net: N,
    metrics: Metrics,
    seconds: f64,
}

type Evaluation<'scope, N> = ScopedJoinHandle<'scope, anyhow::Result<Evaluated<N>>>;

impl<D: TrainingData, O: Objective> Training<'_, D, O> {
    fn run<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        mut net: O::Net,
        mut optimiser: Optimiser,
        mut average: Average<O::Net>,
        mut state: State,
    ) -> anyhow::Result<State> {
        // The last epoch of an interrupted run may not have been evaluated.
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
            let record = self.epoch(epoch, &mut net, &mut optimiser, &mut average)?;
            average.after_epoch(&net, epoch);
            if let Some(evaluation) = evaluation.take() {
                self.record(evaluation, &mut state)?;
            }
            evaluation = Some(self.evaluate(scope, average.to_evaluate(&net), epoch));
            state.epochs_done = epoch + 1;
            state.averaged = average.count();
            state.pending = Some(record);
            if let Some(extra) = self.objective.state() {
                checkpoint::save_extra(&self.run.dir, state.epochs_done, &extra)?;
            }
            checkpoint::save(&self.run.dir, &net, &optimiser, average.net(), &state)?;
        }
        if let Some(evaluation) = evaluation.take() {
            self.record(evaluation, &mut state)?;
            checkpoint::save_state(&self.run.dir, &state)?;
        }
        self.progress.finish();
        Ok(state)
    }

    /// Trains one epoch; returns its record for the log.
    fn epoch(
        &self,
        epoch: usize,
        net: &mut O::Net,
        optimiser: &mut Optimiser,
        average: &mut Average<O::Net>,
    ) -> anyhow::Result<serde_json::Value> {
        let begun = Instant::now();
        let accumulate = self.recipe.optimiser.accumulate;
        let mut gradients = GradientsAccumulator::new();
        let batches = self.data.batches(self.recipe, epoch);
        let steps = batches.len();
        let (mut total, mut seen) = (0.0, 0);
        for (step, batch) in self.load(batches, epoch).enumerate() {
            let batch = batch?;
            let rows = batch.rows.len();
            let loss = self.loss(net, batch, (epoch, step), true)?;
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
            self.progress.step(epoch, step + 1, steps, value);
        }
        let seconds = begun.elapsed().as_secs_f64();
        Ok(json!({
            "epoch": epoch, "train_loss": total / seen.max(1) as f64, "rate": self.stages.rate(epoch, 0),
            "train_seconds": seconds, "images_per_second": seen as f64 / seconds,
        }))
    }

    /// Input of the training images.
    fn rendered(&self) -> &InputSpec {
        self.objective.rendered().unwrap_or(&self.recipe.input)
    }

    fn load(&self, batches: Vec<Vec<usize>>, epoch: usize) -> Loader {
        let plan = Plan {
            batches,
            seed: self.recipe.seed,
            epoch,
        };
        let source = Source {
            images: Arc::clone(self.data.images()),
            spec: self.rendered().clone(),
            augment: Some(self.recipe.augment),
            recolour: self.objective.recolouring(),
            maps: self.objective.maps(),
            pool: None,
        };
        Loader::open(source, plan)
    }

    /// Computes the loss of a batch of an epoch. `learns` as in [`Step`].
    fn loss(
        &self,
        net: &O::Net,
        batch: Batch,
        (epoch, index): (usize, usize),
        learns: bool,
    ) -> anyhow::Result<Tensor<1>> {
        let InputSpec { width, height, .. } = *self.rendered();
        let shape = [batch.rows.len(), 3, height, width];
        let images = Tensor::from_data(TensorData::new(batch.pixels, shape), &self.device);
        self.objective.loss(
            net,
            images,
            &Step {
                rows: &batch.rows,
                epoch,
                index,
                maps: &batch.maps,
                learns,
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
                let metrics = self.objective.evaluate(&net, epoch)?;
                Ok(Evaluated {
                    net,
                    metrics,
                    seconds: begun.elapsed().as_secs_f64(),
                })
            })
        })
    }

    /// Estimates batch norm's statistics of an average from the first `batches` batches of an epoch.
    fn reestimate(&self, net: O::Net, batches: usize, epoch: usize) -> anyhow::Result<O::Net> {
        let mut plan = self.data.batches(self.recipe, epoch);
        plan.truncate(batches);
        let loaded: Vec<Batch> = self.load(plan, epoch).collect::<anyhow::Result<_>>()?;
        anyhow::ensure!(
            !loaded.is_empty(),
            "there is no batch to estimate batch norm's statistics from"
        );
        // The average of a checkpoint has no frozen parameters.
        let net = self.stages.freeze(net, epoch)?;
        average::reestimate(net, loaded.len(), |net, index| {
            self.loss(net, loaded[index].clone(), (epoch, index), false).map(drop)
        })
    }

    /// Waits for an evaluation, keeps the weights if they are the best, and logs the epoch.
    fn record(&self, evaluation: Evaluation<'_, O::Net>, state: &mut State) -> anyhow::Result<()> {
        let Evaluated {
            net,
            metrics: Metrics { score, metrics },
            seconds,
        } = evaluation
            .join()
            .map_err(|_| anyhow::anyhow!("the evaluation of an epoch panicked"))??;
        let epoch = state.evaluated;
        anyhow::ensure!(
            score.is_finite(),
            "the score of epoch {epoch} is {score}, so no epoch can be chosen; the training diverged, or the tuning \
             photos have nothing to measure\nhint: lower optimiser.rate, or look at the split 'val'"
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
        line["figures"] = json!(metrics);
        line["evaluate_seconds"] = json!(seconds);
        line["seconds"] = json!(train_seconds + seconds);
        self.run.log(&line)?;
        self.progress.epoch(epoch, &line, &metrics);
        if state.stopped {
            self.progress.stopped(since_best);
        }
        Ok(())
    }
}

/// Returns the message for a loss that is not finite. Before the first step the learning rate is not the cause.
fn not_finite(loss: f32, epoch: usize, step: usize) -> String {
    let cause = if epoch == 0 && step == 0 {
        "the network is untrained, so the cause is the weights of --init, [input], or the numbers of the loss"
    } else {
        "lower optimiser.rate or set optimiser.clip"
    };
    format!("the loss is {loss} in epoch {epoch}, step {step}: {cause}")
}
