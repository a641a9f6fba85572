//! Bundles that commands read and make.

use anyhow::{Result, ensure};
use dataset::bundle;
use shared::bundle::{MANIFEST_FILE, Manifest, ProjectionInfo, Weights, sha256_hex};
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

/// Returns a retrieval bundle with a projection. `info` describes it but for its size and hash. Floor and metrics of the bundle
/// belong to the old embeddings, so they are left out.
///
/// # Errors
/// If the projection cannot be stored.
pub(super) fn with_projection(
    manifest: Manifest,
    weights: Weights,
    projection: &Projection,
    info: ProjectionInfo,
) -> Result<(Manifest, Weights)> {
    let file = save(projection, Precision::F32)?;
    let info = ProjectionInfo {
        bytes: file.len() as u64,
        sha256: sha256_hex(&file),
        ..info
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
