//! Quality of item retrieval: the report of a search, per category, with its worst queries.
//!
//! Intervals are over identities: an item's photos are drawn together.

use super::bootstrap::{Interval, grouped_intervals};
use super::fusion::{Finder, Fusion};
use super::outcomes::{Figure, Outcomes, groups};
use super::retrieval::{DEPTH, MEAN_AP, Ranked, recall_by_chance, values};
use super::run::{Options, Report, SEED, paths};
use super::search::Search;
use burn::tensor::Device;
use dataset::{Crop, Dataset, Photo};
use rayon::prelude::*;
use serde::Serialize;
use shared::bundle::{Manifest, Weights};
use shared::input::CropBox;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The ranks up to which recall is measured if no others are asked for.
pub const DEPTHS: [usize; 4] = [1, 5, 10, 20];

/// Options of a search with retrieval networks, and of its report.
#[derive(Debug, Clone, PartialEq)]
pub struct Instances {
    /// Steps between embeddings and ranking.
    pub search: Search,
    /// Combination of several networks.
    pub fusion: Fusion,
    /// The split that weights of several networks are chosen on, by category; equal weights if `None`.
    pub tune_split: Option<String>,
    /// Ranks up to which recall is measured.
    pub recall_at: Vec<usize>,
    /// Tells categories; a query that it is sure of is looked up among photos of that category only.
    pub category: Option<(Manifest, Weights)>,
    /// Quarter turns clockwise of every query, to see what turning loses.
    pub turn_queries: u8,
    /// Cut queries that have no box to the one that is proposed.
    pub propose_boxes: bool,
    /// Number of worst queries in the report.
    pub failures: usize,
}

impl Default for Instances {
    fn default() -> Self {
        Self {
            search: Search::default(),
            fusion: Fusion::default(),
            tune_split: None,
            category: None,
            recall_at: DEPTHS.to_vec(),
            turn_queries: 0,
            propose_boxes: false,
            failures: 0,
        }
    }
}

/// Results of one category's queries.
#[derive(Debug, Clone, Serialize)]
pub struct CategoryReport {
    /// The category, as the dataset writes it.
    pub id: String,
    /// Queries that show it.
    pub n: usize,
    /// Figures by name.
    pub figures: BTreeMap<String, Interval>,
}

/// A query that finds little.
#[derive(Debug, Clone, Serialize)]
pub struct Failure {
    /// The query's row in the dataset.
    #[serde(skip)]
    pub row: usize,
    /// Its path within the dataset.
    pub path: String,
    /// The box that it was cut to.
    #[serde(skip)]
    pub bounds: Option<CropBox>,
    /// Quarters clockwise that it was turned by.
    #[serde(skip)]
    pub turns: u8,
    /// Its average precision at 10.
    pub average_precision: f64,
    /// The first ten that it finds, by row, and whether each is right.
    #[serde(skip)]
    pub found: Vec<(usize, bool)>,
    /// The best photo of the right item, by row.
    #[serde(skip)]
    pub truth: usize,
    /// That photo's path within the dataset.
    pub truth_path: String,
    /// Its rank, counted from 1.
    pub truth_rank: usize,
}

/// Figures with their intervals over groups, from [`values`].
pub fn figures(values: &BTreeMap<String, Vec<Option<f64>>>, groups: &[usize]) -> BTreeMap<String, Interval> {
    let figures: Vec<Figure> = values.values().cloned().map(Figure::Queries).collect();
    let intervals = grouped_intervals(groups, SEED, |weights| {
        figures.iter().map(|figure| figure.of(weights)).collect()
    });
    values.keys().cloned().zip(intervals).collect()
}

/// Evaluates retrieval networks, one or several together, on a split.
///
/// # Errors
/// If a bundle does not load, the split lacks a side, a picture cannot be read, or weights would be tuned on what is
/// measured.
pub(super) fn report(
    bundles: &[(Manifest, Weights)],
    mut dataset: Dataset,
    split: &str,
    options: &Options,
    device: &Device,
) -> anyhow::Result<Report> {
    let wanted = &options.instances;
    anyhow::ensure!(
        !wanted.recall_at.is_empty() && !wanted.recall_at.contains(&0),
        "recall is measured up to ranks from 1 on"
    );
    anyhow::ensure!(wanted.turn_queries < 4, "queries are turned by 0 to 3 quarters");
    let (queries, gallery) = wanted.search.sides(&dataset, split)?;
    if wanted.propose_boxes {
        anyhow::ensure!(
            queries != gallery,
            "boxes are proposed for queries, and here every photo is also searched"
        );
        propose_boxes(&mut dataset, &queries)?;
    }
    let dataset = Arc::new(dataset);
    let depth = wanted.recall_at.iter().copied().fold(DEPTH, usize::max);
    let finder = Finder::new(bundles, &dataset, split, options, depth, device)?;
    let fused = finder.fuse(&queries, &gallery)?;
    let none = BTreeMap::new();
    let ranked = finder.rank(&queries, &gallery, fused.as_ref().map_or(&none, |fused| &fused.weights))?;

    let items: Vec<&str> = queries.iter().map(|row| dataset.rows[*row].item_id.as_str()).collect();
    let values = values(&ranked, &wanted.recall_at);
    let candidates = gallery.len() - usize::from(queries == gallery);
    let chance = |k: &usize| {
        (
            format!("recall_at_{k} by chance"),
            recall_by_chance(*k, candidates, &ranked),
        )
    };
    let mut guesses: BTreeMap<String, f64> = wanted.recall_at.iter().map(chance).collect();
    if let Some(fused) = &fused {
        let alone = |(id, value): (&String, &f64)| (format!("{MEAN_AP} of {id} alone"), *value);
        guesses.extend(fused.alone.iter().map(alone));
    }
    let ids: Vec<String> = bundles.iter().map(|(manifest, _)| manifest.model_id()).collect();
    let mut seen = String::new();
    if wanted.turn_queries > 0 {
        seen += &format!(", queries turned by {} degrees", 90 * u32::from(wanted.turn_queries));
    }
    if let Some((categories, _)) = &wanted.category {
        seen += &format!(", among its like where {} is sure", categories.model_id());
    }
    if wanted.propose_boxes {
        seen += ", queries cut to proposed boxes";
    }
    let model_id = format!("{}{}{seen}", ids.join(" + "), wanted.search);
    let figures = figures(&values, &groups(&items));
    let categories = categories(&dataset, &queries, &values);
    let failures = failures(&dataset, &queries, &gallery, &ranked, wanted);
    let items = items.into_iter().map(str::to_owned).collect();
    let outcomes = Outcomes::Queries {
        paths: paths(&dataset, &queries),
        items,
        figures: values,
    };
    Ok(Report {
        categories,
        fused,
        failures,
        ..Report::of(model_id, split, figures, guesses, outcomes)
    })
}

/// Gives rows without a box the one that is proposed, where there is one.
fn propose_boxes(dataset: &mut Dataset, rows: &[usize]) -> anyhow::Result<()> {
    let bare: Vec<usize> = rows
        .iter()
        .copied()
        .filter(|row| dataset.rows[*row].bounds.is_none())
        .collect();
    let of = |row: &usize| {
        let photo = Photo::read(&dataset.dir.join(&dataset.rows[*row].path))?;
        Ok(Crop::Auto.of(&photo)?)
    };
    let boxes = bare.par_iter().map(of).collect::<anyhow::Result<Vec<_>>>()?;
    bare.into_iter()
        .zip(boxes)
        .for_each(|(row, bounds)| dataset.rows[row].bounds = bounds);
    Ok(())
}

/// The figures category by category; nothing where there are not two.
fn categories(
    dataset: &Dataset,
    queries: &[usize],
    values: &BTreeMap<String, Vec<Option<f64>>>,
) -> Vec<CategoryReport> {
    let mut of: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (q, row) in queries.iter().enumerate() {
        of.entry(&dataset.rows[*row].category).or_default().push(q);
    }
    if of.len() < 2 {
        return Vec::new();
    }
    let report = |(id, members): (&str, Vec<usize>)| {
        let items: Vec<&str> = members
            .iter()
            .map(|q| dataset.rows[queries[*q]].item_id.as_str())
            .collect();
        let values = values
            .iter()
            .map(|(name, values)| (name.clone(), members.iter().map(|q| values[*q]).collect()))
            .collect();
        CategoryReport {
            id: id.to_owned(),
            n: members.len(),
            figures: figures(&values, &groups(&items)),
        }
    };
    of.into_iter().map(report).collect()
}

fn failures(
    dataset: &Dataset,
    queries: &[usize],
    gallery: &[usize],
    ranked: &[Ranked],
    wanted: &Instances,
) -> Vec<Failure> {
    let path = |row: usize| dataset.rows[row].path.clone();
    let mut failures: Vec<Failure> = ranked
        .iter()
        .zip(queries)
        .filter_map(|(one, row)| {
            let (truth, truth_rank) = one.first?;
            Some(Failure {
                row: *row,
                path: path(*row),
                bounds: dataset.rows[*row].bounds,
                turns: wanted.turn_queries,
                average_precision: one.average_precision()?,
                found: one
                    .top
                    .iter()
                    .zip(&one.hit)
                    .take(DEPTH)
                    .map(|(g, hit)| (gallery[*g], *hit))
                    .collect(),
                truth: gallery[truth],
                truth_path: path(gallery[truth]),
                truth_rank,
            })
        })
        .collect();
    failures.sort_by(|a, b| {
        a.average_precision
            .total_cmp(&b.average_precision)
            .then(b.truth_rank.cmp(&a.truth_rank))
            .then(a.row.cmp(&b.row))
    });
    failures.truncate(wanted.failures);
    failures
}

impl std::fmt::Display for CategoryReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let id = if self.id.is_empty() { "(no category)" } else { &self.id };
        write!(f, "  {id:<20} {:>7}", self.n)?;
        for (name, figure) in &self.figures {
            write!(f, "  {name} {figure}")?;
        }
        writeln!(f)
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            path,
            average_precision,
            truth_path,
            truth_rank,
            ..
        } = self;
        writeln!(
            f,
            "  AP {average_precision:.3}  {path}: {truth_path} is on rank {truth_rank}"
        )
    }
}
