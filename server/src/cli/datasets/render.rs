//! `selvedge dataset render`: a drawn shop.

use crate::cli::output::{print_path, progress_bar};
use clap::Args;
use render::{RenderOptions, StyleMix, render_dataset};
use std::path::PathBuf;

/// Arguments of `selvedge dataset render`.
#[derive(Debug, Args)]
pub(crate) struct RenderArgs {
    /// Number of products
    #[arg(long, default_value_t = 240)]
    items: usize,
    /// Random seed; the same seed draws the same shop on every machine
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// Side of every photo in pixels, 32 to 2048
    #[arg(long, default_value_t = 256)]
    size: u32,
    /// Shop photos per product
    #[arg(long, default_value_t = 1)]
    shop_photos: usize,
    /// User photos per product
    #[arg(long, default_value_t = 2)]
    user_photos: usize,
    /// Exponent of the frequency of every set of styles: 1 keeps the real imbalance, less draws more rare styles
    #[arg(long, default_value_t = 1.0)]
    temper: f32,
    /// Folder of the new dataset
    #[arg(long)]
    out: PathBuf,
}

pub(super) fn render(args: &RenderArgs) -> anyhow::Result<()> {
    anyhow::ensure!(
        args.temper > 0.0 && args.temper <= 1.0,
        "--temper must be greater than 0 and at most 1"
    );
    let options = RenderOptions {
        items: args.items,
        seed: args.seed,
        size: args.size,
        shop_photos: args.shop_photos,
        user_photos: args.user_photos,
        style_mix: if args.temper < 1.0 {
            StyleMix::Tempered(args.temper)
        } else {
            StyleMix::Real
        },
        out: args.out.clone(),
    };
    let bar = progress_bar(args.items, "rendering");
    let summary = render_dataset(&options, &|done| bar.inc(done as u64))?;
    bar.finish_and_clear();
    eprintln!("rendered {} products, {} photos", summary.items, summary.images);
    print_path(&summary.out)
}
