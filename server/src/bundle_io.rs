//! Bundles as folders on disk.

use crate::train::run::write_whole;
use anyhow::Context;
use shared::bundle::{MANIFEST_FILE, Manifest, Weights};
use std::path::Path;

/// Reads a bundle's manifest and files and checks that they belong together.
///
/// # Errors
/// Names the file, and what to do about it.
pub fn read(dir: &Path) -> anyhow::Result<(Manifest, Weights)> {
    let path = dir.join(MANIFEST_FILE);
    let json = std::fs::read(&path).with_context(|| {
        format!("{} is no bundle\nhint: a bundle is a folder with {MANIFEST_FILE}; training leaves one in its run directory", dir.display())
    })?;
    let manifest = Manifest::from_json(&json).with_context(|| format!("in the bundle {}", dir.display()))?;
    let read = |file: &str, what: &str| {
        let path = dir.join(file);
        std::fs::read(&path).with_context(|| format!("cannot read the {what} {}", path.display()))
    };
    let network = read(&manifest.weights.file, "weights")?;
    let projection = manifest.projection.as_ref().map(|info| read(&info.file, "projection")).transpose()?;
    let weights = Weights { network, projection };
    manifest.check_files(&weights).with_context(|| format!("in the bundle {}", dir.display()))?;
    Ok((manifest, weights))
}

/// Writes a bundle; the manifest last, so that a folder with a manifest is whole.
///
/// # Errors
/// If a file cannot be written.
pub fn write(dir: &Path, manifest: &Manifest, weights: &Weights) -> anyhow::Result<()> {
    std::fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    write_whole(&dir.join(&manifest.weights.file), weights)?;
    if let (Some(info), Some(projection)) = (&manifest.projection, &weights.projection) {
        write_whole(&dir.join(&info.file), projection)?;
    }
    let mut json = serde_json::to_vec_pretty(manifest)?;
    json.push(b'\n');
    write_whole(&dir.join(MANIFEST_FILE), &json)
}
