//! Writing of whole files.
//!
//! **Invariant:** a crash leaves the old file or the new one, never a part of it.

use anyhow::Context;
use std::fs::File;
use std::io::Write;
use std::path::Path;

/// Writes `bytes` to `path`.
///
/// # Errors
/// If the file cannot be written. Then the old file is still there.
pub fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    write_with(path, |file| Ok(file.write_all(bytes)?))
}

/// Writes to `path` what `fill` writes into the file that it is given.
///
/// # Errors
/// If `fill` fails or the file cannot be written. Then the old file is still there, and no part of the new one.
pub fn write_with(path: &Path, fill: impl FnOnce(&mut File) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let part = path.with_extension("part");
    let write = || -> anyhow::Result<()> {
        let mut file = File::create(&part)?;
        fill(&mut file)?;
        file.sync_all()?;
        Ok(std::fs::rename(&part, path)?)
    };
    let written = write();
    if written.is_err() {
        // The caller needs the first error.
        let _ = std::fs::remove_file(&part);
    }
    written.with_context(|| format!("cannot write {}", path.display()))
}
