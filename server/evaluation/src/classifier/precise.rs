//! Precise thresholds: per label the lowest probability from which on the label is seldom wrong.
//!
//! Precision on a few photos proves little, so the rule also asks for [`MIN_ITEMS`] items and for the precision's lower
//! confidence bound (Wilson 1927). Both count items, not photos: the photos of one item carry the same labels and are right or
//! wrong together. The bound must halve the errors of stating the label always. So a label that most photos carry is not
//! stated for being frequent, and every label that is stated is more probably right than wrong.

use super::multilabel::Predictions;
use serde::Serialize;
use shared::bundle::PreciseThreshold;
use shared::score::{descending, top_k};
use std::collections::HashSet;

/// One-sided confidence of the lower bound.
pub const CONFIDENCE: f64 = 0.95;
/// The standard normal quantile of [`CONFIDENCE`].
const Z: f64 = 1.644_853_626_951_472_7;
/// Items that a precision is measured on at least.
pub const MIN_ITEMS: usize = 10;
/// Tags that a page shows at most.
pub const SHOWN: usize = 3;

/// Lower end of Wilson's interval at [`CONFIDENCE`] for a share of `n` observations; 0 for none.
pub fn lower_bound(share: f64, n: usize) -> f64 {
    if n == 0 {
        return 0.0;
    }
    let n = n as f64;
    let centre = share + Z * Z / (2.0 * n);
    let spread = Z * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    ((centre - spread) / (1.0 + Z * Z / n)).max(0.0)
}

/// Precision that the lower bound must reach for a label that this share of the photos carry: half way from the precision of
/// stating it always to 1.
pub fn required(base_rate: f64) -> f64 {
    (1.0 + base_rate) / 2.0
}

/// Per label the lowest threshold with a precision of `target` on [`MIN_ITEMS`] or more items and a lower bound of
/// [`required`]; nothing for a label that has none. `groups` says which photos show one item.
pub fn precise_thresholds(predictions: &Predictions, groups: &[usize], target: f64) -> Vec<Option<PreciseThreshold>> {
    (0..predictions.labels.len())
        .map(|label| precise_threshold(predictions, groups, target, label))
        .collect()
}

fn precise_threshold(
    predictions: &Predictions,
    groups: &[usize],
    target: f64,
    label: usize,
) -> Option<PreciseThreshold> {
    let mut photos: Vec<(f32, bool, usize)> = (predictions.probs.iter().zip(&predictions.truth).zip(groups))
        .map(|((probs, truth), group)| (probs[label], truth[label], *group))
        .filter(|(prob, ..)| prob.is_finite())
        .collect();
    photos.sort_by(|a, b| descending(a.0, b.0));
    let support = predictions.support(label);
    let base_rate = support as f64 / predictions.truth.len().max(1) as f64;
    let (mut right, mut items, mut found) = (0, HashSet::new(), None);
    for (at, (prob, is_right, group)) in photos.iter().enumerate() {
        right += usize::from(*is_right);
        items.insert(*group);
        // A threshold takes all photos of one probability or none.
        if photos.get(at + 1).is_some_and(|next| next.0 == *prob) {
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

/// What a page shows of a split by precise thresholds: the [`SHOWN`] most probable labels that reach theirs.
#[derive(Debug, Clone, Serialize)]
pub struct ShownTags {
    /// Photos of the split.
    pub photos: usize,
    /// Tags shown, mean over all photos.
    pub tags_a_photo: f64,
    /// Share, 0–1, of the photos without a tag.
    pub not_sure: f64,
    /// Share, 0–1, of the tags shown that are right; nothing where none is shown.
    pub precision: Option<f64>,
    /// One entry a label.
    pub labels: Vec<ShownLabel>,
}

/// A label as a page shows it.
#[derive(Debug, Clone, Serialize)]
pub struct ShownLabel {
    /// Label identifier.
    pub id: String,
    /// Photos that carry it.
    pub support: usize,
    /// Photos that it is shown for.
    pub shown: usize,
    /// Photos that it is rightly shown for.
    pub right: usize,
}

/// Measures what a page shows of a split.
pub fn shown_tags(predictions: &Predictions, points: &[Option<PreciseThreshold>]) -> ShownTags {
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
        let ranked = top_k(probs, probs.len()).into_iter();
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
            "  {} photos: {:.2} tags a photo, {:.1} % without a tag, precision of tags {precision}",
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
            let share = |of: usize| match of {
                0 => "-".to_owned(),
                of => format!("{:.3}", *right as f64 / of as f64),
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

    /// Photos of one label, as probability and truth, each of an item of its own.
    fn one_label(photos: impl IntoIterator<Item = (f32, bool)>) -> (Predictions, Vec<usize>) {
        let (probs, truth): (Vec<_>, Vec<_>) = photos.into_iter().map(|(prob, on)| (vec![prob], vec![on])).unzip();
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
        precise_thresholds(predictions, groups, target)[0].map(|point| point.threshold)
    }

    #[test]
    fn the_bound_is_wilsons() {
        // Computed in Python from the formula; of a share of 1 it is n / (n + z²).
        for (share, n, expected) in [(1.0, 10, 0.787_058), (0.9, 100, 0.839_644), (0.5, 20, 0.327_404)] {
            assert!(
                (lower_bound(share, n) - expected).abs() < 1e-6,
                "{share} of {n}: {}",
                lower_bound(share, n)
            );
        }
        assert_eq!((lower_bound(0.0, 5), lower_bound(1.0, 0)), (0.0, 0.0));
    }

    /// Photos by falling probability, the first `right` of which carry the label.
    fn ranked(photos: usize, right: usize) -> (Predictions, Vec<usize>) {
        one_label((0..photos).map(|at| (1.0 - at as f32 / 1000.0, at < right)))
    }

    #[test]
    fn the_lowest_threshold_with_enough_evidence_is_chosen() {
        let prob = |photos: usize| 1.0 - (photos - 1) as f32 / 1000.0;
        // 40 of 50 are right and bound .69; 40 of 42 and .86; the base rate of a seventh asks for .57.
        for (target, photos) in [(0.8, 50), (0.95, 42), (1.0, 40)] {
            assert_eq!(chosen(&ranked(280, 40), target), Some(prob(photos)), "{target}");
        }
        assert_eq!(chosen(&ranked(280, 10), 0.8), Some(prob(12)), "10 of 12");
        assert_eq!(
            chosen(&ranked(280, 7), 0.8),
            None,
            "a precision on eight items proves nothing"
        );
        assert_eq!(chosen(&ranked(280, 0), 0.8), None, "no positive photo");
        assert_eq!(chosen(&ranked(0, 0), 0.8), None, "no photo");
        assert_eq!(
            chosen(&ranked(280, 280), 0.8),
            None,
            "all carry it: nothing to tell apart"
        );
        let mixed = one_label((0..280).map(|at| (1.0 - at as f32 / 1000.0, at % 4 != 0)));
        assert_eq!(
            chosen(&mixed, 0.7),
            None,
            "three of four carry it, whatever the probability"
        );
    }

    #[test]
    fn photos_of_one_item_are_one_observation() {
        let (predictions, _) = ranked(280, 40);
        for (photos_of_one, stated) in [(2, true), (4, true), (8, false)] {
            let groups: Vec<usize> = (0..280).map(|at| at / photos_of_one).collect();
            assert_eq!(
                chosen(&(predictions.clone(), groups), 0.8).is_some(),
                stated,
                "{photos_of_one}"
            );
        }
    }

    #[test]
    fn a_label_of_most_photos_must_say_more_than_that() {
        // Nine of ten photos carry it, whatever the probability says.
        let constant = one_label((0..500).map(|at| (0.9 + at as f32 / 10_000.0, at % 10 != 3)));
        assert!(lower_bound(0.9, 500) > 0.8, "the target alone would let it through");
        assert_eq!(chosen(&constant, 0.8), None);
        // The same share, but the wrong ones lie below: half the errors go at a threshold above most of them.
        let telling = ranked(500, 450);
        let point = precise_thresholds(&telling.0, &telling.1, 0.8)[0].expect("a threshold");
        assert!((point.base_rate - 0.9).abs() < 1e-9 && point.bound >= 0.95, "{point:?}");
    }

    #[test]
    fn equal_probabilities_stand_or_fall_together() {
        let equal = one_label((0..100).map(|at| (if at < 60 { 0.7 } else { 0.1 }, at < 30)));
        assert_eq!(chosen(&equal, 0.8), None, "half of those at 0.7 are wrong");
    }

    #[test]
    fn three_tags_are_shown_at_most() {
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
        let shown = shown_tags(&predictions, &[&points[..], &[None]].concat());
        let counts: Vec<(usize, usize)> = shown.labels.iter().map(|label| (label.shown, label.right)).collect();
        assert_eq!(counts, [(1, 1), (1, 0), (1, 0), (1, 1), (0, 0)]);
        assert!((shown.tags_a_photo - 4.0 / 3.0).abs() < 1e-12 && (shown.not_sure - 1.0 / 3.0).abs() < 1e-12);
        assert_eq!(shown.precision, Some(0.5));
    }
}
