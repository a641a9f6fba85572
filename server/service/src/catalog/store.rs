//! A catalogue in memory, checked when it is opened.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use shared::embedding::Embedding;
use shared::taxonomy::Category;

use super::format::{Header, Row};
use super::{CatalogError, Product, SamplePhoto};
use search::storage::Stored;
use search::{Gallery, Match, SearchOptions};

/// Largest difference between the length of a stored embedding and one.
const NORM_TOLERANCE: f32 = 1e-3;

/// The most numbers of an embedding; more in a header tell of damage.
const MAX_DIM: usize = 1 << 20;

/// Embeddings read at once.
const ROWS_AT_ONCE: usize = 1024;

/// Number of attempts to open a catalogue that is replaced meanwhile.
const ATTEMPTS: usize = 3;

/// One product found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hit<'a> {
    /// The product.
    pub product: &'a Product,
    /// The photo that is most like the query, relative to the dataset folder.
    pub image: &'a str,
    /// Its cosine similarity to the query, -1 to 1.
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
    /// The rows in the order of their photos' paths.
    by_image: Vec<u32>,
    /// Pictures of products and samples that are no row's photo.
    other_images: HashSet<String>,
}

impl Catalog {
    /// Reads the catalogue folder `dir` and checks all of it: checksums, sizes, finite numbers, unit norms, references.
    ///
    /// # Errors
    /// Says what is wrong and what to do; see [`CatalogError`].
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
        let counts = count_rows(&products, &rows).ok_or_else(|| damaged("rows and products do not agree".into()))?;
        let whole = header.count.checked_mul(header.dim).filter(|_| header.dim <= MAX_DIM);
        if whole.is_none() || header.embeddings.bytes != (header.count * header.storage.bytes(header.dim)) as u64 {
            return Err(damaged(format!(
                "{} embeddings of {} numbers have another size as {}",
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
        let unit = |row: usize| {
            let norm = gallery
                .embeddings()
                .row(row)
                .iter()
                .map(|value| value * value)
                .sum::<f32>()
                .sqrt();
            (norm - 1.0).abs() <= NORM_TOLERANCE
        };
        if let Some(row) = (0..gallery.embeddings().len())
            .into_par_iter()
            .find_first(|&row| !unit(row))
        {
            return Err(damaged(format!(
                "the embedding of {} has not unit length",
                rows[row].image
            )));
        }
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
        catalog.other_images = named.filter(|image| !catalog.shows(image)).cloned().collect();
        Ok(catalog)
    }

    /// The products most like each query, best first, each once by its best photo; equal scores by product id. Every query
    /// has its own options, and all are answered in one pass over the embeddings.
    ///
    /// The caller sees to it that a query lies in the space of [`model_id`](Self::model_id) and has [`dim`](Self::dim)
    /// values; another finds nothing.
    pub fn search_batch(&self, queries: &[(&Embedding, SearchOptions)]) -> Vec<Vec<Match>> {
        let mut found = self.gallery.search_batch(queries);
        for ((query, _), found) in queries.iter().zip(&mut found) {
            if query.space() != self.header.model_id {
                found.clear();
            }
        }
        found
    }

    /// The product and the photo that were found.
    pub fn hit(&self, found: &Match) -> Hit<'_> {
        Hit {
            product: &self.products[found.product],
            image: &self.rows[found.row].image,
            score: found.score,
        }
    }

    /// The product with this id.
    pub fn product(&self, id: &str) -> Option<&Product> {
        self.products
            .binary_search_by(|product| product.id.as_str().cmp(id))
            .ok()
            .map(|at| &self.products[at])
    }

    /// All products, by id.
    pub fn products(&self) -> &[Product] {
        &self.products
    }

    /// True if the catalogue names the picture at `path`, relative to the dataset folder: an indexed photo, a product's
    /// picture or a sample.
    pub fn shows(&self, path: &str) -> bool {
        self.by_image
            .binary_search_by(|&row| self.rows[row as usize].image.as_str().cmp(path))
            .is_ok()
            || self.other_images.contains(path)
    }

    /// The photos that were embedded, relative to the dataset folder; each as often as it was.
    pub(super) fn images(&self) -> impl Iterator<Item = &str> {
        self.rows.iter().map(|row| row.image.as_str())
    }

    pub(super) fn header(&self) -> &Header {
        &self.header
    }

    /// True if a product has this category.
    pub fn has(&self, category: Category) -> bool {
        self.products.iter().any(|product| product.category == category)
    }

    /// Photos to try that the operator chose, at most eight.
    pub fn samples(&self) -> &[SamplePhoto] {
        &self.samples
    }

    /// The model that made the embeddings.
    pub fn model_id(&self) -> &str {
        &self.header.model_id
    }

    /// Numbers of an embedding.
    pub fn dim(&self) -> usize {
        self.header.dim
    }

    /// Photos embedded.
    pub fn photos(&self) -> usize {
        self.header.count
    }

    /// Path of the dataset when it was indexed.
    pub fn dataset(&self) -> &PathBuf {
        &self.header.dataset
    }
}

/// Rows of each product, or nothing when the rows are not grouped in the products' order.
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
