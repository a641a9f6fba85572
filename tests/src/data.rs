//! Real data, which is not part of the repository.

use std::io::Write;
use std::path::{Path, PathBuf};

/// Folder of a set of real data, in the folder of `SELVEDGE_REAL_DATA` or in `../shared/data` next to the repository. If it
/// does not exist, prints that the test is skipped and returns `None`.
pub fn real_data(set: &str) -> Option<PathBuf> {
    let all = std::env::var_os("SELVEDGE_REAL_DATA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"),
        PathBuf::from,
    );
    let dir = all.join(set);
    if dir.is_dir() {
        return Some(dir);
    }
    // Not by a macro, because the test harness captures their output.
    let _ = writeln!(
        std::io::stderr(),
        "skipped: {} does not exist; set SELVEDGE_REAL_DATA to another folder",
        dir.display()
    );
    None
}
