//! Distillation: the student learns the teacher's probabilities, each label on its own, on the very crop the teacher saw.

use super::engine::{Figures, Objective};
use super::loss::bce;
use super::recipe::Recipe;
use super::style::Labelled;
use burn::tensor::activation::sigmoid;
use burn::tensor::{Device, Tensor};
use shared::input::InputSpec;
use shared::model::StyleNet;
use shared::weights::{Precision, save};

/// Binary cross-entropy against a teacher's probabilities.
#[derive(Debug)]
pub struct DistillObjective<'a> {
    /// The data; its labels choose the epoch and, by `truth`, are part of the target.
    pub data: &'a Labelled,
    /// The recipe.
    pub recipe: &'a Recipe,
    /// The teacher, without autodiff.
    pub teacher: &'a StyleNet,
    /// Share of the dataset's labels in the target.
    pub truth: f64,
    /// Where teacher and evaluation compute.
    pub device: &'a Device,
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

impl Objective for DistillObjective<'_> {
    type Net = StyleNet;

    fn batches(&self, epoch: usize) -> Vec<Vec<usize>> {
        self.data.batches(self.recipe.optimiser.batch, self.recipe.seed, epoch)
    }

    fn loss(&self, net: &StyleNet, images: Tensor<4>, rows: &[usize]) -> anyhow::Result<Tensor<1>> {
        let device = images.device();
        let seen = images.clone().without_autodiff();
        let soft = Tensor::from_inner(sigmoid(self.teacher.forward(seen))).to_device(&device);
        let target = if self.truth > 0.0 {
            soft * (1.0 - self.truth) + self.data.targets(rows, &device) * self.truth
        } else {
            soft
        };
        Ok(bce(net.forward(images), target))
    }

    fn evaluate(&self, net: &StyleNet) -> anyhow::Result<Figures> {
        Ok(self.data.figures(&self.data.predict(net, &self.recipe.input, self.device)?))
    }

    fn weights(&self, net: &StyleNet) -> anyhow::Result<Vec<u8>> {
        Ok(save(net, Precision::F32)?)
    }
}
