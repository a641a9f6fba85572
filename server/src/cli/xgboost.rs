//! The option that names XGBoost's library.

use clap::Args;
use ensemble::XgBoost;
use std::path::PathBuf;

/// The option that names XGBoost's library.
#[derive(Debug, Args)]
pub(crate) struct XgBoostArgs {
    /// XGBoost's shared library, libxgboost.so; by default the one that pip installed
    #[arg(long, value_name = "FILE", env = "SELVEDGE_XGBOOST")]
    xgboost: Option<PathBuf>,
}

impl XgBoostArgs {
    /// Loads the library.
    ///
    /// # Errors
    /// If it is not found or cannot be loaded.
    pub(super) fn load(&self) -> anyhow::Result<XgBoost> {
        XgBoost::load(self.xgboost.as_deref())
    }
}
