//! The catalog in use: the live generation of a store in memory. It follows the store.
//!
//! A thread reads a new view whenever the store has changed. A search uses one view from its begin to its end. Blocks of
//! embeddings are mapped files, which successive views share.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError, RwLock, Weak};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use filter::Columns;
use search::{Block, Gallery, MappedRows, Match, Stored};
use shared::taxonomy::Category;
use store::{Element, Found, Generation, GenerationState, Product, Segment, Store, StoredProduct, View, ViewProduct};

use super::category::Categories;
use super::generation::Space;
use super::{CatalogError, PhotoFiles};

/// Maximum time after which a change of the store is noticed.
const POLL: Duration = Duration::from_millis(250);

/// Products that are read at once for the columns.
const COLUMNS_AT_ONCE: usize = 1000;

/// A store's generation of one model, which can be searched, and beside it one of another model.
pub struct Catalog {
    store: Arc<Store>,
    space: Space,
    live: RwLock<Arc<Live>>,
    /// The generation of another model, live or kept, whose encoders clients may still use.
    other: RwLock<Option<Arc<Live>>>,
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

/// One state of a catalog.
pub struct Live {
    generation: i64,
    pub(super) space: Space,
    /// Last change of the store that this state contains.
    sequence: u64,
    pub(super) gallery: Gallery,
    /// Ids of the products, sorted.
    pub(super) ids: Vec<Box<str>>,
    /// Products of each group of variants.
    pub(super) groups: HashMap<Box<str>, Vec<u32>>,
    /// Columns of the products, or why they cannot be read.
    pub(super) columns: OnceLock<Result<Arc<Columns>, String>>,
    /// Segments with their first rows.
    segments: Vec<(usize, Arc<Segment>)>,
    /// Blocks by the path of their file.
    blocks: HashMap<PathBuf, Arc<Block>>,
    /// True per category that has a product with a photo, in the order of [`Category::ALL`].
    has_category: [bool; Category::ALL.len()],
    /// Number of embedded photos.
    photos: usize,
}

/// A product that a search found.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// The product, with the image that is most similar to the query.
    pub found: Found,
    /// Cosine similarity of that image to the query, -1 to 1.
    pub score: f32,
}

/// Rows of a mapped file.
#[derive(Debug)]
struct SegmentRows(Arc<Segment>);

impl MappedRows for SegmentRows {
    fn values(&self) -> scan::Values<'_> {
        match self.0.element() {
            Element::F32 => scan::Values::F32(self.0.f32_values()),
            Element::Int8 => scan::Values::Int8 {
                codes: self.0.int8_values(),
                scales: self.0.scales(),
            },
        }
    }
}

impl Catalog {
    /// Opens the store in the folder `dir` for the model of `space`, and starts the thread that follows it. A store without a
    /// generation gets one.
    ///
    /// # Errors
    /// If the folder holds no store, another process uses it, or its embeddings are of another model.
    pub fn open(dir: &Path, space: &Space) -> anyhow::Result<Arc<Self>> {
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
        let live = Live::read(&store, own.number, None)?;
        let other = other.map(|other| Live::read(&store, other.number, None)).transpose()?;
        let catalog = Arc::new(Self {
            store,
            space: Space::parse(&own),
            live: RwLock::new(Arc::new(live)),
            other: RwLock::new(other.map(Arc::new)),
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

    /// The image files. `images` replaces the folder that the store remembers.
    ///
    /// # Errors
    /// Errors of the database.
    pub fn photo_files(&self, images: Option<&Path>) -> Result<PhotoFiles, CatalogError> {
        let folder = match images {
            Some(images) => Some(images.to_owned()),
            None => self.store.image_folder()?,
        };
        Ok(PhotoFiles::new(folder.as_deref(), self.store.dir()))
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
        let number = |live: &Arc<Live>| live.generation;
        if other.as_ref().map(|other| other.number) != before.as_ref().map(number) {
            // Products that were deleted later are left out of answers, so this one need not follow changes.
            let read = other
                .map(|other| Live::read(&self.store, other.number, None))
                .transpose()?;
            *self.other.write().unwrap_or_else(PoisonError::into_inner) = read.map(Arc::new);
        }
        if self.store.last_change()? == live.sequence && own.number == live.generation {
            return Ok(());
        }
        let next = Arc::new(Live::read(&self.store, own.number, Some(&live))?);
        if live.columns.get().is_some() {
            // Filters are in use, so the next one should not wait for the columns.
            let built = next.build_columns(&self.store);
            let _ = next.columns.set(built.map(Arc::new).map_err(|error| error.to_string()));
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
    let mut building = store.generations()?.into_iter();
    let number = match building.find(|generation| generation.state == GenerationState::Building) {
        Some(building) if building.model == space.name() => building.number,
        Some(other) => {
            store.drop_generation(other.number)?;
            store.begin_generation(&space.name(), space.dim, Element::F32)?.number
        }
        None => store.begin_generation(&space.name(), space.dim, Element::F32)?.number,
    };
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
        // Half of the time stays for searches while a large catalog changes.
        thread::sleep(begun.elapsed());
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

impl Live {
    /// Reads the present state of a generation. Takes the blocks of `before`.
    pub(super) fn read(store: &Store, generation: i64, before: Option<&Self>) -> Result<Self, CatalogError> {
        let View {
            generation,
            sequence,
            segments,
            products,
            rows,
        } = store.view(generation)?;
        let mut blocks = HashMap::new();
        let mut starts = Vec::with_capacity(segments.len());
        let mut list = Vec::with_capacity(segments.len());
        let mut start = 0;
        for segment in segments {
            let known = before.and_then(|before| before.blocks.get(segment.path()));
            let block = match known {
                Some(block) => Arc::clone(block),
                None => {
                    let rows = Box::new(SegmentRows(Arc::clone(&segment)));
                    let block = Block::mapped(generation.dim, rows).map_err(CatalogError::Segment)?;
                    Arc::new(block)
                }
            };
            blocks.insert(segment.path().to_owned(), Arc::clone(&block));
            list.push(block);
            let rows = segment.rows();
            starts.push((start, segment));
            start += rows;
        }
        let mut cache = Categories::default();
        let categories: Vec<Category> = products
            .iter()
            .map(|product| cache.category(product.category.as_deref()))
            .collect();
        let mut has_category = [false; Category::ALL.len()];
        for row in &rows {
            has_category[categories[row.product as usize] as usize] = true;
        }
        let owners = rows.iter().map(|row| {
            let (start, _) = starts[row.segment as usize];
            (start + row.slot as usize, row.product)
        });
        Ok(Self {
            generation: generation.number,
            space: Space::parse(&generation),
            sequence,
            gallery: Gallery::with_owners(Stored::of_blocks(generation.dim, list), categories, owners),
            groups: groups(&products),
            ids: products
                .into_iter()
                .map(|product| product.id.into_boxed_str())
                .collect(),
            columns: OnceLock::new(),
            segments: starts,
            blocks,
            has_category,
            photos: rows.len(),
        })
    }

    /// Product id and number of the image of a match.
    pub(super) fn place(&self, found: &Match) -> (&str, u64) {
        let at = self.segments.partition_point(|(start, _)| *start <= found.row);
        let (start, segment) = &self.segments[at.saturating_sub(1)];
        (&self.ids[found.product], segment.images()[found.row - start])
    }

    /// Number of the generation.
    pub fn generation(&self) -> i64 {
        self.generation
    }

    /// Dimension of the embeddings.
    pub fn dim(&self) -> usize {
        self.space.dim
    }

    /// Index of a product.
    pub(super) fn index_of(&self, id: &str) -> Option<usize> {
        self.ids.binary_search_by(|known| (**known).cmp(id)).ok()
    }

    /// Reads the columns of the products. A product that was deleted meanwhile has no values.
    pub(super) fn build_columns(&self, store: &Store) -> Result<Columns, CatalogError> {
        let mut columns = Columns::default();
        let mut page = Vec::new().into_iter().peekable();
        let mut after = String::new();
        for id in &self.ids {
            loop {
                if page.peek().is_none() {
                    page = store.products(&after, COLUMNS_AT_ONCE)?.into_iter().peekable();
                }
                match page.next_if(|stored: &StoredProduct| *stored.product.id < **id) {
                    // It came after the view.
                    Some(newer) => after = newer.product.id,
                    None => break,
                }
            }
            match page.next_if(|stored| *stored.product.id == **id) {
                Some(stored) => {
                    columns.push(&stored.product);
                    after = stored.product.id;
                }
                None => columns.push(&Product::default()),
            }
        }
        Ok(columns)
    }

    /// Number of products.
    pub fn products(&self) -> usize {
        self.ids.len()
    }

    /// Number of embedded photos.
    pub fn photos(&self) -> usize {
        self.photos
    }

    /// True if a product of the category `category` can be found.
    pub fn has_category(&self, category: Category) -> bool {
        self.has_category[category as usize]
    }
}

/// Products of each group of variants.
fn groups(products: &[ViewProduct]) -> HashMap<Box<str>, Vec<u32>> {
    let mut groups: HashMap<Box<str>, Vec<u32>> = HashMap::new();
    for (product, group) in (0..).zip(products.iter().map(|product| &product.group)) {
        if let Some(group) = group {
            groups.entry(group.as_str().into()).or_default().push(product);
        }
    }
    groups
}
