//! State of a running service, which all handlers share.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use burn::tensor::Device;
use device::DeviceChoice;
use search::SearchDevice;
use search::rerank::{Rerank, Reranking};
use shared::api::EmbeddingInput;
use shared::bundle::Manifest;
use shared::embedding::Embedding;
use store::{Store, StoreError};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::admin::{AdminKey, Runner};
use super::admission::{Admission, SearchPermit};
use super::blocking::blocking;
use super::body::Pace;
use super::bundle::{BrowserBundle, Role};
use super::config::ServeConfig;
use super::cors::AllowedOrigin;
use super::decoding::DecodeMemory;
use super::error::ApiError;
use super::part_names::PartNames;
use super::photo_embedder::PhotoEmbedder;
use super::piece_service::PieceService;
use super::query_spaces::{Floors, QuerySpaces};

use super::shown_images::ShownImages;
use super::signing::SigningKey;
use super::site::Site;
use crate::catalog::{
    Answer, Catalog, CatalogQuery, Hit, NextModel, QueryError, SearchPlaces, Searcher, Space, Worker,
};
use crate::embed::{Categoriser, EmbedError, EmbedFn, EmbedQueue, PhotoViews, QueueHealth, RetrievalModel};
use crate::shutdown::{Lifecycle, Phase};

/// State of a running service.
pub struct App {
    pub(super) catalog: Arc<Catalog>,
    pub(super) tagger: BrowserBundle,
    pub(super) query_encoder: Option<BrowserBundle>,
    pub(super) pieces: Option<PieceService>,
    pub(super) images: ShownImages,
    pub(super) admin_key: Option<AdminKey>,
    /// Signs the cursors of searches.
    pub(super) cursor_key: SigningKey,
    /// Origins whose pages may use the public API.
    pub(super) allowed_origins: Vec<AllowedOrigin>,
    /// Folder of snapshots.
    pub(super) snapshots: Option<PathBuf>,
    pub(super) tasks: Runner,
    pub(super) site: Site,
    pub(super) admission: Admission,
    /// Minimum speed of bodies.
    pub(super) pace: Pace,
    /// Maximum bytes of a file to import or of an archive.
    pub(super) upload_bytes: u64,
    /// Maximum time of an answer after its body has arrived.
    pub(super) deadline: Duration,
    /// Re-ranking of every search.
    pub(super) rerank: Reranking,
    pub(super) spaces: QuerySpaces,
    /// Spaces of the model before.
    pub(super) previous: Option<QuerySpaces>,
    pub(super) embedder: PhotoEmbedder,
    /// Parts of the catalog's embeddings.
    pub(super) parts: PartNames,
    searcher: CatalogSearcher,
    /// Embeds new photos. It ends with the app.
    _worker: Worker,
    /// Embeds the catalog with the next model. It ends with the app.
    _next_model: Option<NextModel>,
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
        let make = Self::model(config, device);
        Self::open_with(config, device, make, Arc::default(), |_| ())
    }

    /// Returns a function that loads the retrieval model onto `device` and warms it up.
    pub(super) fn model(
        config: &ServeConfig,
        device: &Device,
    ) -> impl FnMut() -> anyhow::Result<EmbedFn> + Send + 'static {
        let (dir, device, batch) = (config.retrieval_dir.clone(), device.clone(), config.queue.max_batch);
        move || {
            let model = RetrievalModel::open(&dir, &device)?;
            model.warm_up(batch)?;
            Ok(Box::new(move |inputs| model.embed(inputs)))
        }
    }

    /// [`open`](Self::open) with a model that `make` loads. Calls `report` with the current step.
    pub(super) fn open_with(
        config: &ServeConfig,
        device: &Device,
        make: impl FnMut() -> anyhow::Result<EmbedFn> + Send + 'static,
        lifecycle: Arc<Lifecycle>,
        report: impl Fn(&str),
    ) -> anyhow::Result<(Self, oneshot::Receiver<Result<(), EmbedError>>)> {
        anyhow::ensure!(
            config.engine.is_none() || config.rerank.method == Rerank::None,
            "re-ranking needs the embeddings in memory; leave out --rerank or the vector engine"
        );
        report("reading the bundles and the page");
        let manifest = RetrievalModel::read_manifest(&config.retrieval_dir)?;
        // Small networks run on the CPU; the device belongs to the embedding worker.
        let cpu = DeviceChoice::Cpu.open()?;
        let projection = RetrievalModel::read_projection(&config.retrieval_dir, &manifest, &cpu)?;
        let (tagger, query_encoder, pieces) = browser_bundles(config, &cpu)?;
        let encoder = query_encoder.as_ref().map(|bundle| &bundle.about);
        let parts = PartNames::of(&manifest, projection.as_ref());
        let spaces = QuerySpaces::new(&manifest, projection, encoder)?;
        let previous = previous_spaces(config, &cpu)?;
        let site = config.site_dir.as_deref().map(Site::load).transpose()?;
        let categoriser = config.category_dir.as_deref();
        let categoriser = categoriser.map(|dir| Categoriser::open(dir, &cpu)).transpose()?;
        report("reading the catalog");
        let catalog = open_catalog(config, &manifest, device)?;
        let (queue, warm) = EmbedQueue::start(config.queue, make).context("cannot start the embedding worker")?;
        let queue = Arc::new(queue);
        let memory = DecodeMemory::new(config.decode_memory);
        let worker = Worker::start(&catalog, manifest.input.clone(), config.queue.max_batch, &queue)?;
        let start_next = |dir: &PathBuf| NextModel::start(&catalog, dir.clone(), device.clone());
        let next_model = config.next_dir.as_ref().map(start_next).transpose()?;
        let app = Self {
            tagger,
            query_encoder,
            pieces,
            images: ShownImages::new(&catalog, memory.clone()),
            allowed_origins: config.allowed_origins.clone(),
            admin_key: config.admin_key.as_deref().map(AdminKey::new),
            cursor_key: SigningKey::new(&catalog.store().cursor_key()?),
            snapshots: config.snapshots_dir.clone(),
            tasks: Runner::start(&catalog)?,
            site: site.unwrap_or_default(),
            admission: Admission::new(&config.limits),
            pace: Pace::new(&config.limits),
            upload_bytes: config.limits.upload_bytes,
            deadline: config.limits.deadline,
            rerank: config.rerank,
            spaces,
            previous,
            parts,
            embedder: PhotoEmbedder::new(&manifest, config.views, queue, categoriser, memory),
            searcher: start_searcher(config, &catalog)?,
            catalog,
            _worker: worker,
            _next_model: next_model,
            lifecycle,
            stall: config.queue.stall,
        };
        Ok((app, warm))
    }

    /// The error of requests that should go to another server; `None` if this one is ready.
    pub(super) fn unready(&self) -> Option<ApiError> {
        self.unready_reason().map(|reason| self.away(reason))
    }

    /// The error of a request that cannot be answered now.
    fn away(&self, reason: String) -> ApiError {
        match self.lifecycle.phase() {
            Phase::Starting => ApiError::Starting(reason),
            _ => ApiError::Unready(reason),
        }
    }

    fn unready_reason(&self) -> Option<String> {
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
            health => return Err(self.away(health.to_string())),
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

    /// Answers a query. The permit is kept until the search has ended, even if the client leaves before.
    ///
    /// # Errors
    /// If the search thread fails or has ended, the filter does not fit the catalog, or the store cannot be read.
    pub(super) async fn search(
        &self,
        query: CatalogQuery,
        search_permit: &SearchPermit,
    ) -> Result<(Vec<Hit>, Answer), ApiError> {
        let answer = self.searcher.search(query, search_permit.clone()).await??;
        let catalog = Arc::clone(&self.catalog);
        let held = search_permit.clone();
        let read = blocking(move || {
            let _held = held;
            (catalog.hits(&answer), answer)
        });
        let (hits, answer) = read.await?;
        Ok((hits?, answer))
    }

    /// Converts a client's embedding into the space of the catalog's model, or of the model before if the catalog still has its
    /// generation. Also returns the scores that a best hit is compared with.
    ///
    /// # Errors
    /// If the embedding is of another model, has a wrong length, or has values that are not finite.
    pub(super) fn embedding(&self, input: EmbeddingInput) -> Result<(Embedding, Floors), ApiError> {
        let embedder = input.model_id.clone();
        let floors = |spaces: &QuerySpaces| self.floors_in(spaces, Some(&embedder));
        let previous = self.previous.as_ref().filter(|spaces| spaces.knows(&input.model_id));
        let previous = previous.filter(|spaces| self.catalog.live_in(spaces.model_id()).is_some());
        match previous {
            Some(previous) if !self.spaces.knows(&input.model_id) => Ok((previous.query(input)?, floors(previous))),
            _ => Ok((self.spaces.query(input)?, floors(&self.spaces))),
        }
    }

    /// Reads or changes the store, off the async threads.
    ///
    /// # Errors
    /// That of `read`.
    pub(super) async fn with_store<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let store = Arc::clone(self.catalog.store());
        Ok(blocking(move || read(&store)).await??)
    }

    /// Scores that a best hit is compared with, for a query that the catalog's model embedded.
    pub(super) fn floors(&self) -> Floors {
        self.floors_in(&self.spaces, None)
    }

    /// Scores that a best hit is compared with, for an embedding of the model `embedder`, or for a photo without one. There
    /// are none with re-ranking, because its first hit need not be the most similar one.
    fn floors_in(&self, spaces: &QuerySpaces, embedder: Option<&str>) -> Floors {
        match self.rerank.method {
            Rerank::None => spaces.floors(embedder),
            _ => Floors::default(),
        }
    }
}

/// The bundles that browsers run: the tagger, the query encoder and the segmenter.
fn browser_bundles(
    config: &ServeConfig,
    device: &Device,
) -> anyhow::Result<(BrowserBundle, Option<BrowserBundle>, Option<PieceService>)> {
    let tagger = BrowserBundle::load(&config.tagger_dir, Role::Tagger)?;
    let load_encoder = |dir: &PathBuf| BrowserBundle::load(dir, Role::QueryEncoder);
    let query_encoder = config.query_dir.as_ref().map(load_encoder).transpose()?;
    let open_pieces = |dir: &PathBuf| PieceService::open(dir, device);
    let pieces = config.pieces_dir.as_ref().map(open_pieces).transpose()?;
    Ok((tagger, query_encoder, pieces))
}

/// Opens the catalog for the retrieval bundle.
fn open_catalog(config: &ServeConfig, retrieval: &Manifest, device: &Device) -> anyhow::Result<Arc<Catalog>> {
    let space = Space {
        model_id: retrieval.model_id(),
        dim: retrieval.embedding_dim,
        views: PhotoViews::default(),
    };
    let images = config.images_dir.clone();
    let places = SearchPlaces {
        device: search_device(device),
        engine: config.engine.clone(),
    };
    Catalog::open(&config.catalog_dir, &space, images, places)
}

/// The device as one that searches. `None` for a CPU, and for a device whose products are not exact.
fn search_device(device: &Device) -> Option<SearchDevice> {
    if DeviceChoice::Cpu.open().is_ok_and(|cpu| cpu == *device) {
        return None;
    }
    SearchDevice::open(device)
        .inspect_err(|error| {
            tracing::warn!(
                error = format!("{error:#}"),
                "the CPU searches, because the device cannot"
            )
        })
        .ok()
}

/// Spaces of the model before, if the configuration names its bundle.
fn previous_spaces(config: &ServeConfig, device: &Device) -> anyhow::Result<Option<QuerySpaces>> {
    let Some(dir) = &config.previous_dir else {
        return Ok(None);
    };
    let manifest = RetrievalModel::read_manifest(dir)?;
    let projection = RetrievalModel::read_projection(dir, &manifest, device)?;
    let load = |dir: &PathBuf| BrowserBundle::load(dir, Role::QueryEncoder);
    let encoder = config.previous_query_dir.as_ref().map(load).transpose()?;
    QuerySpaces::new(&manifest, projection, encoder.as_ref().map(|bundle| &bundle.about)).map(Some)
}

/// The search thread.
type CatalogSearcher = Searcher<CatalogQuery, Result<Answer, QueryError>>;

/// Starts the search thread. Its queue has a place for every admitted search, so that it refuses none.
fn start_searcher(config: &ServeConfig, catalog: &Arc<Catalog>) -> anyhow::Result<CatalogSearcher> {
    let catalog = Arc::clone(catalog);
    let capacity = config.limits.photos + config.limits.embeddings;
    Searcher::start(move |queries: &[&CatalogQuery]| catalog.search_batch(queries), capacity)
}
