//! Commands that read, check or copy a catalog.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use anyhow::{Context, ensure};
use clap::Args;
use service::catalog;

use super::super::output::{print, print_path};
use super::place::CatalogArg;

/// Arguments of `selvedge catalog export`.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    catalog: CatalogArg,
    /// The file to write; by default stdout
    #[arg(long)]
    out: Option<PathBuf>,
}

pub(super) fn export(args: &ExportArgs) -> anyhow::Result<()> {
    let store = args.catalog.open()?;
    let products = match &args.out {
        None => store.export(&mut io::stdout().lock())?,
        Some(path) => {
            let file = File::create(path).with_context(|| format!("cannot create {}", path.display()))?;
            let mut out = BufWriter::new(file);
            let products = store.export(&mut out)?;
            out.flush()
                .with_context(|| format!("cannot write {}", path.display()))?;
            products
        }
    };
    eprintln!("{products} products");
    Ok(())
}

/// Arguments of `selvedge catalog stats`.
#[derive(Debug, Args)]
pub(crate) struct StatsArgs {
    #[command(flatten)]
    catalog: CatalogArg,
}

pub(super) fn stats(args: &StatsArgs) -> anyhow::Result<()> {
    let store = args.catalog.open()?;
    let stats = store.stats()?;
    let mut lines = vec![
        format!("products      {}", stats.products),
        format!("photos        {}", stats.images),
        format!(
            "embeddings    {} in {} files, {} bytes",
            stats.embeddings, stats.segments, stats.segment_bytes
        ),
        format!("unused rows   {}", stats.rows.saturating_sub(stats.embeddings)),
    ];
    if let Some(live) = store.live_generation()? {
        let state = store.progress(live.number)?;
        lines.push(format!("model         {}", live.model));
        lines.push(format!(
            "waiting       {} photos wait for their embedding, {} failed",
            state.pending(),
            state.failed
        ));
    }
    if let Some(folder) = store.image_folder()? {
        lines.push(format!("photos in     {}", folder.display()));
    }
    print(&lines.join("\n"))
}

/// Arguments of `selvedge catalog verify`.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    catalog: CatalogArg,
}

pub(super) fn verify(args: &VerifyArgs) -> anyhow::Result<()> {
    let store = args.catalog.open()?;
    let report = store.verify()?;
    for finding in &report.findings {
        print(&format!("{:?}: {}", finding.kind, finding.place))?;
    }
    print(&format!(
        "{} products, {} embeddings, {} unused rows: {}",
        report.products,
        report.embeddings,
        report.unused_rows,
        if report.total == 0 {
            "no fault".to_owned()
        } else {
            format!("{} findings", report.total)
        }
    ))?;
    ensure!(
        report.is_sound(),
        "the catalog is damaged\nhint: `selvedge catalog embed` computes damaged embeddings again; restore a snapshot if the \
         database is damaged"
    );
    Ok(())
}

/// Arguments of `selvedge catalog snapshot`.
#[derive(Debug, Args)]
pub(crate) struct SnapshotArgs {
    #[command(flatten)]
    catalog: CatalogArg,
    /// The new folder of the snapshot. On the same disk its files of embeddings are links, so copy it to another disk
    #[arg(long)]
    out: PathBuf,
}

pub(super) fn snapshot(args: &SnapshotArgs) -> anyhow::Result<()> {
    let summary = args.catalog.open()?.snapshot(&args.out)?;
    eprintln!("{} files, {} bytes", summary.files, summary.bytes);
    print_path(&args.out)
}

/// Arguments of `selvedge catalog restore`.
#[derive(Debug, Args)]
pub(crate) struct RestoreArgs {
    /// Folder of the snapshot
    snapshot: PathBuf,
    /// The new folder of the catalog
    #[arg(long)]
    out: PathBuf,
}

pub(super) fn restore(args: &RestoreArgs) -> anyhow::Result<()> {
    let summary = store::restore(&args.snapshot, &args.out)?;
    eprintln!("{} files, {} bytes", summary.files, summary.bytes);
    print_path(&args.out)
}

/// Arguments of `selvedge catalog compact`.
#[derive(Debug, Args)]
pub(crate) struct CompactArgs {
    #[command(flatten)]
    catalog: CatalogArg,
}

pub(super) fn compact(args: &CompactArgs) -> anyhow::Result<()> {
    let done = catalog::compact(&args.catalog.open()?)?;
    print(&format!(
        "{} files removed, {} written; {} unused rows and {} bytes are gone",
        done.removed, done.written, done.rows, done.bytes
    ))
}
