//! Import of datasets in other formats: common steps of all importers.

pub mod benchmarks;
pub mod challenge;
mod list_file;
mod listed;
mod retrieval_challenge;

use crate::decode::Photo;
use crate::files::atomic;
use crate::manifest::{MANIFEST, parse};
use crate::max_errors::MaxErrors;
use anyhow::Context;
use rayon::prelude::*;
use serde::{Serialize, Serializer};
use shared::input::CropBox;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use crate::decode::{format_of, is_image};

/// Maximum number of images that a message names.
const NAMED: usize = 20;

/// Line of the manifest that an import writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ManifestLine {
    /// Path of the image file.
    pub path: PathBuf,
    /// `train`, `val` or `test`.
    pub split: String,
    /// Labels joined by `;`.
    pub labels: String,
    /// Item shown.
    pub item_id: String,
    /// Category of the item.
    pub category: String,
    /// `shop`, or another source of the image.
    pub domain: String,
    /// Box of the item in pixels of the upright image, if known.
    #[serde(rename = "box", serialize_with = "corners")]
    pub bounds: Option<CropBox>,
}

/// Serializes a box as `x0 y0 x1 y1`, or as an empty text.
#[allow(clippy::ref_option)] // serde passes a reference
fn corners<S: Serializer>(bounds: &Option<CropBox>, serializer: S) -> Result<S::Ok, S::Error> {
    let text = bounds.map(|CropBox { x, y, width, height }| format!("{x} {y} {} {}", x + width, y + height));
    serializer.serialize_str(&text.unwrap_or_default())
}

/// Returns the last part of a URL's path, which is the name of its file.
pub fn file_name(url: &str) -> &str {
    url.split(['?', '#'])
        .next()
        .and_then(|url| url.rsplit('/').next())
        .unwrap_or_default()
}

/// Reports missing images on stderr.
///
/// # Errors
/// If more than `limit` are missing. Names some of them.
pub fn report_missing<'a>(missing: impl Iterator<Item = &'a str>, limit: usize, folder: &Path) -> anyhow::Result<()> {
    let missing: Vec<&str> = missing.collect();
    if missing.is_empty() {
        return Ok(());
    }
    let message = missing_message(&missing, folder);
    anyhow::ensure!(
        missing.len() <= limit,
        "{message}\nhint: --max-missing {} leaves them out",
        missing.len()
    );
    eprintln!("{message}\nleft out {} images", missing.len());
    Ok(())
}

/// Checks that no image is missing. `why` explains why all are needed.
///
/// # Errors
/// If an image is missing. Names some of them.
pub fn none_missing<'a>(missing: impl Iterator<Item = &'a str>, folder: &Path, why: &str) -> anyhow::Result<()> {
    let missing: Vec<&str> = missing.collect();
    anyhow::ensure!(missing.is_empty(), "{}\nhint: {why}", missing_message(&missing, folder));
    Ok(())
}

fn missing_message(missing: &[&str], folder: &Path) -> String {
    let dots = if missing.len() > NAMED { ", …" } else { "" };
    let named = missing.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
    format!(
        "{} images are not in {}: {named}{dots}",
        missing.len(),
        folder.display()
    )
}

/// Decodes the image of each entry in parallel and converts both by `make`. Entries that fail are named on stderr and left
/// out. The others keep their order.
///
/// # Errors
/// If more entries fail than `max_errors` allows. Names them.
pub fn each_photo<T: Send, R: Send>(
    entries: Vec<T>,
    path: impl Fn(&T) -> &Path + Sync,
    make: impl Fn(T, &Photo) -> anyhow::Result<R> + Sync,
    max_errors: MaxErrors,
) -> anyhow::Result<Vec<R>> {
    let total = entries.len();
    let convert = |entry: T| {
        let file = path(&entry).display().to_string();
        let made = Photo::read(path(&entry)).and_then(|photo| make(entry, &photo).with_context(|| file.clone()));
        made.map_err(|error| format!("{error:#}"))
    };
    let (made, faults): (Vec<_>, Vec<_>) = entries
        .into_par_iter()
        .map(convert)
        .collect::<Vec<_>>()
        .into_iter()
        .partition(Result::is_ok);
    let faults: Vec<String> = faults.into_iter().filter_map(Result::err).collect();
    if !faults.is_empty() {
        let more = faults.len().saturating_sub(NAMED);
        let more = if more > 0 {
            format!("\n  and {more} more")
        } else {
            String::new()
        };
        let named = faults.iter().take(NAMED).cloned().collect::<Vec<_>>().join("\n  ");
        let message = format!("{} of {total} images cannot be used\n  {named}{more}", faults.len());
        anyhow::ensure!(
            max_errors.allows(faults.len(), total),
            "{message}\nhint: at most {max_errors} of them may be left out; repair or remove them, or allow more by --max-errors"
        );
        eprintln!(
            "{message}\nleft out {} images; at most {max_errors} may be",
            faults.len()
        );
    }
    Ok(made.into_iter().filter_map(Result::ok).collect())
}

/// Writes the manifest of a new dataset in the folder `out`. Paths outside `out` are absolute. Returns the number of rows by
/// split.
///
/// # Errors
/// If a manifest exists already, cannot be written, or would be invalid.
pub fn write_manifest(lines: Vec<ManifestLine>, out: &Path) -> anyhow::Result<BTreeMap<String, usize>> {
    let manifest = out.join(MANIFEST);
    anyhow::ensure!(
        !manifest.exists(),
        "{} is there already; name another folder with --out",
        manifest.display()
    );
    std::fs::create_dir_all(out).with_context(|| format!("cannot create {}", out.display()))?;
    let home = std::fs::canonicalize(out)?;
    let mut table = csv::Writer::from_writer(Vec::new());
    let mut counts = BTreeMap::new();
    for line in lines {
        let path = line.path.strip_prefix(&home).unwrap_or(&line.path).to_owned();
        *counts.entry(line.split.clone()).or_insert(0) += 1;
        table.serialize(ManifestLine { path, ..line })?;
    }
    let bytes = table.into_inner()?;
    parse(&manifest, &bytes).context("the dataset would not be usable")?;
    atomic::write(&manifest, &bytes)?;
    Ok(counts)
}
