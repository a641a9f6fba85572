//! `selvedge whiten`: from a retrieval bundle to one whose embeddings have fewer values.

use super::{command_line, print};
use clap::Args;
use dataset::bundle;
use dataset::{Dataset, Images, Limit};
use device::DeviceChoice;
use evaluation::inference::forward_all;
use evaluation::retrieval::fit_whitening;
use shared::bundle::{MANIFEST_FILE, Manifest, PROJECTION_FILE, ProjectionInfo, Weights, load_retrieval, sha256_hex};
use shared::weights::{Precision, save};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// `selvedge whiten`
#[derive(Debug, Args)]
pub struct WhitenArgs {
    /// Folder of the retrieval bundle.
    #[arg(long)]
    bundle: PathBuf,
    /// Folder of the dataset; its split 'train' is what the whitening is fitted on.
    #[arg(long, env = "SELVEDGE_DATA")]
    data: PathBuf,
    /// Values of the new embeddings.
    #[arg(long, default_value_t = 256)]
    dims: usize,
    /// The folder to make: the same network and the projection. Query encoders of --bundle go on serving it.
    #[arg(long)]
    out: PathBuf,
}

pub(super) fn whiten(args: &WhitenArgs, choice: DeviceChoice) -> anyhow::Result<()> {
    let (manifest, weights) = bundle::read(&args.bundle)?;
    anyhow::ensure!(
        manifest.projection.is_none(),
        "{} is whitened already; name the bundle that it was made of",
        args.bundle.display()
    );
    anyhow::ensure!(
        !args.out.join(MANIFEST_FILE).exists(),
        "{} holds a bundle already; choose another folder",
        args.out.display()
    );
    let device = choice.open()?;
    let net = load_retrieval(&manifest, &weights, &device)?;
    let mut dataset = Dataset::open(&args.data)?;
    dataset.leave_out_corrupt(|row| row.split == "train", false, Limit::Fixed)?;
    let images = Arc::new(Images::new(Arc::new(dataset)).with_margin_of(&manifest.input));
    let embed = |rows: &[usize]| forward_all(&images, rows, &manifest.input, &device, |x| net.forward(x));
    let projection = fit_whitening(images.dataset(), args.dims, embed, &device)?;
    let projection = save(&projection, Precision::F32)?;
    let info = ProjectionInfo {
        file: PROJECTION_FILE.to_owned(),
        bytes: projection.len() as u64,
        sha256: sha256_hex(&projection),
        command: command_line(),
        data: args
            .data
            .file_name()
            .map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
        data_sha256: images.dataset().sha256.clone(),
    };
    let whitened = Manifest {
        embedding_dim: args.dims,
        projection: Some(info),
        // They are those of the embeddings before.
        floor: None,
        metrics: BTreeMap::new(),
        ..manifest
    };
    bundle::write(
        &args.out,
        &whitened,
        &Weights {
            projection: Some(projection),
            ..weights
        },
        &device,
    )?;
    eprintln!("{} embeds into {} values", whitened.model_id(), whitened.embedding_dim);
    print(&args.out.display().to_string())
}
