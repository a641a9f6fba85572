//! Training embeddings: identity softmax per part, over batches of P identities × K photos that always pair a user's
//! photo with a shop's.

use super::engine::{Figures, Objective, Step};
use super::loss::{contrast, cross_entropy};
use super::recipe::{Recipe, RetrievalRecipe};
use crate::data::{Dataset, Images};
use crate::evaluate::forward::forward_all;
use crate::evaluate::retrieval::{mean_ap_at_10, rank, recall_at};
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Int, Tensor, TensorData};
use rand::SeedableRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand_chacha::ChaCha8Rng;
use shared::model::RetrievalNet;
use shared::model::retrieval::unit_norm;
use shared::weights::{Precision, save};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// One product's photos.
#[derive(Debug, Default, Clone)]
struct Identity {
    user: Vec<usize>,
    shop: Vec<usize>,
}

/// Rows by identity: which train and which choose the epoch.
#[derive(Debug)]
pub struct Identities {
    /// The pictures.
    pub images: Arc<Images>,
    train: Vec<Identity>,
    class: HashMap<usize, usize>,
    tune: Vec<usize>,
}

impl Identities {
    /// Splits a dataset as the recipe says; items without both a user's and a shop's photo are left out of training.
    ///
    /// # Errors
    /// If a split is empty, or holds too few identities for one batch.
    pub fn new(dataset: Dataset, recipe: &Recipe, task: &RetrievalRecipe) -> anyhow::Result<Self> {
        let rows = dataset.split("train", |row| !row.item_id.is_empty(), " with an item_id")?;
        let (tune, rows) = if recipe.data.holdout > 0.0 {
            dataset.hold_out(&rows, recipe.data.holdout, recipe.seed)
        } else {
            (dataset.split("val", |row| !row.item_id.is_empty(), " with an item_id")?, rows)
        };
        let mut by_item: BTreeMap<&str, Identity> = BTreeMap::new();
        for &row in &rows {
            let identity = by_item.entry(dataset.rows[row].item_id.as_str()).or_default();
            if dataset.rows[row].is_shop() { identity.shop.push(row) } else { identity.user.push(row) }
        }
        let train: Vec<Identity> =
            by_item.into_values().filter(|id| !id.user.is_empty() && !id.shop.is_empty()).collect();
        anyhow::ensure!(
            train.len() >= task.identities,
            "{} has {} items with both a shop's and a user's photo to train on, and a batch takes {}; lower task.identities",
            dataset.dir.display(),
            train.len(),
            task.identities
        );
        let class = train
            .iter()
            .enumerate()
            .flat_map(|(class, id)| id.user.iter().chain(&id.shop).map(move |row| (*row, class)))
            .collect();
        Ok(Self { images: Arc::new(Images::new(Arc::new(dataset))), train, class, tune })
    }

    /// Images to learn from.
    pub fn n_train(&self) -> usize {
        self.class.len()
    }

    /// Images to choose by.
    pub fn n_tune(&self) -> usize {
        self.tune.len()
    }

    /// Number of identities to tell apart.
    pub fn n_classes(&self) -> usize {
        self.train.len()
    }
}

/// The network with what exists for training only: an identity softmax for every part.
#[derive(Module, Debug)]
pub struct RetrievalTrainee {
    net: RetrievalNet,
    classifiers: Vec<Linear>,
}

impl RetrievalTrainee {
    /// `net` with identity softmaxes of random weights.
    pub fn new(net: RetrievalNet, task: &RetrievalRecipe, n_classes: usize) -> Self {
        let device = net.devices().into_iter().next().unwrap_or_default();
        let classifier = LinearConfig::new(task.model.part_dim, n_classes).with_bias(task.scale == 0.0);
        Self { net, classifiers: (0..task.model.n_parts()).map(|_| classifier.init(&device)).collect() }
    }
}

/// Identity softmax per part, and contrast between the two photos.
#[derive(Debug)]
pub struct RetrievalObjective<'a> {
    /// The data.
    pub data: &'a Identities,
    /// The recipe.
    pub recipe: &'a Recipe,
    /// Its task.
    pub task: &'a RetrievalRecipe,
    /// Where evaluation computes.
    pub device: &'a Device,
}

impl Objective for RetrievalObjective<'_> {
    type Net = RetrievalTrainee;

    /// The first P rows are users' photos, the next P the same identities' shop photos, then further pairs.
    fn batches(&self, epoch: usize) -> Vec<Vec<usize>> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.recipe.seed);
        rng.set_stream(u64::MAX - epoch as u64);
        let mut order: Vec<usize> = (0..self.data.train.len()).collect();
        order.shuffle(&mut rng);
        order
            .chunks_exact(self.task.identities)
            .map(|identities| {
                (0..self.task.photos)
                    .flat_map(|photo| identities.iter().map(move |id| (photo, *id)))
                    .filter_map(|(photo, id)| {
                        let identity = &self.data.train[id];
                        let side = if photo % 2 == 0 { &identity.user } else { &identity.shop };
                        side.choose(&mut rng).copied()
                    })
                    .collect()
            })
            .collect()
    }

    fn loss(&self, trainee: &RetrievalTrainee, images: Tensor<4>, step: &Step<'_>) -> anyhow::Result<Tensor<1>> {
        let device = images.device();
        let classes: Vec<i32> = step.rows.iter().map(|row| self.data.class[row] as i32).collect();
        let classes = Tensor::<1, Int>::from_data(TensorData::new(classes, [step.rows.len()]), &device);
        let parts = trainee.net.forward_parts(images);
        let n_parts = parts.len() as f64;
        let mut loss = Tensor::<1>::zeros([1], &device);
        for (part, classifier) in parts.iter().zip(&trainee.classifiers) {
            let logits = if self.task.scale > 0.0 {
                // Columns of the weight are the identities' directions.
                let directions = unit_norm(classifier.weight.val().transpose()).transpose();
                unit_norm(part.clone()).matmul(directions) * self.task.scale
            } else {
                classifier.forward(part.clone())
            };
            loss = loss + cross_entropy(logits, classes.clone(), self.task.smoothing) / n_parts;
        }
        if self.task.contrast > 0.0 {
            let pairs = self.task.identities;
            let embedding = Tensor::cat(parts, 1);
            let users = embedding.clone().narrow(0, 0, pairs);
            let shops = embedding.narrow(0, pairs, pairs);
            loss = loss + contrast(users, shops, self.task.temperature) * self.task.contrast;
        }
        Ok(loss)
    }

    fn evaluate(&self, trainee: &RetrievalTrainee, _epoch: usize) -> anyhow::Result<Figures> {
        let dataset = self.data.images.dataset();
        let (shop, user): (Vec<usize>, Vec<usize>) =
            self.data.tune.iter().partition(|row| dataset.rows[**row].is_shop());
        let embed = |rows: &[usize]| {
            forward_all(&self.data.images, rows, &self.recipe.input, self.device, |x| trainee.net.forward(x))
        };
        let ranked =
            rank(&embed(&user)?, &embed(&shop)?, |q, g| dataset.rows[user[q]].item_id == dataset.rows[shop[g]].item_id);
        let all: Vec<usize> = (0..ranked.len()).collect();
        let score = mean_ap_at_10(&ranked, &all);
        let figures = [
            ("tune_mean_ap_at_10", score),
            ("tune_recall_at_1", recall_at(1, &ranked, &all)),
            ("tune_recall_at_10", recall_at(10, &ranked, &all)),
        ];
        Ok(Figures { score, figures: figures.into_iter().map(|(name, value)| (name.to_owned(), value)).collect() })
    }

    fn weights(&self, trainee: &RetrievalTrainee) -> anyhow::Result<Vec<u8>> {
        Ok(save(&trainee.net, Precision::F32)?)
    }
}
