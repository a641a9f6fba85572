//! Recolouring of rare labels' photos, as the champions of the style challenge enlarged their data: which rows, and where
//! their garments are, decided once before training.

use super::style::Labelled;
use anyhow::Context;
use burn::tensor::Device;
use dataset::{Extent, Garments, Recolouring};
use evaluation::segmenter;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Which training photos get garments of other colours, and how often.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RecolourRecipe {
    /// How often such a photo is recoloured, above 0 to 1, in another colour each time.
    pub probability: f64,
    /// Photos that carry any of these labels.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// And photos that carry any label with fewer training rows than this; without both, all photos.
    pub below: usize,
    /// Ids of skin, hair and the like in the photos' own masks, 0 being the background; those that the segmenter learnt
    /// from if absent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub person: Vec<u8>,
    /// Folder of the segmentation bundle that finds the garments of photos without masks; they stay as they are if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub segmenter: Option<PathBuf>,
    /// What changes: the `garment`, or the `whole` picture as published.
    pub extent: Extent,
}

impl RecolourRecipe {
    /// # Errors
    /// If it never recolours anything.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        anyhow::ensure!(
            self.probability > 0.0 && self.probability <= 1.0,
            "recolour.probability must lie above 0 and at most at 1; leave [recolour] out for never"
        );
        anyhow::ensure!(
            !self.person.is_empty() || self.segmenter.is_some(),
            "[recolour] must know what is garment: name recolour.segmenter, a segmentation bundle, or for photos with \
             masks recolour.person, the ids of skin and hair"
        );
        Ok(())
    }

    /// Picks the training rows and finds their garments.
    ///
    /// # Errors
    /// If a label is unknown, the segmenter is none, or no row has a mask or segmenter.
    pub fn prepare(&self, data: &Labelled, device: &Device) -> anyhow::Result<Recolouring> {
        let position = |label: &String| {
            data.labels.iter().position(|known| known == label).with_context(|| {
                format!(
                    "[recolour] names the label '{label}', which the data lack; they have {:?}",
                    data.labels
                )
            })
        };
        let mut wanted: BTreeSet<usize> = self.labels.iter().map(position).collect::<Result<_, _>>()?;
        let positives = |label: usize| data.train.iter().filter(|row| data.truth(**row)[label]).count();
        wanted.extend((0..data.labels.len()).filter(|label| positives(*label) < self.below));
        let all = self.labels.is_empty() && self.below == 0;
        let chosen = |row: &usize| all || wanted.iter().any(|label| data.truth(*row)[*label]);
        let rows: Vec<usize> = data.train.iter().copied().filter(chosen).collect();
        let garments = if rows.is_empty() {
            Garments {
                ids: Garments::but(&self.person),
                found: Default::default(),
            }
        } else {
            let person = (!self.person.is_empty()).then_some(&self.person[..]);
            segmenter::garments(&data.images, &rows, person, self.segmenter.as_deref(), device, || ())
                .context("in [recolour]")?
        };
        eprintln!("recolouring {} of {} training photos", rows.len(), data.train.len());
        Ok(Recolouring {
            rows: rows.into_iter().collect(),
            probability: self.probability,
            extent: self.extent,
            garments,
        })
    }
}
