//! Operating points of a bundle: thresholds and score floors that were chosen on a split for high precision, with their
//! provenance.
//!
//! `selvedge calibrate` chooses them. A bundle without operating points is complete.

use serde::{Deserialize, Serialize};

/// Images that operating points were chosen on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ChosenOn {
    /// Command that chose the operating points.
    pub command: String,
    /// Dataset in words.
    pub data: String,
    /// SHA-256 of the dataset's manifest.
    pub data_sha256: String,
    /// Name of the split.
    pub split: String,
    /// Number of used photos of the split.
    pub photos: usize,
    /// Number of items that these photos show. A photo without an item counts as one item.
    pub items: usize,
}

impl ChosenOn {
    /// True if the images are not described, as in a public manifest.
    pub fn is_unknown(&self) -> bool {
        *self == Self::default()
    }
}

/// Thresholds of high precision, one per label of a style bundle.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PreciseThresholds {
    /// Precision, 0–1, that every threshold reaches on the images that it was chosen on.
    pub target: f64,
    /// One-sided confidence, 0–1, of the lower bounds.
    pub confidence: f64,
    /// Images that the thresholds were chosen on.
    #[serde(default, skip_serializing_if = "ChosenOn::is_unknown")]
    pub chosen_on: ChosenOn,
    /// One entry per label, in the order of the bundle's labels. `None` stands for a label that does not reach the target at any
    /// threshold.
    pub labels: Vec<Option<PreciseThreshold>>,
}

/// The precise threshold of one label, and its measurements on the split that it was chosen on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PreciseThreshold {
    /// Lowest probability, 0–1, at which the label is stated.
    pub threshold: f32,
    /// Share, 0–1, of the photos at or above the threshold that have the label.
    pub precision: f64,
    /// Lower confidence bound of the precision, 0–1. It is at least half way from the base rate to 1.
    pub bound: f64,
    /// Number of items that the photos at or above the threshold show.
    pub items: usize,
    /// Share, 0–1, of the photos with the label that lie at or above the threshold.
    pub recall: f64,
    /// Share, 0–1, of all photos that have the label.
    pub base_rate: f64,
}

/// Precision and recall of a label at one threshold.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CurvePoint {
    /// Probability, 0–1, at which the label is stated.
    pub threshold: f32,
    /// Share, 0–1, of the photos at or above the threshold that have the label.
    pub precision: f32,
    /// Share, 0–1, of the photos with the label that lie at or above the threshold.
    pub recall: f32,
}

impl CurvePoint {
    /// Rounds all values to three decimals, which is enough for a page and makes the manifest shorter.
    pub(super) fn round(&mut self) {
        for value in [&mut self.threshold, &mut self.precision, &mut self.recall] {
            // As f64, because an f32 of three decimals is written with them alone.
            *value = ((f64::from(*value) * 1e3).round() / 1e3) as f32;
        }
    }
}

/// Score of a search's best match below which no photo of the gallery is close to the query.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScoreFloor {
    /// The floor, a cosine, -1 to 1.
    pub score: f32,
    /// Id of the model whose embeddings were searched. The floor holds for galleries of this model alone.
    pub gallery: String,
    /// Largest allowed share, 0–1, of the queries with a match whose best match lies below the floor.
    pub allowed: f64,
    /// Number of queries whose product was among the ten best.
    pub found: usize,
    /// Share, 0–1, of these queries whose best match lies below the floor.
    pub lost: f64,
    /// Number of queries that were repeated after their product had been removed from the gallery.
    pub unmatched: usize,
    /// Share, 0–1, of the repeated queries whose best match lies below the floor.
    pub caught: f64,
    /// Score from which the best match is the same product with high precision. Absent if no score reaches the precision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub same: Option<SameScore>,
    /// Images that the floor was chosen on, queries and gallery.
    #[serde(default, skip_serializing_if = "ChosenOn::is_unknown")]
    pub chosen_on: ChosenOn,
}

/// Score of a search's best match from which it is the product of the query.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SameScore {
    /// The score, a cosine, -1 to 1.
    pub score: f32,
    /// Wanted precision, 0–1.
    pub wanted: f64,
    /// Share, 0–1, of the best matches at or above the score that are the product of the query. Half of the searches are in a
    /// gallery without that product.
    pub precision: f64,
    /// Share, 0–1, of the queries whose best match is their product that lie at or above the score.
    pub recall: f64,
}

#[cfg(test)]
mod tests {
    use super::super::Manifest;
    use serde_json::{Value, json};

    fn manifest(architecture: Value, labels: &[&str]) -> Value {
        let query = architecture["task"] == "query";
        let mut manifest = json!({
            "format": 1, "id": "m", "architecture": architecture, "labels": labels,
            "input": { "width": 64, "height": 64, "fit": "pad", "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5] },
            "thresholds": vec![0.5; labels.len()], "embedding_dim": if query { 8 } else { 0 },
            "weights": { "file": "w", "bytes": 10_000_000, "sha256": "0123456789abcdef", "dtype": "f16", "folded": true },
            "training": { "command": "", "recipe": "", "seed": 1, "commit": "", "data": "", "data_sha256": "" },
            "metrics": {}, "licence": "",
        });
        if query {
            manifest["embeds_into"] = json!("large@0123456789ab");
        }
        manifest
    }

    #[test]
    fn operating_points_are_optional_and_checked() {
        let style = || {
            let style =
                json!({ "task": "style", "backbone": "resnet10_w16", "head": "style", "hidden": 8, "n_labels": 2 });
            manifest(style, &["a", "b"])
        };
        let query = || {
            manifest(
                json!({ "task": "query", "backbone": "resnet10_w16", "embedding_dim": 8 }),
                &[],
            )
        };
        let point = |threshold: f64| json!({ "threshold": threshold, "precision": 0.9, "bound": 0.8, "items": 12, "recall": 0.4, "base_rate": 0.2 });
        let precise = |labels: Value| {
            let chosen_on = json!({ "command": "selvedge calibrate --data /home/me", "data": "me", "data_sha256": "",
                                    "split": "val", "photos": 120, "items": 40 });
            json!({ "target": 0.8, "confidence": 0.95, "chosen_on": chosen_on, "labels": labels })
        };
        let floor = |score: f64| {
            json!({ "score": score, "gallery": "large@0123456789ab", "allowed": 0.05, "found": 40, "lost": 0.05,
                    "unmatched": 40, "caught": 0.5 })
        };
        let with = |mut manifest: Value, key: &str, value: Value| {
            manifest[key] = value;
            manifest
        };
        let read =
            |manifest: Value| Manifest::from_json(manifest.to_string().as_bytes()).map_err(|error| error.to_string());

        let plain = read(style()).expect("a bundle without points");
        assert!(plain.tags(&[0.0, 1.0]).iter().all(|tag| tag.precise.is_none()));
        let stated = read(with(style(), "precise", precise(json!([null, point(0.75)])))).expect("a bundle with points");
        assert_eq!(
            stated.model_id(),
            plain.model_id(),
            "operating points do not change the id of the model"
        );
        let tags = stated.tags(&[0.0, 1.0]);
        let tags: Vec<_> = tags.iter().map(|tag| (tag.id.as_str(), tag.precise)).collect();
        assert_eq!(tags, [("b", Some(0.75)), ("a", None)]);

        let public = serde_json::to_value(stated.public()).expect("serialises");
        assert_eq!(
            public["precise"]["labels"][1]["threshold"], 0.75,
            "the page needs the threshold"
        );
        assert!(
            !public.to_string().contains("/home/me"),
            "the public manifest has a private path: {public}"
        );
        assert_eq!(
            read(public).expect("a public manifest").tags(&[0.0, 1.0]),
            stated.tags(&[0.0, 1.0])
        );

        let plain = read(query()).expect("an encoder without a floor");
        assert_eq!(plain.floor_in("large@0123456789ab"), None);
        let stated = read(with(query(), "floor", floor(0.5))).expect("an encoder with a floor");
        assert_eq!((stated.model_id(), stated.space()), (plain.model_id(), plain.space()));
        assert_eq!(stated.floor_in("large@0123456789ab"), Some(0.5));
        assert_eq!(
            stated.floor_in("large@0123456789ab+abcdef012345"),
            None,
            "another gallery"
        );

        for (wrong, expected) in [
            (
                with(style(), "precise", precise(json!([point(0.75)]))),
                "differ in number",
            ),
            (
                with(style(), "precise", precise(json!([null, point(1.5)]))),
                "not between 0 and 1",
            ),
            (
                with(query(), "precise", precise(json!([]))),
                "a style bundle, and nothing else",
            ),
            (with(query(), "floor", floor(1.5)), "not between -1 and 1"),
            (
                with(style(), "floor", floor(0.5)),
                "a retrieval network or a query encoder, and nothing else",
            ),
        ] {
            let error = read(wrong).expect_err(expected);
            assert!(error.contains(expected), "'{error}' does not say '{expected}'");
        }
    }
}
