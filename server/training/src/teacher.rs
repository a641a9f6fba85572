//! Teachers of a distillation: bundles whose networks process the same crop as the student.

use burn::tensor::activation::sigmoid;
use burn::tensor::{Device, Tensor};
use dataset::bundle;
use shared::bundle::Manifest;
use shared::input::InputSpec;
use shared::server_models::{Classifier, load_classifier};
use std::path::PathBuf;

/// Checks that teacher and student have the same input.
///
/// # Errors
/// Names the teacher and its input.
pub(crate) fn check_input(teacher: &Manifest, student: &InputSpec) -> anyhow::Result<()> {
    anyhow::ensure!(
        teacher.input == *student,
        "the student's [input] differs from that of the teacher {} ({:?}); teachers and student must see the same crop, so use the teacher's input",
        teacher.model_id(),
        teacher.input
    );
    Ok(())
}

/// Teachers of a classifier.
#[derive(Debug)]
pub(crate) struct Teacher {
    /// One or more networks, without autodiff.
    nets: Vec<Classifier>,
    /// Share of the dataset's labels in the target, 0–1. The rest is the mean of the teachers' probabilities.
    truth: f64,
}

impl Teacher {
    /// Reads the teachers' bundles.
    ///
    /// # Errors
    /// If there is none, or one has other labels than `labels` or another input than `input`.
    pub(crate) fn read(
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
                "the teacher {} has other labels ({:?}) than the dataset ({labels:?})",
                manifest.model_id(),
                manifest.labels
            );
            Ok(load_classifier(&manifest, &weights.network, device)?)
        };
        Ok(Self {
            nets: bundles.iter().map(read).collect::<anyhow::Result<_>>()?,
            truth,
        })
    }

    /// Computes the student's target `[batch, labels]` for `images` `[batch, 3, h, w]` with the dataset's `labels`
    /// `[batch, labels]`.
    pub(crate) fn target(&self, images: &Tensor<4>, labels: Tensor<2>) -> Tensor<2> {
        let images = images.clone().without_autodiff();
        let sum = self
            .nets
            .iter()
            .map(|net| sigmoid(net.forward(images.clone())))
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
