//! Products of a store as an engine takes them.

use store::{Generation, GenerationState, Product, Store, StoreError, StoredProduct};

use crate::product::{Facets, ImageVector, ProductVectors};

/// A product of the store with its vectors in a generation. It has no vectors if it was deleted or waits for them.
pub(crate) fn load(store: &Store, generation: i64, id: &str) -> Result<ProductVectors, StoreError> {
    match store.product(id)? {
        Some(stored) => complete(store, generation, &stored),
        None => Ok(ProductVectors {
            id: id.to_owned(),
            ..ProductVectors::default()
        }),
    }
}

/// Adds the vectors of a generation to a product.
///
/// If the product changes between the two reads, the result may mix both states. The later change is in the outbox.
pub(crate) fn complete(store: &Store, generation: i64, stored: &StoredProduct) -> Result<ProductVectors, StoreError> {
    let StoredProduct { product, version, .. } = stored;
    let mut images: Vec<ImageVector> = Vec::new();
    for row in store.product_rows(generation, &product.id)? {
        let Some(image) = product.images.get(row.position) else {
            continue;
        };
        let key = image.key().to_string();
        // A product that lists one image twice has one vector for it.
        if images.iter().all(|known| known.key != key) {
            let vector = row.segment.vector(row.slot);
            images.push(ImageVector { key, vector });
        }
    }
    Ok(ProductVectors {
        id: product.id.clone(),
        version: *version,
        facets: facets(product),
        images,
    })
}

fn facets(product: &Product) -> Facets {
    Facets {
        category: product.category.clone(),
        brand: product.brand.clone(),
        price: product.price.clone(),
        availability: product.stock.map(|stock| stock.availability),
    }
}

/// Generations that have vectors, with the live one first.
pub(crate) fn active(store: &Store) -> Result<Vec<Generation>, StoreError> {
    let mut generations = store.generations()?;
    generations.retain(|generation| generation.state != GenerationState::Retired);
    generations.sort_by_key(|generation| generation.state != GenerationState::Live);
    Ok(generations)
}
