//! The catalog in use: the live generation of a store in memory. It follows the store.
//!
//! A thread reads a new view whenever the store has changed. A search uses one view from its begin to its end. Blocks of
//! embeddings are mapped files, which successive views share.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError, RwLock, Weak};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use search::SearchDevice;
use store::{Found, Generation, GenerationState, Store, StoreError};

use super::generation::{Space, building};
use super::state::Live;
use super::{CatalogError, PhotoFiles};

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
    /// Why the last view could not be read.
    fault: Mutex<Option<String>>,
    wake: Wake,
}

/// A signal that the store has changed.
#[derive(Default)]
pub(crate) struct Wake {
    changes: Mutex<u64>,
    signal: Condvar,
}

impl Wake {
    /// Wakes all waiting threads.
    pub(crate) fn ring(&self) {
        *self.changes.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.signal.notify_all();
    }

    /// Waits for a signal after the one numbered `seen`, or until the time is over. Returns the number of the last signal.
    pub(crate) fn wait(&self, seen: u64, most: Duration) -> u64 {
        let changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self
            .signal
            .wait_timeout_while(changes, most, |changes| *changes == seen);
        let (changes, _) = waited.unwrap_or_else(PoisonError::into_inner);
        *changes
    }
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
    /// generation gets one. `images` replaces the folder of photos that the store remembers. Large galleries are searched on
    /// `device`, if there is one.
    ///
    /// # Errors
    /// If the folder holds no store, another process uses it, or its embeddings are of another model.
    pub fn open(
        dir: &Path,
        space: &Space,
        images: Option<PathBuf>,
        device: Option<SearchDevice>,
    ) -> anyhow::Result<Arc<Self>> {
        let store = Arc::new(open_store(dir)?);
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
        let live = Live::read(&store, own.number, None, device.as_ref())?;
        let other = other
            .map(|other| Live::read(&store, other.number, None, None))
            .transpose()?;
        let catalog = Arc::new(Self {
            store,
            images,
            space: Space::parse(&own),
            live: RwLock::new(Arc::new(live)),
            other: RwLock::new(other.map(Arc::new)),
            device,
            fault: Mutex::default(),
            wake: Wake::default(),
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
        let before = self.other();
        let number = |live: &Arc<Live>| live.generation();
        if other.as_ref().map(|other| other.number) != before.as_ref().map(number) {
            // Products that were deleted later are left out of answers, so this one need not follow changes.
            let read = other
                .map(|other| Live::read(&self.store, other.number, None, None))
                .transpose()?;
            *self.other.write().unwrap_or_else(PoisonError::into_inner) = read.map(Arc::new);
        }
        if self.store.last_change()? == live.sequence && own.number == live.generation() {
            return Ok(());
        }
        let next = Arc::new(Live::read(&self.store, own.number, Some(&live), self.device.as_ref())?);
        if live.has_columns() {
            // Filters are in use, so the next one should not wait for the columns. It reports an error.
            let _ = next.columns(&self.store);
        }
        *self.live.write().unwrap_or_else(PoisonError::into_inner) = next;
        Ok(())
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

/// Opens the store in the folder `dir`.
///
/// # Errors
/// If the folder has none, with a hint.
pub fn open_store(dir: &Path) -> Result<Store, CatalogError> {
    if !dir.join("store.sqlite").exists() && !dir.join("catalog.json").exists() {
        return Err(CatalogError::Missing { path: dir.to_owned() });
    }
    create_store(dir)
}

/// Opens the store in the folder `dir`, or creates it. Photos whose embeddings are damaged wait for new ones.
///
/// # Errors
/// If the folder holds something else, with a hint.
pub fn create_store(dir: &Path) -> Result<Store, CatalogError> {
    if dir.join("catalog.json").exists() {
        return Err(CatalogError::Old { path: dir.to_owned() });
    }
    let store = Store::open(dir)?;
    let damaged = store.discard_damaged()?;
    if !damaged.is_empty() {
        tracing::error!(
            files = damaged.len(),
            "files of embeddings are damaged; their photos are embedded again"
        );
    }
    Ok(store)
}
