//! Calibration and precise thresholds of one group of a classifier's labels.

use super::curve::curve;
use super::fit::{Method, calibration, fit};
use super::group::Measured;
use super::multilabel::Predictions;
use super::precise::{CONFIDENCE, ShownTags, precise_thresholds, shown_tags};
use crate::inference::forward_all;
use anyhow::Context;
use burn::tensor::Device;
use dataset::{Dataset, Images};
use shared::bundle::{
    Calibration, CalibrationMap, ChosenOn, GroupKind, LabelGroup, Manifest, PlattScale, PreciseThresholds, Weights,
};
use shared::score::sigmoid;
use shared::server_models::load_classifier;
use std::collections::HashSet;
use std::sync::Arc;

/// Share of the items of the split that calibration uses if no split is named for it.
const FITTED: f64 = 0.5;

/// Calibration of a group's probabilities.
#[derive(Debug, Clone)]
pub struct FitRule {
    /// Method.
    pub method: Method,
    /// Split to fit on. Without it, half of the items of the split that points are chosen on; the other half chooses them.
    pub split: Option<String>,
}

/// Rules for the points of a classifier.
#[derive(Debug, Clone)]
pub struct LabelRules {
    /// Precision of every threshold, 0–1.
    pub precision: f64,
    /// Name of the group. Without it, the group whose labels the dataset has.
    pub group: Option<String>,
    /// Calibration, if it is wanted.
    pub fit: Option<FitRule>,
}

/// Effect of a group's calibration and thresholds on a split.
#[derive(Debug, Clone)]
pub struct TagsEffect {
    /// Tags at the precise thresholds. `None` for the images of calibration.
    pub shown: Option<ShownTags>,
    /// Expected calibration error, 0–1, before and after calibration. `None` without calibration.
    pub errors: Option<(f64, f64)>,
}

impl std::fmt::Display for TagsEffect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some((before, after)) = self.errors {
            writeln!(
                f,
                "  calibration error {before:.4} before, {after:.4} after calibration"
            )?;
        }
        self.shown.as_ref().map_or(Ok(()), |shown| shown.fmt(f))
    }
}

/// Logits and truth of some images of a split.
struct Seen {
    name: String,
    rows: Vec<usize>,
    logits: Vec<Vec<f32>>,
    truth: Vec<Vec<bool>>,
}

impl Seen {
    fn predictions(&self, group: &LabelGroup, ids: &[String]) -> Predictions {
        Predictions {
            labels: ids.to_vec(),
            probs: self.logits.iter().map(|line| group.probabilities(line)).collect(),
            truth: self.truth.clone(),
        }
    }

    /// Divides the images in two by item: about the `share` of the items, and the rest.
    fn divide(self, dataset: &Dataset, share: f64) -> (Self, Self) {
        let (out, _) = dataset.hold_out(&self.rows, share, 0);
        let out: HashSet<usize> = out.into_iter().collect();
        let part = |is_out: bool, name: String| {
            let places: Vec<usize> = (0..self.rows.len())
                .filter(|at| out.contains(&self.rows[*at]) == is_out)
                .collect();
            Self {
                name,
                rows: places.iter().map(|at| self.rows[*at]).collect(),
                logits: places.iter().map(|at| self.logits[*at].clone()).collect(),
                truth: places.iter().map(|at| self.truth[*at].clone()).collect(),
            }
        };
        (
            part(true, format!("{} (calibration)", self.name)),
            part(false, self.name.clone()),
        )
    }
}

/// Describes the images `rows` of a split that something is chosen on.
pub(crate) fn chosen_on(dataset: &Dataset, rows: &[usize], split: &str, command: &str) -> ChosenOn {
    let items: HashSet<usize> = dataset.groups(rows).into_iter().collect();
    ChosenOn {
        command: command.to_owned(),
        data: dataset
            .dir
            .file_name()
            .map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
        data_sha256: dataset.sha256.clone(),
        split: split.to_owned(),
        photos: rows.len(),
        items: items.len(),
    }
}

/// Calibrates a group if it is wanted, and chooses its precise thresholds on the split `splits[0]`. Returns the manifest and
/// the effects by split.
///
/// # Errors
/// If the bundle does not load, a split is empty, or an image cannot be read.
pub(crate) fn choose(
    (manifest, weights): &(Manifest, Weights),
    measured: &Measured,
    images: &Arc<Images>,
    splits: &[String],
    (rules, command): (&LabelRules, &str),
    device: &Device,
) -> anyhow::Result<(Manifest, Vec<(String, TagsEffect)>)> {
    let net = load_classifier(manifest, &weights.network, device)?;
    let dataset = images.dataset();
    let look = |split: &String| -> anyhow::Result<Seen> {
        let (rows, truth) = measured.rows(dataset, split)?;
        let logits = forward_all(images, &rows, &manifest.input, device, |x| net.forward(x))?;
        let own = |line: &Vec<f32>| line[measured.columns.clone()].to_vec();
        Ok(Seen {
            name: split.clone(),
            rows,
            logits: logits.iter().map(own).collect(),
            truth,
        })
    };
    let split = splits.first().context("name a split to choose on")?;
    let mut seen = splits.iter().map(look).collect::<anyhow::Result<Vec<_>>>()?;
    let (mut group, mut effects) = (measured.group.clone(), Vec::new());
    if let Some(rule) = &rules.fit {
        let (fitted, rest) = match &rule.split {
            Some(split) => (look(split)?, seen.remove(0)),
            None => seen.remove(0).divide(dataset, FITTED),
        };
        anyhow::ensure!(
            !fitted.rows.is_empty() && !rest.rows.is_empty(),
            "the split '{split}' has too few items to calibrate on one half of them; name a split with --fit-split"
        );
        seen.insert(0, rest);
        let fitted_on = chosen_on(dataset, &fitted.rows, rule.split.as_ref().unwrap_or(split), command);
        let errors = Some(calibrate(&mut group, rule.method, (&fitted, fitted_on), measured));
        effects.push((fitted.name, TagsEffect { shown: None, errors }));
    }
    let predictions = seen[0].predictions(&group, &measured.ids);
    let points = precise_thresholds(
        &predictions,
        group.kind,
        &dataset.groups(&seen[0].rows),
        rules.precision,
    );
    group.curves = (0..measured.ids.len())
        .map(|label| curve(&predictions, label))
        .collect();
    group.precise = Some(PreciseThresholds {
        target: rules.precision,
        confidence: CONFIDENCE,
        chosen_on: chosen_on(dataset, &seen[0].rows, split, command),
        labels: points,
    });
    effects.extend(
        seen.iter()
            .map(|seen| (seen.name.clone(), effect(seen, &group, measured))),
    );
    Ok((with_group(manifest, measured, group), effects))
}

/// Measures a group's calibration and precise thresholds.
fn effect(seen: &Seen, group: &LabelGroup, measured: &Measured) -> TagsEffect {
    let predictions = seen.predictions(group, &measured.ids);
    let before = seen.predictions(&LabelGroup::new("", group.kind, group.labels), &measured.ids);
    let error = |predictions| calibration(group.kind, predictions).expected_calibration_error;
    let points = group.precise.as_ref().map(|precise| &precise.labels[..]);
    TagsEffect {
        shown: points.map(|points| shown_tags(&predictions, group.kind, points)),
        errors: group
            .calibration
            .as_ref()
            .map(|_| (error(&before), error(&predictions))),
    }
}

/// Fits a group's calibration; returns the calibration error before and after.
fn calibrate(
    group: &mut LabelGroup,
    method: Method,
    (fitted, fitted_on): (&Seen, ChosenOn),
    measured: &Measured,
) -> (f64, f64) {
    group.calibration = None;
    let error = |group: &LabelGroup| {
        calibration(group.kind, &fitted.predictions(group, &measured.ids)).expected_calibration_error
    };
    let error_before = error(group);
    group.calibration = Some(Calibration {
        map: fit(method, group.kind, &fitted.logits, &fitted.truth),
        error_before,
        error_after: error_before,
        fitted_on,
    });
    let error_after = error(group);
    if let Some(calibration) = &mut group.calibration {
        calibration.error_after = error_after;
    }
    (error_before, error_after)
}

/// Replaces a group of a manifest. Thresholds follow the calibration, so that the same labels reach them. A bundle without
/// groups keeps its form unless the group is calibrated.
fn with_group(manifest: &Manifest, measured: &Measured, group: LabelGroup) -> Manifest {
    let mut changed = manifest.clone();
    if manifest.groups.is_empty() && group.calibration.is_none() {
        changed.precise = group.precise;
        return changed;
    }
    if group.kind == GroupKind::Several {
        let old = measured.group.calibration.as_ref().map(|calibration| &calibration.map);
        let new = group.calibration.as_ref().map(|calibration| &calibration.map);
        for (label, threshold) in changed.thresholds[measured.columns.clone()].iter_mut().enumerate() {
            *threshold = moved(*threshold, label, old, new);
        }
    }
    changed.precise = None;
    changed.groups = manifest.label_groups();
    changed.groups[measured.index] = group;
    changed
}

/// Returns the threshold of calibrated probabilities that stands for the same logit as `threshold` did.
fn moved(threshold: f32, label: usize, old: Option<&CalibrationMap>, new: Option<&CalibrationMap>) -> f32 {
    if threshold <= 0.0 || threshold >= 1.0 || old == new {
        return threshold;
    }
    let scale =
        |map: Option<&CalibrationMap>| map.map_or(PlattScale { scale: 1.0, bias: 0.0 }, |map| map.of_label(label));
    let (old, new) = (scale(old), scale(new));
    let logit = ((threshold / (1.0 - threshold)).ln() - old.bias) / old.scale;
    sigmoid(new.scale * logit + new.bias)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moved_threshold_is_reached_by_the_same_logits() {
        let map = |scale: f32, bias: f32| CalibrationMap::Platt {
            labels: vec![PlattScale { scale, bias }],
        };
        let (first, second) = (map(0.5, 1.0), map(2.0, -0.5));
        let group = |map: &CalibrationMap, logit: f32| sigmoid(map.apply(&[logit])[0]);
        let logit = -0.7_f32;
        let once = moved(sigmoid(logit), 0, None, Some(&first));
        assert!((once - group(&first, logit)).abs() < 1e-6, "{once}");
        let twice = moved(once, 0, Some(&first), Some(&second));
        assert!((twice - group(&second, logit)).abs() < 1e-6, "{twice}");
        assert_eq!(
            moved(0.0, 0, None, Some(&first)),
            0.0,
            "a threshold of 0 is always reached"
        );
    }
}
