//! Dataset: a folder and the checked rows of its manifest.

use super::row::{MANIFEST, ManifestError, Row};
use super::{cells, consistency};
use anyhow::Context;
use shared::bundle::sha256_hex;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Reason why a dataset cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// A label is not in the vocabulary.
    #[error(
        "{path} (line {line} of the manifest) has the label '{label}', which is not in the vocabulary {vocabulary:?}; correct the manifest or train with `data.labels = \"dataset\"`"
    )]
    UnknownLabel {
        /// Path of the image.
        path: String,
        /// Line in the manifest.
        line: usize,
        /// Unknown label.
        label: String,
        /// Known labels.
        vocabulary: Vec<String>,
    },
    /// The labels of a split are unknown.
    #[error(
        "no image of split '{split}' has labels, so it can be used neither for training nor for evaluation\nhint: `selvedge submit` predicts unlabelled images"
    )]
    Unlabelled {
        /// Name of the split.
        split: String,
    },
    /// A row without a category, in a split whose other rows have one.
    #[error(
        "{path} (line {line} of the manifest) has no category, and others of split '{split}' have one; fill in its category, or move it to a split of its own"
    )]
    NoCategory {
        /// Path of the image.
        path: String,
        /// Line in the manifest.
        line: usize,
        /// Split of the row.
        split: String,
    },
    /// A split without usable rows.
    #[error("{}", empty_split(dir, split, extra, found, *unreadable))]
    EmptySplit {
        /// Folder of the dataset.
        dir: PathBuf,
        /// Requested split.
        split: String,
        /// Description of a further condition.
        extra: String,
        /// Number of readable rows by split.
        found: BTreeMap<String, usize>,
        /// Number of rows of the requested split whose images cannot be read.
        unreadable: usize,
    },
}

/// Message for a split without usable rows.
fn empty_split(dir: &Path, split: &str, extra: &str, found: &BTreeMap<String, usize>, unreadable: usize) -> String {
    let dir = dir.display();
    let bad = match unreadable {
        0 => String::new(),
        n => format!("; the images of {n} rows there cannot be read, so repair them or remove their rows"),
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
        "the dataset {dir} has no image in split '{split}'; it has {found}; write '{split}' in the manifest's column 'split' for some images, or name another split"
    )
}

/// Parses the rows of a manifest and checks them individually and against each other. Repeated rows are dropped with a
/// warning on stderr.
///
/// # Errors
/// Names the first line that is invalid or contradicts another one, with advice.
pub(crate) fn parse(path: &Path, bytes: &[u8]) -> Result<Vec<Row>, ManifestError> {
    let mut rows = cells::parse(path, bytes)?;
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

/// Folder and rows of a dataset.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// Folder of the dataset.
    pub dir: PathBuf,
    /// All rows in the order of the manifest.
    pub rows: Vec<Row>,
    /// Indices of rows that are excluded from all splits because their images cannot be read.
    pub left_out: BTreeSet<usize>,
    /// SHA-256 of the manifest in hexadecimal.
    pub sha256: String,
}

impl Dataset {
    /// Creates a dataset without a manifest. The paths of `rows` are relative to the working directory.
    pub fn from_rows(rows: Vec<Row>) -> Self {
        Self {
            dir: PathBuf::new(),
            rows,
            left_out: BTreeSet::new(),
            sha256: String::new(),
        }
    }

    /// Returns an item that occurs in both splits. Such an item leaks from training to evaluation.
    pub fn shared_item(&self, one: &str, other: &str) -> Option<&str> {
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
    /// If the manifest is missing, unreadable or invalid. Names the first invalid line.
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

    /// Absolute path of the dataset's folder.
    ///
    /// # Errors
    /// If the folder cannot be found.
    pub(crate) fn absolute_dir(&self) -> anyhow::Result<PathBuf> {
        std::fs::canonicalize(&self.dir).with_context(|| format!("cannot open {}", self.dir.display()))
    }

    /// Returns the indices of the rows of a split that satisfy `keep` and are not left out. `extra` describes `keep` in the
    /// error.
    ///
    /// # Errors
    /// [`DataError::EmptySplit`] if there are none.
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

    /// Splits rows by item into a held-out part (about `share` of the items, 0–1) and the rest, in this order.
    ///
    /// A hash of item and `seed` decides, so all images of an item or of a `dup_group` stay together.
    pub fn hold_out(&self, rows: &[usize], share: f64, seed: u64) -> (Vec<usize>, Vec<usize>) {
        let held_out = |group: usize| {
            let row = &self.rows[rows[group]];
            let item = if row.item_id.is_empty() {
                &row.path
            } else {
                &row.item_id
            };
            let digest = sha256_hex(format!("{seed}/{item}").as_bytes());
            // A number of 13 hexadecimal digits is exact in f64.
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

    /// Replaces the labels of every row by its category. The labels of a split without any category become unknown.
    ///
    /// # Errors
    /// [`DataError::NoCategory`] if only some rows of a split have a category.
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

    /// Returns all labels that occur, sorted.
    pub fn vocabulary(&self) -> Vec<String> {
        let labels: BTreeSet<&str> = self.rows.iter().flat_map(Row::labels).collect();
        labels.into_iter().map(str::to_owned).collect()
    }

    /// Returns the labels of `rows` as `[row][label of vocabulary]`.
    ///
    /// # Errors
    /// [`DataError::UnknownLabel`], or [`DataError::Unlabelled`] if the split of a row has no labels.
    pub fn targets(&self, rows: &[usize], vocabulary: &[String]) -> Result<Vec<Vec<bool>>, DataError> {
        let lines = rows.iter().zip(self.truth(rows, vocabulary)?).map(|(row, line)| {
            line.ok_or_else(|| DataError::Unlabelled {
                split: self.rows[*row].split.clone(),
            })
        });
        lines.collect()
    }

    /// Like [`Dataset::targets`], with `None` for rows of a split without labels.
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
