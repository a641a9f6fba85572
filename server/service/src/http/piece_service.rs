//! Pieces of the outfit in uploaded photos, and the segmentation bundle for browsers.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use axum::body::Bytes;
use burn::tensor::Device;
use dataset::bundle;
use shared::api::PiecesResponse;
use shared::piece_finder::PieceFinder;

use super::admission::SearchPermit;
use super::bundle::{BrowserBundle, Role};
use super::convert;
use super::error::ApiError;
use super::photo_embedder::PhotoEmbedder;

/// Finder of pieces on the server, and its bundle as it is sent to browsers.
pub(super) struct PieceService {
    pub(super) bundle: BrowserBundle,
    /// Locked per photo: the network is small, and it shares the cores with decoding.
    finder: Arc<Mutex<PieceFinder>>,
}

impl PieceService {
    /// Loads the bundle folder `dir` onto `device`.
    ///
    /// # Errors
    /// If a file is missing or damaged, or the bundle does not segment outfits.
    pub(super) fn open(dir: &Path, device: &Device) -> anyhow::Result<Self> {
        let browser = BrowserBundle::load(dir, Role::Segmenter)?;
        let (manifest, weights) = bundle::read(dir)?;
        let finder = PieceFinder::load(&manifest, &weights.network, device)
            .with_context(|| format!("in the bundle {}", dir.display()))?;
        Ok(Self {
            bundle: browser,
            finder: Arc::new(Mutex::new(finder)),
        })
    }

    /// Decodes a photo and finds its pieces. The permit is kept until the work has ended, even if the client leaves before.
    ///
    /// # Errors
    /// If the file is not a usable image, or the network fails.
    pub(super) async fn find(
        &self,
        file: Bytes,
        embedder: &PhotoEmbedder,
        search_permit: &SearchPermit,
    ) -> Result<PiecesResponse, ApiError> {
        let finder = Arc::clone(&self.finder);
        let model_id = self.bundle.about.model_id();
        let find = move |photo: &dataset::Photo| {
            let outfit = finder
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .find(photo.pixels()?);
            let outfit = outfit.map_err(|error| ApiError::Internal(error.into()))?;
            Ok(PiecesResponse {
                model_id,
                took_ms: 0.0,
                width: photo.width(),
                height: photo.height(),
                person: outfit.person,
                pieces: outfit.pieces.iter().filter_map(convert::piece).collect(),
            })
        };
        embedder.with_photo(file, search_permit, find).await
    }
}
