//! Further training photos of a query encoder, of which only the teacher's embeddings are learnt.

use crate::recipe::{QueryRecipe, Recipe};
use crate::sources::{append, qualify};
use anyhow::Context;
use dataset::manifest::TRAIN;
use dataset::{Dataset, Limit, Row};

/// Split of photos whose labels nobody knows.
const UNLABELLED: &str = "unlabelled";

/// Adds the datasets of `task.unlabelled` to the rows of a dataset. Returns the added rows that are trained on.
///
/// # Errors
/// If a dataset cannot be read, has no photo in the splits `train` and `unlabelled`, or has more unreadable photos than the
/// recipe allows.
pub(super) fn append_all(dataset: &mut Dataset, recipe: &Recipe, task: &QueryRecipe) -> anyhow::Result<Vec<usize>> {
    let is_used = |row: &Row| row.split == TRAIN || row.split == UNLABELLED;
    let mut added = Vec::new();
    qualify(dataset, &recipe.data.dir.to_string_lossy());
    for dir in &task.unlabelled {
        let mut other = Dataset::open(dir).context("for task.unlabelled")?;
        other.leave_out_corrupt(is_used, false, Limit::Recipe(recipe.data.max_corrupt))?;
        let first = append(dataset, other, &dir.to_string_lossy());
        let left_out = &dataset.left_out;
        let rows = (first..dataset.rows.len()).filter(|row| is_used(&dataset.rows[*row]) && !left_out.contains(row));
        let before = added.len();
        added.extend(rows);
        anyhow::ensure!(
            added.len() > before,
            "{} has no photo in the splits 'train' and 'unlabelled', so task.unlabelled cannot use it",
            dir.display()
        );
    }
    Ok(added)
}
