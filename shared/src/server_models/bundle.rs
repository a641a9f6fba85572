//! Networks from bundles, for inference.

use super::classifier::Classifier;
use super::embedder::Embedder;
use super::projection::Projection;
use crate::bundle::{BundleError, Manifest, Weights, filled};
use crate::model::block::Fold;
use crate::model::config::Architecture;
use crate::weights::load;
use burn::tensor::Device;

/// Loads the classifier of a style bundle onto `device`.
///
/// # Errors
/// [`BundleError`] if the bundle is of another task or its weights do not fit.
pub fn load_classifier(manifest: &Manifest, network: &[u8], device: &Device) -> Result<Classifier, BundleError> {
    let Architecture::Style(config) = &manifest.architecture else {
        return Err(manifest.wrong_task("style"));
    };
    filled(
        manifest,
        network,
        || Ok(config.classifier(device)?),
        |net| net.fold(Fold::Form),
    )
}

/// Loads the network or the joined networks of a retrieval bundle onto `device`, with the projection if the bundle has one.
///
/// # Errors
/// [`BundleError`] if the bundle is of another task or one of its files does not fit.
pub fn load_retrieval(manifest: &Manifest, weights: &Weights, device: &Device) -> Result<Embedder, BundleError> {
    let Architecture::Retrieval(config) = &manifest.architecture else {
        return Err(manifest.wrong_task("retrieval"));
    };
    let net = filled(
        manifest,
        &weights.network,
        || Ok(config.embedder(device)?),
        |net| net.fold(Fold::Form),
    )?;
    Ok(
        match load_projection(manifest, weights.projection.as_deref(), device)? {
            Some(projection) => net.with_projection(projection),
            None => net,
        },
    )
}

/// Loads the projection of a retrieval bundle's embeddings onto `device` from the bytes of its file. Returns `None` if the
/// bundle has no projection.
///
/// # Errors
/// [`BundleError`] if the bytes are not those of the manifest or do not fit the network.
pub fn load_projection(
    manifest: &Manifest,
    file: Option<&[u8]>,
    device: &Device,
) -> Result<Option<Projection>, BundleError> {
    let (Architecture::Retrieval(config), Some(info)) = (&manifest.architecture, &manifest.projection) else {
        return Ok(None);
    };
    manifest.check_projection(file)?;
    let blank = Projection::blank(
        config.embedding_dim(),
        manifest.embedding_dim,
        info.adapted.is_some(),
        device,
    );
    load(blank, file.unwrap_or_default())
        .map(Some)
        .map_err(|source| BundleError::Projection {
            file: info.file.clone(),
            source,
        })
}
