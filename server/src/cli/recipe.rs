//! Recipes with the changes of the command line.

use std::path::{Path, PathBuf};
use training::Recipe;

/// Reads a recipe, applies `settings`, and replaces its dataset folder by `data` if given.
///
/// # Errors
/// If the recipe cannot be read or a setting does not fit.
pub(crate) fn read_recipe(path: &Path, settings: &[String], data: Option<&PathBuf>) -> anyhow::Result<Recipe> {
    let mut recipe = Recipe::read(path, settings)?;
    if let Some(dir) = data {
        recipe.data.dir.clone_from(dir);
    }
    Ok(recipe)
}
