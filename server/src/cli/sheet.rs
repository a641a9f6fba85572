//! `selvedge dataset sheet`: pictures of a dataset on one page, as every other command sees them.

use super::print;
use anyhow::Context;
use clap::Args;
use dataset::{Dataset, Images, Row};
use render::{fitted, lay_out};
use std::path::PathBuf;
use std::sync::Arc;

/// `selvedge dataset sheet`
#[derive(Debug, Args)]
pub struct SheetArgs {
    /// Folder of the dataset.
    dir: PathBuf,
    /// Only pictures of this domain, such as shop or user.
    #[arg(long)]
    domain: Option<String>,
    /// Only pictures that carry this label.
    #[arg(long)]
    label: Option<String>,
    /// Pictures at most.
    #[arg(long, default_value_t = 48)]
    limit: usize,
    /// Pictures in a row.
    #[arg(long, default_value_t = 8)]
    columns: usize,
    /// Side of each picture's place in pixels.
    #[arg(long, default_value_t = 160)]
    cell: u32,
    /// The PNG or JPEG file to write.
    #[arg(long)]
    out: PathBuf,
}

/// Pictures that cannot be read are named and passed over.
pub(super) fn sheet(args: &SheetArgs) -> anyhow::Result<()> {
    let dataset = Dataset::open(&args.dir)?;
    let wanted = |row: &Row| {
        args.domain.as_ref().is_none_or(|domain| row.domain == *domain)
            && args.label.as_ref().is_none_or(|label| row.labels().any(|l| l == label))
    };
    let rows: Vec<usize> = (0..dataset.rows.len())
        .filter(|row| wanted(&dataset.rows[*row]))
        .collect();
    anyhow::ensure!(
        !rows.is_empty(),
        "no picture of {} is of that domain and label; `selvedge dataset describe` lists what there is",
        args.dir.display()
    );
    let images = Images::keeping(Arc::new(dataset), 0);
    let (mut page, mut left_out) = (Vec::new(), 0);
    for row in rows {
        if page.len() == args.limit {
            break;
        }
        match images.get(row) {
            // Small at once: whole photos of a page would not fit into memory.
            Ok(photo) => page.push(fitted(&photo.to_rgb(), args.cell)),
            Err(error) => {
                let Row { path, line, .. } = &images.dataset().rows[row];
                eprintln!("left out {path} (line {line}): {error:#}");
                left_out += 1;
            }
        }
    }
    anyhow::ensure!(
        !page.is_empty(),
        "none of {left_out} pictures of {} can be read; repair them, or remove their rows from the manifest",
        args.dir.display()
    );
    let page = lay_out(&page, args.columns, args.cell);
    page.save(&args.out)
        .with_context(|| format!("cannot write {}", args.out.display()))?;
    print(&args.out.display().to_string())
}
