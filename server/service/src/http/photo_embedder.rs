//! Embedding of uploaded photos: decoding, crop, category and the model's queue.

use std::num::NonZero;
use std::sync::Arc;
use std::thread::available_parallelism;

use anyhow::Context;
use axum::body::Bytes;
use dataset::{Crop, Photo};
use futures::future::try_join_all;
use shared::bundle::Manifest;
use shared::embedding::Embedding;
use shared::input::{CropBox, InputSpec};
use shared::taxonomy::Category;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::admission::SearchPermit;
use super::blocking::blocking;
use super::decoding::DecodeMemory;
use super::error::ApiError;
use crate::embed::{Categoriser, EmbedInput, EmbedQueue, PhotoViews};

/// Turns photos into embeddings in the catalog's space.
pub(super) struct PhotoEmbedder {
    /// Queue in front of the model.
    pub(super) queue: Arc<EmbedQueue>,
    /// Views of every photo, whose embeddings are averaged.
    views: PhotoViews,
    model_id: String,
    input: InputSpec,
    categoriser: Option<Arc<Categoriser>>,
    /// One permit per core. More decoders would delay every photo and take more memory.
    decoders: Arc<Semaphore>,
    memory: DecodeMemory,
    /// Bytes of the weights' files.
    weight_bytes: u64,
}

/// A photo to embed.
pub(super) struct PhotoQuery {
    /// The file.
    pub(super) file: Bytes,
    /// Part of the photo to embed.
    pub(super) crop: Crop,
    /// True if the category is to be recognised, provided that there is a classifier.
    pub(super) categorise: bool,
}

/// Embedding of a photo.
pub(super) struct EmbeddedPhoto {
    /// The embedding.
    pub(super) embedding: Embedding,
    /// Category, if the classifier is confident.
    pub(super) category: Option<Category>,
    /// Crop box that was used; the whole photo if `None`.
    pub(super) crop: Option<CropBox>,
}

/// Inputs of the networks for a photo.
struct Prepared {
    input: Vec<f32>,
    category: Option<Category>,
    crop: Option<CropBox>,
}

impl PhotoEmbedder {
    /// An embedder for the retrieval bundle `retrieval`, whose model takes its inputs from `queue`.
    pub(super) fn new(
        retrieval: &Manifest,
        views: PhotoViews,
        queue: Arc<EmbedQueue>,
        categoriser: Option<Categoriser>,
        memory: DecodeMemory,
    ) -> Self {
        let cores = available_parallelism().map_or(1, NonZero::get);
        Self {
            queue,
            views,
            model_id: retrieval.model_id(),
            input: retrieval.input.clone(),
            categoriser: categoriser.map(Arc::new),
            decoders: Arc::new(Semaphore::new(cores)),
            memory,
            weight_bytes: retrieval.weights.bytes + retrieval.projection.as_ref().map_or(0, |file| file.bytes),
        }
    }

    /// Bytes of the files of the retrieval bundle's weights.
    pub(super) fn weight_bytes(&self) -> u64 {
        self.weight_bytes
    }

    /// Budget for decoding in bytes.
    pub(super) fn decode_budget(&self) -> u64 {
        self.memory.total()
    }

    /// Decodes, crops and embeds a photo. The permit is kept until the work has ended, even if the client leaves before.
    ///
    /// # Errors
    /// If the file is not a usable image, the crop box lies outside, or the model fails.
    pub(super) async fn embed(
        &self,
        query: PhotoQuery,
        search_permit: &SearchPermit,
    ) -> Result<EmbeddedPhoto, ApiError> {
        let Prepared { input, category, crop } = self.prepare(query, search_permit).await?;
        let views = self.views.inputs(input, &self.input).into_iter();
        let embedded = views.map(|input| self.queue.embed(EmbedInput::query(input), search_permit.clone()));
        let values = PhotoViews::mean(try_join_all(embedded).await?);
        let embedding = Embedding::new(self.model_id.as_str(), values)
            .context("the model's output")
            .map_err(ApiError::Internal)?;
        Ok(EmbeddedPhoto {
            embedding,
            category,
            crop,
        })
    }

    /// Decodes and crops a photo off the async threads.
    async fn prepare(&self, query: PhotoQuery, search_permit: &SearchPermit) -> Result<Prepared, ApiError> {
        let PhotoQuery { file, crop, categorise } = query;
        let spec = self.input.clone();
        let categoriser = self.categoriser.clone().filter(|_| categorise);
        self.with_photo(file, search_permit, move |photo| {
            let crop = crop.crop_box(photo)?;
            let category = match categoriser {
                Some(categoriser) => categoriser.category(categoriser.input().to_chw(photo.pixels()?, crop)?),
                None => None,
            };
            let input = spec.to_chw(photo.pixels()?, crop)?;
            Ok(Prepared { input, category, crop })
        })
        .await
    }

    /// Waits for the memory that decoding `file` may take.
    ///
    /// # Errors
    /// If the file is not an image, or needs more than all memory for decoding.
    pub(super) async fn decode_memory(&self, file: &[u8]) -> Result<OwnedSemaphorePermit, ApiError> {
        self.memory.acquire(file).await
    }

    /// Decodes a photo and calls `work` with it, off the async threads.
    ///
    /// # Errors
    /// If the file is not a usable image, or the error of `work`.
    pub(super) async fn with_photo<T: Send + 'static>(
        &self,
        file: Bytes,
        search_permit: &SearchPermit,
        work: impl FnOnce(&Photo) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        // Decoding continues if the client leaves, so it keeps the memory and both permits.
        let memory = self.memory.acquire(&file).await?;
        let permit = Arc::clone(&self.decoders).acquire_owned().await;
        let permit = permit.map_err(|closed| ApiError::Internal(closed.into()))?;
        let held = (permit, memory, search_permit.clone());
        let done = blocking(move || {
            let _held = held;
            let photo = Photo::decode(&file)?;
            drop(file);
            work(&photo)
        });
        done.await?
    }
}
