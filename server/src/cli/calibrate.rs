//! `selvedge calibrate`: from a bundle to one that states its operating points.

use super::{command_line, print};
use clap::Args;
use dataset::Dataset;
use dataset::bundle;
use device::DeviceChoice;
use evaluation::{Rules, choose_points};
use shared::bundle::MANIFEST_FILE;
use std::path::PathBuf;

/// `selvedge calibrate`
#[derive(Debug, Args)]
pub struct CalibrateArgs {
    /// Folder of the bundle: of styles, of a retrieval network or of a query encoder.
    #[arg(long)]
    bundle: PathBuf,
    /// Folder of the retrieval bundle whose gallery the query encoder in --bundle searches.
    #[arg(long, value_name = "DIR")]
    gallery_bundle: Option<PathBuf>,
    /// Folder of the dataset.
    #[arg(long, env = "SELVEDGE_DATA")]
    data: PathBuf,
    /// The split to choose on. It shares no item with 'train'.
    #[arg(long, default_value = "val")]
    split: String,
    /// Splits on which the chosen points are measured only.
    #[arg(long, value_name = "SPLIT", num_args = 1..)]
    check: Vec<String>,
    /// Precision, 0 to 1, that a style's threshold must reach on at least ten items. With 95 % confidence it must also halve the
    /// errors of stating the style for every photo.
    #[arg(long, value_name = "SHARE", default_value_t = 0.8, value_parser = share)]
    precision: f64,
    /// Largest share, 0 to 1, of the queries that find their product which the score floor may call not close.
    #[arg(long, value_name = "SHARE", default_value_t = 0.05, value_parser = share)]
    lost: f64,
    /// The folder to make: the same weights, and a manifest with precise thresholds or a score floor.
    #[arg(long)]
    out: PathBuf,
}

fn share(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| "it is no number".to_owned())?;
    if value > 0.0 && value < 1.0 {
        Ok(value)
    } else {
        Err("it does not lie between 0 and 1".to_owned())
    }
}

pub(super) fn calibrate(args: &CalibrateArgs, choice: DeviceChoice) -> anyhow::Result<()> {
    let bundle = bundle::read(&args.bundle)?;
    let gallery = args.gallery_bundle.as_deref().map(bundle::read).transpose()?;
    anyhow::ensure!(
        !args.out.join(MANIFEST_FILE).exists(),
        "{} holds a bundle already; choose another folder",
        args.out.display()
    );
    let splits: Vec<String> = std::iter::once(&args.split).chain(&args.check).cloned().collect();
    let rules = Rules {
        precision: args.precision,
        lost: args.lost,
    };
    let dataset = Dataset::open(&args.data)?;
    let device = choice.open()?;
    let chosen = choose_points(
        &bundle,
        gallery.as_ref(),
        dataset,
        &splits,
        rules,
        command_line(),
        &device,
    )?;
    bundle::write(&args.out, &chosen.manifest, &bundle.1, &device)?;
    eprint!("{chosen}");
    print(&args.out.display().to_string())
}
