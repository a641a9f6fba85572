//! Cross-validation of retrieval: the networks of every fold search the items of their fold, and the queries of all folds
//! are pooled.

use super::asymmetric::{AsymmetricPair, asymmetric_with};
use super::metrics::BY_CHANCE;
use super::options::RetrievalOptions;
use super::report::{RetrievalReport, categories, evaluate};
use super::search::{Direction, Search};
use crate::statistics::{PerImage, groups, metrics_with_intervals};
use crate::summary::Summary;
use burn::tensor::Device;
use dataset::{Dataset, FOLD, ItemFold};
use shared::bundle::{Manifest, Weights};
use std::collections::{BTreeMap, HashMap};

/// The networks of one fold. Several search together.
#[derive(Debug, Clone)]
pub struct FoldNetworks {
    /// Fold whose items the networks have not seen.
    pub fold: ItemFold,
    /// Bundles of the networks, at least one.
    pub bundles: Vec<(Manifest, Weights)>,
    /// Bundle of the network that embeds the gallery, for a single query encoder in `bundles`; `None` for retrieval networks.
    pub gallery: Option<(Manifest, Weights)>,
}

/// Evaluates the networks of every fold on the items of their fold, with these items' photos as the gallery. The metrics and
/// intervals are over the queries of all folds.
///
/// A query encoder searches the gallery of its larger network. The metrics of that network's own queries have the prefix
/// `large_`. Metrics of the second and later directions have the direction in front of their names, as in
/// `shop_to_worn_recall_at_1`.
///
/// # Errors
/// If the folds are not of one division, a fold or a direction is given twice, or the evaluation of a fold fails.
pub fn evaluate_folds(
    folds: &[FoldNetworks],
    dataset: &Dataset,
    directions: &[Direction],
    options: &RetrievalOptions,
    device: &Device,
) -> anyhow::Result<RetrievalReport> {
    check(folds, directions)?;
    let mut pooled = Pooled::default();
    for (at, direction) in directions.iter().enumerate() {
        let prefix = if at == 0 { String::new() } else { direction.prefix() };
        let options = RetrievalOptions {
            search: Search {
                direction: *direction,
                ..options.search.clone()
            },
            ..options.clone()
        };
        for networks in folds {
            let measured = networks.measure(dataset.clone().with_fold(&networks.fold)?, &options, device)?;
            pooled.add(&prefix, measured);
        }
    }
    Ok(pooled.report(folds, dataset))
}

/// Results of one fold.
struct Measured {
    /// Models and options.
    description: String,
    guesses: BTreeMap<String, f64>,
    per_image: PerImage,
}

impl FoldNetworks {
    /// Evaluates the networks on the split [`FOLD`] of a divided dataset.
    fn measure(&self, divided: Dataset, options: &RetrievalOptions, device: &Device) -> anyhow::Result<Measured> {
        let Some(large) = &self.gallery else {
            let Summary {
                model_id,
                guesses,
                per_image,
                ..
            } = evaluate(&self.bundles, divided, FOLD, options, device)?.summary;
            return Ok(Measured {
                description: model_id,
                guesses,
                per_image,
            });
        };
        let [small] = &self.bundles[..] else {
            anyhow::bail!("fold {} has several query encoders; name one per fold", self.fold.fold)
        };
        let report = asymmetric_with(AsymmetricPair { small, large }, divided, FOLD, options, device)?;
        Ok(Measured {
            description: format!(
                "{} in the gallery of {}{}",
                report.query_model_id, report.gallery_model_id, options.search
            ),
            guesses: report.guesses,
            per_image: report.per_image,
        })
    }
}

fn check(folds: &[FoldNetworks], directions: &[Direction]) -> anyhow::Result<()> {
    for (at, FoldNetworks { fold, .. }) in folds.iter().enumerate() {
        let first = &folds[0].fold;
        anyhow::ensure!(
            (&fold.splits, fold.folds, fold.seed) == (&first.splits, first.folds, first.seed),
            "the runs divide the items differently; data.folds, data.fold_seed and data.fold_splits must be the same"
        );
        anyhow::ensure!(
            folds[..at].iter().all(|other| other.fold.fold != fold.fold),
            "fold {} is given twice",
            fold.fold
        );
    }
    let repeats = |at: usize| directions[..at].contains(&directions[at]);
    anyhow::ensure!(
        !folds.is_empty() && !directions.is_empty() && !(0..directions.len()).any(repeats),
        "name at least one run and one direction, and each direction once"
    );
    anyhow::ensure!(
        directions.len() == 1 || !directions.contains(&Direction::All),
        "the direction 'all' has the queries of both others; measure it by itself"
    );
    Ok(())
}

/// Queries of several evaluations with their metrics.
#[derive(Default)]
struct Pooled {
    models: Vec<String>,
    paths: Vec<String>,
    items: Vec<String>,
    /// Values by metric, as long as `paths`, except for metrics whose last queries are missing.
    metrics: BTreeMap<String, Vec<Option<f64>>>,
    /// Sums of chance metrics over queries, and numbers of queries, by name.
    chance: BTreeMap<String, (f64, usize)>,
}

impl Pooled {
    /// Adds the queries of an evaluation, with `prefix` in front of the names of its metrics.
    fn add(&mut self, prefix: &str, measured: Measured) {
        let PerImage::Queries { paths, items, metrics } = measured.per_image else {
            return;
        };
        for (name, values) in metrics {
            let pooled = self.metrics.entry(format!("{prefix}{name}")).or_default();
            pooled.resize(self.paths.len(), None);
            pooled.extend(values);
        }
        for (name, value) in measured.guesses {
            // The names of other guesses contain a network.
            if name.ends_with(BY_CHANCE) {
                let (sum, n) = self.chance.entry(format!("{prefix}{name}")).or_default();
                *sum += value * paths.len() as f64;
                *n += paths.len();
            }
        }
        if !self.models.contains(&measured.description) {
            self.models.push(measured.description);
        }
        self.paths.extend(paths);
        self.items.extend(items);
    }

    fn report(mut self, folds: &[FoldNetworks], dataset: &Dataset) -> RetrievalReport {
        self.metrics
            .values_mut()
            .for_each(|values| values.resize(self.paths.len(), None));
        let first = &folds[0].fold;
        let numbers: Vec<String> = folds.iter().map(|one| one.fold.fold.to_string()).collect();
        let split = format!(
            "queries of fold {} of {} of the items of {}",
            numbers.join(", "),
            first.folds,
            first.splits.join(" + ")
        );
        let known: HashMap<&str, &str> = dataset
            .rows
            .iter()
            .map(|row| (row.path.as_str(), row.category.as_str()))
            .collect();
        let of_query: Vec<&str> = self
            .paths
            .iter()
            .map(|path| known.get(path.as_str()).copied().unwrap_or_default())
            .collect();
        let categories = categories(&of_query, &self.items, &self.metrics);
        let guesses = self
            .chance
            .into_iter()
            .map(|(name, (sum, n))| (name, sum / n as f64))
            .collect();
        let metrics = metrics_with_intervals(&self.metrics, &groups(&self.items));
        let per_image = PerImage::Queries {
            paths: self.paths,
            items: self.items,
            metrics: self.metrics,
        };
        RetrievalReport {
            summary: Summary::new(self.models.join("; "), &split, metrics, guesses, per_image),
            categories,
            fused: None,
            failures: Vec::new(),
        }
    }
}
