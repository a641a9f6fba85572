//! `selvedge adapt`: adapts a whitened retrieval bundle to the photos of one shop.

use super::bundles::{ProjectionSource, check_is_new, data_name, with_projection};
use super::invocation::command_line;
use super::output::print_path;
use clap::Args;
use dataset::bundle;
use dataset::{Dataset, Images, Limit};
use device::DeviceChoice;
use evaluation::inference::forward_all;
use shared::bundle::Adaptation;
use shared::server_models::load_retrieval;
use std::path::PathBuf;
use std::sync::Arc;

/// Smallest number of photos per side. The mean of fewer photos says more about these photos than about the shop.
const FEWEST: usize = 10;

/// Arguments of `selvedge adapt`.
#[derive(Debug, Args)]
pub(crate) struct AdaptArgs {
    /// Folder of the whitened retrieval bundle
    #[arg(long)]
    bundle: PathBuf,
    /// Dataset folder with at least ten customers' photos and ten shop photos. No item ids or labels are read
    #[arg(long, env = "SELVEDGE_DATA")]
    data: PathBuf,
    /// Split whose photos are used
    #[arg(long, default_value = "train")]
    split: String,
    /// Folder of the new bundle. Catalogs of --bundle must be embedded again
    #[arg(long)]
    out: PathBuf,
}

impl AdaptArgs {
    /// Returns the rows of the shop's photos and of its customers' photos.
    fn photos(&self, dataset: &Dataset) -> anyhow::Result<(Vec<usize>, Vec<usize>)> {
        let rows = dataset.split(&self.split, |_| true, "")?;
        let (shop, customers): (Vec<usize>, Vec<usize>) = rows.iter().partition(|row| dataset.rows[**row].is_shop());
        anyhow::ensure!(
            shop.len() >= FEWEST && customers.len() >= FEWEST,
            "split '{}' of {} has {} shop photos (domain 'shop') and {} others; at least {FEWEST} of each are needed",
            self.split,
            self.data.display(),
            shop.len(),
            customers.len()
        );
        Ok((shop, customers))
    }
}

pub(super) fn adapt(args: &AdaptArgs, choice: DeviceChoice) -> anyhow::Result<()> {
    let (manifest, weights) = bundle::read(&args.bundle)?;
    let device = choice.open()?;
    let net = load_retrieval(&manifest, &weights, &device)?;
    let (Some(projection), Some(info)) = (net.projection().cloned(), &manifest.projection) else {
        anyhow::bail!(
            "{} is not whitened\nhint: whiten it first with `selvedge whiten`",
            args.bundle.display()
        );
    };
    check_is_new(&args.out)?;
    let mut dataset = Dataset::open(&args.data)?;
    dataset.leave_out_corrupt(|row| row.split == args.split, false, Limit::Fixed)?;
    let (shop, customers) = args.photos(&dataset)?;
    let images = Arc::new(Images::new(Arc::new(dataset)).with_margin_of(&manifest.input));
    let mean = |rows: &[usize]| {
        forward_all(&images, rows, &manifest.input, &device, |x| net.joined(x)).map(|rows| mean(&rows))
    };
    let adapted = projection.adapted(mean(&customers)?, mean(&shop)?);
    let adaptation = Adaptation {
        command: command_line(),
        data: data_name(&args.data),
        data_sha256: images.dataset().sha256.clone(),
        customers: customers.len(),
        shop: shop.len(),
    };
    let source = ProjectionSource {
        command: info.command.clone(),
        data: info.data.clone(),
        data_sha256: info.data_sha256.clone(),
        adapted: Some(adaptation),
    };
    let (adapted, weights) = with_projection(manifest, weights, &adapted, source)?;
    bundle::write(&args.out, &adapted, &weights, &device)?;
    eprintln!(
        "{} is adapted to {} customers' photos and {} shop photos",
        adapted.model_id(),
        customers.len(),
        shop.len()
    );
    print_path(&args.out)
}

/// Mean of rows of equal length.
fn mean(rows: &[Vec<f32>]) -> Vec<f32> {
    let mut sum = vec![0.0; rows.first().map_or(0, Vec::len)];
    for row in rows {
        sum.iter_mut()
            .zip(row)
            .for_each(|(sum, value)| *sum += f64::from(*value));
    }
    sum.iter().map(|sum| (sum / rows.len() as f64) as f32).collect()
}
