//! A catalog in memory. Opening checks all of it.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use shared::embedding::Embedding;
use shared::taxonomy::Category;

use super::format::{Header, Row};
use super::{CatalogError, Product, SamplePhoto};
use search::storage::Stored;
use search::{Gallery, Match, SearchOptions};

/// Maximum difference between the norm of a stored embedding and 1.
const NORM_TOLERANCE: f32 = 1e-3;

/// Maximum dimension of embeddings; a header with more is damaged.
const MAX_DIM: usize = 1 << 20;

/// Embeddings that are read at once.
const ROWS_AT_ONCE: usize = 1024;

/// Number of attempts to open a catalog that is replaced at the same time.
const ATTEMPTS: usize = 3;

/// A product that a search found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hit<'a> {
    /// The product.
    pub product: &'a Product,
    /// Path of its photo that is most similar to the query, relative to the dataset folder.
    pub image: &'a str,
    /// Cosine similarity of that photo to the query, -1 to 1.
    pub score: f32,
}

/// A shop's products and the embeddings of their photos.
#[derive(Debug)]
pub struct Catalog {
    header: Header,
    gallery: Gallery,
    rows: Vec<Row>,
    products: Vec<Product>,
    samples: Vec<SamplePhoto>,
    /// Row numbers, sorted by the paths of their photos.
    by_image: Vec<u32>,
    /// Images of products and samples that are not the photo of a row.
    other_images: HashSet<String>,
}

impl Catalog {
    /// Reads the catalog folder `dir` and checks checksums, sizes, finite values, unit norms and references.
    ///
    /// # Errors
    /// If the folder has no catalog or a damaged one; see [`CatalogError`].
    pub fn open(dir: &Path) -> Result<Self, CatalogError> {
        let mut header = Header::read(dir)?;
        for _ in 1..ATTEMPTS {
            let opened = Self::load(dir, header.clone());
            let now = Header::read(dir)?;
            if opened.is_ok() || now == header {
                return opened;
            }
            header = now;
        }
        Self::load(dir, header)
    }

    fn load(dir: &Path, header: Header) -> Result<Self, CatalogError> {
        let damaged = |message: String| CatalogError::damaged(dir, message);
        let products: Vec<Product> = header.products.read_lines(dir)?;
        let rows: Vec<Row> = header.rows.read_lines(dir)?;
        // Earlier versions published users' photos without being asked.
        let samples: Vec<SamplePhoto> = if header.samples_chosen {
            header.samples.read_lines(dir)?
        } else {
            Vec::new()
        };
        if rows.len() != header.count {
            return Err(damaged(format!(
                "{} rows are listed instead of {}",
                rows.len(),
                header.count
            )));
        }
        if !products.is_sorted_by(|a, b| a.id < b.id) {
            return Err(damaged("the products are not in the order of their ids".into()));
        }
        let gallery = load_gallery(dir, &header, &products, &rows)?;
        let mut by_image: Vec<u32> = (0..).take(rows.len()).collect();
        by_image.par_sort_unstable_by_key(|&row| &rows[row as usize].image);
        let mut catalog = Self {
            header,
            gallery,
            rows,
            products,
            samples,
            by_image,
            other_images: HashSet::new(),
        };
        let named = catalog.products.iter().map(|product| &product.image);
        let named = named.chain(catalog.samples.iter().map(|sample| &sample.image));
        catalog.other_images = named.filter(|image| !catalog.has_image(image)).cloned().collect();
        Ok(catalog)
    }

    /// Finds per query the most similar products, best first; equal scores are ordered by product id. Every product occurs
    /// once, with its best photo. Every query has its own options, and one pass over the embeddings answers all.
    ///
    /// Queries must have [`dim`](Self::dim) values. A query of another space than [`model_id`](Self::model_id) finds
    /// nothing.
    pub fn search_batch(&self, queries: &[(&Embedding, SearchOptions)]) -> Vec<Vec<Match>> {
        let mut found = self.gallery.search_batch(queries);
        for ((query, _), found) in queries.iter().zip(&mut found) {
            if query.space() != self.header.model_id {
                found.clear();
            }
        }
        found
    }

    /// Product and photo of a match.
    pub fn hit(&self, found: &Match) -> Hit<'_> {
        Hit {
            product: &self.products[found.product],
            image: &self.rows[found.row].image,
            score: found.score,
        }
    }

    /// Product with the id `id`.
    pub fn product(&self, id: &str) -> Option<&Product> {
        self.products
            .binary_search_by(|product| product.id.as_str().cmp(id))
            .ok()
            .map(|at| &self.products[at])
    }

    /// Products, sorted by id.
    pub fn products(&self) -> &[Product] {
        &self.products
    }

    /// True if the image at `path`, relative to the dataset folder, is an indexed photo, a product's image or a sample.
    pub fn has_image(&self, path: &str) -> bool {
        self.by_image
            .binary_search_by(|&row| self.rows[row as usize].image.as_str().cmp(path))
            .is_ok()
            || self.other_images.contains(path)
    }

    /// Paths of the embedded photos, relative to the dataset folder; with duplicates.
    pub(super) fn images(&self) -> impl Iterator<Item = &str> {
        self.rows.iter().map(|row| row.image.as_str())
    }

    /// Content of `catalog.json`.
    pub(super) fn header(&self) -> &Header {
        &self.header
    }

    /// True if a product has the category `category`.
    pub fn has_category(&self, category: Category) -> bool {
        self.products.iter().any(|product| product.category == category)
    }

    /// Sample photos that the operator chose, at most eight.
    pub fn samples(&self) -> &[SamplePhoto] {
        &self.samples
    }

    /// The model that made the embeddings.
    pub fn model_id(&self) -> &str {
        &self.header.model_id
    }

    /// Dimension of the embeddings.
    pub fn dim(&self) -> usize {
        self.header.dim
    }

    /// Number of embedded photos.
    pub fn photos(&self) -> usize {
        self.header.count
    }

    /// Path of the dataset at the time of indexing.
    pub fn dataset(&self) -> &PathBuf {
        &self.header.dataset
    }
}

/// Reads the embeddings and checks their size, values and norms.
fn load_gallery(dir: &Path, header: &Header, products: &[Product], rows: &[Row]) -> Result<Gallery, CatalogError> {
    let damaged = |message: String| CatalogError::damaged(dir, message);
    let counts = count_rows(products, rows).ok_or_else(|| damaged("rows and products do not match".into()))?;
    let values = header.count.checked_mul(header.dim).filter(|_| header.dim <= MAX_DIM);
    if values.is_none() || header.embeddings.bytes != (header.count * header.storage.bytes(header.dim)) as u64 {
        return Err(damaged(format!(
            "the size is not that of {} embeddings of {} values as {}",
            header.count,
            header.dim,
            header.storage.name()
        )));
    }
    let mut embeddings = Stored::empty(header.storage, header.dim, header.count);
    let piece = ROWS_AT_ONCE * header.storage.bytes(header.dim);
    header.embeddings.read(dir, piece, |rows| embeddings.extend(rows))?;
    embeddings.check().map_err(damaged)?;
    let groups: Vec<_> = products.iter().map(|product| product.category).zip(counts).collect();
    let gallery = Gallery::new(embeddings, &groups).map_err(damaged)?;
    let has_unit_norm = |row: usize| {
        let values = gallery.embeddings().row(row);
        let norm = values.iter().map(|value| value * value).sum::<f32>().sqrt();
        (norm - 1.0).abs() <= NORM_TOLERANCE
    };
    if let Some(row) = (0..gallery.embeddings().len())
        .into_par_iter()
        .find_first(|&row| !has_unit_norm(row))
    {
        return Err(damaged(format!(
            "the embedding of {} does not have unit length",
            rows[row].image
        )));
    }
    Ok(gallery)
}

/// Number of rows per product; `None` if the rows are not grouped in the order of the products.
fn count_rows(products: &[Product], rows: &[Row]) -> Option<Vec<usize>> {
    let mut rest = rows;
    let mut counts = Vec::with_capacity(products.len());
    for product in products {
        let count = rest.iter().take_while(|row| row.product_id == product.id).count();
        rest = &rest[count..];
        counts.push(count);
    }
    rest.is_empty().then_some(counts)
}
