//! Precise thresholds: per label the lowest threshold with a wanted precision.
//!
//! Precision on a few images is uncertain, so the rule also requires [`MIN_ITEMS`] items and a lower confidence bound of the
//! precision (Wilson 1927). Both count items instead of images, because the images of one item carry the same labels. The
//! bound must halve the errors of predicting the label always. This excludes a label that is only frequent, and each label
//! above its threshold is more probably right than wrong.

use super::multilabel::Predictions;
use serde::Serialize;
use shared::bundle::{GroupKind, PreciseThreshold};
use shared::score::{descending, top_k};
use std::collections::HashSet;

/// One-sided confidence of the lower bound.
pub(crate) const CONFIDENCE: f64 = 0.95;
/// The standard normal quantile of [`CONFIDENCE`].
const Z: f64 = 1.644_853_626_951_472_7;
/// Minimum number of items that a precision is measured on.
const MIN_ITEMS: usize = 10;
/// Maximum number of tags on a page.
const SHOWN: usize = 3;

/// Computes the lower end of Wilson's interval at [`CONFIDENCE`] for a share of `n` observations; 0 if `n` is 0.
fn lower_bound(share: f64, n: usize) -> f64 {
    if n == 0 {
        return 0.0;
    }
    let n = n as f64;
    let centre = share + Z * Z / (2.0 * n);
    let spread = Z * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    ((centre - spread) / (1.0 + Z * Z / n)).max(0.0)
}

/// Minimum of the lower bound for a label with this prevalence: half way from the precision of predicting it always to 1.
fn required(base_rate: f64) -> f64 {
    (1.0 + base_rate) / 2.0
}

/// Chooses per label the lowest threshold with a precision of `target` on [`MIN_ITEMS`] or more items and a lower bound of
/// [`required`]; `None` if there is no such threshold. `groups` are the items of the images.
///
/// Labels of the kind `one` share a threshold of the most probable label. Its base rate is that of the most frequent label.
pub(crate) fn precise_thresholds(
    predictions: &Predictions,
    kind: GroupKind,
    groups: &[usize],
    target: f64,
) -> Vec<Option<PreciseThreshold>> {
    let labels = 0..predictions.labels.len();
    let n = predictions.truth.len();
    let images = || (0..n).zip(groups);
    match kind {
        GroupKind::Several => labels
            .map(|label| {
                let of_label = |(image, group): (usize, &usize)| {
                    (predictions.probs[image][label], predictions.truth[image][label], *group)
                };
                let support = predictions.support(label);
                lowest_threshold(images().map(of_label).collect(), support, support, target)
            })
            .collect(),
        GroupKind::One => {
            let of_top = |(image, group): (usize, &usize)| {
                let top = predictions.top(image);
                (predictions.probs[image][top], predictions.truth[image][top], *group)
            };
            let frequent = labels
                .clone()
                .map(|label| predictions.support(label))
                .max()
                .unwrap_or(0);
            let point = lowest_threshold(images().map(of_top).collect(), n, frequent, target);
            labels.map(|_| point).collect()
        }
    }
}

/// Chooses a threshold for images with a probability, the truth of the stated label and an item. `support` images could be
/// stated rightly, and `frequent` are right without looking.
fn lowest_threshold(
    images: Vec<(f32, bool, usize)>,
    support: usize,
    frequent: usize,
    target: f64,
) -> Option<PreciseThreshold> {
    let base_rate = frequent as f64 / images.len().max(1) as f64;
    let mut images: Vec<(f32, bool, usize)> = images.into_iter().filter(|(prob, ..)| prob.is_finite()).collect();
    images.sort_by(|a, b| descending(a.0, b.0));
    let (mut right, mut items, mut found) = (0, HashSet::new(), None);
    for (at, (prob, is_right, group)) in images.iter().enumerate() {
        right += usize::from(*is_right);
        items.insert(*group);
        // A threshold includes all images of one probability or none.
        if images.get(at + 1).is_some_and(|next| next.0 == *prob) {
            continue;
        }
        let precision = right as f64 / (at + 1) as f64;
        let (items, bound) = (items.len(), lower_bound(precision, items.len()));
        if precision >= target && items >= MIN_ITEMS && bound >= required(base_rate) {
            let recall = right as f64 / support as f64;
            found = Some(PreciseThreshold {
                threshold: *prob,
                precision,
                bound,
                items,
                recall,
                base_rate,
            });
        }
    }
    found
}

/// Tags that a page shows for a split: per photo the three most probable labels that reach their precise threshold.
#[derive(Debug, Clone, Serialize)]
pub struct ShownTags {
    /// Photos of the split.
    pub photos: usize,
    /// Mean number of tags per photo.
    pub tags_a_photo: f64,
    /// Share, 0–1, of the photos without a tag.
    pub not_sure: f64,
    /// Share, 0–1, of the tags that are right; `None` without tags.
    pub precision: Option<f64>,
    /// Results per label.
    pub labels: Vec<ShownLabel>,
}

/// Photos of a label on a page.
#[derive(Debug, Clone, Serialize)]
pub struct ShownLabel {
    /// Label identifier.
    pub id: String,
    /// Photos that carry it.
    pub support: usize,
    /// Photos that show it as a tag.
    pub shown: usize,
    /// Photos that carry it and show it as a tag.
    pub right: usize,
}

/// Measures the tags that a page shows for a split.
pub(crate) fn shown_tags(predictions: &Predictions, kind: GroupKind, points: &[Option<PreciseThreshold>]) -> ShownTags {
    let label = |label: usize| {
        let id = predictions.labels[label].clone();
        ShownLabel {
            id,
            support: predictions.support(label),
            shown: 0,
            right: 0,
        }
    };
    let mut labels: Vec<ShownLabel> = (0..predictions.labels.len()).map(label).collect();
    let mut not_sure = 0;
    for (probs, truth) in predictions.probs.iter().zip(&predictions.truth) {
        let candidates = if kind == GroupKind::One { 1 } else { probs.len() };
        let ranked = top_k(probs, candidates).into_iter();
        let reached = ranked.filter(|(label, prob)| points[*label].is_some_and(|point| *prob >= point.threshold));
        let shown: Vec<usize> = reached.map(|(label, _)| label).take(SHOWN).collect();
        not_sure += usize::from(shown.is_empty());
        for label in shown {
            labels[label].shown += 1;
            labels[label].right += usize::from(truth[label]);
        }
    }
    let photos = predictions.truth.len();
    let shown: usize = labels.iter().map(|label| label.shown).sum();
    let right: usize = labels.iter().map(|label| label.right).sum();
    let share = |part: usize| part as f64 / photos.max(1) as f64;
    ShownTags {
        photos,
        tags_a_photo: share(shown),
        not_sure: share(not_sure),
        precision: (shown > 0).then(|| right as f64 / shown as f64),
        labels,
    }
}

impl std::fmt::Display for ShownTags {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let precision = self
            .precision
            .map_or_else(|| "-".to_owned(), |value| format!("{value:.3}"));
        writeln!(
            f,
            "  {} photos: {:.2} tags per photo, {:.1} % without a tag, precision of tags {precision}",
            self.photos,
            self.tags_a_photo,
            100.0 * self.not_sure
        )?;
        writeln!(
            f,
            "  {:<20} {:>7} {:>7} {:>7} {:>9} {:>7}",
            "label", "support", "shown", "right", "precision", "recall"
        )?;
        for ShownLabel {
            id,
            support,
            shown,
            right,
        } in &self.labels
        {
            let share = |total: usize| match total {
                0 => "-".to_owned(),
                total => format!("{:.3}", *right as f64 / total as f64),
            };
            writeln!(
                f,
                "  {id:<20} {support:>7} {shown:>7} {right:>7} {:>9} {:>7}",
                share(*shown),
                share(*support)
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Images of one label, as probability and truth, each of a different item.
    fn one_label(images: impl IntoIterator<Item = (f32, bool)>) -> (Predictions, Vec<usize>) {
        let (probs, truth): (Vec<_>, Vec<_>) = images.into_iter().map(|(prob, on)| (vec![prob], vec![on])).unzip();
        let groups = (0..probs.len()).collect();
        (
            Predictions {
                labels: vec!["a".to_owned()],
                probs,
                truth,
            },
            groups,
        )
    }

    fn chosen((predictions, groups): &(Predictions, Vec<usize>), target: f64) -> Option<f32> {
        precise_thresholds(predictions, GroupKind::Several, groups, target)[0].map(|point| point.threshold)
    }

    #[test]
    fn the_lower_bound_equals_wilsons_formula() {
        // Computed in Python from the formula. For a share of 1 it is n / (n + z²).
        for (share, n, expected) in [(1.0, 10, 0.787_058), (0.9, 100, 0.839_644), (0.5, 20, 0.327_404)] {
            assert!(
                (lower_bound(share, n) - expected).abs() < 1e-6,
                "{share} of {n}: {}",
                lower_bound(share, n)
            );
        }
        assert_eq!((lower_bound(0.0, 5), lower_bound(1.0, 0)), (0.0, 0.0));
    }

    /// Images by falling probability, the first `right` of which carry the label.
    fn ranked(images: usize, right: usize) -> (Predictions, Vec<usize>) {
        one_label((0..images).map(|at| (1.0 - at as f32 / 1000.0, at < right)))
    }

    #[test]
    fn the_lowest_threshold_with_enough_items_is_chosen() {
        let prob = |images: usize| 1.0 - (images - 1) as f32 / 1000.0;
        // 40 of 50 right images have the bound .69, 40 of 42 have .86. The prevalence of 1/7 requires .57.
        for (target, images) in [(0.8, 50), (0.95, 42), (1.0, 40)] {
            assert_eq!(chosen(&ranked(280, 40), target), Some(prob(images)), "{target}");
        }
        assert_eq!(chosen(&ranked(280, 10), 0.8), Some(prob(12)), "10 of 12");
        assert_eq!(chosen(&ranked(280, 7), 0.8), None, "eight items are too few");
        assert_eq!(chosen(&ranked(280, 0), 0.8), None, "no positive image");
        assert_eq!(chosen(&ranked(0, 0), 0.8), None, "no image");
        assert_eq!(chosen(&ranked(280, 280), 0.8), None, "every image carries the label");
        let mixed = one_label((0..280).map(|at| (1.0 - at as f32 / 1000.0, at % 4 != 0)));
        assert_eq!(
            chosen(&mixed, 0.7),
            None,
            "the probability does not depend on the label"
        );
    }

    #[test]
    fn images_of_one_item_count_as_one_observation() {
        let (predictions, _) = ranked(280, 40);
        for (images_per_item, is_chosen) in [(2, true), (4, true), (8, false)] {
            let groups: Vec<usize> = (0..280).map(|at| at / images_per_item).collect();
            assert_eq!(
                chosen(&(predictions.clone(), groups), 0.8).is_some(),
                is_chosen,
                "{images_per_item}"
            );
        }
    }

    #[test]
    fn a_frequent_label_needs_informative_probabilities() {
        // Nine of ten images carry the label at any probability.
        let constant = one_label((0..500).map(|at| (0.9 + at as f32 / 10_000.0, at % 10 != 3)));
        assert!(lower_bound(0.9, 500) > 0.8, "the target alone accepts the label");
        assert_eq!(chosen(&constant, 0.8), None);
        // The prevalence is the same, but the negative images have the lowest probabilities.
        let informative = ranked(500, 450);
        let point = precise_thresholds(&informative.0, GroupKind::Several, &informative.1, 0.8)[0]
            .expect("a threshold is chosen");
        assert!((point.base_rate - 0.9).abs() < 1e-9 && point.bound >= 0.95, "{point:?}");
    }

    #[test]
    fn a_threshold_includes_all_images_of_equal_probability() {
        let equal = one_label((0..100).map(|at| (if at < 60 { 0.7 } else { 0.1 }, at < 30)));
        assert_eq!(chosen(&equal, 0.8), None, "half of the images at 0.7 are negative");
    }

    #[test]
    fn at_most_three_tags_are_shown() {
        let predictions = Predictions {
            labels: ["a", "b", "c", "d", "e"].map(str::to_owned).to_vec(),
            probs: vec![
                vec![0.9, 0.8, 0.7, 0.95, 0.99],
                vec![0.1, 0.2, 0.65, 0.4, 0.99],
                vec![0.1; 5],
            ],
            truth: vec![
                vec![true, false, true, true, false],
                vec![false, false, false, true, true],
                vec![true; 5],
            ],
        };
        let point = |threshold| PreciseThreshold {
            threshold,
            precision: 1.0,
            bound: 1.0,
            items: 10,
            recall: 1.0,
            base_rate: 0.1,
        };
        let points = [0.5, 0.5, 0.5, 0.5].map(|threshold| Some(point(threshold)));
        let shown = shown_tags(&predictions, GroupKind::Several, &[&points[..], &[None]].concat());
        let counts: Vec<(usize, usize)> = shown.labels.iter().map(|label| (label.shown, label.right)).collect();
        assert_eq!(counts, [(1, 1), (1, 0), (1, 0), (1, 1), (0, 0)]);
        assert!((shown.tags_a_photo - 4.0 / 3.0).abs() < 1e-12 && (shown.not_sure - 1.0 / 3.0).abs() < 1e-12);
        assert_eq!(shown.precision, Some(0.5));
    }

    #[test]
    fn labels_that_exclude_each_other_share_the_threshold_of_the_most_probable_one() {
        // Of 100 images, the 60 with the largest probabilities are right. The labels a and b are equally frequent.
        let line = |at: usize| {
            let top = 0.99 - at as f32 / 250.0;
            if at.is_multiple_of(2) {
                vec![top, 1.0 - top]
            } else {
                vec![1.0 - top, top]
            }
        };
        let truth = |at: usize| {
            let is_first = at.is_multiple_of(2) == (at < 60);
            vec![is_first, !is_first]
        };
        let predictions = Predictions {
            labels: ["a", "b"].map(str::to_owned).to_vec(),
            probs: (0..100).map(line).collect(),
            truth: (0..100).map(truth).collect(),
        };
        let groups: Vec<usize> = (0..100).collect();
        let points = precise_thresholds(&predictions, GroupKind::One, &groups, 0.95);
        let point = points[0].expect("60 of 63 images are right");
        assert_eq!((points[1], point.items), (Some(point), 63));
        let shown = shown_tags(&predictions, GroupKind::One, &points);
        assert_eq!(shown.labels.iter().map(|label| label.shown).sum::<usize>(), 63);
    }
}
