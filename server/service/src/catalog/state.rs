//! One state of a catalog in memory.
//!
//! Blocks of embeddings are mapped files, which successive states share.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use filter::Columns;
use search::{Block, Gallery, MappedRows, Match, SearchDevice, Stored};
use shared::taxonomy::Category;
use store::{Element, Product, Segment, Store, StoredProduct, View, ViewProduct};

use super::CatalogError;
use super::category::Categories;
use super::generation::Space;
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
    pub(super) gallery: Gallery,
    /// Ids of the products, sorted.
    pub(super) ids: Ids,
    /// Products of each group of variants.
    pub(super) groups: HashMap<Box<str>, Vec<u32>>,
    /// Columns of the products, or why they cannot be read.
    columns: OnceLock<Result<Columns, String>>,
    /// Segments with their first rows.
    segments: Vec<(usize, Arc<Segment>)>,
    /// Blocks by the path of their file.
    blocks: HashMap<PathBuf, Arc<Block>>,
    /// True per category that has a product with a photo, in the order of [`Category::ALL`].
    has_category: [bool; Category::ALL.len()],
    /// Number of embedded photos.
    photos: usize,
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
    fn new(segments: Vec<Arc<Segment>>, dim: usize, before: Option<&Live>) -> Result<Self, CatalogError> {
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
    /// Reads the present state of a generation. Takes the blocks of `before`. A large gallery is searched on `device`.
    pub(super) fn read(
        store: &Store,
        generation: i64,
        before: Option<&Self>,
        device: Option<&SearchDevice>,
    ) -> Result<Self, CatalogError> {
        let View {
            generation,
            sequence,
            segments,
            products,
            rows,
        } = store.view(generation)?;
        let Mapped { starts, list, blocks } = Mapped::new(segments, generation.dim, before)?;
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
            gallery: on_device(
                Gallery::with_owners(Stored::of_blocks(generation.dim, list), categories, owners),
                device,
            ),
            groups: groups(&products),
            ids: Ids::new(&products),
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
        (self.ids.get(found.product), segment.images()[found.row - start])
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
