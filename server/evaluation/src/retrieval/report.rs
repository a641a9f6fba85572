//! Evaluation of item retrieval: metrics over all queries and per category, and the worst queries.
//!
//! Intervals are over items: the photos of an item are drawn together. If a product of the gallery has several photos, metrics
//! with the prefix `product_` rank every product once by its best photo, as the search of a catalog does.

use super::fusion::Fused;
use super::metrics::{DEPTH, MEAN_AP, Ranked, recalls_by_chance};
use super::options::RetrievalOptions;
use super::ranker::Ranker;
use crate::statistics::{Interval, PerImage, groups, metrics_with_intervals};
use crate::summary::{Summary, paths};
use burn::tensor::Device;
use dataset::{Crop, Dataset, Limit, Photo};
use rayon::prelude::*;
use serde::Serialize;
use shared::bundle::{Manifest, Weights};
use shared::input::CropBox;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Results of one or several retrieval networks.
#[derive(Debug, Clone, Serialize)]
pub struct RetrievalReport {
    /// Metrics over all queries.
    #[serde(flatten)]
    pub summary: Summary,
    /// Results per category; empty for a single category.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<CategoryReport>,
    /// Combination of several networks; `None` for one network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fused: Option<Fused>,
    /// Queries with the lowest average precision, worst first, as many as requested.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<Failure>,
}

/// Results of the queries of one category.
#[derive(Debug, Clone, Serialize)]
pub struct CategoryReport {
    /// Category identifier in the dataset.
    pub id: String,
    /// Number of queries of the category.
    pub n: usize,
    /// Metrics by name.
    #[serde(rename = "figures")]
    pub metrics: BTreeMap<String, Interval>,
}

/// A query with a low average precision.
#[derive(Debug, Clone, Serialize)]
pub struct Failure {
    /// Row of the query in the dataset.
    #[serde(skip)]
    pub row: usize,
    /// Path of the query within the dataset.
    pub path: String,
    /// Crop box of the query.
    #[serde(skip)]
    pub bounds: Option<CropBox>,
    /// Clockwise rotation of the query in steps of 90°.
    #[serde(skip)]
    pub turns: u8,
    /// Average precision at 10 of the query.
    pub average_precision: f64,
    /// Rows of the first ten results, each with true if it shows the item of the query.
    #[serde(skip)]
    pub found: Vec<(usize, bool)>,
    /// Row of the highest ranked photo of the item.
    #[serde(skip)]
    pub truth: usize,
    /// Path of that photo within the dataset.
    pub truth_path: String,
    /// Rank of that photo, from 1.
    pub truth_rank: usize,
}

/// Evaluates one or several retrieval networks on a split.
///
/// # Errors
/// If a bundle does not load, the split lacks queries or a gallery, an image cannot be read, or weights would be tuned on the
/// measured items.
pub fn evaluate(
    bundles: &[(Manifest, Weights)],
    mut dataset: Dataset,
    split: &str,
    options: &RetrievalOptions,
    device: &Device,
) -> anyhow::Result<RetrievalReport> {
    options.check()?;
    let is_used = |name: &str| {
        name == split
            || (options.search.whiten.is_some() && name == "train")
            || options.tune_split.as_deref() == Some(name)
    };
    dataset.leave_out_corrupt(|row| is_used(&row.split), false, Limit::Fixed)?;
    let (queries, gallery) = options.search.sides(&dataset, split)?;
    if options.propose_boxes {
        anyhow::ensure!(
            queries != gallery,
            "boxes are proposed for queries, and here every photo is also searched"
        );
        propose_boxes(&mut dataset, &queries)?;
    }
    let dataset = Arc::new(dataset);
    let depth = options.recall_at.iter().copied().fold(DEPTH, usize::max);
    let ranker = Ranker::new(bundles, &dataset, split, options, depth, device)?;
    let fused = ranker.fuse(&queries, &gallery)?;
    let equal = BTreeMap::new();
    let rankings = ranker.rank(
        &queries,
        &gallery,
        fused.as_ref().map_or(&equal, |fused| &fused.weights),
    )?;

    let items: Vec<&str> = queries.iter().map(|row| dataset.rows[*row].item_id.as_str()).collect();
    let values = rankings.values(&options.recall_at);
    let ranked = rankings.photos;
    let candidates = gallery.len() - usize::from(queries == gallery);
    let mut guesses = recalls_by_chance(&options.recall_at, candidates, &ranked);
    if let Some(fused) = &fused {
        let alone = |(id, value): (&String, &f64)| (format!("{MEAN_AP} of {id} alone"), *value);
        guesses.extend(fused.alone.iter().map(alone));
    }
    let metrics = metrics_with_intervals(&values, &groups(&items));
    let of_query: Vec<&str> = queries.iter().map(|row| dataset.rows[*row].category.as_str()).collect();
    let categories = categories(&of_query, &items, &values);
    let failures = failures(&dataset, &queries, &gallery, &ranked, options);
    let per_image = PerImage::Queries {
        paths: paths(&dataset, &queries),
        items: items.into_iter().map(str::to_owned).collect(),
        metrics: values,
    };
    Ok(RetrievalReport {
        summary: Summary::new(describe(bundles, options), split, metrics, guesses, per_image),
        categories,
        fused,
        failures,
    })
}

/// Names the networks and the options that differ from the default.
fn describe(bundles: &[(Manifest, Weights)], options: &RetrievalOptions) -> String {
    let ids: Vec<String> = bundles.iter().map(|(manifest, _)| manifest.model_id()).collect();
    let mut text = format!("{}{}", ids.join(" + "), options.search);
    if let Some(views) = &options.gallery_views {
        text += &format!(", gallery views {}", views.list().len());
    }
    if options.turn_queries > 0 {
        text += &format!(", queries turned by {} degrees", 90 * u32::from(options.turn_queries));
    }
    if let Some((classifier, _)) = &options.category {
        text += &format!(", among its like where {} is sure", classifier.model_id());
    }
    if options.propose_boxes {
        text += ", queries cut to proposed boxes";
    }
    text
}

/// Sets the proposed crop box of rows without a crop box.
fn propose_boxes(dataset: &mut Dataset, rows: &[usize]) -> anyhow::Result<()> {
    let bare: Vec<usize> = rows
        .iter()
        .copied()
        .filter(|row| dataset.rows[*row].bounds.is_none())
        .collect();
    let propose = |row: &usize| {
        let photo = Photo::read(&dataset.dir.join(&dataset.rows[*row].path))?;
        Ok(Crop::Auto.crop_box(&photo)?)
    };
    let boxes = bare.par_iter().map(propose).collect::<anyhow::Result<Vec<_>>>()?;
    bare.into_iter()
        .zip(boxes)
        .for_each(|(row, bounds)| dataset.rows[row].bounds = bounds);
    Ok(())
}

/// Computes the metrics per category from the category and item of each query; empty if there are fewer than two categories.
pub(super) fn categories<T: AsRef<str>>(
    of_query: &[&str],
    items: &[T],
    values: &BTreeMap<String, Vec<Option<f64>>>,
) -> Vec<CategoryReport> {
    let mut by_category: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (q, category) in of_query.iter().enumerate() {
        by_category.entry(category).or_default().push(q);
    }
    if by_category.len() < 2 {
        return Vec::new();
    }
    let report = |(id, members): (&str, Vec<usize>)| {
        let items: Vec<&str> = members.iter().map(|q| items[*q].as_ref()).collect();
        let values = values
            .iter()
            .map(|(name, values)| (name.clone(), members.iter().map(|q| values[*q]).collect()))
            .collect();
        CategoryReport {
            id: id.to_owned(),
            n: members.len(),
            metrics: metrics_with_intervals(&values, &groups(&items)),
        }
    };
    by_category.into_iter().map(report).collect()
}

/// Returns the queries with the lowest average precision, worst first.
fn failures(
    dataset: &Dataset,
    queries: &[usize],
    gallery: &[usize],
    ranked: &[Ranked],
    options: &RetrievalOptions,
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
                turns: options.turn_queries,
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
    failures.truncate(options.failures);
    failures
}

impl std::fmt::Display for RetrievalReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.summary)?;
        self.categories
            .iter()
            .try_for_each(|category| write!(f, "{category}"))?;
        if let Some(fused) = &self.fused {
            write!(f, "{fused}")?;
        }
        self.failures.iter().try_for_each(|failure| write!(f, "{failure}"))
    }
}

impl std::fmt::Display for CategoryReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let id = if self.id.is_empty() { "(no category)" } else { &self.id };
        write!(f, "  {id:<20} {:>7}", self.n)?;
        for (name, metric) in &self.metrics {
            write!(f, "  {name} {metric}")?;
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
