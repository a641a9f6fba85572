//! `selvedge catalog samples`: the photos that visitors can try.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, bail, ensure};
use clap::{Args, Subcommand};
use dataset::Photo;
use service::catalog::{MAX_SAMPLES, PhotoFiles};
use store::{Sample, Store};

use super::super::output::print;
use super::place::CatalogArg;

/// Arguments of `selvedge catalog samples`.
#[derive(Debug, Args)]
pub(crate) struct SamplesArgs {
    #[command(subcommand)]
    command: SamplesCommand,
}

/// Subcommands of `selvedge catalog samples`.
#[derive(Debug, Subcommand)]
enum SamplesCommand {
    /// Print the sample photos in their order: checksum, product and source
    List(ListArgs),
    /// Copy photos into the catalog and show them after the other samples. Print their checksums
    Add(AddArgs),
    /// Show photos no longer
    Remove(RemoveArgs),
}

/// Arguments of `selvedge catalog samples list`.
#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    catalog: CatalogArg,
}

/// Arguments of `selvedge catalog samples add`.
#[derive(Debug, Args)]
struct AddArgs {
    /// Files of photos. Everybody who reaches the page can see them
    #[arg(required = true)]
    photos: Vec<PathBuf>,
    #[command(flatten)]
    catalog: CatalogArg,
    /// Id of the product that the photos show
    #[arg(long, value_name = "ID")]
    product: Option<String>,
}

/// Arguments of `selvedge catalog samples remove`.
#[derive(Debug, Args)]
struct RemoveArgs {
    /// Checksums of samples as `list` prints them, or their first digits
    #[arg(required = true)]
    checksums: Vec<String>,
    #[command(flatten)]
    catalog: CatalogArg,
}

pub(super) fn samples(args: &SamplesArgs) -> anyhow::Result<()> {
    match &args.command {
        SamplesCommand::List(args) => list(&args.catalog.open()?),
        SamplesCommand::Add(args) => add(args),
        SamplesCommand::Remove(args) => remove(args),
    }
}

fn list(store: &Store) -> anyhow::Result<()> {
    let samples = store.samples()?;
    if samples.is_empty() {
        eprintln!("the catalog has no sample photos");
        return Ok(());
    }
    let line = |sample: &Sample| {
        let product = sample.product.as_deref().unwrap_or("-");
        format!("{}  {product}  {}", sample.sha256, sample.source)
    };
    print(&samples.iter().map(line).collect::<Vec<_>>().join("\n"))
}

fn add(args: &AddArgs) -> anyhow::Result<()> {
    let store = args.catalog.open()?;
    if let Some(id) = &args.product {
        ensure!(
            store.product(id)?.is_some(),
            "the catalog has no product `{id}`\nhint: correct --product, or leave it out"
        );
    }
    let files = PhotoFiles::of(&store, None)?;
    let mut samples = store.samples()?;
    let mut added = Vec::new();
    for path in &args.photos {
        let bytes = fs::read(path).with_context(|| format!("cannot open {}", path.display()))?;
        let photo = Photo::decode(&bytes).with_context(|| format!("cannot use {}", path.display()))?;
        let (source, file) = files.keep(&bytes, &photo)?;
        samples.retain(|sample| sample.sha256 != file.sha256);
        added.push(file.sha256.clone());
        samples.push(Sample {
            source,
            sha256: file.sha256,
            product: args.product.clone(),
        });
    }
    ensure!(
        samples.len() <= MAX_SAMPLES,
        "the catalog would have {} sample photos, and at most {MAX_SAMPLES} are shown\nhint: remove some first",
        samples.len()
    );
    store.set_samples(&samples)?;
    print(&added.join("\n"))
}

fn remove(args: &RemoveArgs) -> anyhow::Result<()> {
    let store = args.catalog.open()?;
    let mut samples = store.samples()?;
    for checksum in &args.checksums {
        let mut found = samples
            .iter()
            .enumerate()
            .filter(|(_, sample)| sample.sha256.starts_with(checksum.as_str()));
        match (found.next(), found.next()) {
            (Some((at, _)), None) => samples.remove(at),
            (None, _) => bail!("no sample has the checksum `{checksum}`\nhint: see `selvedge catalog samples list`"),
            _ => bail!("several samples begin with `{checksum}`\nhint: give more digits"),
        };
    }
    Ok(store.set_samples(&samples)?)
}
