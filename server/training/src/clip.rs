//! Limit of the norm of all gradients together.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{FloatDType, Tensor};

/// Added to the norm, as in PyTorch.
const EPSILON: f64 = 1e-6;

/// Multiplies all gradients of a network by `limit / (norm + 1e-6)`, at most 1, where `norm` is the Euclidean norm of all
/// gradients together, as `torch.nn.utils.clip_grad_norm_` does. Computes the norm in f32, on the device.
pub(crate) fn clip_all<M: Module>(net: &M, gradients: GradientsParams, limit: f64) -> GradientsParams {
    let mut sum = Squares {
        gradients: &gradients,
        sum: None,
    };
    net.visit(&mut sum);
    let Some(squares) = sum.sum else { return gradients };
    let factor = (squares.sqrt() + EPSILON).recip().mul_scalar(limit).clamp_max(1.0);
    let mut scale = Scale {
        before: gradients,
        after: GradientsParams::new(),
        factor,
    };
    net.visit(&mut scale);
    scale.after
}

/// Sum of the squares of all gradients, `[1]`.
struct Squares<'a> {
    gradients: &'a GradientsParams,
    sum: Option<Tensor<1>>,
}

impl ModuleVisitor for Squares<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.get::<D>(param.id) {
            let squares = gradient.cast(FloatDType::F32).square().sum();
            self.sum = Some(match self.sum.take() {
                Some(sum) => sum + squares,
                None => squares,
            });
        }
    }
}

/// Product of all gradients with `factor`, `[1]`.
struct Scale {
    before: GradientsParams,
    after: GradientsParams,
    factor: Tensor<1>,
}

impl ModuleVisitor for Scale {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.before.remove::<D>(param.id) {
            let factor = self.factor.clone().cast(gradient.dtype()).unsqueeze::<D>();
            self.after.register(param.id, gradient * factor);
        }
    }
}
