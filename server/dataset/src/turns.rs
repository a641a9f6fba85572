//! Which items are shown in any quarter turn: shoes and bags lie as they fall, garments hang upright.

use rand::Rng;
use serde::{Deserialize, Serialize};
use shared::taxonomy::Category;

/// The categories whose training pictures are turned by random quarters; in a recipe a list such as `["shoes", "bags"]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "Vec<Category>", into = "Vec<Category>")]
pub struct Turned([bool; Category::ALL.len()]);

impl Turned {
    /// Whether pictures of this category are turned.
    pub fn has(&self, category: Category) -> bool {
        Vec::from(*self).contains(&category)
    }

    /// Whether no picture is turned.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Quarters, 0–3, by which a picture is turned; draws nothing for other categories.
    pub fn draw(&self, category: Category, rng: &mut impl Rng) -> u8 {
        if self.has(category) { rng.random_range(0..4) } else { 0 }
    }
}

impl From<Vec<Category>> for Turned {
    fn from(categories: Vec<Category>) -> Self {
        Self(Category::ALL.map(|category| categories.contains(&category)))
    }
}

impl From<Turned> for Vec<Category> {
    fn from(turned: Turned) -> Self {
        Category::ALL
            .into_iter()
            .zip(turned.0)
            .filter(|(_, on)| *on)
            .map(|(category, _)| category)
            .collect()
    }
}
