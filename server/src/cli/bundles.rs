//! Bundles that commands read and make.

use anyhow::{Result, ensure};
use dataset::bundle;
use shared::bundle::{MANIFEST_FILE, Manifest, Weights};
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
