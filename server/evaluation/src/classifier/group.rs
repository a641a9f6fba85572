//! Choice of the group of labels that a dataset has truth for.

use super::multilabel::Predictions;
use anyhow::Context;
use dataset::Dataset;
use shared::bundle::{GroupKind, LabelGroup, Manifest};
use shared::taxonomy::Category;
use std::ops::Range;

/// A group of a bundle that is measured on a dataset.
#[derive(Debug, Clone)]
pub(crate) struct Measured {
    /// Number of the group.
    pub(crate) index: usize,
    /// The group.
    pub(crate) group: LabelGroup,
    /// Its labels among those of the bundle.
    pub(crate) columns: Range<usize>,
    /// Label identifiers.
    pub(crate) ids: Vec<String>,
    /// True if the bundle has other groups.
    pub(crate) is_one_of_several: bool,
}

impl Measured {
    /// Chooses the group with this name or, without a name, the only group that has all labels of the dataset. Changes the
    /// labels of the dataset to its categories if they are the group's labels.
    ///
    /// # Errors
    /// If there is no such group, or without a name more than one.
    pub(crate) fn choose(manifest: &Manifest, dataset: &mut Dataset, name: Option<&str>) -> anyhow::Result<Self> {
        let groups = manifest.group_ranges();
        let names: Vec<&str> = groups.iter().map(|(group, _)| group.name.as_str()).collect();
        let index = match name {
            Some(name) => names
                .iter()
                .position(|known| *known == name)
                .with_context(|| format!("{} has no group '{name}'; it has {names:?}", manifest.model_id()))?,
            None if groups.len() == 1 => 0,
            None => {
                let vocabulary = dataset.vocabulary();
                let fits = |at: &usize| {
                    let ids = &manifest.labels[groups[*at].1.clone()];
                    !vocabulary.is_empty() && vocabulary.iter().all(|label| ids.contains(label))
                };
                let fitting: Vec<usize> = (0..groups.len()).filter(fits).collect();
                anyhow::ensure!(
                    fitting.len() == 1,
                    "the labels of {} are not those of exactly one group of {}; name the group with --group: {names:?}",
                    dataset.dir.display(),
                    manifest.model_id()
                );
                fitting[0]
            }
        };
        let (group, columns) = groups[index].clone();
        let ids = manifest.labels[columns.clone()].to_vec();
        if Category::are(&ids) {
            dataset.label_by_category()?;
        }
        Ok(Self {
            index,
            group,
            columns,
            ids,
            is_one_of_several: groups.len() > 1,
        })
    }

    /// Returns the rows of a split with their truth, `[row][label]`. A row without a label of a group of the kind `one` is left
    /// out.
    ///
    /// # Errors
    /// If there are no such rows, or a label is unknown.
    pub(crate) fn rows(&self, dataset: &Dataset, split: &str) -> anyhow::Result<(Vec<usize>, Vec<Vec<bool>>)> {
        let rows = dataset.split(split, |_| true, "")?;
        let truth = dataset.targets(&rows, &self.ids)?;
        if self.group.kind == GroupKind::Several {
            return Ok((rows, truth));
        }
        let has_one = |(_, truth): &(usize, Vec<bool>)| truth.iter().filter(|on| **on).count() == 1;
        let known: (Vec<usize>, Vec<Vec<bool>>) = rows.into_iter().zip(truth).filter(has_one).unzip();
        anyhow::ensure!(
            !known.0.is_empty(),
            "no photo of split '{split}' has exactly one label of the group '{}'",
            self.group.name
        );
        Ok(known)
    }

    /// Returns the group's predictions from the probabilities of all labels of the bundle.
    pub(crate) fn predictions(&self, probs: &[Vec<f32>], truth: Vec<Vec<bool>>) -> Predictions {
        Predictions {
            labels: self.ids.clone(),
            probs: probs.iter().map(|line| line[self.columns.clone()].to_vec()).collect(),
            truth,
        }
    }
}
