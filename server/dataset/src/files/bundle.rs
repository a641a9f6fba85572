//! Bundle folders: a manifest and the weights of a network.
//!
//! **Invariant:** a folder contains a manifest only after its files were read back, loaded and run.

use super::atomic;
use super::foreign::refuse_foreign;
use anyhow::Context;
use burn::tensor::{Device, Tensor, TensorData};
use shared::bundle::{MANIFEST_FILE, Manifest, Weights, load_query, load_segment};
use shared::input::Pixels;
use shared::model::Architecture;
use shared::server_models::{load_classifier, load_retrieval};
use std::path::Path;

/// Subfolder of files that are not verified yet.
const UNVERIFIED: &str = "unverified";

/// Reads the manifest of a bundle, without its weights.
///
/// # Errors
/// If the file is missing, foreign, or not a manifest. The error names the file and has a hint.
pub fn read_manifest(dir: &Path) -> anyhow::Result<Manifest> {
    let path = dir.join(MANIFEST_FILE);
    let json = std::fs::read(&path).with_context(|| {
        format!("{} is not a bundle\nhint: a bundle is a folder with {MANIFEST_FILE}; training writes one to its run directory", dir.display())
    })?;
    refuse_foreign(&json).with_context(|| format!("in {}", path.display()))?;
    Manifest::from_json(&json).with_context(|| format!("in the bundle {}", dir.display()))
}

/// Reads the projection file of a bundle, or returns `None` for a bundle without a projection. Does not check its content.
///
/// # Errors
/// If the file cannot be read or is foreign.
pub fn read_projection(dir: &Path, manifest: &Manifest) -> anyhow::Result<Option<Vec<u8>>> {
    let info = manifest.projection.as_ref();
    info.map(|info| read_file(dir, &info.file, "projection")).transpose()
}

/// Reads a bundle's manifest and files and checks sizes and checksums.
///
/// # Errors
/// If a file is missing, damaged or foreign. The error names the file and has a hint.
pub fn read(dir: &Path) -> anyhow::Result<(Manifest, Weights)> {
    let manifest = read_manifest(dir)?;
    let weights = Weights {
        network: read_file(dir, &manifest.weights.file, "weights")?,
        projection: read_projection(dir, &manifest)?,
    };
    manifest
        .check_files(&weights)
        .with_context(|| format!("in the bundle {}", dir.display()))?;
    Ok((manifest, weights))
}

fn read_file(dir: &Path, file: &str, role: &str) -> anyhow::Result<Vec<u8>> {
    let path = dir.join(file);
    let bytes = std::fs::read(&path).with_context(|| format!("cannot read the {role} {}", path.display()))?;
    refuse_foreign(&bytes).with_context(|| format!("in {}", path.display()))?;
    Ok(bytes)
}

/// Writes a bundle. First reads its files back, loads them onto `device` and runs the network on one grey image. Writes the
/// manifest last, so a folder with a manifest is complete.
///
/// # Errors
/// If a file cannot be written or the written bundle cannot be used. No bundle is left then.
pub fn write(dir: &Path, manifest: &Manifest, weights: &Weights, device: &Device) -> anyhow::Result<()> {
    let is_new = !dir.exists();
    let unverified = dir.join(UNVERIFIED);
    let written = write_files(&unverified, manifest, weights)
        .and_then(|()| verify(&unverified, device))
        .and_then(|()| publish(&unverified, dir, manifest));
    if written.is_err() {
        // A failed removal must not hide the error.
        let _ = std::fs::remove_dir_all(if is_new { dir } else { &unverified });
    }
    written.with_context(|| format!("the bundle {} was not made", dir.display()))
}

/// File names of a bundle, with the manifest last.
fn names(manifest: &Manifest) -> impl Iterator<Item = &str> {
    let projection = manifest.projection.as_ref().map(|info| info.file.as_str());
    [manifest.weights.file.as_str()]
        .into_iter()
        .chain(projection)
        .chain([MANIFEST_FILE])
}

fn write_files(dir: &Path, manifest: &Manifest, weights: &Weights) -> anyhow::Result<()> {
    if dir.exists() {
        std::fs::remove_dir_all(dir).with_context(|| format!("cannot remove {}", dir.display()))?;
    }
    std::fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    atomic::write(&dir.join(&manifest.weights.file), &weights.network)?;
    if let (Some(info), Some(projection)) = (&manifest.projection, &weights.projection) {
        atomic::write(&dir.join(&info.file), projection)?;
    }
    let mut json = serde_json::to_vec_pretty(manifest)?;
    json.push(b'\n');
    atomic::write(&dir.join(MANIFEST_FILE), &json)
}

fn publish(from: &Path, to: &Path, manifest: &Manifest) -> anyhow::Result<()> {
    for name in names(manifest) {
        let path = to.join(name);
        std::fs::rename(from.join(name), &path).with_context(|| format!("cannot write {}", path.display()))?;
    }
    std::fs::remove_dir(from).with_context(|| format!("cannot remove {}", from.display()))
}

/// Loads a bundle like all its users, and runs its network on one grey image.
fn verify(dir: &Path, device: &Device) -> anyhow::Result<()> {
    let (manifest, weights) = read(dir)?;
    let spec = &manifest.input;
    let grey = spec.to_chw(Pixels::new(&[128; 3], 1, 1, 3)?, None)?;
    let x = Tensor::<4>::from_data(TensorData::new(grey, [1, 3, spec.height, spec.width]), device);
    let output = match manifest.architecture {
        Architecture::Style(_) => load_classifier(&manifest, &weights.network, device)?
            .forward(x)
            .into_data(),
        Architecture::Retrieval(_) => load_retrieval(&manifest, &weights, device)?.forward(x).into_data(),
        Architecture::Query(_) => load_query(&manifest, &weights.network, device)?.forward(x).into_data(),
        Architecture::Segment(_) => load_segment(&manifest, &weights.network, device)?
            .forward(x)
            .into_data(),
    };
    anyhow::ensure!(
        output.iter::<f32>().all(f32::is_finite),
        "its network answers a grey image with a value that is not finite; its weights are too large, so train again with a \
         lower optimiser.rate or with optimiser.clip"
    );
    Ok(())
}
