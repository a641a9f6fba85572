//! Operating points of a bundle: thresholds and floors that were chosen on a split for high precision, with their
//! provenance. `selvedge calibrate` chooses them. A bundle without them is complete.

use serde::{Deserialize, Serialize};

/// The pictures that operating points were chosen on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ChosenOn {
    /// The command that chose them.
    pub command: String,
    /// The dataset in words.
    pub data: String,
    /// SHA-256 of the dataset's manifest.
    pub data_sha256: String,
    /// The split.
    pub split: String,
    /// Photos of it that were used.
    pub photos: usize,
    /// Items that these photos show. A photo without an item counts as one.
    pub items: usize,
}

impl ChosenOn {
    /// Whether nothing is said of the pictures, as in a public manifest.
    pub fn is_unknown(&self) -> bool {
        *self == Self::default()
    }
}

/// Per label of a style bundle a threshold at which the label is seldom wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PreciseThresholds {
    /// Precision, 0–1, that every threshold reaches on the pictures that it was chosen on.
    pub target: f64,
    /// One-sided confidence, 0–1, of the lower bounds.
    pub confidence: f64,
    /// The pictures that the thresholds were chosen on.
    #[serde(default, skip_serializing_if = "ChosenOn::is_unknown")]
    pub chosen_on: ChosenOn,
    /// One entry a label, in the order of the bundle's labels; nothing for a label that reaches the target at no threshold.
    pub labels: Vec<Option<PreciseThreshold>>,
}

/// The precise threshold of one label, and its measurements on the split that it was chosen on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PreciseThreshold {
    /// Lowest probability, 0–1, at which the label is stated.
    pub threshold: f32,
    /// Share, 0–1, of the photos at or above the threshold that carry the label.
    pub precision: f64,
    /// Lower confidence bound of the precision, 0–1; half way from the base rate to 1, or more.
    pub bound: f64,
    /// Items that the photos at or above the threshold show.
    pub items: usize,
    /// Share, 0–1, of the photos with the label that lie at or above the threshold.
    pub recall: f64,
    /// Share, 0–1, of all photos that carry the label.
    pub base_rate: f64,
}

/// The similarity of a search's best match below which nothing of the gallery is close to the query.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScoreFloor {
    /// The floor, a cosine, -1 to 1.
    pub score: f32,
    /// Id of the model whose embeddings were searched; the floor holds for galleries of no other model.
    pub gallery: String,
    /// Largest share, 0–1, of the queries with a match that was allowed below the floor.
    pub allowed: f64,
    /// Queries whose product was among the ten best.
    pub found: usize,
    /// Share, 0–1, of these whose best match lies below the floor.
    pub lost: f64,
    /// Queries that were searched with once more after their product was taken out of the gallery.
    pub unmatched: usize,
    /// Share, 0–1, of these whose best match lies below the floor.
    pub caught: f64,
    /// The pictures that the floor was chosen on, queries and gallery.
    #[serde(default, skip_serializing_if = "ChosenOn::is_unknown")]
    pub chosen_on: ChosenOn,
}
