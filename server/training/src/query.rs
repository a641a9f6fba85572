//! Distilling a query encoder into a gallery's space (asymmetric metric learning, Budnik & Avrithis 2021,
//! <https://arxiv.org/abs/2006.16331>): the student learns the teacher's embedding of the very crop it saw, by
//! regression, and to find its product among the teacher's embeddings of all training shop photos, which stay as they are.

use super::batch::batches;
use super::distill::check_input;
use super::engine::{Figures, Objective, Step};
use super::recipe::{QueryRecipe, Recipe};
use anyhow::Context;
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Tensor, TensorData};
use dataset::bundle;
use dataset::{Dataset, Images};
use evaluation::forward::forward_all;
use evaluation::retrieval::{mean_ap_at_10, rank, recall_at};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use shared::bundle::{Manifest, Weights};
use shared::input::InputSpec;
use shared::model::retrieval::unit_norm;
use shared::model::{QueryConfig, RetrievalNet, StyleNet};
use shared::weights::{Precision, save};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

/// Rows to distil on and rows to choose by.
#[derive(Debug)]
pub struct QueryRows {
    /// The pictures.
    pub images: Arc<Images>,
    /// All training rows: regression needs no identity.
    pub train: Vec<usize>,
    /// The training rows that are shop photos of an item: the frozen gallery.
    gallery: Vec<usize>,
    /// Tuning rows of users, which search.
    queries: Vec<usize>,
    /// Tuning rows of the shop, which are searched.
    shelf: Vec<usize>,
}

impl QueryRows {
    /// Splits a dataset as the recipe says.
    ///
    /// # Errors
    /// If a split is empty, the tuning rows lack shop or user photos, or a contrast has no gallery.
    pub fn new(dataset: Dataset, recipe: &Recipe, task: &QueryRecipe) -> anyhow::Result<Self> {
        let named = |row: &usize| !dataset.rows[*row].item_id.is_empty();
        let rows = dataset.split("train", |_| true, "")?;
        let (tune, train) = if recipe.data.holdout > 0.0 {
            dataset.hold_out(&rows, recipe.data.holdout, recipe.seed)
        } else {
            (
                dataset.split("val", |row| !row.item_id.is_empty(), " with an item_id")?,
                rows,
            )
        };
        let is_shop = |row: &usize| dataset.rows[*row].is_shop();
        let (shelf, queries): (Vec<usize>, Vec<usize>) = tune.into_iter().filter(named).partition(is_shop);
        let gallery: Vec<usize> = train.iter().copied().filter(is_shop).filter(named).collect();
        let dir = dataset.dir.display();
        anyhow::ensure!(
            !shelf.is_empty() && !queries.is_empty(),
            "the rows of {dir} that choose the epoch need both shop photos (domain 'shop') and others to search with"
        );
        anyhow::ensure!(
            task.contrast == 0.0 || !gallery.is_empty(),
            "no training row of {dir} is a shop photo with an item_id, and the contrast needs them; set task.contrast = 0"
        );
        Ok(Self {
            images: Arc::new(Images::new(Arc::new(dataset)).with_margin_of(&recipe.input)),
            train,
            gallery,
            queries,
            shelf,
        })
    }

    /// Rows to choose by.
    pub fn n_tune(&self) -> usize {
        self.queries.len() + self.shelf.len()
    }

    /// Every training row once, shuffled, in [`batches`].
    pub fn batches(&self, recipe: &Recipe, epoch: usize) -> Vec<Vec<usize>> {
        let mut rng = ChaCha8Rng::seed_from_u64(recipe.seed);
        rng.set_stream(u64::MAX - epoch as u64);
        let mut rows = self.train.clone();
        rows.shuffle(&mut rng);
        batches(&rows, recipe.optimiser.batch)
    }
}

/// Reads the bundle of the one teacher, whose space the student learns.
///
/// # Errors
/// If there is not exactly one, it cannot be read, or it expects another input.
pub fn read_teacher(bundles: &[PathBuf], input: &InputSpec) -> anyhow::Result<(Manifest, Weights)> {
    let [bundle] = bundles else {
        anyhow::bail!("a query encoder learns the space of one teacher; name its bundle's folder with --teacher, once")
    };
    let (manifest, weights) = bundle::read(bundle)?;
    check_input(&manifest, input)?;
    Ok((manifest, weights))
}

/// The network of the recipe, checked to be one that a phone fetches.
///
/// # Errors
/// If the backbone is unknown, or its f16 weights take more than `task.max_megabytes` (10⁶ bytes).
pub fn config(task: &QueryRecipe, embedding_dim: usize) -> anyhow::Result<QueryConfig> {
    use burn::module::Module;
    let config = QueryConfig {
        backbone: task.backbone.clone(),
        embedding_dim,
    };
    let megabytes = |values: usize| values as f64 * 2e-6;
    let whole = megabytes(config.init(&Device::default())?.fold_batch_norm().num_params());
    let without = QueryConfig {
        embedding_dim: 1,
        ..config.clone()
    };
    let backbone = megabytes(without.init(&Device::default())?.fold_batch_norm().num_params());
    anyhow::ensure!(
        whole <= task.max_megabytes,
        "the query encoder would take {whole:.2} MB of f16 weights, and task.max_megabytes allows {:.2}: {} takes {backbone:.2}, \
         and its projection to the teacher's {embedding_dim} values {:.2}\nhint: distil from a teacher with shorter \
         embeddings (a smaller part_dim, or whitened to 256 values), or choose a smaller backbone",
        task.max_megabytes,
        task.backbone,
        whole - backbone
    );
    Ok(config)
}

/// Regression to the teacher's embeddings, and contrast against its frozen gallery.
pub struct QueryObjective<'a> {
    data: &'a QueryRows,
    recipe: &'a Recipe,
    task: &'a QueryRecipe,
    teacher: &'a RetrievalNet,
    /// Where teacher and evaluation compute, without autodiff.
    device: &'a Device,
    /// The teacher's embeddings of the training shop photos, `[photos, dim]`.
    gallery: Tensor<2>,
    /// For every training row the photos of its item in the gallery.
    positives: HashMap<usize, Vec<usize>>,
    /// The teacher's embeddings of the tuning rows.
    taught: Taught,
}

/// A line of values a row.
struct Taught {
    queries: Vec<Vec<f32>>,
    shelf: Vec<Vec<f32>>,
    mean_ap_at_10: f64,
}

impl<'a> QueryObjective<'a> {
    /// Lets the teacher embed the gallery and the tuning rows, as they are, without augmentation.
    ///
    /// # Errors
    /// If a picture cannot be read.
    pub fn new(
        data: &'a QueryRows,
        recipe: &'a Recipe,
        task: &'a QueryRecipe,
        teacher: &'a RetrievalNet,
        device: &'a Device,
    ) -> anyhow::Result<Self> {
        let embed = |rows: &[usize]| {
            forward_all(&data.images, rows, &recipe.input, device, |x| teacher.forward(x))
                .context("the teacher's embeddings")
        };
        let rows = if task.contrast > 0.0 { &data.gallery[..] } else { &[] };
        let lines = embed(rows)?;
        let dim = lines.first().map_or(0, Vec::len);
        let gallery = Tensor::from_data(TensorData::new(lines.concat(), [lines.len(), dim]), device);
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
        let (queries, shelf) = (embed(&data.queries)?, embed(&data.shelf)?);
        let [score, ..] = search(data, &queries, &shelf);
        let taught = Taught {
            queries,
            shelf,
            mean_ap_at_10: score,
        };
        Ok(Self {
            data,
            recipe,
            task,
            teacher,
            device,
            gallery,
            positives,
            taught,
        })
    }

    /// `[rows, photos]`: each row's equal shares in the photos of its item; zeros for a row whose item has none.
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

/// mAP@10, R@1 and R@10 of the tuning queries.
fn search(data: &QueryRows, queries: &[Vec<f32>], shelf: &[Vec<f32>]) -> [f64; 3] {
    let table = &data.images.dataset().rows;
    let ranked = rank(queries, shelf, |q, g| {
        table[data.queries[q]].item_id == table[data.shelf[g]].item_id
    });
    let all: Vec<usize> = (0..ranked.len()).collect();
    [
        mean_ap_at_10(&ranked, &all),
        recall_at(1, &ranked, &all),
        recall_at(10, &ranked, &all),
    ]
}

impl Objective for QueryObjective<'_> {
    type Net = StyleNet;

    fn batches(&self, epoch: usize) -> Vec<Vec<usize>> {
        self.data.batches(self.recipe, epoch)
    }

    fn loss(&self, net: &StyleNet, images: Tensor<4>, step: &Step<'_>) -> anyhow::Result<Tensor<1>> {
        let device = images.device();
        let taught = self.teacher.forward(images.clone().without_autodiff());
        let embedding = net.forward(images);
        let mut loss =
            regression(embedding.clone(), Tensor::from_inner(taught).to_device(&device)) * self.task.regression;
        if self.task.contrast > 0.0 {
            let gallery = Tensor::from_inner(self.gallery.clone()).to_device(&device);
            let shares = self.shares(step.rows, &device);
            loss = loss + gallery_contrast(embedding, gallery, shares, self.task.temperature) * self.task.contrast;
        }
        Ok(loss)
    }

    /// The score is that of small queries in the large gallery, which is what the encoder is for.
    fn evaluate(&self, net: &StyleNet, _epoch: usize) -> anyhow::Result<Figures> {
        let data = self.data;
        let forward = |x| unit_norm(net.forward(x));
        let queries = forward_all(&data.images, &data.queries, &self.recipe.input, self.device, forward)?;
        let [score, recall_at_1, recall_at_10] = search(data, &queries, &self.taught.shelf);
        let cosines = queries.iter().zip(&self.taught.queries);
        let cosines = cosines.map(|(own, taught)| own.iter().zip(taught).map(|(a, b)| f64::from(a * b)).sum::<f64>());
        let figures = [
            ("tune_mean_ap_at_10", score),
            ("tune_recall_at_1", recall_at_1),
            ("tune_recall_at_10", recall_at_10),
            ("tune_cosine_to_teacher", cosines.sum::<f64>() / queries.len() as f64),
            ("tune_teacher_mean_ap_at_10", self.taught.mean_ap_at_10),
        ];
        Ok(Figures {
            score,
            figures: figures
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        })
    }

    fn weights(&self, net: &StyleNet) -> anyhow::Result<Vec<u8>> {
        Ok(save(net, Precision::F32)?)
    }
}

/// 1 − cosine, mean over rows; `embedding` and `taught` are `[rows, dim]` of any length.
pub fn regression(embedding: Tensor<2>, taught: Tensor<2>) -> Tensor<1> {
    let cosine = (unit_norm(embedding) * unit_norm(taught)).sum_dim(1);
    (cosine.neg() + 1.0).mean()
}

/// Cross-entropy of finding a row's photos in the gallery by cosine / `temperature`: `embedding` `[rows, dim]`, `gallery`
/// `[photos, dim]`, both of any length, and `shares` `[rows, photos]`, which add up to 1, or to 0 for a row that has
/// nothing to find; mean over the rows that have.
pub fn gallery_contrast(embedding: Tensor<2>, gallery: Tensor<2>, shares: Tensor<2>, temperature: f64) -> Tensor<1> {
    let similarity = unit_norm(embedding).matmul(unit_norm(gallery).transpose()) / temperature;
    let rows = shares.clone().sum().clamp_min(1.0);
    (log_softmax(similarity, 1) * shares).sum().neg() / rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_agree_with_hand_computed_values() {
        let device = Device::flex();
        let of = |values: [[f32; 2]; 2]| Tensor::<2>::from_floats(values, &device);
        let value = |loss: Tensor<1>| f64::from(loss.into_scalar::<f32>());
        // Cosines 0.6 and −1, whatever the lengths.
        let loss = regression(of([[3.0, 4.0], [2.0, 0.0]]), of([[5.0, 0.0], [-0.1, 0.0]]));
        assert!((value(loss) - (0.4 + 2.0) / 2.0).abs() < 1e-6);

        // Row 0 finds photo 0 (cosines 1 and 0), row 1 has nothing to find.
        let (rows, gallery) = (of([[2.0, 0.0], [0.0, 1.0]]), of([[1.0, 0.0], [0.0, 3.0]]));
        let softplus = |x: f64| (1.0 + x.exp()).ln();
        let one = gallery_contrast(rows.clone(), gallery.clone(), of([[1.0, 0.0], [0.0, 0.0]]), 0.5);
        assert!((value(one) - softplus(-2.0)).abs() < 1e-6);
        let both = gallery_contrast(rows.clone(), gallery.clone(), of([[0.5, 0.5], [0.0, 1.0]]), 0.5);
        assert!((value(both) - (softplus(-2.0) + softplus(2.0) + 2.0 * softplus(-2.0)) / 4.0).abs() < 1e-6);
        assert_eq!(value(gallery_contrast(rows, gallery, of([[0.0; 2]; 2]), 0.5)), 0.0);
    }

    #[test]
    fn an_encoder_too_large_for_a_phone_is_refused_with_the_reason() {
        let task: QueryRecipe = toml::from_str("backbone = 'mobilenet_v3_small'").expect("a task");
        assert_eq!(config(&task, 1024).expect("fits").embedding_dim, 1024);
        let error = config(&task, 4096).expect_err("too large").to_string();
        assert!(error.contains("projection to the teacher's 4096 values 4.7"), "{error}");
        assert!(
            config(
                &QueryRecipe {
                    max_megabytes: 7.0,
                    ..task
                },
                4096
            )
            .is_ok()
        );
    }
}
