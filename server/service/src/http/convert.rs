//! Conversion of domain types to the types of the API.

use std::collections::BTreeMap;

use shared::api;
use shared::pieces::Piece;
use store::{Attribute, Product, currency};

use super::part_names::PartNames;
use super::shown_images::ShownImages;
use crate::catalog::{Hit, STYLES, category_of};

/// Size of the images that answers name.
const SIDE: u32 = 640;

/// Size of the sample photos, which the page tags.
const SAMPLE_SIDE: u32 = 1024;

/// Converts a product. Its image is the main image.
pub(super) fn product(product: &Product) -> api::Product {
    shown(product, product.images.first().map(|image| image.sha256.as_str()))
}

/// Converts a product that is shown by the image `sha256`. A product without images has an empty path.
fn shown(product: &Product, sha256: Option<&str>) -> api::Product {
    let (styles, attributes) = attributes(product);
    api::Product {
        id: product.id.clone(),
        category: category_of(product.category.as_deref().unwrap_or_default()).id().into(),
        category_text: product.category.clone(),
        name: name(product),
        price: product.price.as_ref().and_then(price),
        styles,
        attributes,
        image: sha256.map_or_else(String::new, |sha256| ShownImages::path(sha256, SIDE)),
        brand: product.brand.clone(),
        url: product.url.clone(),
        group: product.group.clone(),
        availability: product.stock.map(|stock| stock.availability.name().to_owned()),
    }
}

/// Styles, and the other attributes as text.
fn attributes(product: &Product) -> (Vec<String>, BTreeMap<String, String>) {
    let mut styles = Vec::new();
    let mut texts = BTreeMap::new();
    for (name, value) in &product.attributes {
        let text = match value {
            Attribute::List(list) if name == STYLES => {
                styles.clone_from(list);
                continue;
            }
            Attribute::List(list) => list.join(", "),
            Attribute::Text(text) => text.clone(),
            Attribute::Bool(value) => value.to_string(),
            Attribute::Number(value) => value.to_string(),
        };
        texts.insert(name.clone(), text);
    }
    (styles, texts)
}

/// The names in both languages. One that is missing is replaced by the other, or by any name.
fn name(product: &Product) -> api::LocalText {
    let begins_with = |language: &str| {
        let of_language = |tag: &&String| {
            tag.split('-')
                .next()
                .is_some_and(|first| first.eq_ignore_ascii_case(language))
        };
        let tag = product.names.keys().find(of_language)?;
        product.names.get(tag)
    };
    let any = product.names.values().next();
    let text = |first: &str, second: &str| {
        let name = begins_with(first).or_else(|| begins_with(second)).or(any);
        name.cloned().unwrap_or_default()
    };
    api::LocalText {
        en: text("en", "zh"),
        zh: text("zh", "en"),
    }
}

/// Converts a price. `None` if the currency is not in ISO 4217.
fn price(price: &store::Price) -> Option<api::Price> {
    let exponent = currency::exponent(&price.currency)?;
    Some(api::Price {
        amount: price.amount,
        currency: price.currency.clone(),
        exponent,
    })
}

/// Converts a hit. The image of its product is the photo that matched.
pub(super) fn hit(hit: &Hit, parts: &PartNames) -> api::Hit {
    let found = &hit.found;
    let product = match &found.image {
        Some(image) => shown(&found.stored.product, Some(image.sha256())),
        None => product(&found.stored.product),
    };
    api::Hit {
        product_id: product.id.clone(),
        score: hit.score,
        product,
        parts: parts.named(&hit.parts),
    }
}

/// Converts a sample photo. The name of the product `shown` becomes part of its alternative text.
pub(super) fn sample(sample: &store::Sample, shown: Option<&Product>) -> api::Sample {
    let alt = match shown.map(name) {
        Some(name) => api::LocalText {
            en: format!("User photo: {}", name.en),
            zh: format!("用户照片：{}", name.zh),
        },
        None => api::LocalText {
            en: "User photo".into(),
            zh: "用户照片".into(),
        },
    };
    api::Sample {
        image: ShownImages::path(&sample.sha256, SAMPLE_SIDE),
        product_id: sample.product.clone(),
        alt,
    }
}

/// Converts a piece. `None` for background, skin and hair.
pub(super) fn piece(piece: &Piece) -> Option<api::Piece> {
    Some(api::Piece {
        class: piece.class.id().into(),
        category: piece.class.category()?.id().into(),
        bounds: piece.bounds,
        share: piece.share,
        score: piece.score,
    })
}
