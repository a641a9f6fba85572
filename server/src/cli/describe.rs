//! `selvedge dataset describe`: what a dataset holds, and what is odd about its files.

use super::print;
use dataset::manifest::TRAIN;
use dataset::{Dataset, Row};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Files or labels of one kind that are named one by one.
const NAMED: usize = 20;

/// Counts of one split.
#[derive(Default)]
struct Split<'a> {
    images: usize,
    items: BTreeSet<&'a str>,
    without_item: usize,
}

pub(super) fn describe(dir: &Path) -> anyhow::Result<()> {
    let dataset = Dataset::open(dir)?;
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
    let mut text = String::new();
    for (
        name,
        Split {
            images,
            items,
            without_item,
        },
    ) in &splits
    {
        let bare = if *without_item > 0 {
            format!(", {without_item} without item_id")
        } else {
            String::new()
        };
        text += &format!("{name}: {images} images of {} items{bare}\n", items.len());
    }
    for label in dataset.vocabulary() {
        let n = |split: &str| {
            let with = |row: &&Row| row.split == split && row.labels().any(|l| l == label);
            dataset.rows.iter().filter(with).count()
        };
        let counts: Vec<String> = splits.keys().map(|split| format!("{split} {}", n(split))).collect();
        text += &format!("  {label}: {}\n", counts.join(", "));
    }
    print(&text)?;
    if splits.contains_key(TRAIN) {
        let learnt: BTreeSet<&str> = dataset
            .rows
            .iter()
            .filter(|row| row.split == TRAIN)
            .flat_map(Row::labels)
            .collect();
        let unseen = dataset
            .vocabulary()
            .into_iter()
            .filter(|label| !learnt.is_empty() && !learnt.contains(&**label));
        say(
            "labels have no photo in 'train', so nothing learns them; add photos, or take the labels away",
            unseen.collect(),
        );
    }
    let at = |row: usize| {
        format!(
            "{} (line {}, {})",
            dataset.rows[row].path, dataset.rows[row].line, dataset.rows[row].split
        )
    };
    let missing = dataset
        .missing()
        .into_iter()
        .map(|missing| at(missing.row) + &missing.hint.map_or_else(String::new, |hint| format!(": {hint}")));
    say(
        "files are not there; correct the paths, or remove the rows",
        missing.collect(),
    );
    let same = dataset
        .same_bytes()
        .into_iter()
        .map(|[row, first]| format!("{} is {}", at(row), at(first)));
    say(
        "files are also in another split under another name, so figures would be too good; keep one of each",
        same.collect(),
    );
    Ok(())
}

/// Names files or labels on stderr.
fn say(what: &str, named: Vec<String>) {
    if named.is_empty() {
        return;
    }
    eprintln!("{} {what}", named.len());
    named.iter().take(NAMED).for_each(|line| eprintln!("  {line}"));
    if named.len() > NAMED {
        eprintln!("  and {} more", named.len() - NAMED);
    }
}
