//! The interface of a task, implemented by the recipe of each task in a file of its own.
//!
//! **Invariant:** the training loop, the dry run and the export depend on this interface, not on a concrete task.

mod distill;
mod query;
mod retrieval;
mod segment;
mod style;

use crate::checkpoint::State;
use crate::network::NetworkConfig;
use crate::objective::{Objective, TrainingData};
use crate::recipe::{FoldKind, Recipe};
use burn::module::Module;
use burn::tensor::Device;
use dataset::Dataset;
use dataset::run::Run;
use shared::bundle::Manifest;
use std::path::{Path, PathBuf};

/// Inputs of a task's objective.
#[derive(Debug)]
pub(crate) struct Setup<'a, T: Task> {
    /// Rows.
    pub(crate) data: &'a T::Data,
    /// Teacher.
    pub(crate) teacher: &'a T::Teacher,
    /// Recipe of the training.
    pub(crate) recipe: &'a Recipe,
    /// Device of evaluation and teachers, without autodiff.
    pub(crate) device: &'a Device,
    /// Folder of the run, which the objective may write predictions to.
    pub(crate) run: &'a Path,
}

/// A task: data, network, objective and export.
pub(crate) trait Task: Sized {
    /// Training and tuning rows.
    type Data: TrainingData;
    /// Teacher of a distillation; `()` for tasks without one.
    type Teacher;
    /// Network in training.
    type Net: Module;
    /// Loss and evaluation.
    type Objective<'a>: Objective<Net = Self::Net>
    where
        Self: 'a;
    /// Configuration of the network that the bundle stores.
    type Config: NetworkConfig;

    /// True if the network is a multi-label classifier.
    const CLASSIFIES: bool = false;
    /// Kind of folds.
    const FOLDS: FoldKind = FoldKind::None;
    /// True if the task needs a teacher.
    const NEEDS_TEACHER: bool = false;
    /// True if every training row needs a readable mask.
    const NEEDS_MASKS: bool = false;

    /// Name of the backbone in the registry.
    fn backbone(&self) -> &str;

    /// True if the network has dense supervision.
    fn is_dense(&self) -> bool {
        false
    }

    /// Checks this part of `recipe`.
    ///
    /// # Errors
    /// Names the key with an invalid value.
    fn check(&self, recipe: &Recipe) -> anyhow::Result<()>;

    /// Divides the dataset into training and tuning rows.
    ///
    /// # Errors
    /// If a split is empty, or the dataset lacks columns or files that the task needs.
    fn data(&self, dataset: Dataset, recipe: &Recipe) -> anyhow::Result<Self::Data>;

    /// Reads the teachers from their bundles.
    ///
    /// # Errors
    /// If there are too few or too many, or one does not fit the data or the recipe.
    fn teacher(
        &self,
        data: &Self::Data,
        recipe: &Recipe,
        bundles: &[PathBuf],
        device: &Device,
    ) -> anyhow::Result<Self::Teacher>;

    /// Prepares loss and evaluation; may run networks on many images.
    ///
    /// # Errors
    /// If an image cannot be read, or the recipe does not fit the data.
    fn objective<'a>(&'a self, setup: Setup<'a, Self>) -> anyhow::Result<Self::Objective<'a>>;

    /// Creates the network to train, from the pretrained weights of the file `init` if there is one.
    ///
    /// # Errors
    /// If the weights do not fit.
    fn network(
        &self,
        objective: &Self::Objective<'_>,
        init: Option<&Path>,
        device: &Device,
    ) -> anyhow::Result<Self::Net>;

    /// Returns the configuration of the network that the bundle stores.
    fn config(&self, objective: &Self::Objective<'_>) -> Self::Config;

    /// Adds labels, thresholds, metrics and other contents of the task to the manifest of the exported network.
    ///
    /// # Errors
    /// If an image cannot be read, or a file cannot be written.
    fn manifest(
        &self,
        manifest: Manifest,
        net: &<Self::Config as NetworkConfig>::Net,
        objective: &Self::Objective<'_>,
        state: &State,
        run: &Run,
    ) -> anyhow::Result<Manifest>;
}
