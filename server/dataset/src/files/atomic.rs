//! Atomic writes of files.
//!
//! **Invariant:** after a crash, the path holds either the old or the complete new file.

use anyhow::Context;
use std::fs::File;
use std::io::Write;
use std::path::Path;

/// Writes `bytes` to `path` atomically.
///
/// # Errors
/// If the file cannot be written. The old file is then unchanged.
pub fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    write_with(path, |file| Ok(file.write_all(bytes)?))
}

/// Writes `path` atomically with the content that `fill` writes to a temporary file.
///
/// # Errors
/// If `fill` fails or the file cannot be written. The old file is then unchanged, and no part of the new one is left.
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

/// Creates the folder `dir` atomically with the files that `fill` writes to a temporary folder.
///
/// # Errors
/// If `fill` fails or the folder cannot be created. Then there is no folder `dir`.
pub fn create_folder(dir: &Path, fill: impl FnOnce(&Path) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let name = dir
        .file_name()
        .with_context(|| format!("{} does not name a folder", dir.display()))?;
    let temporary = dir.with_file_name(format!(".{}.partial", name.to_string_lossy()));
    let create = || -> anyhow::Result<()> {
        // A process that was killed can leave this folder.
        if temporary.exists() {
            std::fs::remove_dir_all(&temporary)?;
        }
        std::fs::create_dir_all(&temporary)?;
        fill(&temporary)?;
        Ok(std::fs::rename(&temporary, dir)?)
    };
    create().with_context(|| format!("cannot write {}", dir.display()))
}
