//! What all handlers share.

use std::num::NonZero;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::available_parallelism;
use std::time::Duration;

use anyhow::{Context, ensure};
use axum::body::Bytes;
use burn::tensor::Device;
use shared::api::EmbeddingInput;
use shared::embedding::Embedding;
use shared::input::{CropBox, InputSpec};
use shared::model::Projection;
use shared::taxonomy::Category;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::admission::{Admission, Place};
use super::body::Pace;
use super::bundle::{BrowserBundle, Role};
use super::decoding::DecodeMemory;
use super::error::ApiError;
use super::folder::PhotoFolder;
use super::serve::ServeConfig;
use super::site::Site;
use crate::catalog::{Catalog, Searcher, Watch};
use crate::embed::{Categoriser, EmbedError, EmbedFn, EmbedQueue, QueueHealth, RetrievalModel};
use crate::shutdown::{Lifecycle, Phase};
use dataset::{Crop, Photo};
use device::DeviceChoice;
use search::rerank::Rerank;
use search::{Match, SearchOptions};

/// The state of a running service.
pub struct App {
    pub(super) catalog: Arc<Catalog>,
    pub(super) tagger: BrowserBundle,
    pub(super) query_encoder: Option<BrowserBundle>,
    pub(super) photos: PhotoFolder,
    /// Looks after the folders that the service was opened from.
    pub(super) watch: Arc<Watch>,
    pub(super) site: Site,
    /// Who may compute, and how much of their bodies is in memory.
    pub(super) admission: Admission,
    /// How slowly bodies may come.
    pub(super) pace: Pace,
    /// How long an answer may take after its body has arrived.
    pub(super) deadline: Duration,
    lifecycle: Arc<Lifecycle>,
    /// How every search ranks a second time.
    pub(super) rerank: Rerank,
    /// The retrieval bundle's score floor for the catalogue.
    floor: Option<f32>,
    /// Where the retrieval bundle projects its network's embeddings.
    unprojected: Option<Unprojected>,
    pub(super) queue: EmbedQueue,
    searcher: Searcher,
    /// The longest time for a batch of searches; a longer one counts as hung.
    stall: Duration,
    input: InputSpec,
    categoriser: Option<Arc<Categoriser>>,
    /// One decoder a core: more would only make every photo wait longer and take more memory.
    decoders: Arc<Semaphore>,
    decode_memory: DecodeMemory,
}

/// The space of a network before its bundle's projection, in which query encoders that were distilled from the network
/// embed, and the way from there into the catalogue's.
struct Unprojected {
    space: String,
    dim: usize,
    projection: Mutex<Projection>,
}

impl App {
    /// Opens everything that `config` names and starts the threads that embed, on `device`, and search. The receiver tells
    /// when the model is warm, or why it is not.
    ///
    /// # Errors
    /// When a folder is missing or damaged, or catalogue, retrieval bundle and query encoder are not of one space.
    pub fn open(
        config: &ServeConfig,
        device: &Device,
    ) -> anyhow::Result<(Self, oneshot::Receiver<Result<(), EmbedError>>)> {
        Self::open_with(config, Self::model(config, device), Arc::default(), |_| ())
    }

    /// Loads the model that embeds, on `device`, and warms it up, as often as it is called.
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

    /// [`open`](Self::open) with a model that `make` loads. `says` is told what is being done.
    pub(super) fn open_with(
        config: &ServeConfig,
        make: impl FnMut() -> anyhow::Result<EmbedFn> + Send + 'static,
        lifecycle: Arc<Lifecycle>,
        says: impl Fn(&str),
    ) -> anyhow::Result<(Self, oneshot::Receiver<Result<(), EmbedError>>)> {
        says("reading the catalogue");
        let manifest = RetrievalModel::read_manifest(&config.retrieval_dir)?;
        let catalog = Catalog::open(&config.catalog_dir)?;
        ensure!(
            catalog.model_id() == manifest.model_id() && catalog.dim() == manifest.embedding_dim,
            "the catalogue in {} was indexed with {}, but the retrieval bundle is {}; index it again with this bundle",
            config.catalog_dir.display(),
            catalog.model_id(),
            manifest.model_id(),
        );
        says("reading the bundles and the page");
        // On the CPU: what follows is small, and the device is the worker's.
        let cpu = DeviceChoice::Cpu.open()?;
        let projection = RetrievalModel::read_projection(&config.retrieval_dir, &manifest, &cpu)?;
        let unprojected = projection.map(|projection| Unprojected {
            space: manifest.network_id(),
            dim: projection.from_dim(),
            projection: Mutex::new(projection),
        });
        let images = config.images_dir.as_ref().unwrap_or(catalog.dataset());
        let photos = PhotoFolder::open(images)?;
        let watch = Arc::new(Watch::new(&config.catalog_dir, images, &catalog));
        let tagger = BrowserBundle::load(&config.tagger_dir, Role::Tagger)?;
        let load_query = |dir: &PathBuf| BrowserBundle::load(dir, Role::QueryEncoder);
        let query_encoder = config.query_dir.as_ref().map(load_query).transpose()?;
        if let Some(BrowserBundle { about, .. }) = &query_encoder {
            let spaces = unprojected.iter().map(|before| (before.space.as_str(), before.dim));
            let mut spaces = spaces.chain([(catalog.model_id(), catalog.dim())]);
            ensure!(
                spaces.any(|known| known == (about.space().as_str(), about.embedding_dim)),
                "the query encoder {} embeds into the space of {}, but the catalogue in {} was indexed with {}; distil an \
                 encoder from that bundle, or serve without one",
                about.model_id(),
                about.space(),
                config.catalog_dir.display(),
                catalog.model_id(),
            );
        }
        let site = config
            .site_dir
            .as_deref()
            .map(Site::load)
            .transpose()?
            .unwrap_or_default();
        let categoriser = config
            .category_dir
            .as_deref()
            .map(|dir| Categoriser::open(dir, &cpu))
            .transpose()?;
        let categoriser = categoriser.map(Arc::new);
        let (queue, warm) = EmbedQueue::start(config.queue, make).context("cannot start the embedding worker")?;
        let catalog = Arc::new(catalog);
        // Those who may search are counted on admission, so the searcher itself refuses none.
        let searched = Arc::clone(&catalog);
        let capacity = config.limits.photos + config.limits.embeddings;
        let searcher = Searcher::start(move |queries| searched.search_batch(queries), capacity)?;
        let cores = available_parallelism().map_or(1, NonZero::get);
        let app = Self {
            catalog,
            tagger,
            query_encoder,
            photos,
            watch,
            site,
            admission: Admission::new(&config.limits),
            pace: Pace::new(&config.limits),
            deadline: config.limits.deadline,
            lifecycle,
            rerank: config.rerank,
            floor: manifest.floor_in(&manifest.model_id()),
            unprojected,
            queue,
            searcher,
            stall: config.queue.stall,
            input: manifest.input,
            categoriser,
            decoders: Arc::new(Semaphore::new(cores)),
            decode_memory: DecodeMemory::new(config.decode_memory),
        };
        Ok((app, warm))
    }

    /// The reason why new requests should go elsewhere; nothing when they are welcome.
    pub(super) fn unready(&self) -> Option<String> {
        if self.lifecycle.phase() == Phase::Draining {
            return Some("the server is ending".into());
        }
        match self.queue.health() {
            QueueHealth::Ready => {}
            sick => return Some(sick.to_string()),
        }
        if self.searcher.has_ended() {
            return Some("the thread that searches has ended; restart the server".into());
        }
        if let Some(stuck) = self.searcher.stuck_for().filter(|stuck| *stuck > self.stall) {
            return Some(format!(
                "the thread that searches has been at one batch for {} s",
                stuck.as_secs()
            ));
        }
        (self.lifecycle.phase() == Phase::Starting).then(|| "the server is starting".into())
    }

    /// The reason why only a new process can help; nothing while this one may still recover.
    pub(super) fn hopeless(&self) -> Option<String> {
        let health = self.queue.health();
        match health.needs_restart() {
            true => Some(health.to_string()),
            false => self
                .searcher
                .has_ended()
                .then(|| "the thread that searches has ended".into()),
        }
    }

    /// The query a client embedded itself, if its model embeds into the catalogue's space, or into the one that is projected
    /// into it: the catalogue's own model, the same without its projection, or the query encoder that is served.
    pub(super) fn query(&self, input: EmbeddingInput) -> Result<Embedding, ApiError> {
        let encoder = self
            .query_encoder
            .as_ref()
            .map(|bundle| (bundle.about.model_id(), bundle.about.space()));
        let space = match &encoder {
            Some((id, space)) if *id == input.model_id => space,
            _ => &input.model_id,
        };
        let check_length = |expected: usize| match input.values.len() {
            actual if actual == expected => Ok(()),
            actual => Err(ApiError::WrongDimension { expected, actual }),
        };
        if space == self.catalog.model_id() {
            check_length(self.catalog.dim())?;
            return Ok(Embedding::new(self.catalog.model_id(), input.values)?);
        }
        if let Some(before) = self.unprojected.as_ref().filter(|before| before.space == *space) {
            check_length(before.dim)?;
            let embedding = Embedding::new(space, input.values)?;
            let projection = before.projection.lock().unwrap_or_else(PoisonError::into_inner);
            let projected = projection
                .apply(&[embedding.values().to_vec()])
                .pop()
                .unwrap_or_default();
            return Ok(Embedding::new(self.catalog.model_id(), projected)?);
        }
        let actual = input.model_id.chars().take(80).collect();
        let encoder = encoder.map(|(id, _)| id);
        Err(ApiError::WrongModel {
            actual,
            expected: self.catalog.model_id().into(),
            encoder,
        })
    }

    /// Leave to search by photo, refused at once when there is no room or the model does not answer.
    pub(super) fn admit_photo(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        match self.queue.health() {
            QueueHealth::Ready => {}
            sick => return Err(ApiError::Unready(sick.to_string())),
        }
        if let Some(permit) = self.admission.photo() {
            return Ok(permit);
        }
        // Those who have gone give their places to those who come.
        self.queue.forget_abandoned();
        let refused = || ApiError::Overloaded {
            retry_after_s: self.queue.retry_after(),
        };
        self.admission.photo().ok_or_else(refused)
    }

    /// Leave to search by embedding, refused at once when there is no room.
    pub(super) fn admit_embedding(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        if let Some(permit) = self.admission.embedding() {
            return Ok(permit);
        }
        self.searcher.forget_abandoned();
        let refused = || ApiError::Overloaded {
            retry_after_s: self.searcher.retry_after(),
        };
        self.admission.embedding().ok_or_else(refused)
    }

    /// The products most like `query`. `place` is kept until the search has ended, also when its client leaves before.
    pub(super) async fn search(
        &self,
        query: Embedding,
        options: SearchOptions,
        place: &Place,
    ) -> Result<Vec<Match>, ApiError> {
        Ok(self.searcher.search(query, options, place.clone()).await?)
    }

    /// The score below which a best hit is not close, for a photo, or for an embedding that the model `embedder` made. A
    /// second ranking has none: its first hit need not be the most similar one.
    pub(super) fn floor(&self, embedder: Option<&str>) -> Option<f32> {
        if self.rerank != Rerank::None {
            return None;
        }
        let encoder = self.query_encoder.as_ref().map(|bundle| &bundle.about);
        match encoder.filter(|encoder| embedder == Some(encoder.model_id().as_str())) {
            Some(encoder) => encoder.floor_in(self.catalog.model_id()),
            None => self.floor,
        }
    }

    /// Decodes a photo, cuts it to `crop` and embeds it; with the box that was cut, and with the category that it surely shows, where one is asked for and
    /// there is a bundle that tells. `place` is kept until the work has ended, also when its client leaves before.
    pub(super) async fn embed(
        &self,
        photo: Bytes,
        crop: Crop,
        categorise: bool,
        place: &Place,
    ) -> Result<(Embedding, Option<Category>, Option<CropBox>), ApiError> {
        // All three go with the work, which goes on when the client leaves.
        let memory = self.decode_memory.acquire(&photo).await?;
        let permit = Arc::clone(&self.decoders).acquire_owned().await;
        let permit = permit.map_err(|closed| ApiError::Internal(closed.into()))?;
        let held = (permit, memory, place.clone());
        let spec = self.input.clone();
        let categoriser = self.categoriser.clone().filter(|_| categorise);
        let (input, category, crop) = tokio::task::spawn_blocking(move || {
            let _held = held;
            let decoded = Photo::decode(&photo)?;
            drop(photo);
            let photo = decoded;
            let crop = crop.of(&photo)?;
            let category = match categoriser {
                Some(categoriser) => categoriser.category(categoriser.input().to_chw(photo.pixels()?, crop)?),
                None => None,
            };
            Ok::<_, ApiError>((spec.to_chw(photo.pixels()?, crop)?, category, crop))
        })
        .await
        .map_err(|error| ApiError::Internal(error.into()))??;
        let values = self.queue.embed(input, place.clone()).await?;
        let embedding = Embedding::new(self.catalog.model_id(), values);
        let embedding =
            embedding.map_err(|error| ApiError::Internal(anyhow::Error::new(error).context("the model's output")))?;
        Ok((embedding, category, crop))
    }
}
