//! Training of a recipe, from its dataset to a bundle.

use crate::batch;
use crate::engine::fit;
use crate::export::export;
use crate::input_check;
use crate::objective::TrainingData;
use crate::recipe::{FoldKind, Recipe, with_task};
use crate::sources;
use crate::task::{Setup, Task};
use burn::tensor::Device;
use dataset::Dataset;
use dataset::run::{Invocation, Provenance, Run, Start, refuse_existing};
use shared::model::norm::with_norm_momentum;
use std::path::PathBuf;

/// Options of a training besides its recipe.
#[derive(Debug, Clone)]
pub struct TrainOptions {
    /// Folder of the run.
    pub out: PathBuf,
    /// Starts a new run or resumes one.
    pub start: Start,
    /// Folders of the teachers' bundles, for distillation.
    pub teachers: Vec<PathBuf>,
    /// Pretrained weights instead of those of the recipe: `pretrained:NAME`, or a file, safetensors or PyTorch's, with
    /// torchvision's or timm's names.
    pub init: Option<String>,
    /// Invocation of the program, for the record.
    pub invocation: Invocation,
}

/// Trains a recipe and writes a bundle into the run; returns the bundle's folder.
///
/// # Errors
/// If data, recipe or files are invalid, or the training diverges.
pub fn train(recipe: &Recipe, options: &TrainOptions, device: &Device) -> anyhow::Result<PathBuf> {
    if options.start == Start::New {
        refuse_existing(&options.out)?;
    }
    with_task!(&recipe.task, task => train_task(task, recipe, options, device))
}

fn train_task<T: Task>(task: &T, recipe: &Recipe, options: &TrainOptions, device: &Device) -> anyhow::Result<PathBuf> {
    let init = options.init.as_ref().or(recipe.init.as_ref());
    let init = init.map(|init| pretrained::locate(init)).transpose()?;
    let dataset = readable::<T>(recipe)?;
    if let Some(remark) = input_check::check(task.backbone(), &recipe.input, init.is_some())? {
        eprintln!("{remark}");
    }
    device.seed(recipe.seed);
    let data = task.data(dataset, recipe)?;
    let provenance = Provenance {
        command: options.invocation.command.clone(),
        commit: options.invocation.commit.clone(),
        data_sha256: data.images().dataset().sha256.clone(),
        device: device::name(device),
    };
    let teacher = task.teacher(&data, recipe, &options.teachers, device)?;
    batch::check(recipe, |epoch| data.batches(recipe, epoch))?;
    let objective = task.objective(Setup {
        data: &data,
        teacher: &teacher,
        recipe,
        device,
        run: &options.out,
    })?;
    let net = with_norm_momentum(recipe.optimiser.norm_momentum, || {
        task.network(&objective, init.as_deref(), device)
    })?;
    // The run is opened last: an earlier error must not leave a folder that blocks the next attempt.
    let run = Run::open(&options.out, recipe, provenance, options.start)?;
    if let Some(table) = data.sampling_table(recipe) {
        eprint!("rows per epoch\n{table}");
    }
    let state = fit(&run, recipe, &data, &objective, net, device)?;
    export(task, recipe, &objective, &state, &run, device)
}

/// Opens the recipe's dataset, moves the rows of its fold of items, and leaves out images that cannot be read.
///
/// # Errors
/// If the dataset cannot be read, or has more unreadable images than the recipe allows.
pub(crate) fn readable<T: Task>(recipe: &Recipe) -> anyhow::Result<Dataset> {
    let mut dataset = Dataset::open(&recipe.data.dir)?;
    if let Some(fold) = recipe.data.item_fold().filter(|_| T::FOLDS == FoldKind::Items) {
        dataset = dataset.with_fold(&fold)?;
    }
    let masks = T::NEEDS_MASKS || recipe.recolour.is_some();
    sources::without_unreadable(dataset, recipe, masks)
}
