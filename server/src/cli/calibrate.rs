//! `selvedge calibrate`: calibrates probabilities, and adds precise thresholds or a score floor to a bundle.

use super::bundles::check_is_new;
use super::invocation::command_line;
use super::output::print_path;
use clap::Args;
use dataset::Dataset;
use dataset::bundle;
use device::DeviceChoice;
use evaluation::classifier::{FitRule, LabelRules, Method};
use evaluation::{Rules, choose_points};
use std::path::PathBuf;

/// Arguments of `selvedge calibrate`.
#[derive(Debug, Args)]
pub(crate) struct CalibrateArgs {
    /// Folder of a style bundle, a retrieval bundle or a query encoder's bundle
    #[arg(long)]
    bundle: PathBuf,
    /// Folder of the retrieval bundle whose gallery the query encoder in --bundle searches
    #[arg(long, value_name = "DIR")]
    gallery_bundle: Option<PathBuf>,
    /// Dataset folder
    #[arg(long, env = "SELVEDGE_DATA")]
    data: PathBuf,
    /// Validation split to choose on; it must not share an item with 'train'
    #[arg(long, default_value = "val")]
    split: String,
    /// Splits on which the chosen points are only measured
    #[arg(long, value_name = "SPLIT", num_args = 1..)]
    check: Vec<String>,
    /// Group of labels of a style bundle; by default the one whose labels the dataset has
    #[arg(long, value_name = "NAME")]
    group: Option<String>,
    /// First calibrate the probabilities of the group: temperature (one for the group) or platt (scale and bias per label)
    #[arg(long, value_name = "METHOD")]
    probabilities: Option<Method>,
    /// Split to calibrate the probabilities on, which chooses nothing else; by default half of the items of --split, and the other
    /// half chooses the thresholds
    #[arg(long, value_name = "SPLIT", requires = "probabilities")]
    fit_split: Option<String>,
    /// Precision, 0 to 1, that a style's threshold must reach on at least ten items. With 95 % confidence it must also halve
    /// the errors of predicting the style for every photo
    #[arg(long, value_name = "SHARE", default_value_t = 0.8, value_parser = share)]
    precision: f64,
    /// Maximum share, 0 to 1, of the queries which find their product but score below the floor
    #[arg(long, value_name = "SHARE", default_value_t = 0.05, value_parser = share)]
    lost: f64,
    /// Folder of the new bundle: the same weights, and a manifest with precise thresholds or a score floor
    #[arg(long)]
    out: PathBuf,
}

/// Parses a share between 0 and 1, both excluded.
fn share(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| "it is not a number".to_owned())?;
    if value > 0.0 && value < 1.0 {
        Ok(value)
    } else {
        Err("it is not between 0 and 1".to_owned())
    }
}

pub(super) fn calibrate(args: &CalibrateArgs, choice: DeviceChoice) -> anyhow::Result<()> {
    let bundle = bundle::read(&args.bundle)?;
    let gallery = args.gallery_bundle.as_deref().map(bundle::read).transpose()?;
    check_is_new(&args.out)?;
    let splits: Vec<String> = std::iter::once(&args.split).chain(&args.check).cloned().collect();
    let rules = Rules {
        labels: LabelRules {
            precision: args.precision,
            group: args.group.clone(),
            fit: args.probabilities.map(|method| FitRule {
                method,
                split: args.fit_split.clone(),
            }),
        },
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
    print_path(&args.out)
}
