//! `selvedge dataset sheet`: a contact sheet of a dataset's photos, decoded and cropped as for training.

use crate::cli::output::print_path;
use anyhow::{Context, ensure};
use clap::Args;
use dataset::{Dataset, Images, Row, contact_sheet, fit_cell};
use image::RgbImage;
use std::path::PathBuf;
use std::sync::Arc;

/// Arguments of `selvedge dataset sheet`.
#[derive(Debug, Args)]
pub(crate) struct SheetArgs {
    /// Dataset folder
    dir: PathBuf,
    /// Only photos of this domain, such as shop or user
    #[arg(long)]
    domain: Option<String>,
    /// Only photos with this label
    #[arg(long)]
    label: Option<String>,
    /// Maximum number of photos
    #[arg(long, default_value_t = 48)]
    limit: usize,
    /// Photos per row of the sheet
    #[arg(long, default_value_t = 8)]
    columns: usize,
    /// Side of every photo's cell in pixels
    #[arg(long, default_value_t = 160)]
    cell: u32,
    /// PNG or JPEG file to write
    #[arg(long)]
    out: PathBuf,
}

/// Writes the sheet. Photos that cannot be read are reported and left out.
pub(super) fn sheet(args: &SheetArgs) -> anyhow::Result<()> {
    let dataset = Dataset::open(&args.dir)?;
    let is_wanted = |row: &Row| {
        args.domain.as_ref().is_none_or(|domain| row.domain == *domain)
            && args
                .label
                .as_ref()
                .is_none_or(|label| row.labels().any(|other| other == label))
    };
    let rows: Vec<usize> = (0..dataset.rows.len())
        .filter(|row| is_wanted(&dataset.rows[*row]))
        .collect();
    ensure!(
        !rows.is_empty(),
        "no photo of {} has that domain and label; `selvedge dataset describe` lists the labels",
        args.dir.display()
    );
    let cells = cells(args, dataset, &rows)?;
    contact_sheet(&cells, args.columns, args.cell)
        .save(&args.out)
        .with_context(|| format!("cannot write {}", args.out.display()))?;
    print_path(&args.out)
}

/// Scaled photos of the first readable rows.
fn cells(args: &SheetArgs, dataset: Dataset, rows: &[usize]) -> anyhow::Result<Vec<RgbImage>> {
    let images = Images::keeping(Arc::new(dataset), 0);
    let (mut cells, mut left_out) = (Vec::new(), 0);
    for row in rows {
        if cells.len() == args.limit {
            break;
        }
        match images.get(*row) {
            // Scaled at once, because the full photos of a sheet may not fit into memory.
            Ok(photo) => cells.push(fit_cell(&photo.to_rgb(), args.cell)),
            Err(error) => {
                let Row { path, line, .. } = &images.dataset().rows[*row];
                eprintln!("left out {path} (line {line}): {error:#}");
                left_out += 1;
            }
        }
    }
    ensure!(
        !cells.is_empty(),
        "none of {left_out} photos of {} can be read; repair them, or remove their rows from the manifest",
        args.dir.display()
    );
    Ok(cells)
}
