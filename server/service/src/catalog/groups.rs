//! Groups of variants.

use std::collections::{HashMap, HashSet};

use store::ViewProduct;

/// Groups of variants of a state's products.
#[derive(Debug, Default)]
pub(super) struct Groups {
    /// Products per group.
    products: Vec<Vec<u32>>,
    /// Number of a group by its name.
    numbers: HashMap<Box<str>, u32>,
    /// Number of the group per product, or [`NONE`]. Empty if no product has a group.
    of_product: Vec<u32>,
}

/// Number of no group.
const NONE: u32 = u32::MAX;

impl Groups {
    pub(super) fn new(products: &[ViewProduct]) -> Self {
        let mut groups = Self::default();
        for (at, product) in products.iter().enumerate() {
            let Some(name) = &product.group else { continue };
            let next = groups.products.len() as u32;
            let number = *groups.numbers.entry(name.as_str().into()).or_insert(next);
            if number == next {
                groups.products.push(Vec::new());
            }
            groups.products[number as usize].push(at as u32);
            groups.of_product.resize(products.len(), NONE);
            groups.of_product[at] = number;
        }
        groups
    }

    /// Products of the group with this name.
    pub(super) fn products(&self, name: &str) -> &[u32] {
        let number = self.numbers.get(name);
        number.map_or(&[], |number| &self.products[*number as usize])
    }

    /// Returns a function that is true for the first product of each group, in the order of its calls, and for products without
    /// a group.
    pub(super) fn firsts(&self) -> impl FnMut(usize) -> bool + '_ {
        let mut seen = HashSet::new();
        move |product| match self.of_product.get(product) {
            None | Some(&NONE) => true,
            Some(number) => seen.insert(*number),
        }
    }
}
