//! Rows of a predictions table.

use std::sync::Arc;

/// Network of a table's predictions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Name of the model, shared by the runs of its folds.
    pub run: String,
    /// Fold held out from training, or `None` for training without folds.
    pub fold: Option<u32>,
    /// Number of trained epochs.
    pub epoch: u32,
}

/// Predicted images of one part of the data.
#[derive(Debug, Clone)]
pub struct Part {
    /// [`OOF`](super::OOF), or a split that no network was trained on.
    pub name: String,
    /// Path within the dataset per image.
    pub paths: Vec<String>,
    /// Item per image, or an empty text.
    pub item_ids: Vec<String>,
    /// Truth, `[image][label]`, `None` where it is unknown.
    pub truth: Vec<Vec<Option<bool>>>,
    /// Predicted probabilities, `[image][label]`.
    pub probs: Vec<Vec<f32>>,
}

/// Prediction of a network for an image.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Name of the model.
    pub run: Arc<str>,
    /// Fold held out from the network's training.
    pub fold: Option<u32>,
    /// Number of trained epochs.
    pub epoch: u32,
    /// [`OOF`](super::OOF), or the name of a split.
    pub part: Arc<str>,
    /// Path of the image within the dataset.
    pub path: Arc<str>,
    /// Item of the image, or an empty text.
    pub item_id: Arc<str>,
    /// Truth per label, `None` if unknown.
    pub truth: Vec<Option<bool>>,
    /// Predicted probability per label.
    pub probs: Vec<f32>,
}

/// Predictions of one or several networks for the same labels.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Table {
    /// Label identifiers.
    pub labels: Vec<String>,
    /// One row per network and image.
    pub rows: Vec<Row>,
}

impl Table {
    /// Creates the table of one network's predictions.
    ///
    /// # Errors
    /// If parts have inconsistent lengths.
    pub fn new(header: &Header, labels: &[String], parts: &[Part]) -> anyhow::Result<Self> {
        let run: Arc<str> = header.run.as_str().into();
        let mut table = Self {
            labels: labels.to_vec(),
            rows: vec![],
        };
        for part in parts {
            let n = part.probs.len();
            anyhow::ensure!(
                [part.paths.len(), part.item_ids.len(), part.truth.len()] == [n; 3],
                "part {} has {n} predictions, {} paths, {} items and {} truths",
                part.name,
                part.paths.len(),
                part.item_ids.len(),
                part.truth.len()
            );
            let name: Arc<str> = part.name.as_str().into();
            table.rows.extend((0..n).map(|i| Row {
                run: run.clone(),
                fold: header.fold,
                epoch: header.epoch,
                part: name.clone(),
                path: part.paths[i].as_str().into(),
                item_id: part.item_ids[i].as_str().into(),
                truth: part.truth[i].clone(),
                probs: part.probs[i].clone(),
            }));
        }
        Ok(table)
    }

    /// Concatenates the rows of several tables.
    ///
    /// # Errors
    /// If the tables differ in their labels or the order of labels.
    pub fn concat(tables: impl IntoIterator<Item = Self>) -> anyhow::Result<Self> {
        let mut tables = tables.into_iter();
        let mut whole = tables.next().unwrap_or_default();
        for table in tables {
            anyhow::ensure!(
                table.labels == whole.labels,
                "tables differ in their labels: {:?} and {:?}",
                whole.labels,
                table.labels
            );
            whole.rows.extend(table.rows);
        }
        Ok(whole)
    }
}
