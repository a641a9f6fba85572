//! Sorted ids in one text. A million ids of ten bytes take 14 MB.

use store::ViewProduct;

/// Ids of products, sorted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Ids {
    text: String,
    /// End of each id in the text.
    ends: Vec<u32>,
}

impl Ids {
    /// Ids of `products`, which are sorted by id. Ids beyond 4 GB of text are left out.
    pub(super) fn new(products: &[ViewProduct]) -> Self {
        let mut ids = Self {
            text: String::with_capacity(products.iter().map(|product| product.id.len()).sum()),
            ends: Vec::with_capacity(products.len()),
        };
        for product in products {
            ids.text.push_str(&product.id);
            match u32::try_from(ids.text.len()) {
                Ok(end) => ids.ends.push(end),
                Err(_) => break,
            }
        }
        ids
    }

    /// Number of ids.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The id of the product `index`. Empty if there is none.
    pub(super) fn get(&self, index: usize) -> &str {
        let begin = match index.checked_sub(1) {
            None => 0,
            Some(before) => self.ends.get(before).copied().unwrap_or_default(),
        };
        let end = self.ends.get(index).copied().unwrap_or(begin);
        &self.text[begin as usize..end as usize]
    }

    /// All ids in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).map(|index| self.get(index))
    }

    /// Index of an id.
    pub(super) fn index_of(&self, id: &str) -> Option<usize> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            match self.get(middle).cmp(id) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Equal => return Some(middle),
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_found_by_index_and_by_text() {
        let texts = ["A", "A1", "B", "商品1", "鞋"];
        let product = |id: &str| ViewProduct {
            id: id.to_owned(),
            category: None,
            group: None,
        };
        let ids = Ids::new(&texts.map(product));
        assert_eq!(ids.iter().collect::<Vec<_>>(), texts);
        for (index, text) in texts.iter().enumerate() {
            assert_eq!((ids.get(index), ids.index_of(text)), (*text, Some(index)));
        }
        for text in ["", "A0", "C", "鞋鞋"] {
            assert_eq!(ids.index_of(text), None, "{text}");
        }
        assert_eq!((ids.len(), ids.get(99)), (5, ""));
    }
}
