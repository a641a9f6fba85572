//! Embeddings of items, trained on batches of P items × K photos that pair users' photos with shop photos.

#[cfg(test)]
mod tests;

use super::{Setup, Task};
use crate::batch::epoch_rng;
use crate::checkpoint::State;
use crate::embedding_loss::Identified;
use crate::network::initialise;
use crate::objective::{Metrics, Objective, Step, TrainingData};
use crate::recipe::{LossInput, Recipe, RetrievalRecipe};
use anyhow::Context;
use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::{Device, Int, Tensor, TensorData};
use dataset::run::Run;
use dataset::{Dataset, Images};
use evaluation::inference::forward_all;
use evaluation::retrieval::{mean_ap_at_10, rank, recall_at};
use rand::seq::{IndexedRandom, SliceRandom};
use shared::bundle::Manifest;
use shared::model::{Parts, RetrievalConfig, RetrievalNet};
use shared::weights::{Precision, save};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

impl Task for RetrievalRecipe {
    type Data = Identities;
    type Teacher = ();
    type Net = RetrievalWithClassifiers;
    type Objective<'a> = RetrievalObjective<'a>;
    type Config = RetrievalConfig;

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
        Ok(())
    }

    fn data(&self, dataset: Dataset, recipe: &Recipe) -> anyhow::Result<Identities> {
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

/// Photos of one item.
#[derive(Debug, Default, Clone)]
struct Identity {
    user: Vec<usize>,
    shop: Vec<usize>,
}

/// Training rows by identity, and tuning rows.
#[derive(Debug)]
pub(crate) struct Identities {
    images: Arc<Images>,
    train: Vec<Identity>,
    /// Number of the identity of every training row.
    class: HashMap<usize, usize>,
    tune: Vec<usize>,
    /// Identities per batch.
    per_batch: usize,
    /// Photos per identity in a batch.
    photos: usize,
}

impl Identities {
    /// Divides a dataset as the recipe says. Items without both a user's and a shop's photo are left out of training.
    ///
    /// # Errors
    /// If a split is empty, or has too few identities for one batch.
    fn new(dataset: Dataset, recipe: &Recipe, task: &RetrievalRecipe) -> anyhow::Result<Self> {
        let rows = dataset.split("train", |row| !row.item_id.is_empty(), " with an item_id")?;
        let (tune, rows) = if recipe.data.holdout > 0.0 {
            dataset.hold_out(&rows, recipe.data.holdout, recipe.seed)
        } else {
            (
                dataset.split("val", |row| !row.item_id.is_empty(), " with an item_id")?,
                rows,
            )
        };
        let has = |shop: bool| tune.iter().any(|row| dataset.rows[*row].is_shop() == shop);
        anyhow::ensure!(
            has(true) && has(false),
            "the photos of {} that choose the epoch lack shop photos (domain 'shop') or others to search with, so every \
             epoch would score 0\nhint: set data.holdout to a share of the training items, such as 0.1",
            dataset.dir.display()
        );
        let train = pairable(&dataset, &rows);
        anyhow::ensure!(
            train.len() >= task.identities,
            "{} has {} items with both a shop's and a user's photo to train on, and a batch takes {}; lower task.identities",
            dataset.dir.display(),
            train.len(),
            task.identities
        );
        let left_out = train.len() % task.identities;
        if left_out > 0 {
            eprintln!(
                "an epoch shows {} of {} items in batches of {}; every epoch leaves out other {left_out}",
                train.len() - left_out,
                train.len(),
                task.identities
            );
        }
        let class = train
            .iter()
            .enumerate()
            .flat_map(|(class, id)| id.user.iter().chain(&id.shop).map(move |row| (*row, class)))
            .collect();
        let images = Arc::new(Images::new(Arc::new(dataset)).with_margin_of(&recipe.input));
        Ok(Self {
            images,
            train,
            class,
            tune,
            per_batch: task.identities,
            photos: task.photos,
        })
    }

    /// Number of training identities.
    fn n_identities(&self) -> usize {
        self.train.len()
    }
}

/// Groups rows by item, and leaves out items that lack a user's or a shop's photo.
fn pairable(dataset: &Dataset, rows: &[usize]) -> Vec<Identity> {
    let mut by_item: BTreeMap<&str, Identity> = BTreeMap::new();
    for &row in rows {
        let identity = by_item.entry(dataset.rows[row].item_id.as_str()).or_default();
        if dataset.rows[row].is_shop() {
            identity.shop.push(row);
        } else {
            identity.user.push(row);
        }
    }
    let items = by_item.len();
    let pairable: Vec<Identity> = by_item
        .into_values()
        .filter(|id| !id.user.is_empty() && !id.shop.is_empty())
        .collect();
    if pairable.len() < items {
        eprintln!(
            "{} of {items} items have no shop photo or no user's photo to pair, and are left out of training",
            items - pairable.len()
        );
    }
    pairable
}

impl TrainingData for Identities {
    fn images(&self) -> &Arc<Images> {
        &self.images
    }

    fn n_train(&self) -> usize {
        self.class.len()
    }

    fn n_tune(&self) -> usize {
        self.tune.len()
    }

    /// The first P rows are users' photos, the next P the same identities' shop photos, and so on. A photo repeats within a
    /// batch only if its identity has no other of its side. An epoch leaves out identities that do not fill a batch.
    fn batches(&self, recipe: &Recipe, epoch: usize) -> Vec<Vec<usize>> {
        let mut rng = epoch_rng(recipe.seed, epoch);
        let mut order: Vec<usize> = (0..self.train.len()).collect();
        order.shuffle(&mut rng);
        let batch = |identities: &[usize]| {
            // Photos that the batch has not shown yet.
            let mut left: Vec<Identity> = vec![Identity::default(); identities.len()];
            let mut rows = Vec::with_capacity(self.photos * identities.len());
            for photo in 0..self.photos {
                for (id, left) in identities.iter().zip(&mut left) {
                    let identity = &self.train[*id];
                    let (all, left) = if photo % 2 == 0 {
                        (&identity.user, &mut left.user)
                    } else {
                        (&identity.shop, &mut left.shop)
                    };
                    if left.is_empty() {
                        left.clone_from(all);
                    }
                    let row = left.choose(&mut rng).copied();
                    left.retain(|other| Some(*other) != row);
                    rows.extend(row);
                }
            }
            rows
        };
        order.chunks_exact(self.per_batch).map(batch).collect()
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
    /// Device of evaluation.
    device: &'a Device,
}

impl Objective for RetrievalObjective<'_> {
    type Net = RetrievalWithClassifiers;

    fn loss(&self, net: &RetrievalWithClassifiers, images: Tensor<4>, step: &Step<'_>) -> anyhow::Result<Tensor<1>> {
        let device = images.device();
        let classes: Vec<i32> = step.rows.iter().map(|row| self.data.class[row] as i32).collect();
        let classes = Tensor::<1, Int>::from_data(TensorData::new(classes, [step.rows.len()]), &device);
        let batch = Identified {
            classes,
            block: self.task.identities,
        };
        let Parts { compared, embedding } = net.net.forward_parts(images);
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
            for x in inputs {
                let classifier = if classifies { classifiers.next() } else { None };
                sum = sum + loss.compute(x, classifier, &batch)? / n * loss.weight();
            }
        }
        Ok(sum)
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
