//! The commands about pictures on their way to a network: see what augmentation does, measure how fast it is done.

use super::{print, read_recipe};
use anyhow::Context;
use clap::Args;
use dataset::{Augment, Dataset, Images, Loader, Plan, Source};
use device::DeviceChoice;
use image::RgbImage;
use render::lay_out;
use shared::input::{Fit, InputSpec};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;
use training::Labelled;

/// `selvedge dataset augmented`
#[derive(Debug, Args)]
pub struct AugmentedArgs {
    /// The recipe, a TOML file.
    recipe: PathBuf,
    /// Folder of the dataset, instead of the recipe's.
    #[arg(long, env = "SELVEDGE_DATA")]
    data: Option<PathBuf>,
    /// Change a key of the recipe, such as augment.stretch=0.1; can be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// Photos, each a row of the page, taken evenly from the split.
    #[arg(long, default_value_t = 8)]
    photos: usize,
    /// Augmented pictures beside each.
    #[arg(long, default_value_t = 7)]
    draws: usize,
    /// The split.
    #[arg(long, default_value = "train")]
    split: String,
    /// Side of each picture's place in pixels.
    #[arg(long, default_value_t = 160)]
    cell: u32,
    /// The PNG or JPEG file to write.
    #[arg(long)]
    out: PathBuf,
}

/// `selvedge dataset bench`
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// Folder of the dataset.
    #[arg(long, env = "SELVEDGE_DATA")]
    data: PathBuf,
    /// Pictures a pass; they are taken in the manifest's order.
    #[arg(long, default_value_t = 512)]
    limit: usize,
    /// Width of the input in pixels.
    #[arg(long, default_value_t = 224)]
    width: usize,
    /// Height of the input in pixels.
    #[arg(long, default_value_t = 224)]
    height: usize,
    /// Threads that decode.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Passes; the median counts.
    #[arg(long, default_value_t = 5)]
    passes: usize,
}

/// Where the recipe recolours photos, those are shown.
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
    let mut rows = dataset.split(&args.split, |_| true, "")?;
    if let Some(recolouring) = &recolouring {
        rows.retain(|row| recolouring.rows.contains(row));
        anyhow::ensure!(
            !rows.is_empty(),
            "[recolour] recolours no photo of split '{}'",
            args.split
        );
    }
    let step = (rows.len() / args.photos.max(1)).max(1);
    let rows: Vec<usize> = rows.into_iter().step_by(step).take(args.photos).collect();
    let images = Arc::new(Images::new(Arc::new(dataset)).with_margin_of(&recipe.input));
    let (width, height) = (recipe.input.width as u32, recipe.input.height as u32);

    let mut columns: Vec<Vec<RgbImage>> = vec![
        rows.iter()
            .map(|row| Ok(images.get(*row)?.to_rgb()))
            .collect::<anyhow::Result<_>>()?,
    ];
    for epoch in 0..args.draws {
        let plan = Plan {
            batches: vec![rows.clone()],
            seed: recipe.seed,
            epoch,
        };
        let source = Source {
            images: Arc::clone(&images),
            spec: recipe.input.clone(),
            augment: Some(recipe.augment),
            recolour: recolouring.clone(),
            maps: None,
            pool: None,
        };
        for batch in Loader::open(source, plan) {
            let batch = batch?;
            let seen = batch.pixels.chunks_exact(recipe.input.len());
            let seen = seen.filter_map(|chw| RgbImage::from_raw(width, height, recipe.input.to_rgb(chw)));
            columns.push(seen.collect());
        }
    }
    let page: Vec<RgbImage> = (0..rows.len())
        .flat_map(|row| columns.iter().map(move |column| column[row].clone()))
        .collect();
    let page = lay_out(&page, columns.len(), args.cell);
    page.save(&args.out)
        .with_context(|| format!("cannot write {}", args.out.display()))?;
    print(&args.out.display().to_string())
}

/// The peer, `tests/load/loader_peer.py`, does the same with PyTorch and torchvision.
pub(super) fn bench(args: &BenchArgs) -> anyhow::Result<()> {
    anyhow::ensure!(
        args.threads > 0 && args.passes > 0,
        "--threads and --passes must be at least 1"
    );
    anyhow::ensure!(
        args.width > 0 && args.height > 0,
        "--width and --height must be at least 1"
    );
    let dataset = Dataset::open(&args.data)?;
    let rows: Vec<usize> = (0..dataset.rows.len().min(args.limit)).collect();
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(args.threads)
        .build()
        .context("cannot start the threads")?;
    let source = Source {
        // Nothing is kept, so that every pass decodes.
        images: Arc::new(Images::keeping(Arc::new(dataset), 0)),
        spec: InputSpec::new(args.width, args.height, Fit::Stretch),
        augment: Some(Augment {
            crop_width: 0.15,
            crop_height: 0.10,
            flip: true,
            ..Augment::default()
        }),
        recolour: None,
        maps: None,
        pool: Some(Arc::new(pool)),
    };
    let mut rates = Vec::with_capacity(args.passes);
    // A pass more than is counted: the first also reads the files from the disk.
    for epoch in 0..=args.passes {
        let plan = Plan {
            batches: rows.chunks(32).map(<[usize]>::to_vec).collect(),
            seed: 1,
            epoch,
        };
        let begun = Instant::now();
        let mut images = 0;
        for batch in Loader::open(source.clone(), plan) {
            images += batch?.rows.len();
        }
        if epoch > 0 {
            rates.push(images as f64 / begun.elapsed().as_secs_f64());
        }
    }
    rates.sort_by(f64::total_cmp);
    let median = rates[rates.len() / 2];
    print(&format!(
        "{}",
        serde_json::json!({
            "images": rows.len(), "width": args.width, "height": args.height, "threads": args.threads,
            "passes": args.passes, "images_per_second": median, "images_per_second_and_core": median / args.threads as f64,
            "slowest": rates[0], "fastest": rates[rates.len() - 1],
        })
    ))
}
