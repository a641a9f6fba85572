//! What importers of other people's files share: the manifest's lines, and a word on images that are not there or cannot be
//! read.

use super::manifest::{MANIFEST, parse};
use super::max_errors::MaxErrors;
use super::photo::Photo;
use anyhow::Context;
use image::ImageFormat;
use rayon::prelude::*;
use serde::{Serialize, Serializer};
use shared::input::CropBox;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Images that are named one by one.
const NAMED: usize = 20;
/// Bytes that tell a picture's format.
const HEAD: u64 = 64;

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
    url.split(['?', '#'])
        .next()
        .and_then(|url| url.rsplit('/').next())
        .unwrap_or_default()
}

/// The format of a picture by its first bytes, whatever its name; `None` for a file that is not a picture, or cannot be read.
pub fn format_of(path: &Path) -> Option<ImageFormat> {
    let mut head = Vec::new();
    std::fs::File::open(path).ok()?.take(HEAD).read_to_end(&mut head).ok()?;
    image::guess_format(&head).ok()
}

/// Names some of the images that are missing on stderr.
///
/// # Errors
/// If more than `limit` are missing.
pub fn report_missing<'a>(missing: impl Iterator<Item = &'a str>, limit: usize, folder: &Path) -> anyhow::Result<()> {
    let missing: Vec<&str> = missing.collect();
    if missing.is_empty() {
        return Ok(());
    }
    let said = are_missing(&missing, folder);
    anyhow::ensure!(
        missing.len() <= limit,
        "{said}\nhint: --max-missing {} leaves them out",
        missing.len()
    );
    eprintln!("{said}\nleft out {} images", missing.len());
    Ok(())
}

/// Checks that no image is missing.
///
/// # Errors
/// Names some of those that are, and says `why` all are needed.
pub fn none_missing<'a>(missing: impl Iterator<Item = &'a str>, folder: &Path, why: &str) -> anyhow::Result<()> {
    let missing: Vec<&str> = missing.collect();
    anyhow::ensure!(missing.is_empty(), "{}\nhint: {why}", are_missing(&missing, folder));
    Ok(())
}

fn are_missing(missing: &[&str], folder: &Path) -> String {
    let dots = if missing.len() > NAMED { ", …" } else { "" };
    let named = missing.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
    format!(
        "{} images are not in {}: {named}{dots}",
        missing.len(),
        folder.display()
    )
}

/// Decodes the photo of each of `entries` in parallel and hands it to `make`, which may refuse it. Those that fail are named
/// on stderr and left out; the others keep their order.
///
/// # Errors
/// If more fail than `max_errors` allows; names them.
pub fn each_photo<T: Send, R: Send>(
    entries: Vec<T>,
    path: impl Fn(&T) -> &Path + Sync,
    make: impl Fn(T, &Photo) -> anyhow::Result<R> + Sync,
    max_errors: MaxErrors,
) -> anyhow::Result<Vec<R>> {
    let total = entries.len();
    let of = |entry: T| {
        let file = path(&entry).display().to_string();
        let made = Photo::read(path(&entry)).and_then(|photo| make(entry, &photo).with_context(|| file.clone()));
        made.map_err(|error| format!("{error:#}"))
    };
    let (made, faults): (Vec<_>, Vec<_>) = entries
        .into_par_iter()
        .map(of)
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
        let said = format!("{} of {total} images cannot be used\n  {named}{more}", faults.len());
        anyhow::ensure!(
            max_errors.allows(faults.len(), total),
            "{said}\nhint: at most {max_errors} of them may be left out; repair or remove them, or allow more by --max-errors"
        );
        eprintln!("{said}\nleft out {} images; at most {max_errors} may be", faults.len());
    }
    Ok(made.into_iter().filter_map(Result::ok).collect())
}

/// Writes the manifest of a new dataset; images are named by absolute paths unless they lie within `out`. Returns rows by
/// split.
///
/// # Errors
/// If a manifest is there already, cannot be written, or could not be read again.
pub fn write_manifest(lines: Vec<Line>, out: &Path) -> anyhow::Result<BTreeMap<String, usize>> {
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
        table.serialize(Line { path, ..line })?;
    }
    let bytes = table.into_inner()?;
    parse(&manifest, &bytes).context("the dataset would not be usable")?;
    std::fs::write(&manifest, bytes).with_context(|| format!("cannot write {}", manifest.display()))?;
    Ok(counts)
}
