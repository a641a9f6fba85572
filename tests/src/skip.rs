//! What a machine may lack. A test that needs it says that it is skipped, where nobody can miss it.

use std::io::Write;
use std::path::Path;

use ensemble::XgBoost;

/// XGBoost, from SELVEDGE_XGBOOST or the usual places; a line on stderr where there is none.
///
/// # Panics
/// If SELVEDGE_XGBOOST is set and names no usable library.
pub fn xgboost(test: &str) -> Option<XgBoost> {
    let named = std::env::var_os("SELVEDGE_XGBOOST");
    match XgBoost::load(named.as_deref().map(Path::new)) {
        Ok(xgboost) => Some(xgboost),
        Err(error) => {
            assert!(named.is_none(), "SELVEDGE_XGBOOST: {error:#}");
            // Not by a macro: the test harness would keep what those print.
            let _ = writeln!(
                std::io::stderr(),
                "skipped {test}: no XGBoost (pip install xgboost-cpu)"
            );
            None
        }
    }
}
