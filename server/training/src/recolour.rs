//! Preparation of recolouring before training: the selected rows and the positions of their garments.
//!
//! The champions of the style challenge enlarged their data with recoloured photos of rare labels.

use crate::labelled::Labelled;
use crate::recipe::RecolourRecipe;
use anyhow::Context;
use burn::tensor::Device;
use dataset::{Garments, Recolouring};
use evaluation::segmentation;
use std::collections::BTreeSet;

impl RecolourRecipe {
    /// Selects the training rows and finds their garments.
    ///
    /// # Errors
    /// If a label is unknown, the bundle is not a segmenter, or no row has a mask or segmenter.
    pub fn prepare(&self, data: &Labelled, device: &Device) -> anyhow::Result<Recolouring> {
        let position = |label: &String| {
            data.labels.iter().position(|known| known == label).with_context(|| {
                format!(
                    "[recolour] names the label '{label}', which the dataset lacks; it has {:?}",
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
                ids: Garments::garment_ids(&self.person),
                found: Default::default(),
            }
        } else {
            let person = (!self.person.is_empty()).then_some(&self.person[..]);
            segmentation::garments(&data.images, &rows, person, self.segmenter.as_deref(), device, || ())
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
