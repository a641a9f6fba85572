//! Indexing: a dataset's shop photos are embedded, and its products become the catalog of a store.
//!
//! An image that cannot be read is left out and reported. If more fail than the limit allows, the run ends and the catalog
//! stays as it was. A run that is killed continues when it is repeated.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use rayon::prelude::*;
use store::{Attribute, Crop, Element, ImageFile, ImageSource as _, ProductImage, Sample};

use super::compare::Comparison;
use super::embed_run::{EmbedRun, IndexProgress};
use super::live::create_store;
use super::product::STYLES;
use super::shop_folder::{PRODUCTS, ShopFolder};
use super::{CatalogError, PhotoFiles, Product};
use crate::embed::{PhotoViews, RetrievalModel};
use dataset::MaxErrors;
use dataset::manifest::MANIFEST;

/// Kind of failure of images.
const UNREADABLE: &str = "images cannot be read";
/// Kind of failure of products.
const WITHOUT_PHOTO: &str = "products have no photo that can be read";

/// Options of an index run.
#[derive(Debug, Clone)]
pub struct IndexOptions {
    /// The dataset folder: `manifest.csv`, its photos, and optionally `products.jsonl` and `samples.txt`.
    pub dataset: PathBuf,
    /// The folder of the retrieval bundle.
    pub bundle: PathBuf,
    /// The folder of the store. Its products are replaced.
    pub out: PathBuf,
    /// Type of the stored numbers, on disk and in memory.
    pub storage: Element,
    /// Views whose embeddings are averaged per photo.
    pub views: PhotoViews,
    /// Photos per batch.
    pub batch: usize,
    /// Maximum number of images that cannot be read, and of products without a readable photo.
    pub max_errors: MaxErrors,
}

/// Summary of an index run.
#[derive(Debug, Clone, PartialEq)]
pub struct IndexSummary {
    /// The model that made the embeddings.
    pub model_id: String,
    /// Dimension of the embeddings.
    pub dim: usize,
    /// Number of products in the catalog.
    pub products: usize,
    /// Number of embedded photos. Equal photos count once.
    pub photos: usize,
    /// Comparison with the embeddings of another model, if they were replaced.
    pub comparison: Option<Comparison>,
    /// Images that were left out, each with the reason.
    pub skipped: Vec<(String, String)>,
    /// Ids of products that no search can find, each with the reason.
    pub without_photo: Vec<(String, String)>,
    /// Remarks on values of the dataset's files that were changed or ignored.
    pub remarks: Vec<String>,
}

/// Makes the products of a dataset the catalog of the store in `options.out`, and embeds their photos.
///
/// Photos whose embeddings the store has are not embedded again. With another model, other views or another storage the
/// photos are embedded into a new generation, which replaces the old one at the end. Calls `progress` after every batch.
///
/// # Errors
/// See [`CatalogError`].
pub fn index(
    options: &IndexOptions,
    device: &Device,
    mut progress: impl FnMut(IndexProgress),
) -> Result<IndexSummary, CatalogError> {
    let root = fs::canonicalize(&options.dataset).map_err(CatalogError::io("open", &options.dataset))?;
    let shop = ShopFolder::read(&root)?;
    if shop.photos.is_empty() {
        return Err(CatalogError::NothingToIndex {
            path: root.join(MANIFEST),
        });
    }
    let checked = Checked::read(&root, shop, options)?;
    if checked.products.is_empty() {
        return Err(CatalogError::NothingToIndex {
            path: root.join(MANIFEST),
        });
    }
    let model = RetrievalModel::open(&options.bundle, device)?;
    let store = create_store(&options.out)?;
    store.set_image_folder(&root)?;
    store.set_samples(&checked.samples)?;
    store.replace_all(&checked.products)?;
    let files = PhotoFiles::new(Some(&root), store.dir());
    let run = EmbedRun {
        store: &store,
        files: &files,
        model: &model,
        views: options.views,
        element: options.storage,
        batch: options.batch,
        max_errors: options.max_errors,
    };
    let embedded = run.run(|done| {
        progress(done);
        true
    })?;
    if !embedded.unreadable.is_empty() {
        return Err(CatalogError::Unreadable(embedded.unreadable));
    }
    let mut skipped = checked.skipped;
    skipped.extend(embedded.skipped);
    Ok(IndexSummary {
        model_id: model.manifest().model_id(),
        dim: model.manifest().embedding_dim,
        products: checked.products.len(),
        photos: usize::try_from(store.progress(embedded.generation)?.embedded).unwrap_or(usize::MAX),
        comparison: embedded.comparison,
        skipped,
        without_photo: checked.without_photo,
        remarks: checked.remarks,
    })
}

/// Products of a dataset whose images can be read.
struct Checked {
    products: Vec<store::Product>,
    samples: Vec<Sample>,
    skipped: Vec<(String, String)>,
    without_photo: Vec<(String, String)>,
    remarks: Vec<String>,
}

/// Images by their path: the file, or the reason why it cannot be used.
type Files = HashMap<String, Result<ImageFile, String>>;

impl Checked {
    /// Reads all images.
    ///
    /// # Errors
    /// If more images or products fail than the limit allows.
    fn read(root: &Path, shop: ShopFolder, options: &IndexOptions) -> Result<Self, CatalogError> {
        let files = read_files(root, &shop, options);
        let skipped = failures(&shop, &files);
        let embedded: BTreeSet<&str> = shop.photos.iter().map(|photo| photo.image.as_str()).collect();
        let others = shop.products.iter().map(|product| product.image.as_str());
        let others: BTreeSet<&str> = others.filter(|image| !embedded.contains(image)).collect();
        let total = shop.photos.len() + others.len();
        CatalogError::check_limit(options.max_errors, UNREADABLE, &skipped, total)?;
        let mut of_product = images_of_products(&shop, &files);
        let all = shop.products.len();
        let mut checked = Self {
            products: Vec::with_capacity(all),
            samples: Vec::new(),
            skipped,
            without_photo: Vec::new(),
            remarks: shop.remarks,
        };
        for (at, (product, line)) in shop.products.into_iter().zip(shop.lines).enumerate() {
            checked.add(product, line, of_product.remove(&at).unwrap_or_default(), &files);
        }
        CatalogError::check_limit(options.max_errors, WITHOUT_PHOTO, &checked.without_photo, all)?;
        let known: BTreeSet<&str> = checked.products.iter().map(|product| product.id.as_str()).collect();
        let mut samples = Vec::new();
        for sample in shop.samples {
            if let Some(Ok(file)) = files.get(&sample.image) {
                samples.push(Sample {
                    source: sample.image,
                    sha256: file.sha256.clone(),
                    product: sample.product_id.filter(|id| known.contains(id.as_str())),
                });
            }
        }
        checked.samples = samples;
        Ok(checked)
    }

    /// Adds a product with its photos. One without any image is left out.
    fn add(&mut self, product: Product, line: u64, photos: Vec<ProductImage>, files: &Files) {
        if photos.is_empty() {
            self.without_photo.push((product.id.clone(), without_photo(line)));
        }
        let shown = main_image(&product, files, photos);
        let Some(main) = shown.first() else {
            self.remarks.push(format!(
                "product {} is left out, since none of its images can be shown",
                product.id
            ));
            return;
        };
        if main.source != product.image {
            self.remarks.push(format!(
                "product {} is shown by {} instead of {}",
                product.id, main.source, product.image
            ));
        }
        self.products.push(converted(product, shown));
    }
}

/// Reads the files of all images that the shop names.
fn read_files(root: &Path, shop: &ShopFolder, options: &IndexOptions) -> Files {
    let source = PhotoFiles::new(Some(root), &options.out);
    let photos = shop.photos.iter().map(|photo| &photo.image);
    let others = shop.products.iter().map(|product| &product.image);
    let samples = shop.samples.iter().map(|sample| &sample.image);
    let images: BTreeSet<&String> = photos.chain(others).chain(samples).collect();
    let read = |image: &&String| {
        let file = super::image_file::locate(root, image);
        let file = file.and_then(|_| source.read(image, None).map_err(|fault| fault.message));
        ((*image).clone(), file)
    };
    images.par_iter().map(read).collect()
}

/// Photos that can be used, by the index of their product.
fn images_of_products(shop: &ShopFolder, files: &Files) -> BTreeMap<usize, Vec<ProductImage>> {
    let mut of_product: BTreeMap<usize, Vec<ProductImage>> = BTreeMap::new();
    for photo in &shop.photos {
        if let Some(Ok(file)) = files.get(&photo.image) {
            let crop = photo.bounds.map(|bounds| Crop {
                x: bounds.x,
                y: bounds.y,
                width: bounds.width,
                height: bounds.height,
            });
            let image = ProductImage {
                crop,
                ..product_image(&photo.image, file)
            };
            of_product.entry(photo.product).or_default().push(image);
        }
    }
    of_product
}

/// An image without crop box.
fn product_image(source: &str, file: &ImageFile) -> ProductImage {
    ProductImage {
        width: file.width,
        height: file.height,
        ..ProductImage::new(source, &file.sha256)
    }
}

/// The images of shop photos and products that cannot be used, each with the reason and its line.
fn failures(shop: &ShopFolder, files: &Files) -> Vec<(String, String)> {
    let reason = |image: &str| files.get(image).and_then(|file| file.as_ref().err()).cloned();
    let mut failed: Vec<(String, String)> = Vec::new();
    for photo in &shop.photos {
        failed.extend(reason(&photo.image).map(|reason| photo.failure(reason)));
    }
    let mut known: BTreeSet<String> = shop.photos.iter().map(|photo| photo.image.clone()).collect();
    for (product, line) in shop.products.iter().zip(&shop.lines) {
        if known.insert(product.image.clone())
            && let Some(reason) = reason(&product.image)
        {
            failed.push((
                product.image.clone(),
                format!("{reason} ({PRODUCTS}, line {line}, `image`)"),
            ));
        }
    }
    failed
}

fn without_photo(line: u64) -> String {
    match line {
        0 => "no search can find it".to_owned(),
        line => format!("no search can find it ({PRODUCTS}, line {line})"),
    }
}

/// The photos of a product with its main image first.
fn main_image(product: &Product, files: &Files, mut photos: Vec<ProductImage>) -> Vec<ProductImage> {
    if let Some(at) = photos.iter().position(|photo| photo.source == product.image) {
        photos[..=at].rotate_right(1);
    } else if let Some(Ok(file)) = files.get(&product.image) {
        photos.insert(0, product_image(&product.image, file));
    }
    photos
}

/// A product as the store keeps it. Its styles become the attribute `styles`.
fn converted(product: Product, images: Vec<ProductImage>) -> store::Product {
    let text = |(key, value)| (key, Attribute::Text(value));
    let mut attributes: BTreeMap<String, Attribute> = product.attributes.into_iter().map(text).collect();
    if !product.styles.is_empty() {
        attributes.insert(STYLES.to_owned(), Attribute::List(product.styles));
    }
    let names = [("en", product.name.en), ("zh", product.name.zh)];
    store::Product {
        id: product.id,
        names: names.map(|(language, name)| (language.to_owned(), name)).into(),
        category: Some(product.category.id().to_owned()),
        price: product.price.map(|price| store::Price {
            amount: price.amount,
            currency: price.currency,
        }),
        attributes,
        images,
        ..store::Product::default()
    }
}
