//! Order in which the service embeds the photos that wait.

use store::{PendingImage, Store};

use super::CatalogError;

/// Place in the photos that wait. New photos come first, so that a product which is added during an import is found at once. The
/// photos of an import come in their order.
#[derive(Debug, Clone, Default)]
pub(super) struct Order {
    /// Number of the last image that came in the order of the images.
    pub(super) after: i64,
    /// Number of the last new image. Images behind it are new.
    newest: i64,
}

impl Order {
    /// Begins with the photos that wait now.
    pub(super) fn begin(store: &Store) -> Result<Self, CatalogError> {
        Ok(Self {
            after: 0,
            newest: store.newest_image()?,
        })
    }

    /// Returns the next photos, at most `limit`. They are not returned again before the order begins again.
    pub(super) fn next(
        &mut self,
        store: &Store,
        generation: i64,
        limit: usize,
    ) -> Result<Vec<PendingImage>, CatalogError> {
        let new = store.pending(generation, self.newest, limit)?;
        match new.last() {
            // So many belong to an import. The others of it are not new any more, so the next new photo does not wait for them.
            Some(_) if new.len() == limit => self.newest = store.newest_image()?,
            Some(last) => self.newest = last.number,
            None => {
                let others = store.pending(generation, self.after, limit)?;
                self.after = others.last().map_or(self.after, |last| last.number);
                return Ok(others);
            }
        }
        Ok(new)
    }
}

#[cfg(test)]
mod tests {
    use store::{Element, Expected, ImageKey, Product, ProductImage, Store};

    use super::Order;

    fn add(store: &Store, names: &[&str]) {
        for name in names {
            let image = ProductImage::new(format!("{name}.jpg"), ImageKey::of_bytes(name.as_bytes()).to_string());
            let product = Product {
                id: (*name).to_owned(),
                names: [("en".to_owned(), "A product".to_owned())].into(),
                images: vec![image],
                ..Product::default()
            };
            store.upsert(&product, Expected::Any).expect("the product is stored");
        }
    }

    #[test]
    fn a_new_photo_does_not_wait_for_those_of_an_import() {
        let dir = tempfile::tempdir().expect("a folder is made");
        let store = Store::open(&dir.path().join("store")).expect("the store is made");
        let generation = store.begin_generation("m", 4, Element::F32).expect("it begins").number;
        add(&store, &["a", "b", "c", "d"]);
        let mut order = Order::begin(&store).expect("the store is readable");
        let mut seen = Vec::new();
        let mut next = |added: &[&str]| {
            add(&store, added);
            let photos = order.next(&store, generation, 2).expect("the store is readable");
            // Photos that were returned are embedded.
            let vectors: Vec<_> = photos
                .iter()
                .map(|photo| (photo.key.parse().expect("a key"), vec![1.0, 0.0, 0.0, 0.0]))
                .collect();
            store.append(generation, &vectors).expect("the vectors are stored");
            let names: Vec<String> = photos.iter().map(|photo| photo.source.replace(".jpg", "")).collect();
            seen.push(names);
        };
        next(&[]);
        next(&["new"]);
        next(&["i1", "i2", "i3", "i4", "i5"]); // an import
        next(&["newer"]);
        for _ in 0..4 {
            next(&[]);
        }
        let expected: [Vec<String>; 8] = [
            &["a", "b"][..],
            &["new"],
            &["i1", "i2"],
            &["newer"],
            &["c", "d"],
            &["i3", "i4"],
            &["i5"],
            &[],
        ]
        .map(|names| names.iter().map(ToString::to_string).collect());
        assert_eq!(seen, expected);
    }
}
