//! Real data, which is no part of the repository.

use std::io::Write;
use std::path::{Path, PathBuf};

/// Folder of a set of real data: within the folder that `SELVEDGE_REAL_DATA` names, or within `../shared/data` beside
/// the repository. Where it is not there, says so and returns `None`: the test is then skipped.
pub fn real_data(set: &str) -> Option<PathBuf> {
    let all = std::env::var_os("SELVEDGE_REAL_DATA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"),
        PathBuf::from,
    );
    let dir = all.join(set);
    if dir.is_dir() {
        return Some(dir);
    }
    // Not by a macro: the test harness would keep what those print.
    let _ = writeln!(
        std::io::stderr(),
        "skipped: {} is not there; SELVEDGE_REAL_DATA names another place",
        dir.display()
    );
    None
}
