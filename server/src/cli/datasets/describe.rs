//! `selvedge dataset describe`: counts of a dataset, and faults of its files.

use crate::cli::output::print;
use clap::Args;
use dataset::manifest::TRAIN;
use dataset::{Dataset, Row};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// Maximum number of files or labels that a message lists.
const LISTED: usize = 20;

/// Arguments of `selvedge dataset describe`.
#[derive(Debug, Args)]
pub(crate) struct DescribeArgs {
    /// Dataset folder
    dir: PathBuf,
}

/// Counts of one split.
#[derive(Default)]
struct Split<'a> {
    images: usize,
    items: BTreeSet<&'a str>,
    without_item: usize,
}

pub(super) fn describe(args: &DescribeArgs) -> anyhow::Result<()> {
    let dataset = Dataset::open(&args.dir)?;
    let splits = count(&dataset);
    print(&counts_text(&dataset, &splits))?;
    if splits.contains_key(TRAIN) {
        report(
            "labels have no photo in 'train', so no network can learn them; add photos, or remove the labels",
            unlearnable_labels(&dataset),
        );
    }
    report_files(&dataset);
    Ok(())
}

fn count(dataset: &Dataset) -> BTreeMap<&str, Split<'_>> {
    let mut splits: BTreeMap<&str, Split<'_>> = BTreeMap::new();
    for row in &dataset.rows {
        let split = splits.entry(&row.split).or_default();
        split.images += 1;
        if row.item_id.is_empty() {
            split.without_item += 1;
        } else {
            split.items.insert(&row.item_id);
        }
    }
    splits
}

/// Images and items per split, then images per label and split.
fn counts_text(dataset: &Dataset, splits: &BTreeMap<&str, Split<'_>>) -> String {
    let mut text = String::new();
    for (name, split) in splits {
        let without_item = if split.without_item > 0 {
            format!(", {} without item_id", split.without_item)
        } else {
            String::new()
        };
        let (images, items) = (split.images, split.items.len());
        text += &format!("{name}: {images} images of {items} items{without_item}\n");
    }
    for label in dataset.vocabulary() {
        let images = |split: &str| {
            let has_label = |row: &&Row| row.split == split && row.labels().any(|other| other == label);
            dataset.rows.iter().filter(has_label).count()
        };
        let counts: Vec<String> = splits
            .keys()
            .map(|split| format!("{split} {}", images(split)))
            .collect();
        text += &format!("  {label}: {}\n", counts.join(", "));
    }
    text
}

/// Labels without a photo in 'train'; none if 'train' has no labels at all.
fn unlearnable_labels(dataset: &Dataset) -> Vec<String> {
    let trained: BTreeSet<&str> = dataset
        .rows
        .iter()
        .filter(|row| row.split == TRAIN)
        .flat_map(Row::labels)
        .collect();
    if trained.is_empty() {
        return Vec::new();
    }
    let mut labels = dataset.vocabulary();
    labels.retain(|label| !trained.contains(&**label));
    labels
}

/// Reports files that are missing, and files that are in two splits.
fn report_files(dataset: &Dataset) {
    let name = |row: usize| {
        let row = &dataset.rows[row];
        format!("{} (line {}, {})", row.path, row.line, row.split)
    };
    let missing = dataset
        .missing()
        .into_iter()
        .map(|missing| name(missing.row) + &missing.hint.map_or_else(String::new, |hint| format!(": {hint}")));
    report(
        "files are missing; correct the paths, or remove the rows",
        missing.collect(),
    );
    let same = dataset
        .same_bytes()
        .into_iter()
        .map(|[row, first]| format!("{} is {}", name(row), name(first)));
    report(
        "files are also in another split under another name, so metrics would be too high; keep one of each",
        same.collect(),
    );
}

/// Prints a message and a list of files or labels to stderr, unless the list is empty.
fn report(message: &str, list: Vec<String>) {
    if list.is_empty() {
        return;
    }
    eprintln!("{} {message}", list.len());
    list.iter().take(LISTED).for_each(|line| eprintln!("  {line}"));
    if list.len() > LISTED {
        eprintln!("  and {} more", list.len() - LISTED);
    }
}
