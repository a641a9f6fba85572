//! Data, objective and export that the classification tasks share.

use crate::batch::batches;
use crate::checkpoint::State;
use crate::dense_loss::{DenseLoss, MAP_STRIDE};
use crate::group_loss::{GroupLoss, GroupedLoss};
use crate::labelled::Labelled;
use crate::loss::ClassifierLoss;
use crate::mixup::Mix;
use crate::network::initialise;
use crate::objective::{Metrics, Objective, Step, TrainingData};
use crate::recipe::{DenseRecipe, Recipe, Supervision};
use crate::sampling::Sampler;
use crate::shares;
use crate::sources::Group;
use crate::teacher::{Teacher, reduced};
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use dataset::predictions::{Header, OOF, Table, write_epoch};
use dataset::run::{Run, TUNED};
use dataset::{Dataset, Images, Recolouring};
use evaluation::inference::Views;
use shared::bundle::{GroupKind, Manifest};
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

    /// Groups of the labels.
    pub(crate) fn groups(&self) -> &[Group] {
        &self.rows.groups
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
        let rows = shares::mix(rows, &self.rows.origins, recipe.seed, epoch);
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
    loss: GroupedLoss,
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
            loss: loss(rows, recipe),
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
        let positives = rows.positives();
        let of_group = |(at, group): (usize, &Group)| -> Vec<f64> {
            let n = rows.n_known(at) as f64;
            let shares = positives[group.range.clone()]
                .iter()
                .map(|positives| *positives as f64 / n);
            match group.recipe.kind {
                GroupKind::Several => shares.collect(),
                // The network's prior is a logit, ln(p / (1 − p)). A softmax needs ln(share), which is the logit of this p.
                GroupKind::One => shares.map(|share| share / (1.0 + share)).collect(),
            }
        };
        let prior: Vec<f64> = rows.groups.iter().enumerate().flat_map(of_group).collect();
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
        let probs = rows.predict(net, &rows.tune, (&self.recipe.input, &Views::None), self.device)?;
        let header = header(self.recipe, state.best.map_or(0, |(_, epoch)| epoch));
        let part = rows.part(OOF, &rows.tune, probs.clone());
        Table::new(&header, &rows.labels, &[part])?.write(&run.dir.join(TUNED))?;
        let (labels, groups) = rows.bundle_labels();
        Ok(Manifest {
            labels,
            groups,
            thresholds: rows.thresholds(&probs),
            metrics: rows.metrics(&probs).metrics,
            ..manifest
        })
    }
}

impl Objective for ClassifierObjective<'_> {
    type Net = Classifier;

    fn loss(&self, net: &Classifier, images: Tensor<4>, step: &Step<'_>) -> anyhow::Result<Tensor<1>> {
        let mut known = self.data.rows.known(step.rows);
        let mix = Mix::draw(self.recipe.mixup, self.recipe.seed, step, &known);
        let labels = self.data.rows.targets(step.rows, &images.device());
        let (images, labels) = mix.apply(images, labels);
        let targets = match self.teacher {
            Some(teacher) => teacher.target(&images, labels, &mut known),
            None => labels,
        };
        let (logits, maps) = net.forward_dense(reduced(images, &self.recipe.input));
        let dense = self.data.dense.as_ref().zip(maps);
        let dense = dense.map(|(dense, maps)| dense.compute(maps, step.maps));
        Ok(match (dense, self.recipe.supervision(step.epoch)) {
            (Some(dense), Supervision::Masks) => dense,
            (Some(dense), Supervision::All) => self.loss.compute(logits, targets, &known) + dense,
            (None, _) => self.loss.compute(logits, targets, &known),
        })
    }

    fn rendered(&self) -> Option<&InputSpec> {
        self.teacher.map(|teacher| &teacher.rendered)
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
        let seen = (&self.recipe.input, &self.recipe.evaluate.views);
        let tuned = rows.predict(net, &rows.tune, seen, self.device)?;
        let mut parts = vec![rows.part(OOF, &rows.tune, tuned.clone())];
        for (name, split) in &rows.predicted {
            parts.push(rows.part(name, split, rows.predict(net, split, seen, self.device)?));
        }
        write_epoch(self.run, &header(self.recipe, epoch), &rows.labels, &parts)?;
        Ok(rows.metrics(&tuned))
    }

    fn weights(&self, net: &Classifier) -> anyhow::Result<Vec<u8>> {
        Ok(save(net, Precision::F32)?)
    }
}

/// Prepares the loss of every group. Positive weights are those of the training split, independent of sampling.
fn loss(rows: &Labelled, recipe: &Recipe) -> GroupedLoss {
    let positives = rows.positives();
    let of_group = |(at, group): (usize, &Group)| GroupLoss {
        kind: group.recipe.kind,
        labels: group.range.clone(),
        weight: group.recipe.weight,
        loss: ClassifierLoss::new(recipe.loss, &positives[group.range.clone()], rows.n_known(at)),
    };
    GroupedLoss {
        groups: rows.groups.iter().enumerate().map(of_group).collect(),
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
