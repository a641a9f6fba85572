//! From a run's best weights to a bundle: batch norm folded, stored as f16, with everything known about it.

use super::batch;
use super::checkpoint::State;
use super::contract;
use super::distill::Teacher;
use super::engine::{Figures, Objective, fit};
use super::plan;
use super::query::{self, QueryObjective, QueryRows};
use super::recipe::{Recipe, RetrievalRecipe, TaskRecipe};
use super::retrieval::{Identities, RetrievalObjective, RetrievalTrainee};
use super::run_report;
use super::segment::{SegmentObjective, Segmented};
use super::style::{self, Labelled, StyleObjective};
use anyhow::Context;
use burn::module::Module;
use burn::tensor::Device;
use dataset::bundle;
use dataset::predictions::{OOF, Table};
use dataset::run::{BEST, BUNDLE, Invocation, Provenance, Run, Start, TUNED, refuse_existing};
use dataset::{Dataset, Limit};
use device;
use evaluation::views::Views;
use pretrained;
use shared::bundle::{FORMAT, Manifest, Training, Weights, describe_weights, load_retrieval};
use shared::model::{Architecture, DenseConfig, HeadConfig, Hidden, QueryConfig, StyleConfig, StyleNet, UNet};
use shared::weights::{Precision, Scope, TorchKeys, load, save};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What a training is started with beside its recipe.
#[derive(Debug, Clone)]
pub struct Order {
    /// Where the run goes.
    pub out: PathBuf,
    /// Begin or go on.
    pub start: Start,
    /// The teachers' bundles, for distillation.
    pub teachers: Vec<PathBuf>,
    /// Pretrained weights to start from, safetensors or PyTorch's, under torchvision's or timm's names.
    pub init: Option<PathBuf>,
    /// The call of the program, for the record.
    pub invocation: Invocation,
}

impl Order {
    /// `net` with the pretrained weights, if there are any; its head keeps its own.
    fn initialise<M: Module + TorchKeys>(&self, net: M) -> anyhow::Result<M> {
        let Some(path) = &self.init else { return Ok(net) };
        let bytes = pretrained::read(path)?;
        load(net, &bytes, Scope::Pretrained).with_context(|| format!("{} does not fit", path.display()))
    }

    /// A classifier to train.
    fn classifier(
        &self,
        config: &StyleConfig,
        objective: &StyleObjective<'_>,
        device: &Device,
    ) -> anyhow::Result<StyleNet> {
        // Set before autodiff follows: a parameter has to be the beginning of its graph.
        self.initialise(config.init(device)?.with_prior(&objective.prior()).train())
    }
}

/// Trains as the recipe says and leaves a bundle in the run; returns its folder.
///
/// # Errors
/// If data, recipe or files are at fault, or the training diverges.
pub fn train(recipe: &Recipe, order: &Order, device: &Device) -> anyhow::Result<PathBuf> {
    if order.start == Start::New {
        refuse_existing(&order.out)?;
    }
    let dataset = readable(recipe)?;
    if let Some(remark) = contract::check(recipe, order.init.is_some())? {
        eprintln!("{remark}");
    }
    let provenance = Provenance {
        command: order.invocation.command.clone(),
        commit: order.invocation.commit.clone(),
        data_sha256: dataset.sha256.clone(),
        device: device::name(device),
    };
    device.seed(recipe.seed);
    // Last of all before the training, so that no mistake leaves a folder behind that would be in the way of the next try.
    let open = || Run::open(&order.out, recipe, provenance, order.start);
    match &recipe.task {
        TaskRecipe::Style(task) => {
            let data = Labelled::new(dataset, recipe)?;
            let objective = StyleObjective::new(&data, recipe, None, device, &order.out)?;
            batch::check(recipe, |epoch| objective.batches(epoch))?;
            let objective = objective.with_recolouring()?;
            let dense = task.dense.map(|dense| dense.head);
            let config = classifier(&task.backbone, &task.hidden, dense, &data);
            let config = StyleConfig {
                per_label: task.per_label,
                ..config
            };
            let net = order.classifier(&config, &objective, device)?;
            train_classifier(recipe, config, net, &objective, &open()?, device)
        }
        TaskRecipe::Distill(task) => {
            let data = Labelled::new(dataset, recipe)?;
            let teacher = Teacher::read(&order.teachers, &data.labels, &recipe.input, task.truth, device)?;
            let objective = StyleObjective::new(&data, recipe, Some(&teacher), device, &order.out)?;
            batch::check(recipe, |epoch| objective.batches(epoch))?;
            let objective = objective.with_recolouring()?;
            let config = classifier(&task.backbone, &task.hidden, None, &data);
            let net = order.classifier(&config, &objective, device)?;
            train_classifier(recipe, config, net, &objective, &open()?, device)
        }
        TaskRecipe::Query(task) => {
            let (manifest, weights) = query::read_teacher(&order.teachers, &recipe.input)?;
            let teacher = load_retrieval(&manifest, &weights, device)?;
            let config = query::config(task, manifest.embedding_dim)?;
            let data = QueryRows::new(dataset, recipe, task)?;
            batch::check(recipe, |epoch| data.batches(recipe, epoch))?;
            let objective = QueryObjective::new(&data, recipe, task, &teacher, device)?;
            let net = order.initialise(config.init(&device.clone().autodiff())?)?;
            let run = open()?;
            let state = fit(&run, recipe, &data.images, &objective, net, device)?;
            export_query(recipe, config, &manifest, state, &run, device)
        }
        TaskRecipe::Retrieval(task) => {
            let data = Identities::new(dataset, recipe, task)?;
            let net = order.initialise(task.model.init(&device.clone().autodiff())?)?;
            let trainee = RetrievalTrainee::new(net, task, data.n_classes());
            train_retrieval(recipe, task, trainee, &data, &open()?, device)
        }
        TaskRecipe::Segment(task) => {
            let data = Segmented::new(dataset, recipe, task)?;
            let objective = SegmentObjective {
                data: &data,
                recipe,
                device,
            };
            batch::check(recipe, |epoch| objective.batches(epoch))?;
            let net = order.initialise(data.config.init(&device.clone().autodiff())?)?;
            train_segment(recipe, net, &objective, &open()?, device)
        }
    }
}

/// The recipe's dataset without the pictures that cannot be read.
fn readable(recipe: &Recipe) -> anyhow::Result<Dataset> {
    let mut dataset = Dataset::open(&recipe.data.dir)?;
    let used = |split: &String| split == "train" || split == "val" || recipe.data.predict.contains(split);
    let masks = matches!(recipe.task, TaskRecipe::Segment(_)) || recipe.recolour.is_some();
    dataset.leave_out_corrupt(|row| used(&row.split), masks, Limit::Recipe(recipe.data.max_corrupt))?;
    Ok(dataset)
}

/// What [`train`] would do, in words and a plot of the learning rate; nothing is written.
///
/// # Errors
/// If data or recipe are at fault.
pub fn dry_run(recipe: &Recipe) -> anyhow::Result<String> {
    let dataset = readable(recipe)?;
    let device = Device::default();
    let (train, tune, plot, table) = match &recipe.task {
        TaskRecipe::Style(_) | TaskRecipe::Distill(_) => {
            let data = Labelled::new(dataset, recipe)?;
            let objective = StyleObjective::new(&data, recipe, None, &device, Path::new(""))?;
            batch::check(recipe, |epoch| objective.batches(epoch))?;
            let plot = plan::plot(recipe, |epoch| objective.batches(epoch).len())?;
            (data.train.len(), data.tune.len(), plot, objective.sampling_table())
        }
        TaskRecipe::Query(task) => {
            let data = QueryRows::new(dataset, recipe, task)?;
            batch::check(recipe, |epoch| data.batches(recipe, epoch))?;
            let plot = plan::plot(recipe, |epoch| data.batches(recipe, epoch).len())?;
            (data.train.len(), data.n_tune(), plot, None)
        }
        TaskRecipe::Retrieval(task) => {
            let data = Identities::new(dataset, recipe, task)?;
            let objective = RetrievalObjective {
                data: &data,
                recipe,
                task,
                device: &device,
            };
            let plot = plan::plot(recipe, |epoch| objective.batches(epoch).len())?;
            (data.n_train(), data.n_tune(), plot, None)
        }
        TaskRecipe::Segment(task) => {
            let data = Segmented::new(dataset, recipe, task)?;
            let objective = SegmentObjective {
                data: &data,
                recipe,
                device: &device,
            };
            batch::check(recipe, |epoch| objective.batches(epoch))?;
            let plot = plan::plot(recipe, |epoch| objective.batches(epoch).len())?;
            (data.train.len(), data.tune.len(), plot, None)
        }
    };
    let table = table.map_or_else(String::new, |table| format!("rows of an epoch\n{table}\n"));
    Ok(format!(
        "{train} images to train on, {tune} to choose by\n\n{table}{plot}"
    ))
}

fn train_classifier(
    recipe: &Recipe,
    config: StyleConfig,
    net: StyleNet,
    objective: &StyleObjective<'_>,
    run: &Run,
    device: &Device,
) -> anyhow::Result<PathBuf> {
    if let Some(table) = objective.sampling_table() {
        eprint!("rows of an epoch\n{table}");
    }
    let state = fit(run, recipe, &objective.data.images, objective, net, device)?;
    export_style(recipe, config, objective.data, &state, run, device)
}

fn classifier(backbone: &str, hidden: &Hidden, dense: Option<DenseConfig>, data: &Labelled) -> StyleConfig {
    let head = HeadConfig::Style { hidden: hidden.clone() };
    StyleConfig {
        backbone: backbone.to_owned(),
        head,
        dense,
        per_label: false,
        n_labels: data.labels.len(),
    }
}

/// Thresholds and figures are those of the folded network as it ships.
fn export_style(
    recipe: &Recipe,
    config: StyleConfig,
    data: &Labelled,
    state: &State,
    run: &Run,
    device: &Device,
) -> anyhow::Result<PathBuf> {
    let best = std::fs::read(run.dir.join(BEST))?;
    let net = load(config.init(device)?, &best, Scope::Whole)?.fold_batch_norm();
    let weights = save(&net, Precision::F16)?;
    // A bundle is asked with one look at a picture, so its thresholds are for that.
    let predictions = data.predict_tune(&net, &recipe.input, &Views::None, device)?;
    let header = style::header(recipe, state.best.map_or(0, |(_, epoch)| epoch));
    let part = data.part(OOF, &data.tune, predictions.probs.clone());
    Table::new(&header, &data.labels, &[part])?.write(&run.dir.join(TUNED))?;
    let Figures { figures, .. } = data.figures(&predictions);
    let manifest = Manifest {
        labels: data.labels.clone(),
        thresholds: data.thresholds(&predictions),
        ..manifest(recipe, run, Architecture::Style(config), &weights, figures)
    };
    finish(run, &manifest, weights, device)
}

fn train_retrieval(
    recipe: &Recipe,
    task: &RetrievalRecipe,
    trainee: RetrievalTrainee,
    data: &Identities,
    run: &Run,
    device: &Device,
) -> anyhow::Result<PathBuf> {
    let state = fit(
        run,
        recipe,
        &data.images,
        &RetrievalObjective {
            data,
            recipe,
            task,
            device,
        },
        trainee,
        device,
    )?;
    let best = std::fs::read(run.dir.join(BEST))?;
    let net = load(task.model.init(device)?, &best, Scope::Whole)?.fold_batch_norm();
    let weights = save(&net, Precision::F16)?;
    let figures = state
        .best
        .iter()
        .map(|(score, _)| ("tune_mean_ap_at_10".to_owned(), *score))
        .collect();
    let manifest = Manifest {
        embedding_dim: task.model.embedding_dim(),
        ..manifest(
            recipe,
            run,
            Architecture::Retrieval(task.model.clone()),
            &weights,
            figures,
        )
    };
    finish(run, &manifest, weights, device)
}

fn export_query(
    recipe: &Recipe,
    config: QueryConfig,
    teacher: &Manifest,
    state: State,
    run: &Run,
    device: &Device,
) -> anyhow::Result<PathBuf> {
    let best = std::fs::read(run.dir.join(BEST))?;
    let net = load(config.init(device)?, &best, Scope::Whole)?.fold_batch_norm();
    let weights = save(&net, Precision::F16)?;
    let figures = state
        .best
        .iter()
        .map(|(score, _)| ("tune_mean_ap_at_10".to_owned(), *score))
        .collect();
    let manifest = Manifest {
        embedding_dim: config.embedding_dim,
        embeds_into: Some(teacher.space()),
        ..manifest(recipe, run, Architecture::Query(config), &weights, figures)
    };
    finish(run, &manifest, weights, device)
}

/// Figures are those of the folded network as it ships.
fn train_segment(
    recipe: &Recipe,
    net: UNet,
    objective: &SegmentObjective<'_>,
    run: &Run,
    device: &Device,
) -> anyhow::Result<PathBuf> {
    let data = objective.data;
    fit(run, recipe, &data.images, objective, net, device)?;
    let best = std::fs::read(run.dir.join(BEST))?;
    let net = load(data.config.init(device)?, &best, Scope::Whole)?.fold_batch_norm();
    let weights = save(&net, Precision::F16)?;
    let Figures { figures, .. } = objective.figures(&net)?;
    let manifest = Manifest {
        labels: data.labels.clone(),
        ..manifest(
            recipe,
            run,
            Architecture::Segment(data.config.clone()),
            &weights,
            figures,
        )
    };
    finish(run, &manifest, weights, device)
}

fn manifest(
    recipe: &Recipe,
    run: &Run,
    architecture: Architecture,
    weights: &[u8],
    metrics: BTreeMap<String, f64>,
) -> Manifest {
    Manifest {
        format: FORMAT,
        id: recipe.name.clone(),
        architecture,
        input: recipe.input.clone(),
        labels: Vec::new(),
        thresholds: Vec::new(),
        precise: None,
        embedding_dim: 0,
        embeds_into: None,
        floor: None,
        weights: describe_weights(weights, Precision::F16, true),
        projection: None,
        training: Training {
            command: run.provenance.command.clone(),
            recipe: recipe.name.clone(),
            seed: recipe.seed,
            commit: run.provenance.commit.clone(),
            data: file_name(&recipe.data.dir),
            data_sha256: run.provenance.data_sha256.clone(),
        },
        // JSON has no NaN: a figure that cannot be told is left out.
        metrics: metrics.into_iter().filter(|(_, value)| value.is_finite()).collect(),
        licence: "MIT OR Apache-2.0".to_owned(),
    }
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

fn finish(run: &Run, manifest: &Manifest, weights: Vec<u8>, device: &Device) -> anyhow::Result<PathBuf> {
    let dir = run.dir.join(BUNDLE);
    bundle::write(&dir, manifest, &Weights::from(weights), device)?;
    run_report::after(&run.dir);
    Ok(dir)
}
