//! Products as engines store them, and their stamps.

use sha2::{Digest, Sha256};
use store::currency::MAX_AMOUNT;
use store::{Availability, Price};

use crate::error::EngineError;

/// Maximum length of an id, a category or a brand in bytes, as in the store.
const MAX_NAME: usize = 256;
/// Maximum length of an image key in bytes. The text form of a key with a crop box has at most 108.
const MAX_KEY: usize = 128;
/// Maximum number of vectors per product, as in the store.
const MAX_IMAGES: usize = 256;
/// Largest difference between 1 and the norm of a vector. Vectors that were stored as int8 are about 1 long.
const NORM: f64 = 0.1;

/// Values of a product that conditions compare.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facets {
    /// Category.
    pub category: Option<String>,
    /// Brand.
    pub brand: Option<String>,
    /// Price.
    pub price: Option<Price>,
    /// Availability.
    pub availability: Option<Availability>,
}

/// The vector of an image.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageVector {
    /// Text form of the image's key.
    pub key: String,
    /// Vector of about unit length.
    pub vector: Vec<f32>,
}

/// A product and its vectors in one generation.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ProductVectors {
    /// Id of 1 to 256 bytes without control characters.
    pub id: String,
    /// Version in the store.
    pub version: u64,
    /// Values for conditions.
    pub facets: Facets,
    /// Vectors of its images, at most 256.
    pub images: Vec<ImageVector>,
}

impl ProductVectors {
    /// Checks the id and the vectors, which must have dimension `dim`.
    ///
    /// # Errors
    /// [`EngineError::Invalid`] with the first fault.
    pub fn check(&self, dim: usize) -> Result<(), EngineError> {
        let fault = |message: String| Err(EngineError::invalid(format!("product `{}`", self.id), message));
        let facets = &self.facets;
        for (key, text) in [
            ("id", Some(&self.id)),
            ("category", facets.category.as_ref()),
            ("brand", facets.brand.as_ref()),
            ("currency", facets.price.as_ref().map(|price| &price.currency)),
        ] {
            if text.is_some_and(|text| text.is_empty() || text.len() > MAX_NAME || text.chars().any(char::is_control)) {
                return fault(format!(
                    "`{key}` is not a text of 1 to {MAX_NAME} bytes without control characters"
                ));
            }
        }
        if facets.price.as_ref().is_some_and(|price| price.amount > MAX_AMOUNT) {
            return fault(format!("its price is larger than {MAX_AMOUNT} minor units"));
        }
        if self.images.len() > MAX_IMAGES {
            return fault(format!("it has more than {MAX_IMAGES} vectors"));
        }
        for image in &self.images {
            if image.key.len() > MAX_KEY {
                return fault(format!("the key of an image is longer than {MAX_KEY} bytes"));
            }
            check_vector(&image.vector, dim).or_else(|message| fault(format!("image {}: {message}", image.key)))?;
            let norm = image
                .vector
                .iter()
                .map(|value| f64::from(*value).powi(2))
                .sum::<f64>()
                .sqrt();
            if (norm - 1.0).abs() > NORM {
                return fault(format!(
                    "image {}: the norm is {norm}; normalise the vector to 1",
                    image.key
                ));
            }
        }
        Ok(())
    }

    /// Stamp of this state of the product. Equal stamps mean equal states.
    #[must_use]
    pub fn stamp(&self) -> Stamp {
        let mut hash = Sha256::new();
        hash.update(self.version.to_le_bytes());
        for image in &self.images {
            hash.update((image.key.len() as u64).to_le_bytes());
            hash.update(&image.key);
            for value in &image.vector {
                hash.update(value.to_le_bytes());
            }
        }
        Stamp {
            id: self.id.clone(),
            hash: first_number(&hash.finalize()),
            rows: self.images.len(),
        }
    }
}

/// Checks the dimension and the numbers of a vector.
pub(crate) fn check_vector(vector: &[f32], dim: usize) -> Result<(), String> {
    if vector.len() != dim {
        return Err(format!(
            "the vector has dimension {}, and the generation {dim}",
            vector.len()
        ));
    }
    if vector.iter().any(|value| !value.is_finite()) {
        return Err("the vector has numbers that are not finite".into());
    }
    Ok(())
}

/// State of a product in an engine.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp {
    /// Id of the product.
    pub id: String,
    /// Hash of the version, the image keys and the vectors.
    pub hash: u64,
    /// Number of vectors in the engine. After an interrupted change, it can differ from what the hash stands for.
    pub rows: usize,
}

/// Fingerprint of the products in a range. Equal fingerprints mean equal products.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Fingerprint {
    /// Number of products.
    pub products: usize,
    /// Hash of their stamps.
    pub hash: u64,
}

impl Fingerprint {
    /// Fingerprint of stamps that are sorted by id.
    #[must_use]
    pub fn of(stamps: &[Stamp]) -> Self {
        let mut hash = Sha256::new();
        for stamp in stamps {
            hash.update((stamp.id.len() as u64).to_le_bytes());
            hash.update(&stamp.id);
            hash.update(stamp.hash.to_le_bytes());
            hash.update((stamp.rows as u64).to_le_bytes());
        }
        Self {
            products: stamps.len(),
            hash: first_number(&hash.finalize()),
        }
    }
}

/// A range of ids in the order of their bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct IdRange<'a> {
    /// Ids are greater than this. All ids are greater than the empty text.
    pub after: &'a str,
    /// Ids are at most this. The range has no end if `None`.
    pub to: Option<&'a str>,
}

impl IdRange<'_> {
    /// True if the range contains `id`.
    #[must_use]
    pub fn contains(&self, id: &str) -> bool {
        id > self.after && self.to.is_none_or(|to| id <= to)
    }
}

/// The first eight bytes of a hash.
fn first_number(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .take(8)
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}
