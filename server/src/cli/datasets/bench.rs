//! `selvedge dataset bench`: speed of decoding and augmentation.

use crate::cli::output::print;
use anyhow::{Context, ensure};
use clap::Args;
use dataset::{Augment, Dataset, Images, Loader, Plan, Source};
use shared::input::{Fit, InputSpec};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

/// Arguments of `selvedge dataset bench`.
#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// Dataset folder
    #[arg(long, env = "SELVEDGE_DATA")]
    data: PathBuf,
    /// Images per pass, in the order of the manifest
    #[arg(long, default_value_t = 512)]
    limit: usize,
    /// Width of the input in pixels
    #[arg(long, default_value_t = 224)]
    width: usize,
    /// Height of the input in pixels
    #[arg(long, default_value_t = 224)]
    height: usize,
    /// Number of decoding threads
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Number of passes, of which the median is reported
    #[arg(long, default_value_t = 5)]
    passes: usize,
}

/// Measures the rate of decoded and augmented images. `tests/load/loader_peer.py` does the same with PyTorch and
/// torchvision.
pub(super) fn bench(args: &BenchArgs) -> anyhow::Result<()> {
    ensure!(
        args.threads > 0 && args.passes > 0,
        "--threads and --passes must be at least 1"
    );
    ensure!(
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
        // No image is kept, so that every pass decodes.
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
    let rates = rates(&source, &rows, args.passes)?;
    let median = rates[rates.len() / 2];
    print(&format!(
        "{}",
        serde_json::json!({
            "images": rows.len(), "width": args.width, "height": args.height, "threads": args.threads,
            "passes": args.passes, "images_per_second": median,
            "images_per_second_and_core": median / args.threads as f64,
            "slowest": rates[0], "fastest": rates[rates.len() - 1],
        })
    ))
}

/// Images per second of every pass, in ascending order. A first pass, which also reads the files from the disk, is not
/// counted.
fn rates(source: &Source, rows: &[usize], passes: usize) -> anyhow::Result<Vec<f64>> {
    let mut rates = Vec::with_capacity(passes);
    for epoch in 0..=passes {
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
    Ok(rates)
}
