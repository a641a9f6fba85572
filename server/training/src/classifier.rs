//! Data, objective and export that the classification tasks share.

use crate::batch::batches;
use crate::checkpoint::State;
use crate::dense_loss::{DenseLoss, MAP_STRIDE};
use crate::labelled::Labelled;
use crate::loss::ClassifierLoss;
use crate::mixup::Mix;
use crate::network::initialise;
use crate::objective::{Metrics, Objective, Step, TrainingData};
use crate::recipe::{DenseRecipe, Recipe, Supervision};
use crate::sampling::Sampler;
use crate::teacher::Teacher;
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use dataset::predictions::{Header, OOF, Table, write_epoch};
use dataset::run::{Run, TUNED};
use dataset::{Dataset, Images, Recolouring};
use evaluation::inference::{Views, probabilities};
use shared::bundle::Manifest;
use shared::input::InputSpec;
use shared::model::{HeadConfig, Hidden, StyleConfig};
use shared::server_models::Classifier;
use shared::weights::{Precision, save};
use std::path::Path;
use std::sync::Arc;

/// Labelled rows with the recipe's sampling.
#[derive(Debug)]
pub(crate) struct ClassifierData {
    rows: Labelled,
    sampler: Sampler,
    dense: Option<DenseLoss>,
}

impl ClassifierData {
    /// Divides a dataset as the recipe says; `dense` adds supervision from masks.
    ///
    /// # Errors
    /// If a split is empty, a label is unknown, or masks are missing.
    pub(crate) fn new(dataset: Dataset, recipe: &Recipe, dense: Option<&DenseRecipe>) -> anyhow::Result<Self> {
        let rows = Labelled::new(dataset, recipe)?;
        let sampler = Sampler::new(&recipe.sampling, &rows.labels, &rows.train, |row| rows.truth(row))?;
        let dense = dense.map(|dense| DenseLoss::new(dense, &rows.images, &rows.train));
        Ok(Self {
            dense: dense.transpose()?,
            rows,
            sampler,
        })
    }

    /// Label identifiers.
    pub(crate) fn labels(&self) -> &[String] {
        &self.rows.labels
    }

    /// Returns the configuration of a classifier of these labels with one network.
    pub(crate) fn config(&self, backbone: &str, hidden: &Hidden) -> StyleConfig {
        StyleConfig {
            backbone: backbone.to_owned(),
            head: HeadConfig::Style { hidden: hidden.clone() },
            dense: None,
            per_label: false,
            n_labels: self.rows.labels.len(),
        }
    }
}

impl TrainingData for ClassifierData {
    fn images(&self) -> &Arc<Images> {
        &self.rows.images
    }

    fn n_train(&self) -> usize {
        self.rows.train.len()
    }

    fn n_tune(&self) -> usize {
        self.rows.tune.len()
    }

    fn batches(&self, recipe: &Recipe, epoch: usize) -> Vec<Vec<usize>> {
        let mut rows = self.sampler.epoch(recipe.seed, epoch);
        if recipe.supervision(epoch) == Supervision::Masks {
            let table = &self.rows.images.dataset().rows;
            rows.retain(|row| !table[*row].mask.is_empty());
        }
        batches(&rows, recipe.optimiser.batch)
    }

    fn sampling_table(&self, recipe: &Recipe) -> Option<String> {
        self.sampler
            .table(recipe.seed, &self.rows.labels, |row| self.rows.truth(row))
    }
}

/// Loss of a classifier, with the dataset's labels or a teacher's probabilities as targets.
#[derive(Debug)]
pub(crate) struct ClassifierObjective<'a> {
    data: &'a ClassifierData,
    recipe: &'a Recipe,
    teacher: Option<&'a Teacher>,
    /// Device of evaluation.
    device: &'a Device,
    /// Folder of the run, where predictions are kept.
    run: &'a Path,
    loss: ClassifierLoss,
    recolouring: Option<Arc<Recolouring>>,
}

impl<'a> ClassifierObjective<'a> {
    /// Prepares loss and recolouring; a segmenter may process many images.
    ///
    /// # Errors
    /// If the recipe names an unknown label, or garments cannot be found.
    pub(crate) fn new(
        data: &'a ClassifierData,
        recipe: &'a Recipe,
        teacher: Option<&'a Teacher>,
        device: &'a Device,
        run: &'a Path,
    ) -> anyhow::Result<Self> {
        let rows = &data.rows;
        let recolouring = recipe.recolour.as_ref().map(|recolour| recolour.prepare(rows, device));
        Ok(Self {
            data,
            recipe,
            teacher,
            device,
            run,
            // Positive weights are those of the training split, independent of sampling.
            loss: ClassifierLoss::new(recipe.loss, &rows.positives(), rows.train.len()),
            recolouring: recolouring.transpose()?.map(Arc::new),
        })
    }

    /// Rows of the training.
    pub(crate) fn data(&self) -> &'a ClassifierData {
        self.data
    }

    /// Creates the network to train. Its output biases start at the labels' shares of the training rows.
    ///
    /// # Errors
    /// If the backbone is unknown, or the pretrained weights do not fit.
    pub(crate) fn network(
        &self,
        config: &StyleConfig,
        init: Option<&Path>,
        device: &Device,
    ) -> anyhow::Result<Classifier> {
        let rows = &self.data.rows;
        let n = rows.train.len() as f64;
        let prior: Vec<f64> = rows.positives().iter().map(|positives| *positives as f64 / n).collect();
        // The prior is set before autodiff, because a parameter must be a leaf of its graph.
        initialise(config.classifier(device)?.with_prior(&prior).train(), init)
    }

    /// Writes the table of tuning predictions; adds labels, thresholds and metrics to a manifest.
    ///
    /// # Errors
    /// If an image cannot be read, or the table cannot be written.
    pub(crate) fn manifest(
        &self,
        manifest: Manifest,
        net: &Classifier,
        state: &State,
        run: &Run,
    ) -> anyhow::Result<Manifest> {
        let rows = &self.data.rows;
        // Thresholds are for one view, because a bundle predicts from one view.
        let predictions = rows.predict_tune(net, &self.recipe.input, &Views::None, self.device)?;
        let header = header(self.recipe, state.best.map_or(0, |(_, epoch)| epoch));
        let part = rows.part(OOF, &rows.tune, predictions.probs.clone());
        Table::new(&header, &rows.labels, &[part])?.write(&run.dir.join(TUNED))?;
        Ok(Manifest {
            labels: rows.labels.clone(),
            thresholds: rows.thresholds(&predictions),
            metrics: rows.metrics(&predictions).metrics,
            ..manifest
        })
    }
}

impl Objective for ClassifierObjective<'_> {
    type Net = Classifier;

    fn loss(&self, net: &Classifier, images: Tensor<4>, step: &Step<'_>) -> anyhow::Result<Tensor<1>> {
        let mix = Mix::draw(self.recipe.mixup, self.recipe.seed, step);
        let labels = self.data.rows.targets(step.rows, &images.device());
        let (images, labels) = mix.apply(images, labels);
        let targets = match self.teacher {
            Some(teacher) => teacher.target(&images, labels),
            None => labels,
        };
        let (logits, maps) = net.forward_dense(images);
        let dense = self.data.dense.as_ref().zip(maps);
        let dense = dense.map(|(dense, maps)| dense.compute(maps, step.maps));
        Ok(match (dense, self.recipe.supervision(step.epoch)) {
            (Some(dense), Supervision::Masks) => dense,
            (Some(dense), Supervision::All) => self.loss.compute(logits, targets) + dense,
            (None, _) => self.loss.compute(logits, targets),
        })
    }

    fn recolouring(&self) -> Option<Arc<Recolouring>> {
        self.recolouring.clone()
    }

    fn maps(&self) -> Option<(usize, usize)> {
        let InputSpec { width, height, .. } = self.recipe.input;
        self.data
            .dense
            .as_ref()
            .map(|_| (height.div_ceil(MAP_STRIDE), width.div_ceil(MAP_STRIDE)))
    }

    fn evaluate(&self, net: &Classifier, epoch: usize) -> anyhow::Result<Metrics> {
        let rows = &self.data.rows;
        let Recipe { input, evaluate, .. } = self.recipe;
        let tuned = rows.predict_tune(net, input, &evaluate.views, self.device)?;
        let mut parts = vec![rows.part(OOF, &rows.tune, tuned.probs.clone())];
        for (name, split) in &rows.predicted {
            let views = evaluate.views.list();
            let probs = probabilities(&rows.images, split, input, &views, self.device, |x| net.forward(x))?;
            parts.push(rows.part(name, split, probs));
        }
        write_epoch(self.run, &header(self.recipe, epoch), &rows.labels, &parts)?;
        Ok(rows.metrics(&tuned))
    }

    fn weights(&self, net: &Classifier) -> anyhow::Result<Vec<u8>> {
        Ok(save(net, Precision::F32)?)
    }
}

/// Returns the header of a table of predictions.
fn header(recipe: &Recipe, epoch: usize) -> Header {
    let fold = (recipe.data.folds > 0).then_some(recipe.data.fold as u32);
    Header {
        run: recipe.name.clone(),
        fold,
        epoch: epoch as u32,
    }
}
