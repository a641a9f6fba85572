//! Parameters of a network with their paths, in the layout of files.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Tensor, TensorData};

/// Path of a parameter in a network: Burn's names of fields, without the names of enum variants.
#[derive(Debug, Clone, Default)]
pub(crate) struct Path {
    fields: Vec<String>,
}

impl Path {
    pub(crate) fn enter(&mut self, name: &str) {
        self.fields.push(name.to_owned());
    }

    pub(crate) fn exit(&mut self) {
        self.fields.pop();
    }

    /// Names of the fields in order. Names of enum variants begin with a capital and are left out.
    pub(crate) fn fields(&self) -> Vec<&str> {
        self.fields
            .iter()
            .map(String::as_str)
            .filter(|name| !name.starts_with(char::is_uppercase))
            .collect()
    }
}

/// Visitor that calls `each` with the fields, the shape and a reader of the values of every parameter.
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

/// Calls `each` with the fields, the shape and a reader of the values of every parameter. Shapes and values are those of a
/// file.
pub(crate) fn walk<M: Module>(net: &M, each: impl FnMut(&[&str], Vec<usize>, &dyn Fn() -> TensorData)) {
    net.visit(&mut Walk {
        path: Path::default(),
        each,
    });
}

/// Shape of a parameter in a file. PyTorch keeps linear weights as `[output, input]` and Burn as `[input, output]`. No other
/// parameter has two dimensions.
pub(crate) fn file_shape(mut shape: Vec<usize>) -> Vec<usize> {
    if shape.len() == 2 {
        shape.reverse();
    }
    shape
}

/// Transposes the weights of a linear layer; see [`file_shape`].
pub(crate) fn to_file_layout<const D: usize>(tensor: Tensor<D>) -> Tensor<D> {
    if D == 2 { tensor.swap_dims(0, 1) } else { tensor }
}
