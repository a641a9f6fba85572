//! Embeddings of items, trained on batches of P items × K photos that pair users' photos with shop photos.

mod identities;
mod rings;
#[cfg(test)]
mod tests;

use super::{Setup, Task};
use crate::checkpoint::State;
use crate::embedding_loss::{Identified, Remembered};
use crate::memory::Memory;
use crate::network::initialise;
use crate::objective::{Metrics, Objective, Step};
use crate::recipe::{FoldKind, LossInput, Recipe, RetrievalRecipe};
use anyhow::Context;
use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::{Device, Int, Tensor, TensorData};
use dataset::Dataset;
use dataset::run::Run;
use evaluation::inference::forward_all;
use evaluation::retrieval::{mean_ap_at_10, rank, recall_at};
use identities::Identities;
use shared::bundle::Manifest;
use shared::model::{Parts, RetrievalConfig, RetrievalNet};
use shared::weights::{Precision, save};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

impl Task for RetrievalRecipe {
    type Data = Identities;
    type Teacher = ();
    type Net = RetrievalWithClassifiers;
    type Objective<'a> = RetrievalObjective<'a>;
    type Config = RetrievalConfig;

    const FOLDS: FoldKind = FoldKind::Items;

    fn backbone(&self) -> &str {
        &self.model.backbone
    }

    fn check(&self, recipe: &Recipe) -> anyhow::Result<()> {
        anyhow::ensure!(
            self.model.joined.is_empty(),
            "networks are joined after each was trained by itself: leave task.model.joined out, and see `selvedge join`"
        );
        anyhow::ensure!(
            self.identities >= 2 && self.photos >= 2,
            "task.identities and task.photos must be at least 2"
        );
        let batch = self.identities * self.photos;
        anyhow::ensure!(
            recipe.optimiser.batch == batch,
            "a batch is task.identities × task.photos = {batch} images, and optimiser.batch says {}; make them agree",
            recipe.optimiser.batch
        );
        anyhow::ensure!(
            !self.losses.is_empty(),
            "task.losses is empty; name a loss, or leave the key out"
        );
        for (at, loss) in self.losses.iter().enumerate() {
            loss.check().with_context(|| format!("task.losses, entry {}", at + 1))?;
        }
        anyhow::ensure!(
            self.losses.iter().any(|loss| loss.weight() > 0.0),
            "every entry of task.losses has the weight 0, so nothing would be learnt; give one a positive weight"
        );
        anyhow::ensure!(
            self.memory == 0 || self.losses.iter().any(|loss| loss.compares() && loss.weight() > 0.0),
            "task.memory has negatives for triplet, supcon and contrast, and task.losses has none of them; set task.memory = 0"
        );
        Ok(())
    }

    fn data(&self, dataset: Dataset, recipe: &Recipe) -> anyhow::Result<Identities> {
        if let Some(remark) = rings::remark(&self.model, &recipe.input) {
            eprintln!("warning: {remark}");
        }
        Identities::new(dataset, recipe, self)
    }

    fn teacher(&self, _: &Identities, _: &Recipe, _: &[PathBuf], _: &Device) -> anyhow::Result<()> {
        Ok(())
    }

    fn objective<'a>(&'a self, setup: Setup<'a, Self>) -> anyhow::Result<RetrievalObjective<'a>> {
        Ok(RetrievalObjective {
            data: setup.data,
            recipe: setup.recipe,
            task: self,
            memory: Mutex::new(Memory::new(self.memory)),
            device: setup.device,
        })
    }

    fn network(
        &self,
        objective: &RetrievalObjective<'_>,
        init: Option<&Path>,
        device: &Device,
    ) -> anyhow::Result<RetrievalWithClassifiers> {
        let net = initialise(self.model.init(&device.clone().autodiff())?, init)?;
        Ok(RetrievalWithClassifiers::new(net, self, objective.data.n_identities()))
    }

    fn config(&self, _: &RetrievalObjective<'_>) -> RetrievalConfig {
        self.model.clone()
    }

    fn manifest(
        &self,
        manifest: Manifest,
        _: &RetrievalNet,
        _: &RetrievalObjective<'_>,
        state: &State,
        _: &Run,
    ) -> anyhow::Result<Manifest> {
        Ok(Manifest {
            embedding_dim: self.model.embedding_dim(),
            metrics: state.best_metric("tune_mean_ap_at_10"),
            ..manifest
        })
    }
}

/// Network in training, with the identity classifiers of its losses.
#[derive(Module, Debug)]
pub(crate) struct RetrievalWithClassifiers {
    net: RetrievalNet,
    /// Classifiers of each loss in the recipe's order; for each loss in the order of the parts.
    classifiers: Vec<Linear>,
}

impl RetrievalWithClassifiers {
    /// Adds identity classifiers with random weights to `net`.
    fn new(net: RetrievalNet, task: &RetrievalRecipe, n_classes: usize) -> Self {
        let device = net.devices().into_iter().next().unwrap_or_default();
        let model = &task.model;
        let classifiers = task.losses.iter().flat_map(|loss| {
            let (times, dim) = match loss.input() {
                LossInput::Parts => (model.n_parts(), model.part_dim),
                LossInput::Whole => (1, model.embedding_dim()),
            };
            let classifier = loss.classifier(dim, n_classes, model.neck);
            classifier
                .into_iter()
                .flat_map(move |classifier| std::iter::repeat_n(classifier, times))
        });
        Self {
            net,
            classifiers: classifiers.map(|classifier| classifier.init(&device)).collect(),
        }
    }
}

/// Weighted sum of the recipe's losses.
#[derive(Debug)]
pub(crate) struct RetrievalObjective<'a> {
    data: &'a Identities,
    recipe: &'a Recipe,
    task: &'a RetrievalRecipe,
    /// Compared vectors of shop photos of earlier batches, all parts concatenated.
    memory: Mutex<Memory>,
    /// Device of evaluation.
    device: &'a Device,
}

impl RetrievalObjective<'_> {
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the memory before a batch, or `None` if it is empty or not used yet, and adds the shop photos of the batch.
    /// `compared` has the vectors `[batch, part_dim]` of every part.
    fn remembered(&self, compared: &[Tensor<2>], step: &Step<'_>) -> Option<Remembered> {
        let whole = Tensor::cat(compared.to_vec(), 1);
        let ([_, dim], device) = (whole.dims(), whole.device());
        let mut memory = self.memory();
        let entries = memory.entries().len();
        let before = (entries > 0 && step.epoch >= self.task.memory_from).then(|| {
            let values: Vec<f32> = memory
                .entries()
                .flat_map(|(_, values)| values.iter().copied())
                .collect();
            let classes = memory.entries().map(|(row, _)| self.data.class[row] as i32).collect();
            Remembered {
                vectors: Tensor::from_data(TensorData::new(values, [entries, dim]), &device),
                classes: Tensor::from_data(TensorData::new::<i32, _>(classes, [entries]), &device),
            }
        });
        let values: Vec<f32> = whole.detach().into_data().iter::<f32>().collect();
        let rows = &self.data.images.dataset().rows;
        for (row, values) in step.rows.iter().zip(values.chunks_exact(dim)) {
            if rows[*row].is_shop() {
                memory.push(*row, values.to_vec());
            }
        }
        before
    }
}

impl Objective for RetrievalObjective<'_> {
    type Net = RetrievalWithClassifiers;

    fn loss(&self, net: &RetrievalWithClassifiers, images: Tensor<4>, step: &Step<'_>) -> anyhow::Result<Tensor<1>> {
        let device = images.device();
        let classes: Vec<i32> = step.rows.iter().map(|row| self.data.class[row] as i32).collect();
        let classes = Tensor::<1, Int>::from_data(TensorData::new(classes, [step.rows.len()]), &device);
        let Parts { compared, embedding } = net.net.forward_parts(images);
        let memory = if step.learns && self.task.memory > 0 {
            self.remembered(&compared, step)
        } else {
            None
        };
        let mut classifiers = net.classifiers.iter();
        let mut sum = Tensor::<1>::zeros([1], &device);
        for loss in &self.task.losses {
            let classifies = loss.classifier(1, 1, false).is_some();
            let parts = if classifies { &embedding } else { &compared };
            let inputs = match loss.input() {
                LossInput::Parts => parts.clone(),
                LossInput::Whole => vec![Tensor::cat(parts.clone(), 1)],
            };
            let n = inputs.len() as f64;
            let mut column = 0;
            for x in inputs {
                let [_, dim] = x.dims();
                let batch = Identified {
                    classes: classes.clone(),
                    block: self.task.identities,
                    memory: memory.as_ref().map(|memory| Remembered {
                        vectors: memory.vectors.clone().narrow(1, column, dim),
                        classes: memory.classes.clone(),
                    }),
                };
                column += dim;
                let classifier = if classifies { classifiers.next() } else { None };
                sum = sum + loss.compute(x, classifier, &batch)? / n * loss.weight();
            }
        }
        Ok(sum)
    }

    fn state(&self) -> Option<Vec<u8>> {
        (self.task.memory > 0).then(|| self.memory().to_bytes())
    }

    fn restore(&self, state: &[u8]) -> anyhow::Result<()> {
        self.memory().restore(state)
    }

    fn evaluate(&self, net: &RetrievalWithClassifiers, _epoch: usize) -> anyhow::Result<Metrics> {
        let dataset = self.data.images.dataset();
        let (shop, user): (Vec<usize>, Vec<usize>) =
            self.data.tune.iter().partition(|row| dataset.rows[**row].is_shop());
        let embed = |rows: &[usize]| {
            forward_all(&self.data.images, rows, &self.recipe.input, self.device, |x| {
                net.net.forward(x)
            })
        };
        let ranked = rank(&embed(&user)?, &embed(&shop)?, |q, g| {
            dataset.rows[user[q]].item_id == dataset.rows[shop[g]].item_id
        });
        let all: Vec<usize> = (0..ranked.len()).collect();
        let score = mean_ap_at_10(&ranked, &all);
        let metrics = [
            ("tune_mean_ap_at_10", score),
            ("tune_recall_at_1", recall_at(1, &ranked, &all)),
            ("tune_recall_at_10", recall_at(10, &ranked, &all)),
        ];
        Ok(Metrics::new(score, metrics))
    }

    fn weights(&self, net: &RetrievalWithClassifiers) -> anyhow::Result<Vec<u8>> {
        Ok(save(&net.net, Precision::F32)?)
    }
}
