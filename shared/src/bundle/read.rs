//! Reading and checking of manifests.

use super::error::BundleError;
use super::manifest::{FORMAT, Manifest, ProjectionInfo};
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
                precise.labels.len() == self.labels.len(),
                "labels and precise thresholds differ in number",
            )?;
            let mut points = precise.labels.iter().flatten();
            expect(
                points.all(|point| (0.0..=1.0).contains(&point.threshold)),
                "a precise threshold is not between 0 and 1",
            )?;
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
