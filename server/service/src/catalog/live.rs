//! The catalog in use: the live generation of a store in memory. It follows the store.
//!
//! A thread reads a new view whenever the store has changed. A search uses one view from its begin to its end. Blocks of
//! embeddings are mapped files, which successive views share.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use engine::Engine;
use search::SearchDevice;
use store::{Found, Generation, GenerationState, Store, StoreError};

use super::engine_feed::{EngineFeed, EngineState};
use super::generation::{Space, building};
use super::state::{Live, SearchBy};
use super::wake::Wake;
use super::{CatalogError, PhotoFiles, archive};

/// Maximum time after which a change of the store is noticed.
const POLL: Duration = Duration::from_millis(250);

/// A store's generation of one model, which can be searched, and beside it one of another model.
pub struct Catalog {
    store: Arc<Store>,
    /// Folder of the photos, instead of the one that the store remembers.
    images: Option<PathBuf>,
    space: Space,
    live: RwLock<Arc<Live>>,
    /// The generation of another model, live or kept, whose encoders clients may still use.
    other: RwLock<Option<Arc<Live>>>,
    /// The device that searches large galleries.
    device: Option<SearchDevice>,
    /// The vector engine that searches the generations that it has.
    feed: Option<EngineFeed>,
    /// Why the last view could not be read.
    fault: Mutex<Option<String>>,
    wake: Arc<Wake>,
}

/// Places that search large galleries instead of the CPU.
#[derive(Clone, Default)]
pub struct SearchPlaces {
    /// A device that searches large galleries.
    pub device: Option<SearchDevice>,
    /// A vector engine. The catalog is copied into it, and searches in a generation use it when the copy is complete.
    pub engine: Option<Arc<dyn Engine>>,
}

/// A product that a search found.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// The product, with the image that is most similar to the query.
    pub found: Found,
    /// Cosine similarity of that image to the query, -1 to 1.
    pub score: f32,
    /// Contributions of the network's parts, if the query asked for them.
    pub parts: Vec<f32>,
}

impl Catalog {
    /// Opens the store in the folder `dir` for the model of `space`, and starts the thread that follows it. A store without a
    /// generation gets one. `images` replaces the folder of photos that the store remembers. `places` searches large galleries.
    ///
    /// # Errors
    /// If the folder holds no store, another process uses it, or its embeddings are of another model.
    pub fn open(dir: &Path, space: &Space, images: Option<PathBuf>, places: SearchPlaces) -> anyhow::Result<Arc<Self>> {
        let store = Arc::new(open_store_to_embed(dir)?);
        let (own, other) = generations(&store, space)?;
        let own = match (own, &other) {
            (Some(own), _) => own,
            (None, None) => begun(&store, space)?,
            (None, Some(other)) => bail!(
                "the catalog in {} was indexed with {}, but the retrieval bundle is {}; index it again with this bundle",
                dir.display(),
                Space::parse(other).model_id,
                space.model_id,
            ),
        };
        let SearchPlaces { device, engine } = places;
        let wake = Arc::<Wake>::default();
        let feed = engine
            .map(|engine| EngineFeed::start(&store, &engine, &wake))
            .transpose()?;
        let live = Live::read(
            &store,
            own.number,
            search_by(feed.as_ref(), own.number, None, device.as_ref()),
        )?;
        let other = other
            .map(|other| Live::read(&store, other.number, search_by(feed.as_ref(), other.number, None, None)))
            .transpose()?;
        let catalog = Arc::new(Self {
            store,
            images,
            space: Space::parse(&own),
            live: RwLock::new(Arc::new(live)),
            other: RwLock::new(other.map(Arc::new)),
            device,
            feed,
            fault: Mutex::default(),
            wake,
        });
        let follower = Arc::downgrade(&catalog);
        thread::Builder::new()
            .name("catalog".into())
            .spawn(move || follow(&follower))
            .context("cannot start the thread that follows the catalog")?;
        Ok(catalog)
    }

    /// The store.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// The image files.
    ///
    /// # Errors
    /// Errors of the database.
    pub fn photo_files(&self) -> Result<PhotoFiles, StoreError> {
        PhotoFiles::of(&self.store, self.images.as_deref())
    }

    /// Space of the embeddings.
    pub fn space(&self) -> &Space {
        &self.space
    }

    /// The present state.
    pub fn live(&self) -> Arc<Live> {
        Arc::clone(&self.live.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The state of the other model's generation, if there is one.
    pub fn other(&self) -> Option<Arc<Live>> {
        self.other.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The state in which a query of the space `model_id` is answered.
    pub fn live_in(&self, model_id: &str) -> Option<Arc<Live>> {
        if model_id == self.space.model_id {
            return Some(self.live());
        }
        self.other().filter(|other| other.space.model_id == model_id)
    }

    /// State of the vector engine, if there is one.
    pub(crate) fn engine_state(&self) -> Option<EngineState> {
        self.feed.as_ref().map(EngineFeed::report)
    }

    /// Signal of changes.
    pub(crate) fn wake(&self) -> &Wake {
        &self.wake
    }

    /// Returns why the store cannot be read; `None` if it can.
    pub fn fault(&self) -> Option<String> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the store's present state, if it has changed.
    fn refresh(&self) -> Result<(), CatalogError> {
        let live = self.live();
        let (own, other) = generations(&self.store, &self.space)?;
        let Some(own) = own else {
            return Err(CatalogError::Replaced {
                model_id: other.map_or_else(String::new, |other| Space::parse(&other).model_id),
            });
        };
        let feed = self.feed.as_ref();
        let is_read = |live: &Arc<Live>, number: i64| {
            live.generation() == number
                && live.is_in_engine() == feed.and_then(|feed| feed.engine_for(number)).is_some()
        };
        // Products that were deleted later are left out of answers, so this one need not follow changes.
        let is_same = match (&other, self.other()) {
            (None, None) => true,
            (Some(other), Some(before)) => is_read(&before, other.number),
            _ => false,
        };
        if !is_same {
            let read =
                |other: Generation| Live::read(&self.store, other.number, search_by(feed, other.number, None, None));
            let read = other.map(read).transpose()?;
            *self.other.write().unwrap_or_else(PoisonError::into_inner) = read.map(Arc::new);
        }
        if self.store.last_change()? == live.sequence && is_read(&live, own.number) {
            return Ok(());
        }
        let by = search_by(feed, own.number, Some(&live), self.device.as_ref());
        let next = Arc::new(Live::read(&self.store, own.number, by)?);
        if live.has_columns() {
            // Filters are in use, so the next one should not wait for the columns. It reports an error.
            let _ = next.columns(&self.store);
        }
        *self.live.write().unwrap_or_else(PoisonError::into_inner) = next;
        Ok(())
    }
}

/// Returns the place that searches a generation: the vector engine if it has the generation.
fn search_by<'a>(
    feed: Option<&'a EngineFeed>,
    generation: i64,
    before: Option<&'a Live>,
    device: Option<&'a SearchDevice>,
) -> SearchBy<'a> {
    match feed.and_then(|feed| feed.engine_for(generation)) {
        Some(engine) => SearchBy::Engine(engine),
        None => SearchBy::Memory { before, device },
    }
}

/// The generation of the model of `space`, and the one of another model, among the live and the kept one.
fn generations(store: &Store, space: &Space) -> Result<(Option<Generation>, Option<Generation>), CatalogError> {
    let mut found = store.generations()?;
    found.retain(|found| matches!(found.state, GenerationState::Live | GenerationState::Kept));
    found.sort_by_key(|found| found.state != GenerationState::Live);
    let is_own = |found: &Generation| {
        let known = Space::parse(found);
        known.model_id == space.model_id && known.dim == space.dim
    };
    let own = found.iter().find(|found| is_own(found)).cloned();
    let other = found.into_iter().find(|found| !is_own(found));
    Ok((own, other))
}

/// Makes a generation of a store that has none live.
fn begun(store: &Store, space: &Space) -> anyhow::Result<Generation> {
    let number = building(store, space, None)?;
    store.switch_generation(number)?;
    store.live_generation()?.context("the store has no live generation")
}

/// Refreshes the catalog whenever its store has changed, until the catalog is dropped.
fn follow(catalog: &Weak<Catalog>) {
    let mut seen = 0;
    while let Some(catalog) = catalog.upgrade() {
        let begun = Instant::now();
        let fault = catalog.refresh().err().map(|error| error.to_string());
        let mut known = catalog.fault.lock().unwrap_or_else(PoisonError::into_inner);
        if *known != fault {
            match &fault {
                Some(fault) => tracing::error!(fault, "the catalog cannot be read"),
                None => tracing::info!("the catalog can be read again"),
            }
            *known = fault;
        }
        drop(known);
        // A part of the time stays for searches while a large catalog changes.
        thread::sleep(begun.elapsed() / 3);
        seen = catalog.wake.wait(seen, POLL);
    }
}

/// Opens the store in the folder `dir`, to read or check it. Damaged files of embeddings stay as they are.
///
/// # Errors
/// If the folder has none, with a hint.
pub fn open_store(dir: &Path) -> Result<Store, CatalogError> {
    refuse_missing(dir)?;
    open_any(dir)
}

/// Opens the store in the folder `dir`, to embed its photos. Photos whose embeddings are damaged wait for new ones.
///
/// # Errors
/// If the folder has none, with a hint, or a file of embeddings exists and cannot be read.
pub fn open_store_to_embed(dir: &Path) -> Result<Store, CatalogError> {
    refuse_missing(dir)?;
    create_store(dir)
}

/// As [`open_store_to_embed`], but creates a store that is missing.
///
/// # Errors
/// If the folder holds something else, with a hint, or a file of embeddings exists and cannot be read.
pub fn create_store(dir: &Path) -> Result<Store, CatalogError> {
    let store = open_any(dir)?;
    archive::remove_unfinished(dir);
    let damaged = store.discard_damaged()?;
    if !damaged.is_empty() {
        tracing::error!(
            files = damaged.len(),
            "files of embeddings are damaged; their photos are embedded again"
        );
    }
    Ok(store)
}

fn refuse_missing(dir: &Path) -> Result<(), CatalogError> {
    if dir.join("store.sqlite").exists() || dir.join("catalog.json").exists() {
        return Ok(());
    }
    Err(CatalogError::Missing { path: dir.to_owned() })
}

fn open_any(dir: &Path) -> Result<Store, CatalogError> {
    if dir.join("catalog.json").exists() {
        return Err(CatalogError::Old { path: dir.to_owned() });
    }
    Ok(Store::open(dir)?)
}
