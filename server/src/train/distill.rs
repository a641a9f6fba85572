//! Distillation: the student learns the teacher's probabilities, each label on its own, on the very crop the teacher saw.

use burn::tensor::Tensor;
use burn::tensor::activation::sigmoid;
use shared::input::InputSpec;
use shared::model::StyleNet;

/// Who a student learns from.
#[derive(Debug)]
pub struct Teacher {
    /// The teacher, without autodiff.
    pub net: StyleNet,
    /// Share of the dataset's labels in the target, 0–1; the rest is the teacher's probabilities.
    pub truth: f64,
}

impl Teacher {
    /// What the student should answer to `images`, `[batch, 3, h, w]`, whose labels are `labels`, `[batch, labels]`.
    pub fn target(&self, images: &Tensor<4>, labels: Tensor<2>) -> Tensor<2> {
        let seen = images.clone().without_autodiff();
        let soft = Tensor::from_inner(sigmoid(self.net.forward(seen))).to_device(&labels.device());
        if self.truth > 0.0 { soft * (1.0 - self.truth) + labels * self.truth } else { soft }
    }
}

/// Whether student and teacher see pictures alike.
///
/// # Errors
/// If the input specifications differ at all: the teacher is shown the very pixels that the student sees.
pub fn check_inputs(student: &InputSpec, teacher: &InputSpec) -> anyhow::Result<()> {
    anyhow::ensure!(
        student == teacher,
        "the student's [input] differs from the teacher's ({teacher:?}); teacher and student must see the same crop, so use the teacher's input"
    );
    Ok(())
}
