//! Recipes: TOML files that say everything about a training. Unknown keys are refused.

use super::average::AverageRecipe;
use super::contract;
use super::embedding_loss::EmbeddingLoss;
use super::loss::LossRecipe;
use super::optimiser::OptimiserRecipe;
use super::recolour::RecolourRecipe;
use super::sampling::SamplingRecipe;
use super::segment::SegmentRecipe;
use super::stage::{Lessons, StageRecipe};
use anyhow::Context;
use dataset::{Augment, MAX_CORRUPT};
pub use evaluation::thresholds::ThresholdRule;
use evaluation::views::Views;
use serde::{Deserialize, Serialize};
use shared::input::InputSpec;
use shared::model::{BackboneConfig, DenseConfig, Hidden, RetrievalConfig};
use std::path::{Path, PathBuf};

/// A training, completely described.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Name of the model that comes out.
    pub name: String,
    /// Seed of every draw.
    pub seed: u64,
    /// Passes over the training split.
    pub epochs: usize,
    /// The data.
    pub data: DataRecipe,
    /// What the model sees.
    pub input: InputSpec,
    /// The optimiser and its schedule.
    pub optimiser: OptimiserRecipe,
    /// Stages of fine-tuning; none for one stage in which everything learns.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<StageRecipe>,
    /// Which average of the weights is evaluated and kept, instead of the last ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub average: Option<AverageRecipe>,
    /// Epochs without a better score after which training stops; 0 for never.
    #[serde(default)]
    pub patience: usize,
    /// What happens to training pictures.
    #[serde(default)]
    pub augment: Augment,
    /// Which training pictures get garments of other colours. Classifiers only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recolour: Option<RecolourRecipe>,
    /// Mixes every picture and its labels with another of the batch, by a share from Beta(mixup, mixup) (Zhang et al.
    /// 2018, <https://arxiv.org/abs/1710.09412>); 0 for not. Classifiers only.
    #[serde(default)]
    pub mixup: f64,
    /// How often training rows are shown. Classifiers only.
    #[serde(default)]
    pub sampling: SamplingRecipe,
    /// The loss. Classifiers only.
    #[serde(default)]
    pub loss: LossRecipe,
    /// How the tuning rows are predicted.
    #[serde(default)]
    pub evaluate: EvaluateRecipe,
    /// The task and its model.
    pub task: TaskRecipe,
}

/// How the tuning rows are predicted while training.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvaluateRecipe {
    /// Views whose probabilities are averaged; the bundle's thresholds are tuned without, since it is asked without.
    #[serde(default)]
    pub views: Views,
}

/// Which pictures are trained on, and which choose.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataRecipe {
    /// Folder of the dataset; `--data` overrides it.
    pub dir: PathBuf,
    /// Where the label vocabulary comes from.
    #[serde(default)]
    pub labels: LabelSource,
    /// Share of the training items, 0–0.5, kept out to choose epoch and thresholds; 0 uses the split `val` for that.
    #[serde(default)]
    pub holdout: f64,
    /// Folds of the training split, at least 2; 0 for none. Excludes `holdout`.
    #[serde(default)]
    pub folds: usize,
    /// The fold, counted from 0, that chooses epoch and thresholds; the others are trained on.
    #[serde(default)]
    pub fold: usize,
    /// Seed of the division into folds: models that are to be combined must share it, whatever their own seeds.
    #[serde(default)]
    pub fold_seed: u64,
    /// Keeps photos in one fold that look alike: hashes that differ in at most this many of 64 bits, 0–16, and the same
    /// colours; off if absent. 4 finds the copies among street photos; before one background groups grow by chains.
    #[serde(default)]
    pub near_duplicates: Option<u32>,
    /// Splits that every epoch also predicts for a later ensemble; nothing is chosen by them. Classifiers only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub predict: Vec<String>,
    /// How a classifier's thresholds are chosen on the tuning rows.
    #[serde(default)]
    pub thresholds: ThresholdRule,
    /// Pictures that may turn out unreadable; they are named and left out, and one more is an error.
    #[serde(default = "default_max_corrupt")]
    pub max_corrupt: usize,
}

fn default_max_corrupt() -> usize {
    MAX_CORRUPT
}

/// Where the labels come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LabelSource {
    /// The 13 styles.
    #[default]
    Styles,
    /// All labels that occur in the dataset.
    Dataset,
    /// The four categories, from the dataset's column `category`; a picture has exactly one.
    Categories,
}

/// A task with its model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum TaskRecipe {
    /// Multi-label classification from the dataset's labels.
    Style(StyleRecipe),
    /// A student that learns a teacher's probabilities.
    Distill(DistillRecipe),
    /// A query encoder that learns a retrieval network's embeddings.
    Query(QueryRecipe),
    /// Embeddings by identity.
    Retrieval(RetrievalRecipe),
    /// Classes pixel by pixel, from the dataset's masks.
    Segment(SegmentRecipe),
}

/// Multi-label classification.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StyleRecipe {
    /// Name in the registry of backbones.
    pub backbone: String,
    /// Widths of the head's hidden layers: one number, or a list.
    #[serde(default)]
    pub hidden: Hidden,
    /// Also learn what every position shows, from the dataset's masks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dense: Option<DenseRecipe>,
    /// A network for each label, all trained together, instead of one for all.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub per_label: bool,
}

/// Dense supervision from masks.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct DenseRecipe {
    /// Weight of the positions' cross-entropy, a mean over positions, beside the labels' loss.
    pub weight: f64,
    /// The part of the network that predicts positions.
    #[serde(flatten)]
    pub head: DenseConfig,
}

/// Distillation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DistillRecipe {
    /// Name in the registry of backbones.
    pub backbone: String,
    /// Widths of the head's hidden layers: one number, or a list.
    #[serde(default)]
    pub hidden: Hidden,
    /// Share of the dataset's own labels in the target, 0 for the teacher's probabilities alone.
    #[serde(default)]
    pub truth: f64,
}

/// Distillation into a gallery's space.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueryRecipe {
    /// Name in the registry of backbones.
    pub backbone: String,
    /// Weight of 1 − cosine to the teacher's embedding of the same crop.
    #[serde(default = "default_regression")]
    pub regression: f64,
    /// Weight of the contrast against the teacher's embeddings of all training shop photos.
    #[serde(default)]
    pub contrast: f64,
    /// Temperature of the contrast.
    #[serde(default = "super::embedding_loss::default_temperature")]
    pub temperature: f64,
    /// The most that the f16 weights may take, in 10⁶ bytes: visitors fetch them on their phones.
    #[serde(default = "default_max_megabytes")]
    pub max_megabytes: f64,
}

fn default_regression() -> f64 {
    1.0
}

fn default_max_megabytes() -> f64 {
    3.5
}

/// Embeddings by identity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetrievalRecipe {
    /// The network.
    pub model: RetrievalConfig,
    /// Identities a batch; each brings a user's and a shop's photo.
    pub identities: usize,
    /// Photos of each identity in a batch, at least 2: users' and the shop's by turns, none twice while there are others.
    pub photos: usize,
    /// Terms of the loss, summed with their weights; without any a plain identity softmax a part.
    #[serde(default = "EmbeddingLoss::published")]
    pub losses: Vec<EmbeddingLoss>,
}

impl Recipe {
    /// Reads a recipe and applies `key=value` settings such as `optimiser.rate=0.01`; `key=null` takes the key away.
    ///
    /// # Errors
    /// Names the file, the key and what is wrong with it.
    pub fn read(path: &Path, settings: &[String]) -> anyhow::Result<Self> {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("cannot read the recipe {}", path.display()))?;
        Self::parse(&text, settings).with_context(|| format!("in the recipe {}", path.display()))
    }

    /// As [`Recipe::read`] from text.
    ///
    /// # Errors
    /// As [`Recipe::read`].
    pub fn parse(text: &str, settings: &[String]) -> anyhow::Result<Self> {
        let mut table: toml::Table = toml::from_str(text)?;
        for setting in settings {
            set(&mut table, setting)?;
        }
        contract::complete(&mut table);
        let recipe: Self = table.try_into()?;
        recipe.check()?;
        Ok(recipe)
    }

    /// What an epoch learns from.
    pub fn lessons(&self, epoch: usize) -> Lessons {
        self.stages
            .iter()
            .rfind(|stage| stage.from <= epoch)
            .map(|stage| stage.learn)
            .unwrap_or_default()
    }

    fn check(&self) -> anyhow::Result<()> {
        anyhow::ensure!(self.epochs > 0, "epochs must be at least 1");
        self.optimiser.check()?;
        self.loss.check()?;
        if let Some(average) = self.average {
            average.check(self.epochs)?;
        }
        anyhow::ensure!(
            self.mixup >= 0.0 && self.mixup.is_finite(),
            "mixup must be 0 or a positive number"
        );
        self.data.thresholds.check().context("data.thresholds")?;
        anyhow::ensure!(
            (0.0..=0.5).contains(&self.data.holdout),
            "data.holdout must lie between 0 and 0.5"
        );
        let DataRecipe {
            holdout, folds, fold, ..
        } = self.data;
        anyhow::ensure!(folds != 1, "data.folds must be at least 2, or 0 for none");
        anyhow::ensure!(
            fold < folds.max(1),
            "data.fold must be less than data.folds; folds are counted from 0"
        );
        anyhow::ensure!(
            folds == 0 || holdout == 0.0,
            "data.folds and data.holdout exclude each other; set one of them"
        );
        anyhow::ensure!(
            self.data.near_duplicates.is_none_or(|bits| bits <= 16 && folds > 0),
            "data.near_duplicates must lie between 0 and 16 bits, and needs data.folds"
        );
        anyhow::ensure!(
            folds == 0 || matches!(self.task, TaskRecipe::Style(_) | TaskRecipe::Distill(_)),
            "data.folds stratifies labels and so works for classifiers only; use data.holdout"
        );
        anyhow::ensure!(
            self.stages.iter().all(|stage| stage.learn == Lessons::All)
                || matches!(&self.task, TaskRecipe::Style(StyleRecipe { dense: Some(_), .. })),
            "a stage that learns from masks needs the part of the network that does; add [task.dense]"
        );
        self.input.check()?;
        anyhow::ensure!(
            self.augment.is_valid(),
            "the strengths under [augment] must lie between 0 and 0.9"
        );
        if let Some(recolour) = &self.recolour {
            anyhow::ensure!(
                matches!(self.task, TaskRecipe::Style(_) | TaskRecipe::Distill(_)),
                "[recolour] is for classifiers only: products are told apart by their colours"
            );
            recolour.check()?;
        }
        if let TaskRecipe::Style(StyleRecipe {
            dense: Some(dense),
            backbone,
            ..
        }) = &self.task
        {
            anyhow::ensure!(
                dense.weight.is_finite() && dense.weight > 0.0,
                "task.dense.weight must be a positive number; leave [task.dense] out to learn from labels alone"
            );
            anyhow::ensure!(
                !matches!(&self.task, TaskRecipe::Style(StyleRecipe { per_label: true, .. })),
                "task.dense and task.per_label exclude each other; set one of them"
            );
            anyhow::ensure!(
                self.mixup == 0.0,
                "task.dense cannot be mixed: masks have no half classes; set mixup = 0"
            );
            let config = BackboneConfig::named(backbone)?;
            anyhow::ensure!(
                matches!(config, BackboneConfig::ResNet(_)),
                "task.dense needs stages at several sizes, which only the ResNets have; '{backbone}' is none"
            );
        }
        if let TaskRecipe::Query(task) = &self.task {
            anyhow::ensure!(
                task.regression.is_finite() && task.contrast.is_finite(),
                "task.regression and task.contrast must be finite numbers"
            );
            anyhow::ensure!(
                task.regression >= 0.0 && task.contrast >= 0.0 && task.regression + task.contrast > 0.0,
                "task.regression and task.contrast must not be negative, nor both 0"
            );
            anyhow::ensure!(task.temperature > 0.0, "task.temperature must be positive");
        }
        if let TaskRecipe::Segment(task) = &self.task {
            anyhow::ensure!(
                (0.0..=1.0).contains(&task.balance),
                "task.balance must lie between 0 and 1"
            );
        }
        if let TaskRecipe::Retrieval(task) = &self.task {
            anyhow::ensure!(
                task.model.joined.is_empty(),
                "networks are joined after each was trained by itself: leave task.model.joined out, and see `selvedge join`"
            );
            anyhow::ensure!(
                task.identities >= 2 && task.photos >= 2,
                "task.identities and task.photos must be at least 2"
            );
            let batch = task.identities * task.photos;
            anyhow::ensure!(
                self.optimiser.batch == batch,
                "a batch is task.identities × task.photos = {batch} pictures, and optimiser.batch says {}; make them agree",
                self.optimiser.batch
            );
            anyhow::ensure!(
                !task.losses.is_empty(),
                "task.losses is empty; name a loss, or leave the key out"
            );
            for (at, loss) in task.losses.iter().enumerate() {
                loss.check().with_context(|| format!("task.losses, entry {}", at + 1))?;
            }
            anyhow::ensure!(
                task.losses.iter().any(|loss| loss.weight() > 0.0),
                "every entry of task.losses has the weight 0, so nothing would be learnt; give one a positive weight"
            );
        }
        Ok(())
    }
}

/// Applies one `a.b.c=value`; the value is TOML, or text where it is not. `null`, which TOML lacks, takes the key away.
fn set(table: &mut toml::Table, setting: &str) -> anyhow::Result<()> {
    let (key, value) = setting
        .split_once('=')
        .with_context(|| format!("--set takes key=value, not '{setting}'; for example --set optimiser.rate=0.01"))?;
    let removed = value == "null";
    let value = toml::from_str::<toml::Table>(&format!("v = {value}"))
        .ok()
        .and_then(|mut table| table.remove("v"))
        .unwrap_or_else(|| toml::Value::String(value.to_owned()));
    let mut path: Vec<&str> = key.split('.').collect();
    let last = path.pop().unwrap_or_default();
    let mut at = table;
    for part in path {
        if removed && !at.contains_key(part) {
            return Ok(());
        }
        at = at
            .entry(part)
            .or_insert_with(|| toml::Value::Table(toml::Table::new()))
            .as_table_mut()
            .with_context(|| format!("'{part}' in --set {key} is not a table"))?;
    }
    if removed {
        at.remove(last);
    } else {
        at.insert(last.to_owned(), value);
    }
    Ok(())
}
