//! Comparison of two evaluations of the same images on paired resamples.

use super::bootstrap::{Interval, grouped_intervals};
use super::per_image::{Metric, PerImage};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};

/// Metrics of two evaluations and their differences.
#[derive(Debug, Clone, Serialize)]
pub struct PairedReport {
    /// Number of images or queries.
    pub n: usize,
    /// Number of groups that are drawn together, such as items.
    pub groups: usize,
    /// Comparison of each metric that both evaluations have, by name.
    #[serde(rename = "figures")]
    pub metrics: BTreeMap<String, Paired>,
}

/// A metric of two evaluations.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Paired {
    /// Value of the reference with its interval.
    pub reference: Interval,
    /// Value of the other evaluation with its interval.
    pub other: Interval,
    /// The other value minus the reference's, with the interval over paired resamples.
    pub difference: Interval,
}

/// Compares two evaluations. All metrics use the same resamples, in which the images of an item are drawn together.
///
/// # Errors
/// If the evaluations have different images or kinds, or no common metric.
pub fn compare_paired(reference: &PerImage, other: &PerImage) -> anyhow::Result<PairedReport> {
    let other = &in_order_of(reference, other)?;
    let names: Vec<String> = reference
        .metric_names()
        .into_iter()
        .filter(|name| other.metric_names().contains(name))
        .collect();
    anyhow::ensure!(!names.is_empty(), "the evaluations have no metric in common");
    let of = |results: &PerImage| -> Vec<Metric> { names.iter().filter_map(|name| results.metric(name)).collect() };
    let (references, others) = (of(reference), of(other));
    let groups = reference.groups();
    let intervals = grouped_intervals(&groups, |weights| {
        let value = |(reference, other): (&Metric, &Metric)| {
            let (reference, other) = (reference.value(weights), other.value(weights));
            [reference, other, other - reference]
        };
        references.iter().zip(&others).flat_map(value).collect()
    });
    let paired = |(name, of_metric): (String, &[Interval])| {
        let paired = Paired {
            reference: of_metric[0],
            other: of_metric[1],
            difference: of_metric[2],
        };
        (name, paired)
    };
    Ok(PairedReport {
        n: reference.paths().len(),
        groups: groups.iter().max().map_or(0, |last| last + 1),
        metrics: names.into_iter().zip(intervals.chunks_exact(3)).map(paired).collect(),
    })
}

/// Returns `other` with its images in the order of `reference`.
///
/// # Errors
/// If the images differ.
fn in_order_of(reference: &PerImage, other: &PerImage) -> anyhow::Result<PerImage> {
    if reference.paths() == other.paths() {
        return Ok(other.clone());
    }
    let different = || {
        anyhow::anyhow!(
            "the evaluations have different images ({} and {}), so they cannot be compared in pairs\nhint: evaluate both on the \
             same split or folds",
            reference.paths().len(),
            other.paths().len()
        )
    };
    let PerImage::Queries { paths, items, metrics } = other else {
        return Err(different());
    };
    let place: HashMap<&str, usize> = paths.iter().enumerate().map(|(at, path)| (path.as_str(), at)).collect();
    let order: Option<Vec<usize>> = reference
        .paths()
        .iter()
        .map(|path| place.get(path.as_str()).copied())
        .collect();
    let order = order
        .filter(|order| order.len() == paths.len() && place.len() == paths.len())
        .ok_or_else(different)?;
    Ok(PerImage::Queries {
        paths: reference.paths().to_vec(),
        items: order.iter().filter_map(|at| items.get(*at).cloned()).collect(),
        metrics: metrics
            .iter()
            .map(|(name, values)| (name.clone(), order.iter().map(|at| values[*at]).collect()))
            .collect(),
    })
}

impl std::fmt::Display for PairedReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{} images in {} groups that are drawn together", self.n, self.groups)?;
        writeln!(
            f,
            "  {:<32}{:>26}{:>26}{:>28}",
            "metric", "reference", "other", "difference"
        )?;
        for (name, paired) in &self.metrics {
            let Paired {
                reference,
                other,
                difference,
            } = paired;
            let Interval { value, low, high } = difference;
            let difference = format!("{value:+.4} [{low:+.4}, {high:+.4}]");
            writeln!(
                f,
                "  {name:<32}{:>26}{:>26}{difference:>28}",
                reference.to_string(),
                other.to_string()
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queries(order: &[usize], found: impl Fn(usize) -> bool) -> PerImage {
        PerImage::Queries {
            paths: order.iter().map(|at| format!("{at}.jpg")).collect(),
            items: order.iter().map(|at| format!("i{}", at / 2)).collect(),
            metrics: BTreeMap::from([(
                "recall_at_1".to_owned(),
                order.iter().map(|at| Some(f64::from(u8::from(found(*at))))).collect(),
            )]),
        }
    }

    #[test]
    fn queries_are_paired_by_path_in_any_order() {
        let order: Vec<usize> = (0..40).collect();
        let reversed: Vec<usize> = (0..40).rev().collect();
        let reference = queries(&order, |at| at % 2 == 0);
        let report =
            compare_paired(&reference, &queries(&reversed, |at| at % 2 == 0)).expect("the images are the same");
        let same = report.metrics["recall_at_1"];
        assert_eq!((report.n, report.groups), (40, 20));
        assert_eq!(
            (same.difference.value, same.difference.low, same.difference.high),
            (0.0, 0.0, 0.0)
        );
        let better =
            compare_paired(&reference, &queries(&reversed, |at| at % 4 != 1)).expect("the images are the same");
        assert_eq!(better.metrics["recall_at_1"].difference.value, 0.25);
    }

    #[test]
    fn different_images_are_not_compared() {
        let found = |_: usize| true;
        let error = compare_paired(&queries(&[0, 1], found), &queries(&[0, 2], found)).expect_err("another image");
        assert!(error.to_string().contains("different images"), "{error}");
    }
}
