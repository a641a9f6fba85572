//! Folds of items over one or several splits, for the cross-validation of retrieval.

use super::dataset::Dataset;
use super::folds::assign;
use super::row::TRAIN;
use std::collections::BTreeSet;

/// Split of the rows of a fold in the dataset that [`Dataset::with_fold`] returns.
pub const FOLD: &str = "fold";

/// One fold of a division of items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemFold {
    /// Splits whose rows are divided together.
    pub splits: Vec<String>,
    /// Number of folds, at least 2.
    pub folds: usize,
    /// The fold, 0 to `folds` − 1.
    pub fold: usize,
    /// Seed of the division.
    pub seed: u64,
}

impl Dataset {
    /// Moves the rows of one fold to the split [`FOLD`], and all other rows of the divided splits to `train`.
    ///
    /// Rows of one item or `dup_group` are in one fold. Folds have about equal numbers of rows and of each category. The
    /// division depends on the manifest and on `fold` only, and not on rows that are left out.
    ///
    /// # Errors
    /// If a split has no row, there are fewer items than folds, or an item of the fold would also be in `train`.
    pub fn with_fold(mut self, fold: &ItemFold) -> anyhow::Result<Self> {
        for split in &fold.splits {
            self.split(split, |_| true, "")?;
        }
        let rows: Vec<usize> = (0..self.rows.len())
            .filter(|row| fold.splits.contains(&self.rows[*row].split))
            .collect();
        let groups = self.groups(&rows);
        let n_groups = groups.iter().collect::<BTreeSet<_>>().len();
        anyhow::ensure!(
            n_groups >= fold.folds,
            "{} has {n_groups} items in {}, fewer than the {} folds; lower data.folds",
            self.dir.display(),
            fold.splits.join(", "),
            fold.folds
        );
        let categories: BTreeSet<&str> = rows.iter().map(|row| self.rows[*row].category.as_str()).collect();
        let targets: Vec<Vec<bool>> = rows
            .iter()
            .map(|row| {
                categories
                    .iter()
                    .map(|known| *known == self.rows[*row].category)
                    .collect()
            })
            .collect();
        for (row, of_row) in rows.iter().zip(assign(&groups, &targets, fold.folds, fold.seed)) {
            let split = if of_row == fold.fold { FOLD } else { TRAIN };
            split.clone_into(&mut self.rows[*row].split);
        }
        if let Some(item) = self.shared_item(FOLD, TRAIN) {
            anyhow::bail!(
                "item {item} of the fold is also in '{TRAIN}', which is trained on; add '{TRAIN}' to data.fold_splits"
            );
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write;

    /// A dataset of 30 items with two photos each: 20 in `train`, 10 in `val`, a third of them shoes.
    fn dataset(dir: &std::path::Path) -> Dataset {
        let mut text = "path,split,item_id,category\n".to_owned();
        for item in 0..30 {
            let split = if item < 20 { "train" } else { "val" };
            let category = if item % 3 == 0 { "shoes" } else { "tops" };
            for photo in ["a", "b"] {
                writeln!(text, "{item}{photo}.jpg,{split},i{item},{category}").expect("text can be written");
            }
        }
        std::fs::write(dir.join(crate::manifest::MANIFEST), text).expect("the file can be written");
        Dataset::open(dir).expect("the manifest is valid")
    }

    fn fold(fold: usize, splits: &[&str]) -> ItemFold {
        ItemFold {
            splits: splits.iter().map(|split| (*split).to_owned()).collect(),
            folds: 5,
            fold,
            seed: 1,
        }
    }

    #[test]
    fn every_item_of_the_divided_splits_is_in_one_fold() {
        let dir = tempfile::tempdir().expect("a temporary folder can be created");
        let mut seen = BTreeSet::new();
        for at in 0..5 {
            let divided = dataset(dir.path())
                .with_fold(&fold(at, &["train", "val"]))
                .expect("there are enough items");
            let rows = divided.split(FOLD, |_| true, "").expect("the fold has rows");
            let shoes = rows
                .iter()
                .filter(|row| divided.rows[**row].category == "shoes")
                .count();
            assert_eq!(
                (rows.len(), shoes),
                (12, 4),
                "each fold has a fifth of the photos of each category"
            );
            assert_eq!(divided.shared_item(FOLD, TRAIN), None);
            assert_eq!(divided.split(TRAIN, |_| true, "").expect("the rest").len(), 48);
            seen.extend(rows);
        }
        assert_eq!(seen.len(), 60);
    }

    #[test]
    fn other_splits_keep_their_rows() {
        let dir = tempfile::tempdir().expect("a temporary folder can be created");
        let divided = dataset(dir.path())
            .with_fold(&fold(0, &["train"]))
            .expect("there are enough items");
        assert_eq!(divided.split("val", |_| true, "").expect("the split stays").len(), 20);
        let unknown = dataset(dir.path()).with_fold(&fold(0, &["train", "valid"]));
        assert!(unknown.expect_err("a misspelt split").to_string().contains("'valid'"));
        let many = ItemFold {
            folds: 31,
            ..fold(0, &["train", "val"])
        };
        let error = dataset(dir.path())
            .with_fold(&many)
            .expect_err("too few items")
            .to_string();
        assert!(error.contains("lower data.folds"), "{error}");
    }
}
