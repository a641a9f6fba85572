//! One state of a catalog in memory.
//!
//! Blocks of embeddings are mapped files, which successive states share. With a vector engine, only the ids and the categories
//! of the products are in memory.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use engine::Engine;
use filter::Columns;
use search::{Block, Gallery, MappedRows, SearchDevice, Stored};
use shared::taxonomy::Category;
use store::{Element, Product, Segment, Store, StoredProduct, View};

use super::CatalogError;
use super::category::Categories;
use super::generation::Space;
use super::groups::Groups;
use super::ids::Ids;

/// Rows from which a device searches. Fewer are searched faster by the CPU.
const DEVICE_ROWS: usize = 100_000;

/// Products that are read at once for the columns.
const COLUMNS_AT_ONCE: usize = 1000;

/// One state of a catalog.
pub struct Live {
    generation: i64,
    pub(super) space: Space,
    /// Last change of the store that this state contains.
    pub(super) sequence: u64,
    pub(super) vectors: Vectors,
    /// Ids of the products, sorted.
    pub(super) ids: Ids,
    pub(super) groups: Groups,
    /// Columns of the products, or why they cannot be read.
    columns: OnceLock<Result<Columns, String>>,
    /// True per category that has a product with a photo, in the order of [`Category::ALL`].
    has_category: [bool; Category::ALL.len()],
    /// Number of embedded photos.
    photos: usize,
}

/// Bytes of a state's parts.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub(crate) struct CatalogMemory {
    /// Embeddings in mapped files. 0 if a vector engine has them.
    pub(crate) vectors: usize,
    /// Codes and bounds of the embeddings.
    pub(crate) codes: usize,
    /// Columns of the products, which the first filter or facet reads.
    pub(crate) columns: usize,
}

/// Limits of the requests to a vector engine.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reach {
    /// Maximum number of products that a condition names by their ids.
    pub(super) listed: usize,
    /// Largest number of products that are returned to a query whose filter is applied here.
    pub(super) deepest: usize,
}

impl Default for Reach {
    fn default() -> Self {
        Self {
            listed: 10_000,
            deepest: 20_000,
        }
    }
}

/// Place of the embeddings that searches compare.
pub(super) enum Vectors {
    Memory(Box<Memory>),
    /// A vector engine has a copy.
    Engine {
        engine: Arc<dyn Engine>,
        reach: Reach,
        /// Category per product.
        categories: Vec<Category>,
        /// Texts of categories with what they mean.
        texts: Vec<(String, Category)>,
    },
}

/// Embeddings in mapped files.
pub(super) struct Memory {
    pub(super) gallery: Gallery,
    /// Segments with their first rows.
    segments: Vec<(usize, Arc<Segment>)>,
    /// Blocks by the path of their file.
    blocks: HashMap<PathBuf, Arc<Block>>,
}

impl Memory {
    /// Number of the image of a row.
    pub(super) fn image(&self, row: usize) -> u64 {
        let at = self.segments.partition_point(|(start, _)| *start <= row);
        let (start, segment) = &self.segments[at.saturating_sub(1)];
        segment.images()[row - start]
    }
}

/// Place that searches the embeddings of a state.
#[derive(Clone, Copy)]
pub(super) enum SearchBy<'a> {
    /// The CPU, or for a large gallery the device. Blocks of the state before are taken over.
    Memory {
        before: Option<&'a Live>,
        device: Option<&'a SearchDevice>,
    },
    /// A vector engine that has a copy of the generation.
    Engine(&'a Arc<dyn Engine>),
}

/// Segments as blocks of a gallery.
struct Mapped {
    /// Segments with their first rows.
    starts: Vec<(usize, Arc<Segment>)>,
    /// Blocks in the order of the segments.
    list: Vec<Arc<Block>>,
    /// Blocks by the path of their file.
    blocks: HashMap<PathBuf, Arc<Block>>,
}

impl Mapped {
    /// Takes the blocks that `before` has, and makes the others.
    fn new(segments: Vec<Arc<Segment>>, dim: usize, before: Option<&Memory>) -> Result<Self, CatalogError> {
        let mut mapped = Self {
            starts: Vec::with_capacity(segments.len()),
            list: Vec::with_capacity(segments.len()),
            blocks: HashMap::new(),
        };
        let mut start = 0;
        for segment in segments {
            let known = before.and_then(|before| before.blocks.get(segment.path()));
            let block = match known {
                Some(block) => Arc::clone(block),
                None => {
                    let rows = Box::new(SegmentRows(Arc::clone(&segment)));
                    Arc::new(Block::mapped(dim, rows).map_err(CatalogError::Segment)?)
                }
            };
            mapped.blocks.insert(segment.path().to_owned(), Arc::clone(&block));
            mapped.list.push(block);
            let rows = segment.rows();
            mapped.starts.push((start, segment));
            start += rows;
        }
        Ok(mapped)
    }
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

impl Live {
    /// Reads the present state of a generation.
    pub(super) fn read(store: &Store, generation: i64, by: SearchBy<'_>) -> Result<Self, CatalogError> {
        let View {
            generation,
            sequence,
            segments,
            products,
            rows,
        } = store.view(generation)?;
        let mut known = Categories::default();
        let categories: Vec<Category> = products
            .iter()
            .map(|product| known.category(product.category.as_deref()))
            .collect();
        let mut has_category = [false; Category::ALL.len()];
        for row in &rows {
            has_category[categories[row.product as usize] as usize] = true;
        }
        let photos = rows.len();
        let vectors = match by {
            SearchBy::Memory { before, device } => {
                let before = before.and_then(|before| match &before.vectors {
                    Vectors::Memory(memory) => Some(&**memory),
                    Vectors::Engine { .. } => None,
                });
                let Mapped { starts, list, blocks } = Mapped::new(segments, generation.dim, before)?;
                let owners = rows.iter().map(|row| {
                    let (start, _) = starts[row.segment as usize];
                    (start + row.slot as usize, row.product)
                });
                let gallery = Gallery::with_owners(Stored::of_blocks(generation.dim, list), categories, owners);
                Vectors::Memory(Box::new(Memory {
                    gallery: on_device(gallery, device),
                    segments: starts,
                    blocks,
                }))
            }
            SearchBy::Engine(engine) => Vectors::Engine {
                engine: Arc::clone(engine),
                reach: Reach::default(),
                categories,
                texts: known.into_texts(),
            },
        };
        Ok(Self {
            generation: generation.number,
            space: Space::parse(&generation),
            sequence,
            vectors,
            groups: Groups::new(&products),
            ids: Ids::new(&products),
            columns: OnceLock::new(),
            has_category,
            photos,
        })
    }

    /// True if a vector engine answers searches.
    pub(super) fn is_in_engine(&self) -> bool {
        matches!(self.vectors, Vectors::Engine { .. })
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
        self.ids.index_of(id)
    }

    /// True if a filter or a facet has needed the columns.
    pub(super) fn has_columns(&self) -> bool {
        self.columns.get().is_some()
    }

    /// Columns of the products. The first filter or facet reads them.
    ///
    /// # Errors
    /// If the store could not be read.
    pub(super) fn columns(&self, store: &Store) -> Result<&Columns, CatalogError> {
        let built = || self.build_columns(store).map_err(|error| error.to_string());
        let columns = self.columns.get_or_init(built).as_ref();
        columns.map_err(|message| CatalogError::Columns(message.clone()))
    }

    /// Reads the columns of the products. A product that was deleted meanwhile has no values.
    fn build_columns(&self, store: &Store) -> Result<Columns, CatalogError> {
        let mut columns = Columns::default();
        let mut page = Vec::new().into_iter().peekable();
        let mut after = String::new();
        for id in self.ids.iter() {
            loop {
                if page.peek().is_none() {
                    page = store.products(&after, COLUMNS_AT_ONCE)?.into_iter().peekable();
                }
                match page.next_if(|stored: &StoredProduct| *stored.product.id < *id) {
                    // It came after the view.
                    Some(newer) => after = newer.product.id,
                    None => break,
                }
            }
            match page.next_if(|stored| *stored.product.id == *id) {
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

    /// Bytes of the embeddings in mapped files, of their codes, and of the columns of filters.
    pub(crate) fn memory(&self) -> CatalogMemory {
        let embeddings = match &self.vectors {
            Vectors::Memory(memory) => Some(memory.gallery.embeddings()),
            Vectors::Engine { .. } => None,
        };
        let columns = self.columns.get().and_then(|columns| columns.as_ref().ok());
        CatalogMemory {
            vectors: embeddings.map_or(0, Stored::vector_bytes),
            codes: embeddings.map_or(0, Stored::code_bytes),
            columns: columns.map_or(0, Columns::heap_bytes),
        }
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

/// Moves the search of a large gallery to a device. If the device fails, the CPU searches.
fn on_device(mut gallery: Gallery, device: Option<&SearchDevice>) -> Gallery {
    let device = device.filter(|device| gallery.embeddings().len() >= DEVICE_ROWS && device.error().is_none());
    if let Some(device) = device
        && let Err(error) = gallery.use_device(device)
    {
        tracing::warn!(
            error = format!("{error:#}"),
            "the CPU searches, because the device cannot"
        );
    }
    gallery
}
