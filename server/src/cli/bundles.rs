//! Bundles that commands read and make.

use anyhow::{Result, ensure};
use dataset::bundle;
use shared::bundle::{Adaptation, MANIFEST_FILE, Manifest, PROJECTION_FILE, ProjectionInfo, Weights, sha256_hex};
use shared::server_models::Projection;
use shared::weights::{Precision, save};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Reads several bundles.
///
/// # Errors
/// If one of them cannot be read.
pub(crate) fn read_bundles(dirs: &[PathBuf]) -> Result<Vec<(Manifest, Weights)>> {
    dirs.iter().map(|dir| bundle::read(dir)).collect()
}

/// Checks that a folder has no bundle yet.
///
/// # Errors
/// If it has one.
pub(crate) fn check_is_new(dir: &Path) -> Result<()> {
    ensure!(
        !dir.join(MANIFEST_FILE).exists(),
        "{} holds a bundle already; choose another folder",
        dir.display()
    );
    Ok(())
}

/// Origin of a projection, which its bundle records.
#[derive(Debug)]
pub(super) struct ProjectionSource {
    /// Command that fitted it.
    pub(super) command: String,
    /// Name of the dataset folder that it was fitted on.
    pub(super) data: String,
    /// SHA-256 of that dataset's manifest.
    pub(super) data_sha256: String,
    /// Adaptation to a shop's photos.
    pub(super) adapted: Option<Adaptation>,
}

/// Returns the name of a dataset folder as bundles record it.
pub(super) fn data_name(dir: &Path) -> String {
    dir.file_name()
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

/// Returns a retrieval bundle with a projection. Floor and metrics of the bundle belong to the old embeddings, so they are left
/// out.
///
/// # Errors
/// If the projection cannot be stored.
pub(super) fn with_projection(
    manifest: Manifest,
    weights: Weights,
    projection: &Projection,
    source: ProjectionSource,
) -> Result<(Manifest, Weights)> {
    let file = save(projection, Precision::F32)?;
    let info = ProjectionInfo {
        file: PROJECTION_FILE.to_owned(),
        bytes: file.len() as u64,
        sha256: sha256_hex(&file),
        command: source.command,
        data: source.data,
        data_sha256: source.data_sha256,
        adapted: source.adapted,
    };
    let manifest = Manifest {
        projection: Some(info),
        floor: None,
        metrics: BTreeMap::new(),
        ..manifest
    };
    let weights = Weights {
        projection: Some(file),
        ..weights
    };
    Ok((manifest, weights))
}
