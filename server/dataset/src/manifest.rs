//! The one dataset format: `manifest.csv` with `path,split,labels,item_id,category,domain,mask,dup_group,box,several_splits`.

use super::consistency;
use super::rows;
pub use super::rows::ManifestError;
use anyhow::Context;
use shared::bundle::sha256_hex;
use shared::input::CropBox;
use shared::taxonomy::Category;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The manifest's name within a dataset.
pub const MANIFEST: &str = "manifest.csv";
/// The domain of a shop's own photos; every other domain counts as a user's.
pub const SHOP: &str = "shop";
/// The split that is learnt from.
pub const TRAIN: &str = "train";
/// The split that choices are made by.
pub const VAL: &str = "val";
/// The split that is measured on.
pub const TEST: &str = "test";

/// Why a dataset cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// A label is not in the vocabulary.
    #[error(
        "{path} (line {line} of the manifest) carries the label '{label}', which is not in the vocabulary {vocabulary:?}; correct the manifest or train with `data.labels = \"dataset\"`"
    )]
    UnknownLabel {
        /// The image.
        path: String,
        /// Its line.
        line: usize,
        /// Its label.
        label: String,
        /// The known labels.
        vocabulary: Vec<String>,
    },
    /// Nobody knows the labels of a split.
    #[error(
        "no picture of split '{split}' has labels, so nothing can be learnt or measured there\nhint: `selvedge submit` predicts without"
    )]
    Unlabelled {
        /// The split.
        split: String,
    },
    /// A photo without a category in a split whose other photos have one.
    #[error(
        "{path} (line {line} of the manifest) has no category, and others of split '{split}' have one; fill in its category, or move it to a split of its own"
    )]
    NoCategory {
        /// The image.
        path: String,
        /// Its line.
        line: usize,
        /// Its split.
        split: String,
    },
    /// A split without rows.
    #[error("{}", empty_split(dir, split, extra, found, *unreadable))]
    EmptySplit {
        /// The dataset.
        dir: PathBuf,
        /// The split asked for.
        split: String,
        /// A further condition.
        extra: String,
        /// Splits and their readable rows.
        found: BTreeMap<String, usize>,
        /// Rows of the split asked for whose pictures cannot be read.
        unreadable: usize,
    },
}

/// What is said of a split without rows.
fn empty_split(dir: &Path, split: &str, extra: &str, found: &BTreeMap<String, usize>, unreadable: usize) -> String {
    let dir = dir.display();
    let bad = match unreadable {
        0 => String::new(),
        n => format!("; the pictures of {n} rows there cannot be read, so repair them or remove their rows"),
    };
    if let Some(others) = found.get(split) {
        return format!(
            "the dataset {dir} has no readable image in split '{split}'{extra}, and {others} of another kind{bad}; correct the manifest, or name another split"
        );
    }
    if unreadable > 0 {
        return format!("the dataset {dir} has no readable image in split '{split}'{bad}");
    }
    let found: Vec<String> = found.iter().map(|(split, n)| format!("'{split}' ({n})")).collect();
    let found = if found.is_empty() {
        "no readable images at all".to_owned()
    } else {
        found.join(", ")
    };
    format!(
        "the dataset {dir} has no image in split '{split}'; it has {found}; write '{split}' in the manifest's column 'split' for some photos, or name another split"
    )
}

/// One image of a dataset.
#[derive(Debug, Clone, Default)]
pub struct Row {
    /// Path relative to the dataset.
    pub path: String,
    /// `train`, `val` or `test`; a manifest may say `validation` for `val`.
    pub split: String,
    /// Labels joined by `;`; empty for none. Where a whole split has none, nobody knows them.
    pub labels: String,
    /// The product or scene shown; images of one item are the same identity.
    pub item_id: String,
    /// `tops`, `shoes`, `bags` or anything else.
    pub category: String,
    /// `shop`, or how else the photo was taken.
    pub domain: String,
    /// Path of the mask, or empty.
    pub mask: String,
    /// Photos that look alike share this name, so that folds keep them together; or empty.
    pub dup_group: String,
    /// Where the item is in the upright picture, written `x0 y0 x1 y1` in pixels, right and bottom edge outside; empty for
    /// all of it.
    pub bounds: Option<CropBox>,
    /// Whether its item and its `dup_group` are meant to be in several of `train`, `val` and `test`: `yes`, or empty.
    pub several_splits: bool,
    /// Its line in the manifest, the header's being 1; 0 where no manifest lists it.
    pub line: usize,
}

impl Row {
    /// The labels one by one.
    pub fn labels(&self) -> impl Iterator<Item = &str> {
        self.labels.split(';').map(str::trim).filter(|label| !label.is_empty())
    }

    /// What kind of item it shows; dresses count as tops, whatever is unknown as something else.
    pub fn category(&self) -> Category {
        match self.category.as_str() {
            "dress" => Category::Tops,
            id => Category::from_id(id).unwrap_or(Category::Other),
        }
    }

    /// Whether both show one item; photos whose item nobody knows show none.
    pub fn is_same_item(&self, other: &Self) -> bool {
        !self.item_id.is_empty() && self.item_id == other.item_id
    }

    /// Whether this is a shop's own photo.
    pub fn is_shop(&self) -> bool {
        self.domain == SHOP
    }
}

/// The rows of a manifest, checked one by one and beside each other. Those that repeat another are taken once, which is
/// said on stderr.
///
/// # Errors
/// Names the first line that cannot be used, or that contradicts another, and what to do.
pub fn parse(path: &Path, bytes: &[u8]) -> Result<Vec<Row>, ManifestError> {
    let mut rows = rows::parse(path, bytes)?;
    let dir = path.parent().unwrap_or(Path::new(""));
    let repeated = consistency::check(&mut rows, dir).map_err(|(line, message)| ManifestError {
        path: path.to_owned(),
        line: Some(line),
        message,
    })?;
    if let Some((n, [line, first])) = repeated {
        eprintln!(
            "{}: {n} lines repeat another (line {line} repeats line {first}) and are left out",
            path.display()
        );
    }
    Ok(rows)
}

/// A dataset's folder and rows.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// The folder.
    pub dir: PathBuf,
    /// All rows in the manifest's order.
    pub rows: Vec<Row>,
    /// Rows that no split holds, because their pictures cannot be read.
    pub left_out: BTreeSet<usize>,
    /// SHA-256 of the manifest.
    pub sha256: String,
}

impl Dataset {
    /// Rows that no manifest lists, whose paths are files'.
    pub fn of(rows: Vec<Row>) -> Self {
        Self {
            dir: PathBuf::new(),
            rows,
            left_out: BTreeSet::new(),
            sha256: String::new(),
        }
    }

    /// An item that two splits both show, so that what is learnt on one would flatter on the other.
    pub fn in_both(&self, one: &str, other: &str) -> Option<&str> {
        let named = |split| {
            self.rows
                .iter()
                .filter(move |row| row.split == split && !row.item_id.is_empty())
        };
        let items = |split| named(split).map(|row| row.item_id.as_str());
        let known: BTreeSet<&str> = items(one).collect();
        items(other).find(|item| known.contains(item))
    }

    /// Reads the manifest of `dir`.
    ///
    /// # Errors
    /// If it is missing or unreadable, and [`ManifestError`] as [`parse`].
    pub fn open(dir: &Path) -> anyhow::Result<Self> {
        let path = dir.join(MANIFEST);
        let bytes = std::fs::read(&path).with_context(|| {
            format!(
                "cannot read {}\nhint: a dataset is a folder of images with a {MANIFEST}; `selvedge dataset render` makes one",
                path.display()
            )
        })?;
        let rows = parse(&path, &bytes)?;
        Ok(Self {
            dir: dir.to_owned(),
            rows,
            left_out: BTreeSet::new(),
            sha256: sha256_hex(&bytes),
        })
    }

    /// Indices of the rows of a split that satisfy `keep` and are not left out.
    ///
    /// # Errors
    /// [`DataError::EmptySplit`].
    pub fn split(&self, split: &str, keep: impl Fn(&Row) -> bool, extra: &str) -> Result<Vec<usize>, DataError> {
        let belongs = |i: &usize| {
            let row = &self.rows[*i];
            row.split == split && keep(row) && !self.left_out.contains(i)
        };
        let rows: Vec<usize> = (0..self.rows.len()).filter(belongs).collect();
        if !rows.is_empty() {
            return Ok(rows);
        }
        let mut found = BTreeMap::new();
        let mut unreadable = 0;
        for (i, row) in self.rows.iter().enumerate() {
            if !self.left_out.contains(&i) {
                *found.entry(row.split.clone()).or_insert(0) += 1;
            } else if row.split == split {
                unreadable += 1;
            }
        }
        let (dir, split, extra) = (self.dir.clone(), split.to_owned(), extra.to_owned());
        Err(DataError::EmptySplit {
            dir,
            split,
            extra,
            found,
            unreadable,
        })
    }

    /// Divides rows by item: those kept out (about `share` of the items) and the rest, in that order.
    ///
    /// A row is kept out by a hash of its item and `seed`, so all images of an item stay together; so do those that a
    /// `dup_group` names.
    pub fn hold_out(&self, rows: &[usize], share: f64, seed: u64) -> (Vec<usize>, Vec<usize>) {
        let held_out = |group: usize| {
            let row = &self.rows[rows[group]];
            let item = if row.item_id.is_empty() {
                &row.path
            } else {
                &row.item_id
            };
            let digest = sha256_hex(format!("{seed}/{item}").as_bytes());
            // 13 hexadecimal digits are a whole number that f64 holds exactly.
            let draw = u64::from_str_radix(&digest[..13], 16).unwrap_or(0) as f64 / (1u64 << 52) as f64;
            draw < share
        };
        let (out, rest): (Vec<_>, Vec<_>) = rows
            .iter()
            .zip(self.groups(rows))
            .partition(|(_, group)| held_out(*group));
        let plain = |part: Vec<(&usize, usize)>| part.into_iter().map(|(row, _)| *row).collect();
        (plain(out), plain(rest))
    }

    /// Replaces every row's labels by its category. A split without any category is one whose labels nobody knows.
    ///
    /// # Errors
    /// [`DataError::NoCategory`] where only a part of a split has categories.
    pub fn label_by_category(&mut self) -> Result<(), DataError> {
        let known: BTreeSet<String> = self
            .rows
            .iter()
            .filter(|row| !row.category.is_empty())
            .map(|row| row.split.clone())
            .collect();
        for row in &mut self.rows {
            if row.category.is_empty() && known.contains(&row.split) {
                let Row { path, line, split, .. } = row.clone();
                return Err(DataError::NoCategory { path, line, split });
            }
            row.labels = if row.category.is_empty() {
                String::new()
            } else {
                row.category().id().to_owned()
            };
        }
        Ok(())
    }

    /// All labels that occur, sorted.
    pub fn vocabulary(&self) -> Vec<String> {
        let labels: BTreeSet<&str> = self.rows.iter().flat_map(Row::labels).collect();
        labels.into_iter().map(str::to_owned).collect()
    }

    /// For each of `rows` a line of zeros and ones over `vocabulary`.
    ///
    /// # Errors
    /// [`DataError::UnknownLabel`], or [`DataError::Unlabelled`] where a row's split has no labels.
    pub fn targets(&self, rows: &[usize], vocabulary: &[String]) -> Result<Vec<Vec<bool>>, DataError> {
        let lines = rows.iter().zip(self.truth(rows, vocabulary)?).map(|(row, line)| {
            line.ok_or_else(|| DataError::Unlabelled {
                split: self.rows[*row].split.clone(),
            })
        });
        lines.collect()
    }

    /// As [`Dataset::targets`], with `None` for rows of a split that has no labels.
    ///
    /// # Errors
    /// [`DataError::UnknownLabel`].
    pub fn truth(&self, rows: &[usize], vocabulary: &[String]) -> Result<Vec<Option<Vec<bool>>>, DataError> {
        let labelled = self.rows.iter().filter(|row| row.labels().next().is_some());
        let labelled: BTreeSet<&str> = labelled.map(|row| row.split.as_str()).collect();
        rows.iter()
            .map(|&i| {
                let row = &self.rows[i];
                if !labelled.contains(row.split.as_str()) {
                    return Ok(None);
                }
                let mut line = vec![false; vocabulary.len()];
                for label in row.labels() {
                    let at =
                        vocabulary
                            .iter()
                            .position(|known| known == label)
                            .ok_or_else(|| DataError::UnknownLabel {
                                path: row.path.clone(),
                                line: row.line,
                                label: label.to_owned(),
                                vocabulary: vocabulary.to_vec(),
                            })?;
                    line[at] = true;
                }
                Ok(Some(line))
            })
            .collect()
    }
}
