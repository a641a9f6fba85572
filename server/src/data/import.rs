//! What importers of other people's files share: the manifest's lines, and a word on images that are not there.

use super::manifest::MANIFEST;
use anyhow::Context;
use serde::{Serialize, Serializer};
use shared::input::CropBox;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Missing images that are named one by one.
const NAMED: usize = 10;

/// A photo of the dataset that an import makes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// The file.
    pub path: PathBuf,
    /// `train`, `val` or `test`.
    pub split: String,
    /// Labels joined by `;`.
    pub labels: String,
    /// The item shown.
    pub item_id: String,
    /// What kind of item it is.
    pub category: String,
    /// `shop`, or how else the photo was taken.
    pub domain: String,
    /// Where the item is in the picture, if that is known.
    #[serde(rename = "box", serialize_with = "corners")]
    pub bounds: Option<CropBox>,
}

/// `x0 y0 x1 y1` in pixels, or nothing.
#[allow(clippy::ref_option)] // as serde calls it
fn corners<S: Serializer>(bounds: &Option<CropBox>, serializer: S) -> Result<S::Ok, S::Error> {
    let text = bounds.map(|CropBox { x, y, width, height }| format!("{x} {y} {} {}", x + width, y + height));
    serializer.serialize_str(&text.unwrap_or_default())
}

/// The last part of a url, by which its file is named.
pub fn file_name(url: &str) -> &str {
    url.split(['?', '#']).next().and_then(|url| url.rsplit('/').next()).unwrap_or_default()
}

/// Counts what is missing and names some of it on stderr.
///
/// # Errors
/// If more than `limit` are missing.
pub fn report_missing<'a>(
    missing: impl Iterator<Item = &'a str>,
    limit: usize,
    folder: &Path,
) -> anyhow::Result<usize> {
    let missing: Vec<&str> = missing.collect();
    if missing.is_empty() {
        return Ok(0);
    }
    let dots = if missing.len() > NAMED { ", …" } else { "" };
    let named = missing.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
    let said = format!("{} images are not in {}: {named}{dots}", missing.len(), folder.display());
    anyhow::ensure!(missing.len() <= limit, "{said}\nhint: --max-missing {} leaves them out", missing.len());
    eprintln!("{said}; left out");
    Ok(missing.len())
}

/// Writes the manifest of a new dataset; images are named by absolute paths unless they lie within `out`. Returns rows by
/// split.
///
/// # Errors
/// If a manifest is there already, or cannot be written.
pub fn write_manifest(lines: Vec<Line>, out: &Path) -> anyhow::Result<BTreeMap<String, usize>> {
    let manifest = out.join(MANIFEST);
    anyhow::ensure!(!manifest.exists(), "{} is there already; name another folder with --out", manifest.display());
    std::fs::create_dir_all(out).with_context(|| format!("cannot create {}", out.display()))?;
    let home = std::fs::canonicalize(out)?;
    let mut table = csv::Writer::from_writer(Vec::new());
    let mut counts = BTreeMap::new();
    for line in lines {
        let path = line.path.strip_prefix(&home).unwrap_or(&line.path).to_owned();
        *counts.entry(line.split.clone()).or_insert(0) += 1;
        table.serialize(Line { path, ..line })?;
    }
    std::fs::write(&manifest, table.into_inner()?).with_context(|| format!("cannot write {}", manifest.display()))?;
    Ok(counts)
}
