//! Probabilities and tags of an image from the logits of a style bundle's network.

use super::groups::{DEFAULT_GROUP, GroupKind, LabelGroup};
use super::manifest::Manifest;
use crate::score::{Tag, most_probable_first, top_k};
use std::ops::Range;

impl Manifest {
    /// Groups of the labels. A bundle without groups has one of the kind `several`, named [`DEFAULT_GROUP`].
    pub fn label_groups(&self) -> Vec<LabelGroup> {
        if !self.groups.is_empty() {
            return self.groups.clone();
        }
        vec![LabelGroup {
            precise: self.precise.clone(),
            ..LabelGroup::new(DEFAULT_GROUP, GroupKind::Several, self.labels.len())
        }]
    }

    /// Groups of the labels, each with the indices of its labels.
    pub fn group_ranges(&self) -> Vec<(LabelGroup, Range<usize>)> {
        let mut end = 0;
        let range = |group: LabelGroup| {
            let begin = end;
            end += group.labels;
            (group, begin..end)
        };
        self.label_groups().into_iter().map(range).collect()
    }

    /// Computes the calibrated probabilities of logits. Both have one value per label of the bundle.
    pub fn probabilities(&self, logits: &[f32]) -> Vec<f32> {
        let of_group = |(group, range): (LabelGroup, Range<usize>)| group.probabilities(&logits[range]);
        self.group_ranges().into_iter().flat_map(of_group).collect()
    }

    /// Returns the tags of an image, most probable first, from its logits, one per label.
    pub fn tags(&self, logits: &[f32]) -> Vec<Tag> {
        let mut tags = Vec::with_capacity(self.labels.len());
        for (group, range) in self.group_ranges() {
            let probs = group.probabilities(&logits[range.clone()]);
            let top = top_k(&probs, 1).first().map(|(label, _)| *label);
            for (label, prob) in probs.into_iter().enumerate() {
                let at = range.start + label;
                let is_candidate = group.kind == GroupKind::Several || top == Some(label);
                let precise = group.precise_threshold(label);
                tags.push(Tag {
                    id: self.labels[at].clone(),
                    group: group.name.clone(),
                    prob,
                    threshold: self.thresholds[at],
                    precise,
                    on: is_candidate && prob >= self.thresholds[at],
                    stated: is_candidate && precise.is_some_and(|precise| prob >= precise),
                });
            }
        }
        most_probable_first(tags)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Manifest;
    use serde_json::{Value, json};

    /// Manifest of a style bundle with the labels a, b, c and d.
    fn manifest() -> Value {
        json!({
            "format": 1, "id": "m", "labels": ["a", "b", "c", "d"], "thresholds": [0.5, 0.9, 0.0, 0.0],
            "architecture": { "task": "style", "backbone": "resnet10_w16", "head": "style", "hidden": 8, "n_labels": 4 },
            "input": { "width": 64, "height": 64, "fit": "pad", "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5] },
            "embedding_dim": 0, "licence": "",
            "weights": { "file": "w", "bytes": 10_000_000, "sha256": "0123456789abcdef", "dtype": "f16", "folded": true },
        })
    }

    fn read(manifest: &Value) -> Result<Manifest, String> {
        Manifest::from_json(manifest.to_string().as_bytes()).map_err(|error| error.to_string())
    }

    /// Label, group, and whether the tag is on and stated.
    type Shown = (String, String, bool, bool);

    /// The tags of an image, and their probabilities.
    fn tags(manifest: &Value, logits: [f32; 4]) -> (Vec<Shown>, Vec<f32>) {
        let tags = read(manifest).expect("the manifest is valid").tags(&logits);
        let probs = tags.iter().map(|tag| tag.prob).collect();
        let shown = tags.into_iter().map(|tag| (tag.id, tag.group, tag.on, tag.stated));
        (shown.collect(), probs)
    }

    fn point(threshold: f64) -> Value {
        json!({ "threshold": threshold, "precision": 0.9, "bound": 0.8, "items": 12, "recall": 0.4, "base_rate": 0.2 })
    }

    #[test]
    fn a_bundle_without_groups_has_one_of_several_labels() {
        let text = manifest().to_string();
        let old = Manifest::from_json(text.as_bytes()).expect("the manifest is valid");
        assert_eq!(serde_json::to_value(&old).expect("it serialises").get("groups"), None);
        let groups = old.label_groups();
        assert_eq!(
            (groups.len(), groups[0].name.as_str(), groups[0].labels),
            (1, "style", 4)
        );
        let (shown, probs) = tags(&manifest(), [0.0, 2.0, f32::NAN, -1.0]);
        let shown: Vec<_> = shown
            .iter()
            .map(|(id, group, on, _)| (id.as_str(), group.as_str(), *on))
            .collect();
        assert_eq!(
            shown,
            [
                ("b", "style", false),
                ("a", "style", true),
                ("d", "style", true),
                ("c", "style", false)
            ]
        );
        assert_eq!(probs[..3], [2.0_f32, 0.0, -1.0].map(crate::score::sigmoid));
    }

    #[test]
    fn labels_of_a_group_of_one_exclude_each_other_and_only_the_first_is_stated() {
        let mut grouped = manifest();
        let precise = |labels: Value| json!({ "target": 0.8, "confidence": 0.95, "labels": labels });
        grouped["groups"] = json!([
            { "name": "style", "kind": "several", "labels": 2, "precise": precise(json!([point(0.4), null])) },
            { "name": "category", "kind": "one", "labels": 2, "precise": precise(json!([point(0.1), point(0.1)])) },
        ]);
        let three = 3.0_f32.ln();
        let (shown, probs) = tags(&grouped, [0.0, 4.0, three, 0.0]);
        let shown: Vec<_> = shown
            .iter()
            .map(|(id, _, on, stated)| (id.as_str(), *on, *stated))
            .collect();
        // Labels c and d have the odds 3 : 1.
        assert_eq!(
            shown,
            [
                ("b", true, false),
                ("c", true, true),
                ("a", true, true),
                ("d", false, false)
            ]
        );
        assert!(
            (probs[1] - 0.75).abs() < 1e-6 && (probs[3] - 0.25).abs() < 1e-6,
            "{probs:?}"
        );
    }

    #[test]
    fn calibration_changes_probabilities() {
        let mut grouped = manifest();
        let measured = |map: Value| {
            let mut calibration = map;
            calibration["error_before"] = json!(0.1);
            calibration["error_after"] = json!(0.02);
            calibration
        };
        let scales = json!([{ "scale": 2.0, "bias": -1.0 }, { "scale": 1.0, "bias": 0.0 }]);
        grouped["groups"] = json!([
            { "name": "style", "kind": "several", "labels": 2,
              "calibration": measured(json!({ "method": "platt", "labels": scales })) },
            { "name": "category", "kind": "one", "labels": 2,
              "calibration": measured(json!({ "method": "temperature", "temperature": 2.0 })) },
        ]);
        let manifest = read(&grouped).expect("the manifest is valid");
        let nine = 9.0_f32.ln();
        let probs = manifest.probabilities(&[0.5, 0.0, nine, 0.0]);
        // The temperature 2 makes the odds 9 : 1 the odds 3 : 1.
        for (prob, expected) in probs.iter().zip([0.5, 0.5, 0.75, 0.25]) {
            assert!((prob - expected).abs() < 1e-6, "{probs:?}");
        }
    }

    #[test]
    fn groups_that_contradict_the_labels_are_refused() {
        let group = |name: &str, kind: &str, labels: usize| json!({ "name": name, "kind": kind, "labels": labels });
        let platt = json!({ "method": "platt", "labels": [{ "scale": 1.0, "bias": 0.0 }], "error_before": 0, "error_after": 0 });
        let mut calibrated = group("style", "several", 4);
        calibrated["calibration"] = platt;
        for (groups, expected) in [
            (json!([group("style", "several", 3)]), "another number of labels"),
            (
                json!([group("a", "several", 2), group("a", "several", 2)]),
                "the name of another",
            ),
            (
                json!([group("a", "several", 3), group("b", "one", 1)]),
                "fewer than two labels",
            ),
            (json!([calibrated]), "calibration"),
        ] {
            let mut wrong = manifest();
            wrong["groups"] = groups;
            let error = read(&wrong).expect_err("the manifest contradicts itself");
            assert!(error.contains(expected), "{expected}: {error}");
        }
    }
}
