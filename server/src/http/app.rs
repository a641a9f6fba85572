//! What all handlers share.

use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::available_parallelism;

use anyhow::{Context, ensure};
use axum::body::Bytes;
use burn::tensor::Device;
use shared::api::EmbeddingInput;
use shared::embedding::Embedding;
use shared::input::{CropBox, InputSpec};
use shared::taxonomy::Category;
use tokio::sync::{Semaphore, SemaphorePermit, oneshot};

use super::bundle::{BrowserBundle, Role};
use super::error::ApiError;
use super::folder::PhotoFolder;
use super::serve::ServeConfig;
use super::site::Site;
use crate::catalog::Catalog;
use crate::data::Photo;
use crate::device::DeviceChoice;
use crate::embed::{Categoriser, EmbedError, EmbedFn, EmbedQueue, RetrievalModel};
use crate::shutdown::{Lifecycle, Phase};

/// The most searches whose bodies are in memory at once.
const SEARCHES: usize = 64;

/// The state of a running service.
pub struct App {
    pub(super) catalog: Catalog,
    pub(super) tagger: BrowserBundle,
    pub(super) query_encoder: Option<BrowserBundle>,
    pub(super) photos: PhotoFolder,
    pub(super) site: Site,
    pub(super) lifecycle: Lifecycle,
    queue: EmbedQueue,
    input: InputSpec,
    categoriser: Option<Arc<Categoriser>>,
    searches: Semaphore,
    /// One decoder a core: more would only make every photo wait longer and take more memory.
    decoders: Arc<Semaphore>,
}

impl App {
    /// Opens everything that `config` names and starts the embedding worker on `device`. The receiver tells when the
    /// model is warm, or why it is not.
    ///
    /// # Errors
    /// When a folder is missing or damaged, or catalogue, retrieval bundle and query encoder are not of one space.
    pub fn open(
        config: &ServeConfig,
        device: &Device,
    ) -> anyhow::Result<(Self, oneshot::Receiver<Result<(), EmbedError>>)> {
        let manifest = RetrievalModel::read_manifest(&config.retrieval_dir)?;
        let catalog = Catalog::open(&config.catalog_dir)?;
        ensure!(
            catalog.model_id() == manifest.model_id() && catalog.dim() == manifest.embedding_dim,
            "the catalogue in {} was indexed with {}, but the retrieval bundle is {}; index it again with this bundle",
            config.catalog_dir.display(),
            catalog.model_id(),
            manifest.model_id(),
        );
        let photos = PhotoFolder::open(config.images_dir.as_ref().unwrap_or(catalog.dataset()))?;
        let tagger = BrowserBundle::load(&config.tagger_dir, Role::Tagger)?;
        let load_query = |dir: &PathBuf| BrowserBundle::load(dir, Role::QueryEncoder);
        let query_encoder = config.query_dir.as_ref().map(load_query).transpose()?;
        if let Some(BrowserBundle { about, .. }) = &query_encoder {
            ensure!(
                about.space() == catalog.model_id() && about.embedding_dim == catalog.dim(),
                "the query encoder {} embeds into the space of {}, but the catalogue in {} was indexed with {}; distil an \
                 encoder from that bundle, or serve without one",
                about.model_id(),
                about.space(),
                config.catalog_dir.display(),
                catalog.model_id(),
            );
        }
        let site = config.site_dir.as_deref().map(Site::load).transpose()?.unwrap_or_default();
        // On the CPU: one small network a query, while the photo is there.
        let cpu = DeviceChoice::Cpu.open()?;
        let categoriser = config.category_dir.as_deref().map(|dir| Categoriser::open(dir, &cpu)).transpose()?;
        let categoriser = categoriser.map(Arc::new);
        let (dir, device, batch) = (config.retrieval_dir.clone(), device.clone(), config.queue.max_batch);
        let make = move || -> anyhow::Result<EmbedFn> {
            let model = RetrievalModel::open(&dir, &device)?;
            model.warm_up(batch)?;
            Ok(Box::new(move |inputs| model.embed(inputs)))
        };
        let (queue, warm) = EmbedQueue::start(config.queue, make).context("cannot start the embedding worker")?;
        let cores = available_parallelism().map_or(1, NonZero::get);
        let app = Self {
            catalog,
            tagger,
            query_encoder,
            photos,
            site,
            lifecycle: Lifecycle::default(),
            queue,
            input: manifest.input,
            categoriser,
            searches: Semaphore::new(SEARCHES),
            decoders: Arc::new(Semaphore::new(cores)),
        };
        Ok((app, warm))
    }

    /// Whether new requests are welcome.
    pub(super) fn is_ready(&self) -> bool {
        self.lifecycle.phase() == Phase::Ready && self.queue.is_ready()
    }

    /// The query a client embedded itself, if its model embeds into the catalogue's space: the catalogue's own, or the
    /// query encoder that is served.
    pub(super) fn query(&self, input: EmbeddingInput) -> Result<Embedding, ApiError> {
        let encoder = self.query_encoder.as_ref().map(|bundle| bundle.about.model_id());
        if input.model_id != self.catalog.model_id() && Some(&input.model_id) != encoder.as_ref() {
            let actual = input.model_id.chars().take(80).collect();
            return Err(ApiError::WrongModel { actual, expected: self.catalog.model_id().into(), encoder });
        }
        if input.values.len() != self.catalog.dim() {
            return Err(ApiError::WrongDimension { expected: self.catalog.dim(), actual: input.values.len() });
        }
        Ok(Embedding::new(self.catalog.model_id(), input.values)?)
    }

    /// A place among the searches in flight; refused at once when all are taken or no photo could be queued.
    pub(super) fn admit(&self) -> Result<SemaphorePermit<'_>, ApiError> {
        self.queue.check_room()?;
        self.searches.try_acquire().map_err(|_| ApiError::Overloaded { retry_after_s: 1 })
    }

    /// Decodes a photo, cuts it to `crop` and embeds it; with the category that it surely shows, where one is asked for and
    /// there is a bundle that tells.
    pub(super) async fn embed(
        &self,
        photo: Bytes,
        crop: Option<CropBox>,
        categorise: bool,
    ) -> Result<(Embedding, Option<Category>), ApiError> {
        // The permit goes with the work, which goes on when the client leaves.
        let permit = Arc::clone(&self.decoders).acquire_owned().await.map_err(|_| ApiError::Unready)?;
        let spec = self.input.clone();
        let categoriser = self.categoriser.clone().filter(|_| categorise);
        let (input, category) = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let photo = Photo::decode(&photo)?;
            let category = match categoriser {
                Some(categoriser) => categoriser.category(categoriser.input().to_chw(photo.pixels()?, crop)?),
                None => None,
            };
            Ok::<_, ApiError>((spec.to_chw(photo.pixels()?, crop)?, category))
        })
        .await
        .map_err(|error| ApiError::Internal(error.into()))??;
        let values = self.queue.embed(input).await?;
        let embedding = Embedding::new(self.catalog.model_id(), values);
        let embedding =
            embedding.map_err(|error| ApiError::Internal(anyhow::Error::new(error).context("the model's output")))?;
        Ok((embedding, category))
    }
}
