//! Parts of a dataset folder that indexing reads: its products, their shop photos, and photos that visitors may try.
//!
//! `manifest.csv` lists the photos. `products.jsonl`, which a shop has and a plain photo collection lacks, describes the
//! products; without it a product is what the shop photos of one `item_id` show, and a photo without one is a product of its
//! own, named by its path. `samples.txt` lists the photos that visitors may try; without it there are none.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::path::Path;

use shared::input::CropBox;
use shared::taxonomy::Category;

use super::faults::{Faults, Remarks};
use super::products::{self, read_text};
use super::{CatalogError, LocalText, Product, SamplePhoto, picture};
use dataset::manifest::MANIFEST;
use dataset::{self, Row};

/// The name of the file that describes products.
pub(super) const PRODUCTS: &str = "products.jsonl";
const SAMPLES: &str = "samples.txt";

/// The most sample photos of a catalogue.
const MOST_SAMPLES: usize = 8;

/// A shop photo and which product it shows.
#[derive(Debug)]
pub(super) struct ShopPhoto {
    /// Index into the products.
    pub(super) product: usize,
    /// Relative to the dataset folder.
    pub(super) image: String,
    /// The part of it that shows the product; all of it if `None`.
    pub(super) bounds: Option<CropBox>,
    /// Its line in the manifest.
    pub(super) line: u64,
}

/// A dataset as far as a catalogue needs it.
#[derive(Debug)]
pub(super) struct Dataset {
    /// By id, each once.
    pub(super) products: Vec<Product>,
    /// Line of `products.jsonl` that describes each product; 0 without such a line.
    pub(super) lines: Vec<u64>,
    /// By product, then by path.
    pub(super) photos: Vec<ShopPhoto>,
    /// In the order of `samples.txt`.
    pub(super) samples: Vec<SamplePhoto>,
    /// Values that were changed or left out.
    pub(super) remarks: Vec<String>,
}

impl Dataset {
    /// Reads the folder `root`, which is canonical.
    ///
    /// # Errors
    /// When a file is missing, a line cannot be used, or a shop photo's product is not described.
    pub(super) fn read(root: &Path) -> Result<Self, CatalogError> {
        let rows = ::dataset::Dataset::open(root).map_err(CatalogError::Manifest)?.rows;
        let described = root.join(PRODUCTS);
        let from_file = described.exists();
        let mut remarks = Remarks::default();
        let mut products = if from_file {
            products::read(&described, &mut remarks)?
        } else {
            BTreeMap::new()
        };
        let mut remarked = remarks.sentences(PRODUCTS);

        let mut remarks = Remarks::default();
        check_end(root, &rows, &mut remarks)?;
        let mut faults = Faults::of(&root.join(MANIFEST));
        let mut photos: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
        for row in rows.iter().filter(|row| row.is_shop()) {
            if let Some(why) = picture::fault_of(&row.path) {
                faults.add(row.line as u64, format!("`path`: `{}` {why}", row.path));
                continue;
            }
            let id = match row.item_id.trim() {
                "" if from_file => {
                    faults.add(
                        row.line as u64,
                        format!("`item_id` is empty; name the product of {PRODUCTS} that it shows"),
                    );
                    continue;
                }
                "" => &row.path,
                id => id,
            };
            if from_file && !products.contains_key(id) {
                faults.add(
                    row.line as u64,
                    format!("`item_id`: `{id}` is not in {PRODUCTS}; describe it there"),
                );
                continue;
            }
            if !from_file {
                if Category::from_id(&row.category).is_none() {
                    let taken = row.category().id();
                    remarks.add(
                        row.line as u64,
                        format!("`category`: `{}` is taken for `{taken}`", row.category),
                    );
                }
                products
                    .entry(id.to_owned())
                    .or_insert_with(|| (0, undescribed(id, row)));
            }
            photos.entry(id).or_default().push(row);
        }
        faults.none()?;
        remarked.extend(remarks.sentences(MANIFEST));
        let samples = samples(root, &rows, &products)?;

        let index: HashMap<&str, usize> = products.keys().enumerate().map(|(at, id)| (id.as_str(), at)).collect();
        let photos = photos
            .into_iter()
            .flat_map(|(id, mut rows)| {
                rows.sort_by(|a, b| a.path.cmp(&b.path));
                rows.dedup_by(|a, b| (&a.path, a.bounds) == (&b.path, b.bounds));
                let product = index[id];
                rows.into_iter().map(move |row| ShopPhoto {
                    product,
                    image: row.path.clone(),
                    bounds: row.bounds,
                    line: row.line as u64,
                })
            })
            .collect();
        let (lines, products) = products.into_values().unzip();
        Ok(Self {
            photos,
            samples,
            products,
            lines,
            remarks: remarked,
        })
    }
}

fn undescribed(id: &str, row: &Row) -> Product {
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

/// Sees that the manifest is whole as far as its end tells: a last line that has no line break and names a mask that is not
/// there was cut within the mask's name. Where only the line break is missing, that is remarked on.
fn check_end(root: &Path, rows: &[Row], remarks: &mut Remarks) -> Result<(), CatalogError> {
    let path = root.join(MANIFEST);
    let text = fs::read(&path).map_err(CatalogError::io("read", &path))?;
    let Some(last) = rows.last().filter(|_| !text.ends_with(b"\n")) else {
        return Ok(());
    };
    if !last.mask.is_empty() && !root.join(&last.mask).exists() {
        let why = format!(
            "the file ends within this line, whose mask `{}` does not exist; copy the whole file again",
            last.mask
        );
        return Err(Faults::one(&path, last.line as u64, why));
    }
    remarks.add(
        last.line as u64,
        "the file does not end with a line break; see that it was not cut off".into(),
    );
    Ok(())
}

/// The photos that `samples.txt` lists, one path of the manifest a line.
fn samples(
    root: &Path,
    rows: &[Row],
    products: &BTreeMap<String, (u64, Product)>,
) -> Result<Vec<SamplePhoto>, CatalogError> {
    let path = root.join(SAMPLES);
    if !path.exists() {
        return Ok(Vec::new());
    }
    let listed: HashMap<&str, &Row> = rows.iter().map(|row| (row.path.as_str(), row)).collect();
    let mut faults = Faults::of(&path);
    let mut seen = HashSet::new();
    let mut samples = Vec::new();
    let text = read_text(&path)?;
    for (line, image) in (1..)
        .zip(text.lines().map(str::trim))
        .filter(|(_, image)| !image.is_empty())
    {
        let row = listed.get(image);
        if let Some(why) = picture::fault_of(image) {
            faults.add(line, format!("`{image}` {why}"));
        } else if !seen.insert(image) {
            faults.add(line, format!("`{image}` comes twice; leave one out"));
        } else if samples.len() == MOST_SAMPLES {
            faults.add(
                line,
                format!("`{image}` is one too many; choose at most {MOST_SAMPLES} samples"),
            );
        } else if let Some(row) = row {
            if let Err(why) = picture::read(root, image) {
                faults.add(line, format!("`{image}` cannot be shown ({why}); choose another photo"));
            }
            let product_id = Some(row.item_id.trim()).filter(|id| products.contains_key(*id));
            samples.push(SamplePhoto {
                image: image.to_owned(),
                product_id: product_id.map(str::to_owned),
            });
        } else {
            faults.add(
                line,
                format!("`{image}` is no path of {MANIFEST}; list only photos of the dataset"),
            );
        }
    }
    faults.none().map(|()| samples)
}
