//! Projection of a retrieval network's embeddings: an affine map to fewer values, such as learned whitening.

use crate::model::block::unit_norm;
use crate::model::keys::{TorchKeys, plain};
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};

/// Rows per batch of [`Projection::apply`].
const BATCH: usize = 256;

/// Origin of a photo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Side {
    /// A customer, to search with it.
    Customer,
    /// The shop, for its catalog.
    #[default]
    Shop,
}

/// Affine map to fewer values, then scaling to unit length.
///
/// Customers' photos and shop photos differ as wholes, in background and light for example, and so do their mean embeddings. A
/// projection that is adapted to a shop subtracts each side's own mean.
#[derive(Module, Debug)]
pub struct Projection {
    /// Mean of the embeddings, `[from]`; of the shop's photos, if the projection is adapted.
    mean: Param<Tensor<1>>,
    /// Mean of the embeddings of customers' photos, `[from]`. `None` if both sides have one mean.
    customer_mean: Option<Param<Tensor<1>>>,
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
            customer_mean: None,
            weight: Param::from_tensor(weight.swap_dims(0, 1)),
        }
    }

    /// Returns this projection with another mean for each side, both `[from]`.
    pub fn adapted(self, customer_mean: Vec<f32>, shop_mean: Vec<f32>) -> Self {
        let device = self.mean.val().device();
        let mean = |values: Vec<f32>| {
            let len = values.len();
            Param::from_tensor(Tensor::from_data(TensorData::new(values, [len]), &device))
        };
        Self {
            mean: mean(shop_mean),
            customer_mean: Some(mean(customer_mean)),
            weight: self.weight,
        }
    }

    /// Returns a projection of these lengths with zeros, for weights to be loaded into. An adapted one has a mean for each side.
    pub(crate) fn blank(from: usize, to: usize, is_adapted: bool, device: &Device) -> Self {
        let zeros = || Param::from_tensor(Tensor::zeros([from], device));
        Self {
            mean: zeros(),
            customer_mean: is_adapted.then(zeros),
            weight: Param::from_tensor(Tensor::zeros([from, to], device)),
        }
    }

    /// Embeddings of photos on one side, `[batch, from]` → `[batch, to]` of unit norm.
    pub fn forward(&self, x: Tensor<2>, side: Side) -> Tensor<2> {
        let mean = match (&self.customer_mean, side) {
            (Some(customer_mean), Side::Customer) => customer_mean,
            _ => &self.mean,
        };
        unit_norm((x - mean.val().unsqueeze()).matmul(self.weight.val()))
    }

    /// Embeddings of photos with the side of each, `[batch, from]` → `[batch, to]` of unit norm.
    pub fn forward_each(&self, x: Tensor<2>, sides: &[Side]) -> Tensor<2> {
        let Some(customer_mean) = &self.customer_mean else {
            return self.forward(x, Side::Shop);
        };
        let is_customer = sides.iter().map(|side| f32::from(u8::from(*side == Side::Customer)));
        let is_customer: Vec<f32> = is_customer.collect();
        let is_customer = Tensor::<2>::from_data(TensorData::new(is_customer, [sides.len(), 1]), &x.device());
        let difference = (customer_mean.val() - self.mean.val()).unsqueeze::<2>();
        self.forward(x - is_customer.matmul(difference), Side::Shop)
    }

    /// Projects embeddings in memory, `[n][from]` → `[n][to]`; see [`forward`](Self::forward).
    pub fn apply(&self, rows: &[Vec<f32>], side: Side) -> Vec<Vec<f32>> {
        let weight = self.weight.val();
        let ([from, to], device) = (weight.dims(), weight.device());
        let map = |rows: &[Vec<f32>]| -> Vec<f32> {
            let rows = TensorData::new(rows.concat(), [rows.len(), from]);
            self.forward(Tensor::from_data(rows, &device), side)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_adapted_projection_subtracts_the_mean_of_each_side() {
        let directions = [vec![1.0, 0.0, 0.0], vec![0.0, 2.0, 0.0]];
        let fitted = Projection::new(vec![1.0, 1.0, 0.0], &directions, &Device::flex());
        let photo = [vec![4.0, 3.0, 5.0]];
        for side in [Side::Customer, Side::Shop] {
            assert_eq!(fitted.apply(&photo, side), [[0.6, 0.8]], "{side:?}");
        }
        let adapted = fitted.adapted(vec![4.0, 2.0, 9.0], vec![0.0, 3.0, 0.0]);
        let both = Tensor::<2>::from_data([[4.0, 3.0, 5.0], [4.0, 3.0, 5.0]], &Device::flex());
        let both = adapted.forward_each(both, &[Side::Shop, Side::Customer]);
        assert_eq!(both.into_data().iter::<f32>().collect::<Vec<_>>(), [1.0, 0.0, 0.0, 1.0]);
        assert_eq!(adapted.apply(&photo, Side::Customer), [[0.0, 1.0]]);
        assert_eq!(adapted.apply(&photo, Side::Shop), [[1.0, 0.0]]);
    }
}
