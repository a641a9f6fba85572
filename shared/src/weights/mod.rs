//! Networks ↔ safetensors, f32 or f16, under torchvision's parameter names and layouts.
//!
//! **Invariant:** loading is all or nothing. Every key matches, every shape fits, every number is finite and no variance is
//! negative, or the error names what does not. Nothing is written that could not be loaded.

mod check;
mod keys;
mod load;
mod resemble;
mod save;

pub use keys::TorchKeys;
pub use load::{Scope, WeightsError, load};
pub use resemble::Resemblance;
pub use save::{Precision, save};

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Tensor, TensorData};

/// Path of a parameter in a network, in Burn's names without the names of enum variants.
#[derive(Debug, Clone, Default)]
struct Path {
    fields: Vec<String>,
}

impl Path {
    fn enter(&mut self, name: &str) {
        self.fields.push(name.to_owned());
    }

    fn exit(&mut self) {
        self.fields.pop();
    }

    /// Field names in order; variants of enums begin with a capital and have no place in a file.
    fn fields(&self) -> Vec<&str> {
        self.fields
            .iter()
            .map(String::as_str)
            .filter(|name| !name.starts_with(char::is_uppercase))
            .collect()
    }
}

/// Walks a network and calls `each` with every parameter's fields, shape and a way to its values.
struct Walk<F> {
    path: Path,
    each: F,
}

impl<F: FnMut(&[&str], Vec<usize>, &dyn Fn() -> TensorData)> ModuleVisitor for Walk<F> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let fields = self.path.fields();
        let shape = file_shape(param.lazy_shape().to_vec());
        (self.each)(&fields, shape, &|| to_file_layout(param.val()).into_data());
    }

    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }
}

fn walk<M: Module>(net: &M, each: impl FnMut(&[&str], Vec<usize>, &dyn Fn() -> TensorData)) {
    net.visit(&mut Walk {
        path: Path::default(),
        each,
    });
}

/// Keys and shapes that a file for `net` has, in the network's order.
pub fn layout<M: Module + TorchKeys>(net: &M) -> Vec<(String, Vec<usize>)> {
    let mut layout = Vec::new();
    walk(net, |fields, shape, _| layout.push((net.torch_key(fields), shape)));
    layout
}

/// PyTorch keeps linear weights as [output, input], Burn as [input, output]; nothing else has two dimensions.
fn file_shape(mut shape: Vec<usize>) -> Vec<usize> {
    if shape.len() == 2 {
        shape.reverse();
    }
    shape
}

fn to_file_layout<const D: usize>(tensor: Tensor<D>) -> Tensor<D> {
    if D == 2 { tensor.swap_dims(0, 1) } else { tensor }
}
