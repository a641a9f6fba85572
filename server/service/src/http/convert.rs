//! Conversion of domain types to the types of the API.

use shared::api;
use shared::pieces::Piece;

use crate::catalog;
use store::currency;

/// Path of a dataset's image on this server, percent-encoded.
pub(super) fn image_url(path: &str) -> String {
    let mut url = String::from("/images/");
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            url.push(char::from(byte));
        } else {
            url.push_str(&format!("%{byte:02X}"));
        }
    }
    url
}

/// Converts a product.
pub(super) fn product(product: &catalog::Product) -> api::Product {
    api::Product {
        id: product.id.clone(),
        category: product.category.id().into(),
        name: text(&product.name),
        price: product.price.as_ref().and_then(price),
        styles: product.styles.clone(),
        attributes: product.attributes.clone(),
        image: image_url(&product.image),
    }
}

/// Converts a price. `None` if the currency is not in ISO 4217, as in catalogs of older versions.
fn price(price: &catalog::Price) -> Option<api::Price> {
    let exponent = currency::exponent(&price.currency)?;
    Some(api::Price {
        amount: price.amount,
        currency: price.currency.clone(),
        exponent,
    })
}

/// Converts a hit. The image of its product is the photo that matched.
pub(super) fn hit(hit: &catalog::Hit<'_>) -> api::Hit {
    let product = api::Product {
        image: image_url(hit.image),
        ..product(hit.product)
    };
    api::Hit {
        product_id: product.id.clone(),
        score: hit.score,
        product,
    }
}

/// Converts a sample photo. The name of the product `shown` becomes part of its alternative text.
pub(super) fn sample(sample: &catalog::SamplePhoto, shown: Option<&catalog::Product>) -> api::Sample {
    let alt = match shown {
        Some(product) => api::LocalText {
            en: format!("User photo: {}", product.name.en),
            zh: format!("用户照片：{}", product.name.zh),
        },
        None => api::LocalText {
            en: "User photo".into(),
            zh: "用户照片".into(),
        },
    };
    api::Sample {
        image: image_url(&sample.image),
        product_id: sample.product_id.clone(),
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

fn text(text: &catalog::LocalText) -> api::LocalText {
    api::LocalText {
        en: text.en.clone(),
        zh: text.zh.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::image_url;

    #[test]
    fn any_path_becomes_a_valid_url() {
        for (path, expected) in [
            ("shop/P000001.jpg", "/images/shop/P000001.jpg"),
            ("a b/50%.jpg", "/images/a%20b/50%25.jpg"),
            ("鞋?.png", "/images/%E9%9E%8B%3F.png"),
        ] {
            assert_eq!(image_url(path), expected);
        }
    }
}
