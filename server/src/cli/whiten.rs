//! `selvedge whiten`: whitens the embeddings of a retrieval bundle to fewer values.

use super::bundles::{ProjectionSource, check_is_new, data_name, with_projection};
use super::invocation::command_line;
use super::output::print_path;
use clap::Args;
use dataset::bundle;
use dataset::{Dataset, Images, Limit};
use device::DeviceChoice;
use evaluation::inference::forward_all;
use evaluation::retrieval::fit_whitening;
use search::whitening::Whitening;
use shared::bundle::Manifest;
use shared::server_models::load_retrieval;
use std::path::PathBuf;
use std::sync::Arc;

/// Arguments of `selvedge whiten`.
#[derive(Debug, Args)]
pub(crate) struct WhitenArgs {
    /// Folder of the retrieval bundle
    #[arg(long)]
    bundle: PathBuf,
    /// Dataset folder, on whose split 'train' the whitening is fitted
    #[arg(long, env = "SELVEDGE_DATA")]
    data: PathBuf,
    /// Dimension of the new embeddings
    #[arg(long, default_value_t = 256)]
    dims: usize,
    #[command(flatten)]
    whitening: Whitening,
    /// Folder of the new bundle: the same network and a projection. Query encoders of --bundle can also be served with it
    #[arg(long)]
    out: PathBuf,
}

pub(super) fn whiten(args: &WhitenArgs, choice: DeviceChoice) -> anyhow::Result<()> {
    let (manifest, weights) = bundle::read(&args.bundle)?;
    anyhow::ensure!(
        manifest.projection.is_none(),
        "{} is whitened already; name the bundle that it was whitened from",
        args.bundle.display()
    );
    check_is_new(&args.out)?;
    let device = choice.open()?;
    let net = load_retrieval(&manifest, &weights, &device)?;
    let mut dataset = Dataset::open(&args.data)?;
    dataset.leave_out_corrupt(|row| row.split == "train", false, Limit::Fixed)?;
    let images = Arc::new(Images::new(Arc::new(dataset)).with_margin_of(&manifest.input));
    let embed = |rows: &[usize]| forward_all(&images, rows, &manifest.input, &device, |x| net.forward(x));
    let options = Whitening {
        dims: args.dims,
        ..args.whitening
    };
    let projection = fit_whitening(images.dataset(), options, embed, &device)?;
    let source = ProjectionSource {
        command: command_line(),
        data: data_name(&args.data),
        data_sha256: images.dataset().sha256.clone(),
        adapted: None,
    };
    let manifest = Manifest {
        embedding_dim: args.dims,
        ..manifest
    };
    let (whitened, weights) = with_projection(manifest, weights, &projection, source)?;
    bundle::write(&args.out, &whitened, &weights, &device)?;
    eprintln!("{} embeds into {} values", whitened.model_id(), whitened.embedding_dim);
    print_path(&args.out)
}
