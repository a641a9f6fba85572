//! Reading and checking of manifests.

use super::error::BundleError;
use super::groups::{CalibrationMap, GroupKind, LabelGroup};
use super::manifest::{FORMAT, Manifest, ProjectionInfo};
use super::points::PreciseThresholds;
use crate::model::{Architecture, BackboneConfig};

impl Manifest {
    /// Reads and checks a manifest.
    ///
    /// # Errors
    /// [`BundleError::Manifest`] if the JSON is not a manifest, [`BundleError::Inconsistent`] if the manifest contradicts
    /// itself.
    pub fn from_json(json: &[u8]) -> Result<Self, BundleError> {
        let manifest: Self = serde_json::from_slice(json).map_err(|error| BundleError::Manifest(error.to_string()))?;
        manifest.check()?;
        Ok(manifest)
    }

    fn check(&self) -> Result<(), BundleError> {
        expect(
            self.format == FORMAT,
            "it is of another format; use a matching version of selvedge",
        )?;
        self.input
            .check()
            .map_err(|error| BundleError::Inconsistent(error.to_string()))?;
        // Every size in the architecture is the length of a parameter, and each value of a parameter takes a byte or more.
        let sizes =
            serde_json::to_value(&self.architecture).map_err(|error| BundleError::Manifest(error.to_string()))?;
        expect(
            largest(&sizes) <= self.weights.bytes,
            "the architecture is larger than its file of weights",
        )?;
        expect(
            self.thresholds.iter().all(|t| (0.0..=1.0).contains(t)),
            "a threshold is not between 0 and 1",
        )?;
        expect(
            is_plain_name(&self.weights.file),
            "the weights file is not a plain file name",
        )?;
        // An unknown backbone is reported when the network is built.
        let smallest =
            BackboneConfig::named(self.architecture.backbone()).map_or(1, |backbone| backbone.input().smallest);
        let side = self.input.width.min(self.input.height);
        expect(side >= smallest, "the input is smaller than the backbone can see")?;
        expect(
            self.embeds_into.is_some() == matches!(self.architecture, Architecture::Query(_)),
            "a query encoder, and nothing else, names the model whose space it embeds into",
        )?;
        self.check_points()?;
        self.check_groups()?;
        match &self.projection {
            Some(projection) => self.check_projected(projection),
            None => self.check_outputs(),
        }
    }

    /// Checks the operating points.
    fn check_points(&self) -> Result<(), BundleError> {
        if let Some(precise) = &self.precise {
            let style = matches!(self.architecture, Architecture::Style(_));
            expect(style, "a style bundle, and nothing else, has precise thresholds")?;
            expect(
                self.groups.is_empty(),
                "the precise thresholds of a bundle with groups belong to the groups",
            )?;
            check_precise(precise, self.labels.len())?;
        }
        if let Some(floor) = &self.floor {
            let searches = matches!(self.architecture, Architecture::Retrieval(_) | Architecture::Query(_));
            expect(
                searches,
                "a retrieval network or a query encoder, and nothing else, has a score floor",
            )?;
            expect(
                (-1.0..=1.0).contains(&floor.score),
                "the score floor is not between -1 and 1",
            )?;
        }
        Ok(())
    }

    /// Checks the groups against the labels.
    fn check_groups(&self) -> Result<(), BundleError> {
        if self.groups.is_empty() {
            return Ok(());
        }
        let style = matches!(self.architecture, Architecture::Style(_));
        expect(style, "a style bundle, and nothing else, has groups of labels")?;
        let total = self
            .groups
            .iter()
            .try_fold(0_usize, |sum, group| sum.checked_add(group.labels));
        expect(
            total == Some(self.labels.len()),
            "the groups have another number of labels than the bundle",
        )?;
        let mut begin = 0;
        for (at, group) in self.groups.iter().enumerate() {
            let is_known = |name: &String| self.groups[..at].iter().any(|other| other.name == *name);
            expect(
                !group.name.is_empty() && !is_known(&group.name),
                "a group has no name or the name of another",
            )?;
            let labels = &self.labels[begin..begin + group.labels];
            begin += group.labels;
            expect(
                (1..labels.len()).all(|label| !labels[..label].contains(&labels[label])),
                "a group has a label twice",
            )?;
            check_group(group)?;
        }
        Ok(())
    }

    /// Checks the projection against the network.
    fn check_projected(&self, projection: &ProjectionInfo) -> Result<(), BundleError> {
        expect(
            is_plain_name(&projection.file),
            "the projection's file is not a plain file name",
        )?;
        expect(
            projection.file != self.weights.file,
            "the projection's file is that of the weights",
        )?;
        let Architecture::Retrieval(retrieval) = &self.architecture else {
            return expect(false, "a retrieval network, and nothing else, has a projection");
        };
        let lengths = 1..=retrieval.embedding_dim();
        expect(
            lengths.contains(&self.embedding_dim),
            "the projection is to more values than the network's",
        )
    }

    /// Checks the number of the network's outputs.
    fn check_outputs(&self) -> Result<(), BundleError> {
        match &self.architecture {
            Architecture::Style(style) => {
                expect(style.n_labels > 0, "there are no labels")?;
                expect(
                    self.labels.len() == self.thresholds.len(),
                    "labels and thresholds differ in number",
                )?;
                expect(
                    style.n_labels == self.labels.len(),
                    "the architecture has another number of labels",
                )
            }
            Architecture::Retrieval(retrieval) => expect(
                retrieval.embedding_dim() == self.embedding_dim,
                "the architecture has another embedding length",
            ),
            Architecture::Query(query) => {
                expect(query.embedding_dim > 0, "the embedding has no values")?;
                expect(
                    query.embedding_dim == self.embedding_dim,
                    "the architecture has another embedding length",
                )
            }
            Architecture::Segment(segment) => expect(
                segment.ids.len() == self.labels.len(),
                "the architecture has another number of classes",
            ),
        }
    }
}

/// Checks a group by itself.
fn check_group(group: &LabelGroup) -> Result<(), BundleError> {
    expect(
        group.labels >= if group.kind == GroupKind::One { 2 } else { 1 },
        "a group has no labels, or excludes labels of which it has fewer than two labels",
    )?;
    if let Some(precise) = &group.precise {
        check_precise(precise, group.labels)?;
    }
    let shares_are_valid = group.curves.iter().flatten().all(|point| {
        [point.threshold, point.precision, point.recall]
            .iter()
            .all(|share| (0.0..=1.0).contains(share))
    });
    expect(
        shares_are_valid && [0, group.labels].contains(&group.curves.len()),
        "labels and curves differ in number, or a value of a curve is not between 0 and 1",
    )?;
    let is_scale = |scale: f32| scale.is_finite() && scale > 0.0;
    let fits = group
        .calibration
        .as_ref()
        .is_none_or(|calibration| match &calibration.map {
            CalibrationMap::Temperature { temperature } => is_scale(*temperature),
            CalibrationMap::Platt { labels } => {
                group.kind == GroupKind::Several
                    && labels.len() == group.labels
                    && labels
                        .iter()
                        .all(|label| is_scale(label.scale) && label.bias.is_finite())
            }
        });
    expect(
        fits,
        "the calibration of a group has a scale that is not positive, or does not fit the kind or the labels of the group",
    )
}

/// Checks precise thresholds for `n` labels.
fn check_precise(precise: &PreciseThresholds, n: usize) -> Result<(), BundleError> {
    expect(
        precise.labels.len() == n,
        "labels and precise thresholds differ in number",
    )?;
    expect(
        precise
            .labels
            .iter()
            .flatten()
            .all(|point| (0.0..=1.0).contains(&point.threshold)),
        "a precise threshold is not between 0 and 1",
    )
}

/// Returns [`BundleError::Inconsistent`] with the message unless the condition holds.
fn expect(holds: bool, message: &str) -> Result<(), BundleError> {
    if holds {
        Ok(())
    } else {
        Err(BundleError::Inconsistent(message.to_owned()))
    }
}

/// True if the name is that of a visible file in the bundle's own folder.
fn is_plain_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(['/', '\\']) && !name.starts_with('.')
}

/// Returns the largest whole number in a JSON value.
fn largest(json: &serde_json::Value) -> u64 {
    match json {
        serde_json::Value::Array(items) => items.iter().map(largest).max().unwrap_or(0),
        serde_json::Value::Object(entries) => entries.values().map(largest).max().unwrap_or(0),
        other => other.as_u64().unwrap_or(0),
    }
}
