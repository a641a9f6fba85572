//! State of a running service, which all handlers share.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use burn::tensor::Device;
use device::DeviceChoice;
use search::rerank::{Rerank, Reranking};
use search::{Match, SearchOptions};
use shared::bundle::Manifest;
use shared::embedding::Embedding;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::admission::{Admission, SearchPermit};
use super::body::Pace;
use super::bundle::{BrowserBundle, Role};
use super::config::ServeConfig;
use super::decoding::DecodeMemory;
use super::error::ApiError;
use super::folder::PhotoFolder;
use super::photo_embedder::PhotoEmbedder;
use super::piece_service::PieceService;
use super::query_spaces::QuerySpaces;
use super::site::Site;
use crate::catalog::{Catalog, Searcher, Watch};
use crate::embed::{Categoriser, EmbedError, EmbedFn, EmbedQueue, QueueHealth, RetrievalModel};
use crate::shutdown::{Lifecycle, Phase};

/// State of a running service.
pub struct App {
    pub(super) catalog: Arc<Catalog>,
    pub(super) tagger: BrowserBundle,
    pub(super) query_encoder: Option<BrowserBundle>,
    pub(super) pieces: Option<PieceService>,
    pub(super) photos: PhotoFolder,
    /// Watch over the folders of the catalog and its photos.
    pub(super) watch: Arc<Watch>,
    pub(super) site: Site,
    pub(super) admission: Admission,
    /// Minimum speed of bodies.
    pub(super) pace: Pace,
    /// Maximum time of an answer after its body has arrived.
    pub(super) deadline: Duration,
    /// Re-ranking of every search.
    pub(super) rerank: Reranking,
    pub(super) spaces: QuerySpaces,
    pub(super) embedder: PhotoEmbedder,
    searcher: Searcher,
    lifecycle: Arc<Lifecycle>,
    /// Maximum time of a batch of searches; a longer one counts as hung.
    stall: Duration,
}

impl App {
    /// Opens all folders of `config`, and starts the search thread and the thread that embeds on `device`. The receiver
    /// tells when the model is warm, or why it cannot be loaded.
    ///
    /// # Errors
    /// If a folder is missing or damaged, or catalog, retrieval bundle and query encoder do not belong together.
    pub fn open(
        config: &ServeConfig,
        device: &Device,
    ) -> anyhow::Result<(Self, oneshot::Receiver<Result<(), EmbedError>>)> {
        Self::open_with(config, Self::model(config, device), Arc::default(), |_| ())
    }

    /// Returns a function that loads the retrieval model onto `device` and warms it up.
    pub(super) fn model(
        config: &ServeConfig,
        device: &Device,
    ) -> impl FnMut() -> anyhow::Result<EmbedFn> + Send + 'static {
        let (dir, device, batch) = (config.retrieval_dir.clone(), device.clone(), config.queue.max_batch);
        let views = config.views;
        move || {
            let model = RetrievalModel::open(&dir, &device)?;
            model.warm_up(batch)?;
            Ok(Box::new(move |inputs| {
                views.embed(inputs, &model.manifest().input, |inputs| model.embed(inputs))
            }))
        }
    }

    /// [`open`](Self::open) with a model that `make` loads. Calls `report` with the current step.
    pub(super) fn open_with(
        config: &ServeConfig,
        make: impl FnMut() -> anyhow::Result<EmbedFn> + Send + 'static,
        lifecycle: Arc<Lifecycle>,
        report: impl Fn(&str),
    ) -> anyhow::Result<(Self, oneshot::Receiver<Result<(), EmbedError>>)> {
        report("reading the catalog");
        let manifest = RetrievalModel::read_manifest(&config.retrieval_dir)?;
        let catalog = Arc::new(open_catalog(config, &manifest)?);
        report("reading the bundles and the page");
        // Small networks run on the CPU; the device belongs to the embedding worker.
        let cpu = DeviceChoice::Cpu.open()?;
        let projection = RetrievalModel::read_projection(&config.retrieval_dir, &manifest, &cpu)?;
        let images = config.images_dir.as_ref().unwrap_or(catalog.dataset());
        let photos = PhotoFolder::open(images)?;
        let watch = Arc::new(Watch::new(&config.catalog_dir, images, &catalog));
        let tagger = BrowserBundle::load(&config.tagger_dir, Role::Tagger)?;
        let load_encoder = |dir: &PathBuf| BrowserBundle::load(dir, Role::QueryEncoder);
        let query_encoder = config.query_dir.as_ref().map(load_encoder).transpose()?;
        let open_pieces = |dir: &PathBuf| PieceService::open(dir, &cpu);
        let pieces = config.pieces_dir.as_ref().map(open_pieces).transpose()?;
        let encoder = query_encoder.as_ref().map(|bundle| &bundle.about);
        let spaces = QuerySpaces::new(&manifest, projection, encoder)?;
        let site = config.site_dir.as_deref().map(Site::load).transpose()?;
        let categoriser = config.category_dir.as_deref();
        let categoriser = categoriser.map(|dir| Categoriser::open(dir, &cpu)).transpose()?;
        let (queue, warm) = EmbedQueue::start(config.queue, make).context("cannot start the embedding worker")?;
        let app = Self {
            tagger,
            query_encoder,
            pieces,
            photos,
            watch,
            site: site.unwrap_or_default(),
            admission: Admission::new(&config.limits),
            pace: Pace::new(&config.limits),
            deadline: config.limits.deadline,
            rerank: config.rerank,
            spaces,
            embedder: PhotoEmbedder::new(&manifest, queue, categoriser, DecodeMemory::new(config.decode_memory)),
            searcher: start_searcher(config, &catalog)?,
            catalog,
            lifecycle,
            stall: config.queue.stall,
        };
        Ok((app, warm))
    }

    /// Returns why new requests should go to another server; `None` if this one is ready.
    pub(super) fn unready(&self) -> Option<String> {
        if self.lifecycle.phase() == Phase::Draining {
            return Some("the server is ending".into());
        }
        match self.embedder.queue.health() {
            QueueHealth::Ready => {}
            health => return Some(health.to_string()),
        }
        if self.searcher.has_ended() {
            return Some("the search thread has ended; restart the server".into());
        }
        if let Some(stuck) = self.searcher.stuck_for().filter(|stuck| *stuck > self.stall) {
            return Some(format!(
                "the search thread has been computing one batch for {} s",
                stuck.as_secs()
            ));
        }
        (self.lifecycle.phase() == Phase::Starting).then(|| "the server is starting".into())
    }

    /// Returns why only a restart can help; `None` while the process may recover.
    pub(super) fn needs_restart(&self) -> Option<String> {
        let health = self.embedder.queue.health();
        if health.needs_restart() {
            return Some(health.to_string());
        }
        self.searcher.has_ended().then(|| "the search thread has ended".into())
    }

    /// Takes a permit for a search by photo.
    ///
    /// # Errors
    /// If all permits are taken or the model does not answer.
    pub(super) fn admit_photo(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        let queue = &self.embedder.queue;
        match queue.health() {
            QueueHealth::Ready => {}
            health => return Err(ApiError::Unready(health.to_string())),
        }
        if let Some(permit) = self.admission.photo() {
            return Ok(permit);
        }
        // Clients that have left give their permits to new ones.
        queue.forget_abandoned();
        self.admission.photo().ok_or_else(|| ApiError::Overloaded {
            retry_after_s: queue.retry_after(),
        })
    }

    /// Takes a permit for a search by embedding.
    ///
    /// # Errors
    /// If all permits are taken.
    pub(super) fn admit_embedding(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        if let Some(permit) = self.admission.embedding() {
            return Ok(permit);
        }
        self.searcher.forget_abandoned();
        self.admission.embedding().ok_or_else(|| ApiError::Overloaded {
            retry_after_s: self.searcher.retry_after(),
        })
    }

    /// Finds the products most similar to `query`. The permit is kept until the search has ended, even if the client leaves
    /// before.
    ///
    /// # Errors
    /// If the search thread fails or has ended.
    pub(super) async fn search(
        &self,
        query: Embedding,
        options: SearchOptions,
        search_permit: &SearchPermit,
    ) -> Result<Vec<Match>, ApiError> {
        Ok(self.searcher.search(query, options, search_permit.clone()).await?)
    }

    /// Score below which a best hit is not close, for an embedding of the model `embedder`, or for a photo without one.
    /// `None` with re-ranking, because its first hit need not be the most similar one.
    pub(super) fn floor(&self, embedder: Option<&str>) -> Option<f32> {
        match self.rerank.method {
            Rerank::None => self.spaces.floor(embedder),
            _ => None,
        }
    }
}

/// Opens the catalog and checks that it was indexed with the retrieval bundle.
fn open_catalog(config: &ServeConfig, manifest: &Manifest) -> anyhow::Result<Catalog> {
    let catalog = Catalog::open(&config.catalog_dir)?;
    ensure!(
        catalog.model_id() == manifest.model_id() && catalog.dim() == manifest.embedding_dim,
        "the catalog in {} was indexed with {}, but the retrieval bundle is {}; index it again with this bundle",
        config.catalog_dir.display(),
        catalog.model_id(),
        manifest.model_id(),
    );
    Ok(catalog)
}

/// Starts the search thread. Its queue has a place for every admitted search, so that it refuses none.
fn start_searcher(config: &ServeConfig, catalog: &Arc<Catalog>) -> anyhow::Result<Searcher> {
    let catalog = Arc::clone(catalog);
    let capacity = config.limits.photos + config.limits.embeddings;
    Searcher::start(move |queries| catalog.search_batch(queries), capacity)
}
