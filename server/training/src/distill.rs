//! Distillation: the student learns the mean of its teachers' probabilities, each label on its own, on the very crop that
//! the teachers saw.

use burn::tensor::activation::sigmoid;
use burn::tensor::{Device, Tensor};
use dataset::bundle;
use shared::bundle::{Manifest, load_style};
use shared::input::InputSpec;
use shared::model::StyleNet;
use std::path::PathBuf;

/// Refuses a teacher that sees pictures otherwise than the student.
pub(super) fn check_input(teacher: &Manifest, student: &InputSpec) -> anyhow::Result<()> {
    anyhow::ensure!(
        teacher.input == *student,
        "the student's [input] differs from that of the teacher {} ({:?}); teachers and student must see the same crop, so use the teacher's input",
        teacher.model_id(),
        teacher.input
    );
    Ok(())
}

/// Whom a student learns from.
#[derive(Debug)]
pub struct Teacher {
    /// One network or several, without autodiff.
    nets: Vec<StyleNet>,
    /// Share of the dataset's labels in the target, 0–1; the rest is the mean of the teachers' probabilities.
    truth: f64,
}

impl Teacher {
    /// Reads the teachers' bundles.
    ///
    /// # Errors
    /// If there is none, or one knows other labels than `labels` or expects another input than `input`: a teacher is shown
    /// the very pixels that the student sees.
    pub fn read(
        bundles: &[PathBuf],
        labels: &[String],
        input: &InputSpec,
        truth: f64,
        device: &Device,
    ) -> anyhow::Result<Self> {
        anyhow::ensure!(
            !bundles.is_empty(),
            "a distillation needs --teacher, the folder of a teacher's bundle"
        );
        let read = |bundle: &PathBuf| {
            let (manifest, weights) = bundle::read(bundle)?;
            check_input(&manifest, input)?;
            anyhow::ensure!(
                manifest.labels == labels,
                "the teacher {} knows other labels ({:?}) than the dataset's ({labels:?})",
                manifest.model_id(),
                manifest.labels
            );
            Ok(load_style(&manifest, &weights, device)?)
        };
        Ok(Self {
            nets: bundles.iter().map(read).collect::<anyhow::Result<_>>()?,
            truth,
        })
    }

    /// What the student should answer to `images`, `[batch, 3, h, w]`, whose labels are `labels`, `[batch, labels]`.
    pub fn target(&self, images: &Tensor<4>, labels: Tensor<2>) -> Tensor<2> {
        let seen = images.clone().without_autodiff();
        let sum = self
            .nets
            .iter()
            .map(|net| sigmoid(net.forward(seen.clone())))
            .reduce(|sum, probs| sum + probs);
        let Some(sum) = sum else { return labels };
        let soft = Tensor::from_inner(sum / self.nets.len() as f64).to_device(&labels.device());
        if self.truth > 0.0 {
            soft * (1.0 - self.truth) + labels * self.truth
        } else {
            soft
        }
    }
}
