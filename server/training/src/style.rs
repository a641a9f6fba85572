//! Training a multi-label classifier, from a dataset's labels or from a teacher.

use super::batch::batches;
use super::distill::Teacher;
use super::engine::{Figures, Objective, Step};
use super::loss::ClassifierLoss;
use super::mixup::Mix;
use super::position::{MAP_STRIDE, PositionLoss};
use super::recipe::{DataRecipe, LabelSource, Recipe, StyleRecipe, TaskRecipe, ThresholdRule};
use super::recolour::RecolourRecipe;
use super::sampling::Sampler;
use super::stage::Lessons;
use burn::tensor::{Device, Tensor, TensorData};
use dataset::predictions::{Header, OOF, Part, write_epoch};
use dataset::{Dataset, Images, Recolouring, Row};
use evaluation::forward::probabilities;
use evaluation::multilabel::{Predictions, macro_f2, micro_f2};
use evaluation::views::Views;
use shared::input::InputSpec;
use shared::model::StyleNet;
use shared::taxonomy::{Category, STYLES};
use shared::weights::{Precision, save};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

/// Labelled rows: which train and which choose epoch and thresholds.
#[derive(Debug)]
pub struct Labelled {
    /// The pictures.
    pub images: Arc<Images>,
    /// Label identifiers.
    pub labels: Vec<String>,
    /// Rows to learn from.
    pub train: Vec<usize>,
    /// Rows to choose by.
    pub tune: Vec<usize>,
    /// Splits that nothing is chosen by, whose predictions are kept for later.
    pub unseen: Vec<(String, Vec<usize>)>,
    rule: ThresholdRule,
    /// Whether a picture carries one label only.
    exclusive: bool,
    /// Of the rows whose truth is known, which those to learn from and to choose by are.
    targets: HashMap<usize, Vec<bool>>,
}

impl Labelled {
    /// Splits a dataset as the recipe says.
    ///
    /// # Errors
    /// If a split is empty or a label unknown.
    pub fn new(mut dataset: Dataset, recipe: &Recipe) -> anyhow::Result<Self> {
        if recipe.data.labels == LabelSource::Categories {
            dataset.label_by_category()?;
        }
        let labels: Vec<String> = match recipe.data.labels {
            LabelSource::Styles => STYLES.iter().map(|style| style.id.to_owned()).collect(),
            LabelSource::Dataset => dataset.vocabulary(),
            LabelSource::Categories => Category::ALL.iter().map(|category| category.id().to_owned()).collect(),
        };
        let rows = dataset.split("train", |_| true, "")?;
        let DataRecipe {
            holdout,
            folds,
            fold,
            fold_seed,
            ..
        } = recipe.data;
        let (tune, train) = if folds > 0 {
            if let Some(bits) = recipe.data.near_duplicates {
                let alike = dataset.mark_near_duplicates(&rows, bits)?;
                eprintln!(
                    "{alike} of {} training photos look like another and stay in its fold",
                    rows.len()
                );
            }
            let of = dataset.folds(&rows, &labels, folds, fold_seed)?;
            let (tune, train): (Vec<_>, Vec<_>) = rows.into_iter().zip(of).partition(|(_, of)| *of == fold);
            let rows = |part: Vec<(usize, usize)>| part.into_iter().map(|(row, _)| row).collect();
            (rows(tune), rows(train))
        } else if holdout > 0.0 {
            dataset.hold_out(&rows, holdout, recipe.seed)
        } else {
            (dataset.split("val", |_| true, "")?, rows)
        };
        anyhow::ensure!(
            !train.is_empty() && !tune.is_empty(),
            "data.folds or data.holdout leaves no image to train or to tune on"
        );
        let unseen: Vec<(String, Vec<usize>)> = recipe
            .data
            .predict
            .iter()
            .map(|split| Ok((split.clone(), dataset.split(split, |_| true, "")?)))
            .collect::<anyhow::Result<_>>()?;
        let all: Vec<usize> = train
            .iter()
            .chain(&tune)
            .chain(unseen.iter().flat_map(|(_, rows)| rows))
            .copied()
            .collect();
        // Splits that are only predicted may be without labels.
        dataset.targets(&[train[0], tune[0]], &labels)?;
        let known = all.iter().copied().zip(dataset.truth(&all, &labels)?);
        let targets: HashMap<usize, Vec<bool>> = known.filter_map(|(row, truth)| Some((row, truth?))).collect();
        let shown = |label: &usize| train.iter().any(|row| targets[row][*label]);
        let missing: Vec<&str> = (0..labels.len())
            .filter(|label| !shown(label))
            .map(|label| labels[label].as_str())
            .collect();
        if !missing.is_empty() {
            let more = if missing.len() > 8 { ", …" } else { "" };
            eprintln!(
                "warning: no training photo carries {} of the {} labels, which cannot be learnt: {}{more}",
                missing.len(),
                labels.len(),
                missing[..missing.len().min(8)].join(", ")
            );
        }
        Ok(Self {
            images: Arc::new(Images::new(Arc::new(dataset)).with_margin_of(&recipe.input)),
            exclusive: Category::are(&labels),
            labels,
            train,
            tune,
            unseen,
            rule: recipe.data.thresholds,
            targets,
        })
    }

    /// Truth of rows, `[rows, labels]` of zeros and ones.
    pub fn targets(&self, rows: &[usize], device: &Device) -> Tensor<2> {
        let values: Vec<f32> = rows
            .iter()
            .flat_map(|row| self.targets[row].iter().map(|on| f32::from(u8::from(*on))))
            .collect();
        Tensor::from_data(TensorData::new(values, [rows.len(), self.labels.len()]), device)
    }

    /// Training rows that carry each label.
    fn positives(&self) -> Vec<usize> {
        let positives = |label: usize| self.train.iter().filter(|row| self.truth(**row)[label]).count();
        (0..self.labels.len()).map(positives).collect()
    }

    /// Labels of a row.
    pub fn truth(&self, row: usize) -> &[bool] {
        &self.targets[&row]
    }

    /// Predictions of the rows to choose by, averaged over views.
    ///
    /// # Errors
    /// If a picture cannot be read.
    pub fn predict_tune(
        &self,
        net: &StyleNet,
        spec: &InputSpec,
        views: &Views,
        device: &Device,
    ) -> anyhow::Result<Predictions> {
        let rows = &self.tune;
        Ok(Predictions {
            labels: self.labels.clone(),
            probs: probabilities(&self.images, rows, spec, &views.list(), device, |x| net.forward(x))?,
            truth: rows.iter().map(|row| self.targets[row].clone()).collect(),
        })
    }

    /// What was predicted of rows, as a part of a table.
    pub(super) fn part(&self, name: &str, rows: &[usize], probs: Vec<Vec<f32>>) -> Part {
        let of = |field: fn(&Row) -> &String| -> Vec<String> {
            rows.iter()
                .map(|row| field(&self.images.dataset().rows[*row]).clone())
                .collect()
        };
        Part {
            name: name.to_owned(),
            paths: of(|row| &row.path),
            item_ids: of(|row| &row.item_id),
            truth: rows.iter().map(|row| self.targets.get(row).cloned()).collect(),
            probs,
        }
    }

    /// Thresholds by the recipe's rule.
    pub fn thresholds(&self, predictions: &Predictions) -> Vec<f32> {
        self.rule.choose(predictions)
    }

    /// Figures of predictions on the tuning rows, thresholds tuned on the same: they choose, they do not prove.
    pub fn figures(&self, predictions: &Predictions) -> Figures {
        let thresholds = self.thresholds(predictions);
        let all = predictions.all();
        let counts = predictions.counts(&all, |label, prob| prob >= thresholds[label]);
        let yes = predictions.counts(&all, |_, _| true);
        let f2 = macro_f2(&counts, 0);
        let mut figures = vec![
            ("tune_macro_f2", f2),
            ("tune_micro_f2", micro_f2(&counts)),
            ("tune_all_positive_macro_f2", macro_f2(&yes, 0)),
        ];
        let mut score = f2;
        if self.exclusive {
            score = predictions.accuracy(&all);
            figures.push(("tune_accuracy", score));
        }
        Figures {
            score,
            figures: figures
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        }
    }
}

/// Who predicts, in a table.
pub(super) fn header(recipe: &Recipe, epoch: usize) -> Header {
    let fold = (recipe.data.folds > 0).then_some(recipe.data.fold as u32);
    Header {
        run: recipe.name.clone(),
        fold,
        epoch: epoch as u32,
    }
}

/// A classifier's loss against the dataset's labels, or against what a teacher makes of the same pictures.
#[derive(Debug)]
pub struct StyleObjective<'a> {
    /// The data.
    pub data: &'a Labelled,
    recipe: &'a Recipe,
    teacher: Option<&'a Teacher>,
    /// Where evaluation computes.
    device: &'a Device,
    /// The run's folder, where predictions are kept.
    dir: &'a Path,
    sampler: Sampler,
    loss: ClassifierLoss,
    positions: Option<PositionLoss>,
    recolouring: Option<Arc<Recolouring>>,
}

impl<'a> StyleObjective<'a> {
    /// What the recipe says, learning from `teacher` instead of the labels if there is one.
    ///
    /// # Errors
    /// If the recipe names a label that the data lack.
    pub fn new(
        data: &'a Labelled,
        recipe: &'a Recipe,
        teacher: Option<&'a Teacher>,
        device: &'a Device,
        dir: &'a Path,
    ) -> anyhow::Result<Self> {
        let sampler = Sampler::new(&recipe.sampling, &data.labels, &data.train, |row| data.truth(row))?;
        // The positive weight is the training split's own, whatever is shown how often.
        let loss = ClassifierLoss::new(recipe.loss, &data.positives(), data.train.len());
        let positions = match &recipe.task {
            TaskRecipe::Style(StyleRecipe { dense: Some(dense), .. }) => {
                Some(PositionLoss::new(dense, &data.images, &data.train)?)
            }
            _ => None,
        };
        Ok(Self {
            data,
            recipe,
            teacher,
            device,
            dir,
            sampler,
            loss,
            positions,
            recolouring: None,
        })
    }

    /// With the recipe's recolouring, for which a network may look at many pictures.
    ///
    /// # Errors
    /// If the recipe names a label that the data lack, or garments cannot be found.
    pub fn with_recolouring(mut self) -> anyhow::Result<Self> {
        let prepare = |recipe: &RecolourRecipe| recipe.prepare(self.data, self.device).map(Arc::new);
        self.recolouring = self.recipe.recolour.as_ref().map(prepare).transpose()?;
        Ok(self)
    }

    /// Each label's share of the training rows.
    pub fn prior(&self) -> Vec<f64> {
        let rows = self.data.train.len() as f64;
        self.data
            .positives()
            .into_iter()
            .map(|positives| positives as f64 / rows)
            .collect()
    }

    /// Rows of each label before and after sampling, if sampling changes them.
    pub fn sampling_table(&self) -> Option<String> {
        self.sampler
            .table(self.recipe.seed, &self.data.labels, |row| self.data.truth(row))
    }
}

impl Objective for StyleObjective<'_> {
    type Net = StyleNet;

    fn batches(&self, epoch: usize) -> Vec<Vec<usize>> {
        let mut rows = self.sampler.epoch(self.recipe.seed, epoch);
        if self.recipe.lessons(epoch) == Lessons::Masks {
            let table = &self.data.images.dataset().rows;
            rows.retain(|row| !table[*row].mask.is_empty());
        }
        batches(&rows, self.recipe.optimiser.batch)
    }

    fn loss(&self, net: &StyleNet, images: Tensor<4>, step: &Step<'_>) -> anyhow::Result<Tensor<1>> {
        let mix = Mix::draw(self.recipe.mixup, self.recipe.seed, step);
        let (images, labels) = mix.apply(images.clone(), self.data.targets(step.rows, &images.device()));
        let targets = match self.teacher {
            Some(teacher) => teacher.target(&images, labels),
            None => labels,
        };
        let (logits, maps) = net.forward_dense(images);
        let positions = self
            .positions
            .as_ref()
            .zip(maps)
            .map(|(positions, maps)| positions.of(maps, step.maps));
        Ok(match (positions, self.recipe.lessons(step.epoch)) {
            (Some(positions), Lessons::Masks) => positions,
            (Some(positions), Lessons::All) => self.loss.of(logits, targets) + positions,
            (None, _) => self.loss.of(logits, targets),
        })
    }

    fn recolouring(&self) -> Option<Arc<Recolouring>> {
        self.recolouring.clone()
    }

    fn maps(&self) -> Option<(usize, usize)> {
        let InputSpec { width, height, .. } = self.recipe.input;
        self.positions
            .as_ref()
            .map(|_| (height.div_ceil(MAP_STRIDE), width.div_ceil(MAP_STRIDE)))
    }

    fn evaluate(&self, net: &StyleNet, epoch: usize) -> anyhow::Result<Figures> {
        let data = self.data;
        let Recipe { input, evaluate, .. } = self.recipe;
        let tuned = data.predict_tune(net, input, &evaluate.views, self.device)?;
        let mut parts = vec![data.part(OOF, &data.tune, tuned.probs.clone())];
        for (name, rows) in &data.unseen {
            let views = evaluate.views.list();
            let probs = probabilities(&data.images, rows, input, &views, self.device, |x| net.forward(x))?;
            parts.push(data.part(name, rows, probs));
        }
        write_epoch(self.dir, &header(self.recipe, epoch), &data.labels, &parts)?;
        Ok(data.figures(&tuned))
    }

    fn weights(&self, net: &StyleNet) -> anyhow::Result<Vec<u8>> {
        Ok(save(net, Precision::F32)?)
    }
}
