//! Random rotations of training images by multiples of 90°, for categories without a natural upright position.

use rand::Rng;
use serde::{Deserialize, Serialize};
use shared::taxonomy::Category;

/// Categories whose training images are rotated, as a list such as `["shoes", "bags"]` in a recipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "Vec<Category>", into = "Vec<Category>")]
#[derive(schemars::JsonSchema)]
pub struct Rotations([bool; Category::ALL.len()]);

impl Rotations {
    /// True if images of this category are rotated.
    pub fn has(&self, category: Category) -> bool {
        Vec::from(*self).contains(&category)
    }

    /// True if no images are rotated.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Draws the number of clockwise rotations by 90°, 0–3. Returns 0 without a draw for categories that are not rotated.
    pub fn draw(&self, category: Category, rng: &mut impl Rng) -> u8 {
        if self.has(category) { rng.random_range(0..4) } else { 0 }
    }
}

impl From<Vec<Category>> for Rotations {
    fn from(categories: Vec<Category>) -> Self {
        Self(Category::ALL.map(|category| categories.contains(&category)))
    }
}

impl From<Rotations> for Vec<Category> {
    fn from(rotations: Rotations) -> Self {
        Category::ALL
            .into_iter()
            .zip(rotations.0)
            .filter(|(_, on)| *on)
            .map(|(category, _)| category)
            .collect()
    }
}
