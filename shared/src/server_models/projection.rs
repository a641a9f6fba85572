//! Projection of a retrieval network's embeddings: an affine map to fewer values, such as learned whitening.

use crate::model::block::unit_norm;
use crate::model::keys::{TorchKeys, plain};
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};

/// Rows per batch of [`Projection::apply`].
const BATCH: usize = 256;

/// Affine map to fewer values, then scaling to unit length.
#[derive(Module, Debug)]
pub struct Projection {
    /// Mean of the embeddings, `[from]`.
    mean: Param<Tensor<1>>,
    /// Directions, `[from, to]`. Files hold the transposed matrix, as of every linear layer.
    weight: Param<Tensor<2>>,
}

impl Projection {
    /// Returns the projection that subtracts `mean`, `[from]`, and takes the inner product with each of `directions`,
    /// `[to][from]`.
    pub fn new(mean: Vec<f32>, directions: &[Vec<f32>], device: &Device) -> Self {
        let (from, to) = (mean.len(), directions.len());
        let weight = Tensor::<2>::from_data(TensorData::new(directions.concat(), [to, from]), device);
        Self {
            mean: Param::from_tensor(Tensor::from_data(TensorData::new(mean, [from]), device)),
            weight: Param::from_tensor(weight.swap_dims(0, 1)),
        }
    }

    /// Returns a projection of these lengths with zeros, for weights to be loaded into.
    pub(crate) fn blank(from: usize, to: usize, device: &Device) -> Self {
        Self {
            mean: Param::from_tensor(Tensor::zeros([from], device)),
            weight: Param::from_tensor(Tensor::zeros([from, to], device)),
        }
    }

    /// Embeddings `[batch, from]` → `[batch, to]` of unit norm.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        unit_norm((x - self.mean.val().unsqueeze()).matmul(self.weight.val()))
    }

    /// Projects embeddings in memory, `[n][from]` → `[n][to]`; see [`forward`](Self::forward).
    pub fn apply(&self, rows: &[Vec<f32>]) -> Vec<Vec<f32>> {
        let weight = self.weight.val();
        let ([from, to], device) = (weight.dims(), weight.device());
        let map = |rows: &[Vec<f32>]| -> Vec<f32> {
            let rows = TensorData::new(rows.concat(), [rows.len(), from]);
            self.forward(Tensor::from_data(rows, &device))
                .into_data()
                .iter::<f32>()
                .collect()
        };
        rows.chunks(BATCH)
            .flat_map(|rows| map(rows).chunks_exact(to).map(<[f32]>::to_vec).collect::<Vec<_>>())
            .collect()
    }

    /// Directions, `[to][from]` in row-major order.
    pub fn directions(&self) -> Vec<f32> {
        self.weight.val().swap_dims(0, 1).into_data().iter::<f32>().collect()
    }

    /// Length of the embeddings that the projection maps.
    pub fn from_dim(&self) -> usize {
        self.mean.lazy_shape()[0]
    }
}

impl TorchKeys for Projection {
    fn torch_key(&self, fields: &[&str]) -> String {
        plain(fields)
    }

    fn pretrained_key(&self, _fields: &[&str]) -> Option<String> {
        None
    }
}
