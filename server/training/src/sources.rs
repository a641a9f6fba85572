//! Datasets of a recipe's groups of labels as one dataset, with the truth of each group.
//!
//! **Invariant:** the rows of the first dataset keep their indices. The rows of a further dataset follow.

use crate::recipe::{DataRecipe, GroupRecipe, LabelSource, Recipe};
use anyhow::Context;
use dataset::{Dataset, FOLD, Limit};
use shared::bundle::{GroupKind, sha256_hex};
use shared::taxonomy::{Category, STYLES};
use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;

/// Opens a dataset of the recipe and leaves out images that cannot be read.
///
/// # Errors
/// If the dataset cannot be read, or has more unreadable images than the recipe allows.
pub(crate) fn readable(dir: &Path, recipe: &Recipe, masks: bool) -> anyhow::Result<Dataset> {
    without_unreadable(Dataset::open(dir)?, recipe, masks)
}

/// Leaves out the images of a dataset of the recipe that cannot be read.
///
/// # Errors
/// If there are more than the recipe allows.
pub(crate) fn without_unreadable(mut dataset: Dataset, recipe: &Recipe, masks: bool) -> anyhow::Result<Dataset> {
    let is_used =
        |split: &String| ["train", "val", FOLD].contains(&split.as_str()) || recipe.data.predict.contains(split);
    dataset.leave_out_corrupt(|row| is_used(&row.split), masks, Limit::Recipe(recipe.data.max_corrupt))?;
    Ok(dataset)
}

/// Group of labels with its place among the labels of all groups.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    /// The group's part of the recipe.
    pub(crate) recipe: GroupRecipe,
    /// Label identifiers, unique within the group.
    pub(crate) ids: Vec<String>,
    /// Indices among the labels of all groups.
    pub(crate) range: Range<usize>,
}

/// Truth of a row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Truth {
    /// True for each label that the row has. False if it is unknown.
    pub(crate) labels: Vec<bool>,
    /// True for each group whose labels are known.
    pub(crate) known: Vec<bool>,
}

/// Rows of one dataset.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Origin {
    /// Rows of the dataset among the rows of all datasets.
    pub(crate) rows: Range<usize>,
    /// Share, 0–1, of an epoch's rows, if the recipe sets it.
    pub(crate) share: Option<f64>,
}

/// Datasets of a recipe as one.
#[derive(Debug)]
pub(crate) struct Sources {
    /// Rows of all datasets.
    pub(crate) dataset: Dataset,
    /// Groups of labels.
    pub(crate) groups: Vec<Group>,
    /// Rows of each dataset.
    pub(crate) origins: Vec<Origin>,
    /// Training rows.
    pub(crate) train: Vec<usize>,
    /// Tuning rows.
    pub(crate) tune: Vec<usize>,
    /// Further splits whose predictions are kept.
    pub(crate) predicted: Vec<(String, Vec<usize>)>,
    /// Truth of all used rows that have any.
    pub(crate) truth: HashMap<usize, Truth>,
}

impl Sources {
    /// Opens the further datasets, divides each as the recipe says, and joins them to the `first`.
    ///
    /// # Errors
    /// If a dataset cannot be read, a split is empty, or a label is unknown.
    pub(crate) fn read(first: Dataset, recipe: &Recipe) -> anyhow::Result<Self> {
        let groups = recipe.data.all_groups();
        let mut folders = vec![(groups[0].dir.clone(), first)];
        for group in &groups {
            if folders.iter().all(|(dir, _)| *dir != group.dir) {
                folders.push((
                    group.dir.clone(),
                    readable(&group.dir, recipe, recipe.recolour.is_some())?,
                ));
            }
        }
        let mut sources: Option<Self> = None;
        for (dir, dataset) in folders {
            let own: Vec<&GroupRecipe> = groups.iter().filter(|group| group.dir == dir).collect();
            let read = || Self::read_one(dataset, &own, recipe);
            // Errors of a single dataset name it themselves.
            let one = if groups.len() > 1 {
                read().with_context(|| format!("for the group '{}'", own[0].name))?
            } else {
                read()?
            };
            sources = Some(match sources {
                None => one,
                Some(sources) => sources.join(one),
            });
        }
        let sources = sources.context("a recipe has a dataset")?.in_order(&groups);
        sources.check(recipe)?;
        Ok(sources)
    }

    /// Reads the groups of one dataset.
    fn read_one(dataset: Dataset, groups: &[&GroupRecipe], recipe: &Recipe) -> anyhow::Result<Self> {
        let labelled: Vec<(Dataset, Vec<String>)> = groups
            .iter()
            .map(|group| labelled(dataset.clone(), group.labels))
            .collect::<anyhow::Result<_>>()?;
        let (mut dataset, ids) = labelled[0].clone();
        let (tune, train) = divide(&mut dataset, recipe, groups[0].holdout, &ids)?;
        let predicted = predicted(&dataset, &recipe.data)?;
        let used: Vec<usize> = [&train, &tune]
            .into_iter()
            .chain(predicted.iter().map(|(_, rows)| rows))
            .flatten()
            .copied()
            .collect();
        let mut read = Self {
            origins: vec![Origin {
                rows: 0..dataset.rows.len(),
                share: groups.iter().find_map(|group| group.share),
            }],
            dataset,
            groups: Vec::new(),
            train,
            tune,
            predicted,
            truth: HashMap::new(),
        };
        for (group, (labelled, ids)) in groups.iter().zip(labelled) {
            // Rows that are only predicted may have no labels.
            labelled.targets(&[read.train[0], read.tune[0]], &ids)?;
            let truth = labelled.truth(&used, &ids)?;
            read.add_group((*group).clone(), ids, used.iter().copied().zip(truth))?;
        }
        if recipe.data.names_groups() {
            let truth = &read.truth;
            let is_known = |row: &usize| truth.get(row).is_some_and(|truth| truth.known.contains(&true));
            read.train.retain(is_known);
            read.tune.retain(is_known);
        }
        Ok(read)
    }

    /// Adds a group with the truth of rows, `None` where it is unknown.
    ///
    /// # Errors
    /// If a row has several labels of a group of the kind `one`.
    fn add_group(
        &mut self,
        recipe: GroupRecipe,
        ids: Vec<String>,
        truth: impl Iterator<Item = (usize, Option<Vec<bool>>)>,
    ) -> anyhow::Result<()> {
        let (begin, at) = (self.n_labels(), self.groups.len());
        let end = begin + ids.len();
        for (row, labels) in truth {
            let Some(labels) = labels else { continue };
            if recipe.kind == GroupKind::One {
                match labels.iter().filter(|on| **on).count() {
                    // A photo without a label has an unknown one.
                    0 => continue,
                    1 => {}
                    n => anyhow::bail!(
                        "{} has {n} labels of the group '{}', whose kind is 'one'; correct the manifest, or set the kind 'several'",
                        self.dataset.rows[row].path,
                        recipe.name
                    ),
                }
            }
            let known = self.truth.entry(row).or_insert_with(|| Truth {
                labels: Vec::new(),
                known: Vec::new(),
            });
            known.labels.resize(begin, false);
            known.labels.extend(labels);
            known.known.resize(at, false);
            known.known.push(true);
        }
        self.groups.push(Group {
            recipe,
            ids,
            range: begin..end,
        });
        self.pad();
        Ok(())
    }

    fn n_labels(&self) -> usize {
        self.groups.last().map_or(0, |group| group.range.end)
    }

    /// Gives every truth an entry for every label and group.
    fn pad(&mut self) {
        let (labels, groups) = (self.n_labels(), self.groups.len());
        for truth in self.truth.values_mut() {
            truth.labels.resize(labels, false);
            truth.known.resize(groups, false);
        }
    }

    /// Adds the rows and the groups of another dataset.
    fn join(mut self, mut other: Self) -> Self {
        if self.origins.len() == 1 {
            qualify(&mut self.dataset, &self.groups[0].recipe.name);
        }
        let (labels, groups) = (self.n_labels(), self.groups.len());
        let rows = append(&mut self.dataset, other.dataset, &other.groups[0].recipe.name);
        let shift = |of: &mut Vec<usize>| of.iter_mut().for_each(|row| *row += rows);
        shift(&mut other.train);
        shift(&mut other.tune);
        other.predicted.iter_mut().for_each(|(_, of)| shift(of));
        self.train.extend(other.train);
        self.tune.extend(other.tune);
        for ((_, all), (_, more)) in self.predicted.iter_mut().zip(other.predicted) {
            all.extend(more);
        }
        self.origins.extend(other.origins.into_iter().map(|origin| Origin {
            rows: origin.rows.start + rows..origin.rows.end + rows,
            ..origin
        }));
        self.groups.extend(other.groups.into_iter().map(|group| Group {
            range: group.range.start + labels..group.range.end + labels,
            ..group
        }));
        self.truth.extend(other.truth.into_iter().map(|(row, truth)| {
            let truth = Truth {
                labels: [vec![false; labels], truth.labels].concat(),
                known: [vec![false; groups], truth.known].concat(),
            };
            (row + rows, truth)
        }));
        self.pad();
        self
    }

    /// Sorts the groups into the order of the recipe, and their labels and truth with them.
    fn in_order(mut self, recipes: &[GroupRecipe]) -> Self {
        let place = |group: &Group| recipes.iter().position(|recipe| recipe.name == group.recipe.name);
        let mut order: Vec<usize> = (0..self.groups.len()).collect();
        order.sort_by_key(|group| place(&self.groups[*group]));
        for truth in self.truth.values_mut() {
            let labels = order
                .iter()
                .flat_map(|group| &truth.labels[self.groups[*group].range.clone()]);
            truth.labels = labels.copied().collect();
            truth.known = order.iter().map(|group| truth.known[*group]).collect();
        }
        let mut begin = 0;
        self.groups = order
            .into_iter()
            .map(|group| {
                let group = self.groups[group].clone();
                let range = begin..begin + group.ids.len();
                begin = range.end;
                Group { range, ..group }
            })
            .collect();
        self
    }

    /// Checks that every group can be learnt and measured.
    fn check(&self, recipe: &Recipe) -> anyhow::Result<()> {
        if !recipe.data.names_groups() {
            return Ok(());
        }
        for (at, group) in self.groups.iter().enumerate() {
            let name = &group.recipe.name;
            for (rows, purpose) in [(&self.train, "training"), (&self.tune, "tuning")] {
                let is_known = |row: &usize| self.truth.get(row).is_some_and(|truth| truth.known[at]);
                anyhow::ensure!(
                    rows.iter().any(is_known),
                    "no {purpose} photo has a label of the group '{name}'; correct the manifest of {}",
                    group.recipe.dir.display()
                );
            }
            anyhow::ensure!(
                group.recipe.kind == GroupKind::Several || group.ids.len() > 1,
                "the group '{name}' of the kind 'one' needs two labels or more; its dataset {} has {:?}",
                group.recipe.dir.display(),
                group.ids
            );
        }
        Ok(())
    }
}

/// Returns a dataset whose labels are of a source, with all labels of the source.
fn labelled(mut dataset: Dataset, source: LabelSource) -> anyhow::Result<(Dataset, Vec<String>)> {
    let labels = match source {
        LabelSource::Styles => STYLES.iter().map(|style| style.id.to_owned()).collect(),
        LabelSource::Dataset => dataset.vocabulary(),
        LabelSource::Categories => {
            dataset.label_by_category()?;
            Category::ALL.iter().map(|category| category.id().to_owned()).collect()
        }
    };
    Ok((dataset, labels))
}

/// Adds the rows of a dataset, with paths and items as [`qualify`] makes them. Returns the index of the first added row.
pub(crate) fn append(dataset: &mut Dataset, mut other: Dataset, name: &str) -> usize {
    qualify(&mut other, name);
    let first = dataset.rows.len();
    dataset.rows.extend(other.rows);
    dataset
        .left_out
        .extend(other.left_out.into_iter().map(|row| row + first));
    dataset.sha256 = sha256_hex(format!("{}\n{}", dataset.sha256, other.sha256).as_bytes());
    first
}

/// Makes the paths of a dataset relative to the working directory, and its names of items unique among datasets.
pub(crate) fn qualify(dataset: &mut Dataset, name: &str) {
    let dir = std::mem::take(&mut dataset.dir);
    for row in &mut dataset.rows {
        for path in [&mut row.path, &mut row.mask] {
            if !path.is_empty() {
                *path = dir.join(&*path).to_string_lossy().into_owned();
            }
        }
        for item in [&mut row.item_id, &mut row.dup_group] {
            if !item.is_empty() {
                *item = format!("{name}/{item}");
            }
        }
    }
}

/// Returns the rows of the recipe's predicted splits. With several datasets, one of them may lack a split.
fn predicted(dataset: &Dataset, recipe: &DataRecipe) -> anyhow::Result<Vec<(String, Vec<usize>)>> {
    let rows = |split: &String| match dataset.split(split, |_| true, "") {
        Ok(rows) => Ok((split.clone(), rows)),
        Err(_) if !recipe.groups.is_empty() => Ok((split.clone(), Vec::new())),
        Err(error) => Err(error.into()),
    };
    recipe.predict.iter().map(rows).collect()
}

/// Divides the training split, or adds the split `val`: returns tuning rows and training rows.
fn divide(
    dataset: &mut Dataset,
    recipe: &Recipe,
    holdout: f64,
    labels: &[String],
) -> anyhow::Result<(Vec<usize>, Vec<usize>)> {
    let rows = dataset.split("train", |_| true, "")?;
    let DataRecipe {
        folds, fold, fold_seed, ..
    } = recipe.data;
    let (tune, train) = if folds > 0 {
        if let Some(bits) = recipe.data.near_duplicates {
            let alike = dataset.mark_near_duplicates(&rows, bits)?;
            eprintln!(
                "{alike} of {} training photos are near duplicates and stay in one fold",
                rows.len()
            );
        }
        let folds = dataset.folds(&rows, labels, folds, fold_seed)?;
        let (tune, train): (Vec<_>, Vec<_>) = rows.into_iter().zip(folds).partition(|(_, of_row)| *of_row == fold);
        let rows = |part: Vec<(usize, usize)>| part.into_iter().map(|(row, _)| row).collect();
        (rows(tune), rows(train))
    } else if holdout > 0.0 {
        dataset.hold_out(&rows, holdout, recipe.seed)
    } else {
        (dataset.split("val", |_| true, "")?, rows)
    };
    anyhow::ensure!(
        !train.is_empty() && !tune.is_empty(),
        "data.folds or data.holdout leaves no image to train or to tune on"
    );
    Ok((tune, train))
}
