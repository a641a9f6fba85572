//! Projection of a retrieval network's embeddings: an affine map to fewer values, such as a learned whitening.

use super::retrieval::unit_norm;
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};

/// Rows that [`Projection::apply`] maps at once.
const BATCH: usize = 256;

/// Subtracts a mean, maps linearly to fewer values and scales to unit length.
#[derive(Module, Debug)]
pub struct Projection {
    /// `[from]`
    mean: Param<Tensor<1>>,
    /// `[from, to]`; in a file, as every matrix, `[to, from]`.
    weight: Param<Tensor<2>>,
}

impl Projection {
    /// One that subtracts `mean`, `[from]`, and takes the inner product with each of `directions`, `[to][from]`.
    pub fn new(mean: Vec<f32>, directions: &[Vec<f32>], device: &Device) -> Self {
        let (from, to) = (mean.len(), directions.len());
        let weight = Tensor::<2>::from_data(TensorData::new(directions.concat(), [to, from]), device);
        Self {
            mean: Param::from_tensor(Tensor::from_data(TensorData::new(mean, [from]), device)),
            weight: Param::from_tensor(weight.swap_dims(0, 1)),
        }
    }

    /// One of these lengths that has not been fitted yet, for weights to be loaded into.
    pub(crate) fn blank(from: usize, to: usize, device: &Device) -> Self {
        Self {
            mean: Param::from_tensor(Tensor::zeros([from], device)),
            weight: Param::from_tensor(Tensor::zeros([from, to], device)),
        }
    }

    /// Embeddings `[batch, from]` → `[batch, to]`, unit norm.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        unit_norm((x - self.mean.val().unsqueeze()).matmul(self.weight.val()))
    }

    /// [`forward`](Self::forward) for embeddings in memory: `[n][from]` → `[n][to]`.
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

    /// Values of the embeddings that it takes.
    pub fn from_dim(&self) -> usize {
        self.mean.lazy_shape()[0]
    }
}
