//! `selvedge dataset augmented`: a contact sheet of a recipe's augmentation.

use crate::cli::output::print_path;
use crate::cli::recipe::read_recipe;
use anyhow::{Context, ensure};
use clap::Args;
use dataset::{Dataset, Images, Loader, Plan, Recolouring, Source, contact_sheet};
use device::DeviceChoice;
use image::RgbImage;
use std::path::PathBuf;
use std::sync::Arc;
use training::{Labelled, Recipe};

/// Arguments of `selvedge dataset augmented`.
#[derive(Debug, Args)]
pub(crate) struct AugmentedArgs {
    /// The recipe, a TOML file
    recipe: PathBuf,
    /// Dataset folder, instead of the recipe's
    #[arg(long, env = "SELVEDGE_DATA")]
    data: Option<PathBuf>,
    /// Change a key of the recipe, such as augment.stretch=0.1; can be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// Number of photos, one per row of the sheet, spread evenly over the split
    #[arg(long, default_value_t = 8)]
    photos: usize,
    /// Number of augmented images per photo
    #[arg(long, default_value_t = 7)]
    draws: usize,
    /// Split
    #[arg(long, default_value = "train")]
    split: String,
    /// Side of every image's cell in pixels
    #[arg(long, default_value_t = 160)]
    cell: u32,
    /// PNG or JPEG file to write
    #[arg(long)]
    out: PathBuf,
}

/// Writes the sheet. If the recipe recolours photos, the sheet has only those.
pub(super) fn augmented(args: &AugmentedArgs, device: DeviceChoice) -> anyhow::Result<()> {
    let recipe = read_recipe(&args.recipe, &args.settings, args.data.as_ref())?;
    let dataset = Dataset::open(&recipe.data.dir)?;
    let recolouring = match &recipe.recolour {
        Some(recolour) => {
            let data = Labelled::new(dataset.clone(), &recipe)?;
            Some(Arc::new(recolour.prepare(&data, &device.open()?)?))
        }
        None => None,
    };
    let rows = rows(args, &dataset, recolouring.as_deref())?;
    let images = Arc::new(Images::new(Arc::new(dataset)).with_margin_of(&recipe.input));
    let originals = rows.iter().map(|row| Ok(images.get(*row)?.to_rgb()));
    let mut columns: Vec<Vec<RgbImage>> = vec![originals.collect::<anyhow::Result<_>>()?];
    for epoch in 0..args.draws {
        let source = Source {
            images: Arc::clone(&images),
            spec: recipe.input.clone(),
            augment: Some(recipe.augment),
            recolour: recolouring.clone(),
            maps: None,
            pool: None,
        };
        columns.extend(draw(source, &recipe, &rows, epoch)?);
    }
    let cells: Vec<RgbImage> = (0..rows.len())
        .flat_map(|row| columns.iter().map(move |column| column[row].clone()))
        .collect();
    contact_sheet(&cells, columns.len(), args.cell)
        .save(&args.out)
        .with_context(|| format!("cannot write {}", args.out.display()))?;
    print_path(&args.out)
}

/// Rows of the sheet.
fn rows(args: &AugmentedArgs, dataset: &Dataset, recolouring: Option<&Recolouring>) -> anyhow::Result<Vec<usize>> {
    let mut rows = dataset.split(&args.split, |_| true, "")?;
    if let Some(recolouring) = recolouring {
        rows.retain(|row| recolouring.rows.contains(row));
        ensure!(
            !rows.is_empty(),
            "[recolour] recolours no photo of split '{}'",
            args.split
        );
    }
    let step = (rows.len() / args.photos.max(1)).max(1);
    Ok(rows.into_iter().step_by(step).take(args.photos).collect())
}

/// Augmented images of the rows, one batch per column.
fn draw(source: Source, recipe: &Recipe, rows: &[usize], epoch: usize) -> anyhow::Result<Vec<Vec<RgbImage>>> {
    let (width, height) = (recipe.input.width as u32, recipe.input.height as u32);
    let plan = Plan {
        batches: vec![rows.to_vec()],
        seed: recipe.seed,
        epoch,
    };
    let images = |pixels: &[f32]| {
        pixels
            .chunks_exact(recipe.input.len())
            .filter_map(|chw| RgbImage::from_raw(width, height, recipe.input.to_rgb(chw)))
            .collect()
    };
    Loader::open(source, plan)
        .map(|batch| Ok(images(&batch?.pixels)))
        .collect()
}
