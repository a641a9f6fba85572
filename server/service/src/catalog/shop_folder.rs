//! The dataset folder of a shop, as indexing reads it: products, shop photos and sample photos.
//!
//! `manifest.csv` lists the photos; [`dataset::Dataset`] reads it. `products.jsonl` describes the products. Without that
//! file a product is the set of shop photos of one `item_id`. A photo without `item_id` is then a product, whose id is the
//! photo's path. `samples.txt` lists the sample photos; without it there are none.
//!
//! **Invariant:** the category of a manifest row is [`Row::category`], as everywhere else. A value that is not a
//! category id is mapped by it and remarked on. In `products.jsonl`, which only this module reads, it is a fault.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::path::Path;

use shared::input::CropBox;

use super::faults::{Faults, Remarks};
use super::products::{self, read_text};
use super::{CatalogError, LocalText, Product, SamplePhoto, image_file};
use dataset::manifest::MANIFEST;
use dataset::{Dataset, Row};

/// Name of the file that describes products.
pub(super) const PRODUCTS: &str = "products.jsonl";
const SAMPLES: &str = "samples.txt";

/// Maximum number of sample photos.
pub const MAX_SAMPLES: usize = 8;

/// Products by id, each with its line of `products.jsonl`; 0 without a line.
type ProductsById = BTreeMap<String, (u64, Product)>;

/// A shop photo of a product.
#[derive(Debug)]
pub(super) struct ShopPhoto {
    /// Index into the products.
    pub(super) product: usize,
    /// Path relative to the dataset folder.
    pub(super) image: String,
    /// Crop box of the product; the whole photo if `None`.
    pub(super) bounds: Option<CropBox>,
    /// Line of the manifest.
    pub(super) line: u64,
}

impl ShopPhoto {
    /// The photo's path and the reason of its failure.
    pub(super) fn failure(&self, reason: String) -> (String, String) {
        (
            self.image.clone(),
            format!("{reason} ({MANIFEST}, line {}, `path`)", self.line),
        )
    }
}

/// Products and photos of a shop's dataset folder.
#[derive(Debug)]
pub(super) struct ShopFolder {
    /// Products, sorted by id and without duplicates.
    pub(super) products: Vec<Product>,
    /// Line of `products.jsonl` per product; 0 without a line.
    pub(super) lines: Vec<u64>,
    /// Shop photos, sorted by product, then by path.
    pub(super) photos: Vec<ShopPhoto>,
    /// Sample photos in the order of `samples.txt`.
    pub(super) samples: Vec<SamplePhoto>,
    /// Remarks on values that were changed or ignored.
    pub(super) remarks: Vec<String>,
}

impl ShopFolder {
    /// Reads the folder `root`, which is canonical.
    ///
    /// # Errors
    /// If a file is missing, a line cannot be used, or the product of a shop photo is not described.
    pub(super) fn read(root: &Path) -> Result<Self, CatalogError> {
        let rows = Dataset::open(root).map_err(CatalogError::Manifest)?.rows;
        let described = root.join(PRODUCTS);
        let (mut of_products, mut of_manifest) = (Remarks::default(), Remarks::default());
        let mut listing = Listing {
            is_described: described.exists(),
            products: BTreeMap::new(),
            photos: BTreeMap::new(),
            faults: Faults::new(&root.join(MANIFEST)),
        };
        if listing.is_described {
            listing.products = products::read(&described, &mut of_products)?;
        }
        check_end(root, &rows, &mut of_manifest)?;
        for row in rows.iter().filter(|row| row.is_shop()) {
            listing.add(row, &mut of_manifest);
        }
        listing.faults.check()?;
        let samples = read_samples(root, &rows, &listing.products)?;
        let remarks = [of_products.sentences(PRODUCTS), of_manifest.sentences(MANIFEST)].concat();
        let photos = shop_photos(&listing.products, listing.photos);
        let (lines, products) = listing.products.into_values().unzip();
        Ok(Self {
            products,
            lines,
            photos,
            samples,
            remarks,
        })
    }
}

/// Products, and the manifest's shop photos by product.
struct Listing<'a> {
    /// True if `products.jsonl` exists.
    is_described: bool,
    products: ProductsById,
    photos: BTreeMap<String, Vec<&'a Row>>,
    faults: Faults,
}

impl<'a> Listing<'a> {
    /// Adds a shop photo of the manifest, or its fault.
    fn add(&mut self, row: &'a Row, remarks: &mut Remarks) {
        let line = row.line as u64;
        if let Some(fault) = image_file::path_fault(&row.path) {
            self.faults.add(line, format!("`path`: `{}` {fault}", row.path));
            return;
        }
        let id = match row.item_id.trim() {
            "" if self.is_described => {
                let fault =
                    format!("`item_id` is empty; give the id of the product in {PRODUCTS} that the photo shows");
                self.faults.add(line, fault);
                return;
            }
            "" => &row.path,
            id => id,
        };
        if self.is_described && !self.products.contains_key(id) {
            let fault = format!("`item_id`: `{id}` is not in {PRODUCTS}; describe it there");
            self.faults.add(line, fault);
            return;
        }
        if !self.is_described {
            let category = row.category().id();
            if category != row.category {
                remarks.add(
                    line,
                    format!("`category`: `{}` is taken for `{category}`", row.category),
                );
            }
            self.products
                .entry(id.to_owned())
                .or_insert_with(|| (0, product_of_row(id, row)));
        }
        self.photos.entry(id.to_owned()).or_default().push(row);
    }
}

/// A product without a description, from its first row.
fn product_of_row(id: &str, row: &Row) -> Product {
    Product {
        id: id.to_owned(),
        category: row.category(),
        name: LocalText {
            en: id.to_owned(),
            zh: id.to_owned(),
        },
        price: None,
        styles: Vec::new(),
        attributes: BTreeMap::new(),
        image: row.path.clone(),
    }
}

/// Shop photos sorted by product and path; rows with the same path and box count once.
fn shop_photos(products: &ProductsById, photos: BTreeMap<String, Vec<&Row>>) -> Vec<ShopPhoto> {
    let index: HashMap<&str, usize> = products.keys().enumerate().map(|(at, id)| (id.as_str(), at)).collect();
    let of_product = |(id, mut rows): (String, Vec<&Row>)| {
        rows.sort_by(|a, b| a.path.cmp(&b.path));
        rows.dedup_by(|a, b| (&a.path, a.bounds) == (&b.path, b.bounds));
        let product = index[id.as_str()];
        rows.into_iter()
            .map(|row| ShopPhoto {
                product,
                image: row.path.clone(),
                bounds: row.bounds,
                line: row.line as u64,
            })
            .collect::<Vec<_>>()
    };
    photos.into_iter().flat_map(of_product).collect()
}

/// Checks that the manifest was not cut off: a missing line break at the end is remarked on.
///
/// # Errors
/// If there is no line break and the mask of the last row does not exist: the file then ends within the mask's name.
fn check_end(root: &Path, rows: &[Row], remarks: &mut Remarks) -> Result<(), CatalogError> {
    let path = root.join(MANIFEST);
    let text = fs::read(&path).map_err(CatalogError::io("read", &path))?;
    let Some(last) = rows.last().filter(|_| !text.ends_with(b"\n")) else {
        return Ok(());
    };
    if !last.mask.is_empty() && !root.join(&last.mask).exists() {
        let reason = format!(
            "the file ends within this line, whose mask `{}` does not exist; copy the whole file again",
            last.mask
        );
        return Err(Faults::single(&path, last.line as u64, reason).into());
    }
    remarks.add(
        last.line as u64,
        "the file does not end with a line break; check that it was not cut off".into(),
    );
    Ok(())
}

/// Reads `samples.txt`: one path of the manifest per line.
fn read_samples(root: &Path, rows: &[Row], products: &ProductsById) -> Result<Vec<SamplePhoto>, CatalogError> {
    let path = root.join(SAMPLES);
    if !path.exists() {
        return Ok(Vec::new());
    }
    let listed: HashMap<&str, &Row> = rows.iter().map(|row| (row.path.as_str(), row)).collect();
    let mut faults = Faults::new(&path);
    let mut seen = HashSet::new();
    let mut samples = Vec::new();
    let text = read_text(&path)?;
    for (line, image) in (1..)
        .zip(text.lines().map(str::trim))
        .filter(|(_, image)| !image.is_empty())
    {
        let row = listed.get(image);
        if let Some(fault) = image_file::path_fault(image) {
            faults.add(line, format!("`{image}` {fault}"));
        } else if !seen.insert(image) {
            faults.add(line, format!("`{image}` is listed twice; remove one"));
        } else if samples.len() == MAX_SAMPLES {
            faults.add(
                line,
                format!("`{image}` is one too many; choose at most {MAX_SAMPLES} samples"),
            );
        } else if let Some(row) = row {
            if let Err(reason) = image_file::read(root, image) {
                let fault = format!("`{image}` cannot be shown ({reason}); choose another photo");
                faults.add(line, fault);
            }
            let product_id = Some(row.item_id.trim()).filter(|id| products.contains_key(*id));
            samples.push(SamplePhoto {
                image: image.to_owned(),
                product_id: product_id.map(str::to_owned),
            });
        } else {
            let fault = format!("`{image}` is not a path of {MANIFEST}; list only photos of the dataset");
            faults.add(line, fault);
        }
    }
    faults.check()?;
    Ok(samples)
}
