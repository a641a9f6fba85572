//! Distillation of a query encoder into the space of a gallery (asymmetric metric learning, Budnik & Avrithis 2021,
//! <https://arxiv.org/abs/2006.16331>).
//!
//! The student learns the teacher's embedding of the same crop by regression. A contrast trains it to find its item among
//! the teacher's embeddings of all training shop photos, which are fixed.

mod loss;
mod teacher;
#[cfg(test)]
mod tests;
mod unlabelled;

use super::{Setup, Task};
use crate::batch::{batches, shuffled};
use crate::checkpoint::State;
use crate::network::initialise;
use crate::objective::{Metrics, Objective, Step, TrainingData};
use crate::recipe::{FoldKind, QueryRecipe, Recipe};
use crate::shares;
use crate::sources::Origin;
use crate::teacher::reduced;
use anyhow::Context;
use burn::tensor::{Device, Tensor, TensorData};
use dataset::run::Run;
use dataset::{Dataset, Images};
use evaluation::inference::forward_all;
use evaluation::retrieval::{mean_ap_at_10, rank, recall_at};
use loss::{context, cosines, gallery_contrast, order, part_regression, regression};
use shared::bundle::Manifest;
use shared::input::InputSpec;
use shared::model::block::unit_norm;
use shared::model::{QueryConfig, QueryNet};
use shared::weights::{Precision, save};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use teacher::QueryTeacher;

impl Task for QueryRecipe {
    type Data = QueryRows;
    type Teacher = QueryTeacher;
    type Net = QueryNet;
    type Objective<'a> = QueryObjective<'a>;
    type Config = QueryConfig;

    const NEEDS_TEACHER: bool = true;
    const FOLDS: FoldKind = FoldKind::Items;

    fn backbone(&self) -> &str {
        &self.backbone
    }

    fn check(&self, _: &Recipe) -> anyhow::Result<()> {
        let weights = [
            ("regression", self.regression),
            ("part_regression", self.part_regression),
            ("contrast", self.contrast),
            ("context", self.context),
            ("order", self.order),
        ];
        for (key, weight) in weights {
            anyhow::ensure!(
                weight.is_finite() && weight >= 0.0,
                "task.{key} must be 0 or a positive number"
            );
        }
        anyhow::ensure!(
            weights.iter().any(|(_, weight)| *weight > 0.0),
            "the weights of all terms are 0, so nothing would be learnt; give task.regression a positive weight"
        );
        anyhow::ensure!(
            self.parts || self.part_regression == 0.0,
            "task.part_regression compares parts; set task.parts = true"
        );
        anyhow::ensure!(self.neighbours >= 2, "task.neighbours must be at least 2");
        anyhow::ensure!(self.temperature > 0.0, "task.temperature must be positive");
        if let Some(share) = self.unlabelled_share {
            anyhow::ensure!(
                !self.unlabelled.is_empty(),
                "task.unlabelled_share divides an epoch between two kinds of photos; name the folders of one in task.unlabelled"
            );
            anyhow::ensure!(
                share > 0.0 && share < 1.0,
                "task.unlabelled_share must lie between 0 and 1"
            );
        }
        Ok(())
    }

    fn data(&self, dataset: Dataset, recipe: &Recipe) -> anyhow::Result<QueryRows> {
        QueryRows::new(dataset, recipe, self)
    }

    fn teacher(
        &self,
        _: &QueryRows,
        recipe: &Recipe,
        bundles: &[PathBuf],
        device: &Device,
    ) -> anyhow::Result<QueryTeacher> {
        QueryTeacher::read(bundles, recipe, self, device)
    }

    fn objective<'a>(&'a self, setup: Setup<'a, Self>) -> anyhow::Result<QueryObjective<'a>> {
        QueryObjective::new(setup, self)
    }

    fn network(
        &self,
        objective: &QueryObjective<'_>,
        init: Option<&Path>,
        device: &Device,
    ) -> anyhow::Result<QueryNet> {
        let net = objective.teacher.student.init(&device.clone().autodiff())?;
        initialise(net, init)
    }

    fn config(&self, objective: &QueryObjective<'_>) -> QueryConfig {
        objective.teacher.student.clone()
    }

    fn manifest(
        &self,
        manifest: Manifest,
        _: &QueryNet,
        objective: &QueryObjective<'_>,
        state: &State,
        _: &Run,
    ) -> anyhow::Result<Manifest> {
        Ok(Manifest {
            embedding_dim: objective.teacher.student.embedding_dim,
            embeds_into: Some(objective.teacher.manifest.space()),
            metrics: state.best_metric("tune_mean_ap_at_10"),
            ..manifest
        })
    }
}

/// Training rows, and tuning rows that choose the epoch.
#[derive(Debug)]
pub(crate) struct QueryRows {
    images: Arc<Images>,
    /// All training rows, because regression needs no identity. Those of `task.unlabelled` are the last ones.
    train: Vec<usize>,
    /// Rows of the dataset, and rows of `task.unlabelled`, with their shares of an epoch.
    origins: Vec<Origin>,
    /// Training rows that are shop photos of an item: the gallery of the contrast.
    gallery: Vec<usize>,
    /// Tuning rows of users: the queries of the evaluation.
    queries: Vec<usize>,
    /// Tuning rows of the shop: the gallery of the evaluation.
    tune_gallery: Vec<usize>,
}

impl QueryRows {
    /// Divides a dataset as the recipe says.
    ///
    /// # Errors
    /// If a split is empty, the tuning rows lack shop or user photos, a contrast has no gallery, or a dataset of
    /// `task.unlabelled` cannot be read.
    fn new(mut dataset: Dataset, recipe: &Recipe, task: &QueryRecipe) -> anyhow::Result<Self> {
        let named = |row: &usize| !dataset.rows[*row].item_id.is_empty();
        let rows = dataset.split("train", |_| true, "")?;
        let (tune, mut train) = recipe.data.divide_items(&dataset, rows, recipe.seed)?;
        let is_shop = |row: &usize| dataset.rows[*row].is_shop();
        let (tune_gallery, queries): (Vec<usize>, Vec<usize>) = tune.into_iter().filter(named).partition(is_shop);
        let gallery: Vec<usize> = train.iter().copied().filter(is_shop).filter(named).collect();
        let dir = dataset.dir.display();
        anyhow::ensure!(
            !tune_gallery.is_empty() && !queries.is_empty(),
            "the rows of {dir} that choose the epoch need both shop photos (domain 'shop') and others to search with"
        );
        anyhow::ensure!(
            !task.needs_gallery() || !gallery.is_empty(),
            "no training row of {dir} is a shop photo with an item_id, and the terms contrast, context and order need them; set them to 0"
        );
        let labelled = dataset.rows.len();
        if !task.unlabelled.is_empty() {
            train.extend(unlabelled::append_all(&mut dataset, recipe, task)?);
        }
        let origin = |rows, share| Origin { rows, share };
        let origins = vec![
            origin(0..labelled, None),
            origin(labelled..dataset.rows.len(), task.unlabelled_share),
        ];
        Ok(Self {
            images: Arc::new(Images::new(Arc::new(dataset)).with_margin_of(&recipe.input)),
            train,
            origins,
            gallery,
            queries,
            tune_gallery,
        })
    }
}

impl TrainingData for QueryRows {
    fn images(&self) -> &Arc<Images> {
        &self.images
    }

    fn n_train(&self) -> usize {
        self.train.len()
    }

    fn n_tune(&self) -> usize {
        self.queries.len() + self.tune_gallery.len()
    }

    fn batches(&self, recipe: &Recipe, epoch: usize) -> Vec<Vec<usize>> {
        let rows = shuffled(&self.train, recipe.seed, epoch);
        let rows = shares::mix(rows, &self.origins, recipe.seed, epoch);
        batches(&rows, recipe.optimiser.batch)
    }
}

/// Regression to the teacher's embeddings, and contrast with its fixed gallery.
pub(crate) struct QueryObjective<'a> {
    data: &'a QueryRows,
    recipe: &'a Recipe,
    task: &'a QueryRecipe,
    teacher: &'a QueryTeacher,
    /// Device of teacher and evaluation, without autodiff.
    device: &'a Device,
    /// The teacher's embeddings of the training shop photos, `[photos, dim]`.
    gallery: Tensor<2>,
    /// For every training row the photos of its item in the gallery.
    positives: HashMap<usize, Vec<usize>>,
    /// The teacher's embeddings of the tuning rows.
    targets: TuneTargets,
}

/// The teacher's embeddings of the tuning rows, one vector per row, and its metric.
struct TuneTargets {
    queries: Vec<Vec<f32>>,
    gallery: Vec<Vec<f32>>,
    mean_ap_at_10: f64,
}

impl<'a> QueryObjective<'a> {
    /// Embeds the gallery and the tuning rows with the teacher, without augmentation.
    ///
    /// # Errors
    /// If an image cannot be read.
    fn new(setup: Setup<'a, QueryRecipe>, task: &'a QueryRecipe) -> anyhow::Result<Self> {
        let Setup {
            data,
            teacher,
            recipe,
            device,
            ..
        } = setup;
        let embed = |rows: &[usize]| {
            forward_all(&data.images, rows, &teacher.manifest.input, device, |x| {
                teacher.net.forward(x)
            })
            .context("the teacher's embeddings")
        };
        let rows = if task.needs_gallery() { &data.gallery[..] } else { &[] };
        let embeddings = embed(rows)?;
        let dim = embeddings.first().map_or(0, Vec::len);
        let gallery = Tensor::from_data(TensorData::new(embeddings.concat(), [embeddings.len(), dim]), device);
        let table = &data.images.dataset().rows;
        let mut by_item: HashMap<&str, Vec<usize>> = HashMap::new();
        for (at, row) in rows.iter().enumerate() {
            by_item.entry(&table[*row].item_id).or_default().push(at);
        }
        let positives = data
            .train
            .iter()
            .filter_map(|row| Some((*row, by_item.get(&*table[*row].item_id)?.clone())));
        let positives = positives.collect();
        let (queries, tune_gallery) = (embed(&data.queries)?, embed(&data.tune_gallery)?);
        let [mean_ap_at_10, ..] = search(data, &queries, &tune_gallery);
        let targets = TuneTargets {
            queries,
            gallery: tune_gallery,
            mean_ap_at_10,
        };
        Ok(Self {
            data,
            recipe,
            task,
            teacher,
            device,
            gallery,
            positives,
            targets,
        })
    }

    /// Returns `[rows, photos]`: equal shares of each row in the photos of its item, or zeros if its item has none.
    fn shares(&self, rows: &[usize], device: &Device) -> Tensor<2> {
        let [photos, _] = self.gallery.dims();
        let mut shares = vec![0.0_f32; rows.len() * photos];
        for (line, row) in shares.chunks_exact_mut(photos).zip(rows) {
            let positives = self.positives.get(row).map_or(&[][..], Vec::as_slice);
            positives.iter().for_each(|at| line[*at] = 1.0 / positives.len() as f32);
        }
        Tensor::from_data(TensorData::new(shares, [rows.len(), photos]), device)
    }
}

/// Returns mAP@10, recall@1 and recall@10 of the tuning queries.
fn search(data: &QueryRows, queries: &[Vec<f32>], gallery: &[Vec<f32>]) -> [f64; 3] {
    let table = &data.images.dataset().rows;
    let ranked = rank(queries, gallery, |q, g| {
        table[data.queries[q]].item_id == table[data.tune_gallery[g]].item_id
    });
    let all: Vec<usize> = (0..ranked.len()).collect();
    [
        mean_ap_at_10(&ranked, &all),
        recall_at(1, &ranked, &all),
        recall_at(10, &ranked, &all),
    ]
}

impl Objective for QueryObjective<'_> {
    type Net = QueryNet;

    fn rendered(&self) -> Option<&InputSpec> {
        Some(&self.teacher.rendered)
    }

    fn loss(&self, net: &QueryNet, images: Tensor<4>, step: &Step<'_>) -> anyhow::Result<Tensor<1>> {
        let device = images.device();
        let constant = |tensor: Tensor<2>| Tensor::from_inner(tensor).to_device(&device);
        let seen = self
            .teacher
            .renormalise(images.clone().without_autodiff(), &self.recipe.input);
        let (joined, target) = self.teacher.net.forward_joined(seen);
        let (joined, target) = (constant(joined), constant(target));
        let (parts, embedding) = net.forward_parts(reduced(images, &self.recipe.input));
        let task = self.task;
        let mut loss = regression(embedding.clone(), target.clone()) * task.regression;
        if task.part_regression > 0.0 {
            loss = loss + part_regression(&parts, &joined) * task.part_regression;
        }
        if task.needs_gallery() {
            let gallery = constant(self.gallery.clone());
            let student = cosines(embedding, gallery.clone());
            if task.contrast > 0.0 {
                let shares = self.shares(step.rows, &device);
                loss = loss + gallery_contrast(student.clone(), shares, task.temperature) * task.contrast;
            }
            if task.context > 0.0 || task.order > 0.0 {
                let teacher = cosines(target, gallery);
                if task.context > 0.0 {
                    loss = loss + context(student.clone(), teacher.clone(), task.temperature) * task.context;
                }
                if task.order > 0.0 {
                    loss = loss + order(student, teacher, task.neighbours, task.temperature) * task.order;
                }
            }
        }
        Ok(loss)
    }

    /// The score measures the student's queries in the teacher's gallery, as the encoder is used.
    fn evaluate(&self, net: &QueryNet, _epoch: usize) -> anyhow::Result<Metrics> {
        let data = self.data;
        let forward = |x| unit_norm(net.forward(x));
        let queries = forward_all(&data.images, &data.queries, &self.recipe.input, self.device, forward)?;
        let [score, recall_at_1, recall_at_10] = search(data, &queries, &self.targets.gallery);
        let cosines = queries.iter().zip(&self.targets.queries);
        let cosines = cosines.map(|(own, target)| own.iter().zip(target).map(|(a, b)| f64::from(a * b)).sum::<f64>());
        let metrics = [
            ("tune_mean_ap_at_10", score),
            ("tune_recall_at_1", recall_at_1),
            ("tune_recall_at_10", recall_at_10),
            ("tune_cosine_to_teacher", cosines.sum::<f64>() / queries.len() as f64),
            ("tune_teacher_mean_ap_at_10", self.targets.mean_ap_at_10),
        ];
        Ok(Metrics::new(score, metrics))
    }

    fn weights(&self, net: &QueryNet) -> anyhow::Result<Vec<u8>> {
        Ok(save(net, Precision::F32)?)
    }
}
