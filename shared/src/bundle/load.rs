//! Networks that browsers run, from bundles.

use super::error::BundleError;
use super::manifest::Manifest;
use crate::model::block::Fold;
use crate::model::keys::TorchKeys;
use crate::model::{Architecture, QueryNet, RetrievalNet, StyleNet, UNet};
use crate::weights::load;
use burn::module::Module;
use burn::tensor::Device;

impl Manifest {
    /// Returns the error of loading this bundle as one for the task `expected`.
    pub(crate) fn wrong_task(&self, expected: &'static str) -> BundleError {
        BundleError::Task {
            expected,
            actual: self.task(),
        }
    }
}

/// Loads the network of a style bundle onto `device`, for inference.
///
/// # Errors
/// [`BundleError`] if the bundle is of another task, its classifier is not [plain](crate::model::StyleConfig::is_plain) or its
/// weights do not fit.
pub fn load_style(manifest: &Manifest, network: &[u8], device: &Device) -> Result<StyleNet, BundleError> {
    let Architecture::Style(config) = &manifest.architecture else {
        return Err(manifest.wrong_task("style"));
    };
    filled(manifest, network, || Ok(config.init(device)?), StyleNet::folded_form)
}

/// Loads the query encoder of a bundle onto `device`, for inference; see
/// [`QueryConfig::init`](crate::model::QueryConfig::init).
///
/// # Errors
/// [`BundleError`] if the bundle is of another task or its weights do not fit.
pub fn load_query(manifest: &Manifest, network: &[u8], device: &Device) -> Result<QueryNet, BundleError> {
    let Architecture::Query(config) = &manifest.architecture else {
        return Err(manifest.wrong_task("query"));
    };
    filled(manifest, network, || Ok(config.init(device)?), QueryNet::folded_form)
}

/// Loads the only network of a retrieval bundle onto `device`, for inference. Browsers embed queries with it where it is small
/// enough.
///
/// # Errors
/// [`BundleError`] if the bundle is of another task, has joined networks or a projection, or its weights do not fit.
pub fn load_single_retrieval(
    manifest: &Manifest,
    network: &[u8],
    device: &Device,
) -> Result<RetrievalNet, BundleError> {
    let Architecture::Retrieval(config) = &manifest.architecture else {
        return Err(manifest.wrong_task("retrieval"));
    };
    if !config.joined.is_empty() || manifest.projection.is_some() {
        return Err(BundleError::Inconsistent(
            "a retrieval bundle with joined networks or a projection runs only on a server".to_owned(),
        ));
    }
    filled(
        manifest,
        network,
        || Ok(config.init(device)?),
        |net| net.fold(Fold::Form),
    )
}

/// Loads the network of a segmentation bundle onto `device`.
///
/// # Errors
/// [`BundleError`] if the bundle is of another task or its weights do not fit.
pub fn load_segment(manifest: &Manifest, network: &[u8], device: &Device) -> Result<UNet, BundleError> {
    let Architecture::Segment(config) = &manifest.architecture else {
        return Err(manifest.wrong_task("segment"));
    };
    filled(manifest, network, || Ok(config.init(device)?), UNet::folded_form)
}

/// Builds a network after its weights are checked, and loads them. `folded` removes the norms of a network whose bundle has none.
///
/// # Errors
/// [`BundleError`] if the weights are not those of the manifest or do not fit, or the network cannot be built.
pub(crate) fn filled<N: Module + TorchKeys>(
    manifest: &Manifest,
    network: &[u8],
    build: impl FnOnce() -> Result<N, BundleError>,
    folded: impl FnOnce(N) -> N,
) -> Result<N, BundleError> {
    manifest.check_weights(network)?;
    let net = build()?;
    let net = if manifest.weights.folded { folded(net) } else { net };
    Ok(load(net, network)?)
}
