//! Interfaces between the training loop and a task: its data, its loss and its metrics.

use crate::recipe::Recipe;
use burn::module::Module;
use burn::tensor::Tensor;
use dataset::{Images, Recolouring};
use shared::input::InputSpec;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Batch whose loss is computed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step<'a> {
    /// Rows of the dataset.
    pub(crate) rows: &'a [usize],
    /// Epoch, counted from 0.
    pub(crate) epoch: usize,
    /// Number of the batch within the epoch, counted from 0.
    pub(crate) index: usize,
    /// Label maps of the size that [`Objective::maps`] returns; `None` for rows without a mask.
    pub(crate) maps: &'a [Option<Vec<u8>>],
    /// True if the loss trains the network; false if the batch only renews the statistics of an average.
    pub(crate) learns: bool,
}

/// Rows of a dataset, divided into training rows and tuning rows.
pub(crate) trait TrainingData: Sync {
    /// Images of the rows.
    fn images(&self) -> &Arc<Images>;

    /// Number of training images.
    fn n_train(&self) -> usize;

    /// Number of tuning images, which choose the epoch.
    fn n_tune(&self) -> usize;

    /// Returns the rows of every batch of an epoch.
    fn batches(&self, recipe: &Recipe, epoch: usize) -> Vec<Vec<usize>>;

    /// Formats the number of rows per label before and after sampling, if sampling has an effect.
    fn sampling_table(&self, _recipe: &Recipe) -> Option<String> {
        None
    }
}

/// Loss and evaluation of a task.
pub(crate) trait Objective: Sync {
    /// Network in training, with the parts that exist for training only.
    type Net: Module;

    /// Height and width of the label maps that the loss needs, or `None` if it needs none.
    fn maps(&self) -> Option<(usize, usize)> {
        None
    }

    /// Input of the training images, or `None` for the recipe's own. A teacher may have a larger one.
    fn rendered(&self) -> Option<&InputSpec> {
        None
    }

    /// Recolouring of training images, if there is any.
    fn recolouring(&self) -> Option<Arc<Recolouring>> {
        None
    }

    /// Computes the loss of `images`, `[rows, 3, height, width]`.
    ///
    /// # Errors
    /// If the truth of a row is missing.
    fn loss(&self, net: &Self::Net, images: Tensor<4>, step: &Step<'_>) -> anyhow::Result<Tensor<1>>;

    /// Returns the state that a checkpoint stores besides weights and optimiser; `None` for none.
    fn state(&self) -> Option<Vec<u8>> {
        None
    }

    /// Replaces the state by that of a checkpoint.
    ///
    /// # Errors
    /// If the bytes are damaged.
    fn restore(&self, _state: &[u8]) -> anyhow::Result<()> {
        Ok(())
    }

    /// Measures the network on the tuning rows after an epoch.
    ///
    /// # Errors
    /// If an image cannot be read.
    fn evaluate(&self, net: &Self::Net, epoch: usize) -> anyhow::Result<Metrics>;

    /// Returns the part of the network that is kept, as safetensors.
    ///
    /// # Errors
    /// If a weight cannot be stored.
    fn weights(&self, net: &Self::Net) -> anyhow::Result<Vec<u8>>;
}

/// Metrics of an evaluation.
#[derive(Debug, Clone, Default)]
pub(crate) struct Metrics {
    /// Metric that chooses the epoch; higher is better.
    pub(crate) score: f64,
    /// All metrics by name.
    pub(crate) metrics: BTreeMap<String, f64>,
}

impl Metrics {
    /// Collects named metrics.
    pub(crate) fn new(score: f64, metrics: impl IntoIterator<Item = (impl Into<String>, f64)>) -> Self {
        let metrics = metrics.into_iter().map(|(name, value)| (name.into(), value)).collect();
        Self { score, metrics }
    }
}
