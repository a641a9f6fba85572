//! Ranking metrics of a label's probabilities, which need no thresholds: average precision and area under the ROC curve.
//!
//! Images of equal probability share one place, as in scikit-learn.

use super::multilabel::Predictions;
use shared::score::descending;

/// Images of a label from the most to the least probable.
#[derive(Debug, Clone)]
pub struct Ranking {
    places: Vec<Place>,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    image: usize,
    on: bool,
    /// True if the next image is less probable.
    ends_tie: bool,
}

/// Areas under a label's curves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Areas {
    /// Σ (Rₙ − Rₙ₋₁) Pₙ over distinct probabilities from high to low; NaN without a positive image. Chance gives the share
    /// of positive images.
    pub average_precision: f64,
    /// Probability that a positive image ranks above a negative one, with ties counted half; NaN unless there are both.
    /// Chance gives ½.
    pub roc_auc: f64,
}

impl Ranking {
    /// Ranks the images by a label's probability.
    pub fn new(predictions: &Predictions, label: usize) -> Self {
        let prob = |image: usize| predictions.probs[image][label];
        let mut order = predictions.all();
        order.sort_by(|a, b| descending(prob(*a), prob(*b)));
        let places = order.iter().enumerate().map(|(at, &image)| Place {
            image,
            on: predictions.truth[image][label],
            ends_tie: order
                .get(at + 1)
                .is_none_or(|next| descending(prob(image), prob(*next)).is_ne()),
        });
        Self {
            places: places.collect(),
        }
    }

    /// Computes the areas with each image counted as often as `weights`, `[image]`, states.
    pub fn areas(&self, weights: &[u32]) -> Areas {
        let (mut positive, mut negative) = (0u64, 0u64);
        let (mut new_positive, mut new_negative) = (0u64, 0u64);
        let (mut precision, mut pairs) = (0.0, 0.0);
        for place in &self.places {
            let weight = u64::from(weights[place.image]);
            if place.on {
                new_positive += weight
            } else {
                new_negative += weight
            }
            if place.ends_tie {
                pairs += new_negative as f64 * (positive as f64 + new_positive as f64 / 2.0);
                positive += new_positive;
                negative += new_negative;
                if new_positive > 0 {
                    precision += new_positive as f64 * positive as f64 / (positive + negative) as f64;
                }
                (new_positive, new_negative) = (0, 0);
            }
        }
        let (positive, negative) = (positive as f64, negative as f64);
        Areas {
            average_precision: precision / positive,
            roc_auc: pairs / (positive * negative),
        }
    }
}

/// Computes the mean of the values that are not NaN; NaN if there are none.
pub fn mean_of_numbers(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, n) = values
        .filter(|value| !value.is_nan())
        .fold((0.0, 0u32), |(sum, n), value| (sum + value, n + 1));
    sum / f64::from(n)
}
