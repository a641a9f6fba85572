//! Embedders: one retrieval network or several joined ones, and the projection of their embeddings.

use super::projection::{Projection, Side};
use crate::model::block::Fold;
use crate::model::config::{RetrievalConfig, RetrievalConfigError};
use crate::model::keys::{TorchKeys, number, plain};
use crate::model::retrieval::RetrievalNet;
use burn::module::Module;
use burn::tensor::{Device, Tensor};

impl RetrievalConfig {
    /// Builds the embedder with random weights: this network and those that are [joined](RetrievalConfig::joined) to it.
    ///
    /// # Errors
    /// As [`init`](Self::init), for each network, and if a joined network has joined networks itself.
    pub fn embedder(&self, device: &Device) -> Result<Embedder, RetrievalConfigError> {
        if self.joined.iter().any(|config| !config.joined.is_empty()) {
            return Err(RetrievalConfigError::Nested);
        }
        let configs = std::iter::once(self).chain(&self.joined);
        let nets = configs.map(|config| Ok((config.init(device)?, config.share)));
        Ok(Embedder::new(nets.collect::<Result<Vec<_>, RetrievalConfigError>>()?))
    }
}

/// A network and its share in the cosines of joined embeddings.
#[derive(Module, Debug)]
struct Member {
    net: RetrievalNet,
    #[module(skip)]
    share: u32,
}

/// Retrieval networks that embed together, and the projection of their embeddings.
#[derive(Module, Debug)]
pub struct Embedder {
    nets: Vec<Member>,
    projection: Option<Projection>,
}

impl Embedder {
    /// Joins networks (early fusion). Each has a share: cosines of the joined embeddings are the mean of the networks' cosines,
    /// weighted by the shares.
    pub fn new(nets: Vec<(RetrievalNet, u32)>) -> Self {
        Self {
            nets: nets.into_iter().map(|(net, share)| Member { net, share }).collect(),
            projection: None,
        }
    }

    /// Joins the networks of several embedders. Each embedder's share becomes the share of all of its networks.
    pub fn join(embedders: Vec<(Self, u32)>) -> Self {
        let nets = embedders
            .into_iter()
            .flat_map(|(embedder, share)| embedder.nets.into_iter().map(move |member| Member { share, ..member }));
        Self {
            nets: nets.collect(),
            projection: None,
        }
    }

    /// Shop photos `[batch, 3, h, w]` → embeddings of unit norm, `[batch, embedding_dim]`. A projection changes their length.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        self.forward_as(x, Side::Shop)
    }

    /// Photos of one side, `[batch, 3, h, w]` → embeddings of unit norm, `[batch, embedding_dim]`. The side matters
    /// only for a projection that is adapted to a shop.
    pub fn forward_as(&self, x: Tensor<4>, side: Side) -> Tensor<2> {
        self.projected(self.joined(x), side)
    }

    /// Photos with the side of each, `[batch, 3, h, w]` → embeddings of unit norm, `[batch, embedding_dim]`; see
    /// [`forward_as`](Self::forward_as).
    pub fn forward_each(&self, x: Tensor<4>, sides: &[Side]) -> Tensor<2> {
        let joined = self.joined(x);
        match &self.projection {
            Some(projection) => projection.forward_each(joined, sides),
            None => joined,
        }
    }

    /// Shop photos `[batch, 3, h, w]` → embeddings of unit norm before and after the projection. Without a projection both are
    /// the same.
    pub fn forward_joined(&self, x: Tensor<4>) -> (Tensor<2>, Tensor<2>) {
        let joined = self.joined(x);
        (joined.clone(), self.projected(joined, Side::Shop))
    }

    fn projected(&self, joined: Tensor<2>, side: Side) -> Tensor<2> {
        match &self.projection {
            Some(projection) => projection.forward(joined, side),
            None => joined,
        }
    }

    /// `[batch, 3, h, w]` → embeddings of unit norm before the projection.
    pub fn joined(&self, x: Tensor<4>) -> Tensor<2> {
        match &self.nets[..] {
            [member] => member.net.forward(x),
            nets => {
                let sum: f64 = nets.iter().map(|member| f64::from(member.share)).sum();
                let scaled = |member: &Member| member.net.forward(x.clone()) * (f64::from(member.share) / sum).sqrt();
                Tensor::cat(nets.iter().map(scaled).collect(), 1)
            }
        }
    }

    /// Returns this embedder with its embeddings projected.
    pub(crate) fn with_projection(self, projection: Projection) -> Self {
        Self {
            projection: Some(projection),
            ..self
        }
    }

    /// Projection of the embeddings. Query encoders that were distilled before the projection was fitted use it too.
    pub fn projection(&self) -> Option<&Projection> {
        self.projection.as_ref()
    }

    /// Folds batch norms into the convolutions before them, for export. The function stays the same.
    pub fn fold_batch_norm(self) -> Self {
        self.fold(Fold::Exact)
    }

    pub(crate) fn fold(self, fold: Fold) -> Self {
        let folded = |member: Member| Member {
            net: member.net.fold(fold),
            ..member
        };
        Self {
            nets: self.nets.into_iter().map(folded).collect(),
            ..self
        }
    }
}

impl TorchKeys for Embedder {
    /// In files the parameters of the first network have no prefix, and those of network `i` have the prefix `joinedi`, counted
    /// from 0.
    fn torch_key(&self, fields: &[&str]) -> String {
        match fields {
            ["nets", at, "net", rest @ ..] => match (number(at), self.nets.get(number(at))) {
                (0, Some(member)) => member.net.torch_key(rest),
                (at, Some(member)) => format!("joined{at}.{}", member.net.torch_key(rest)),
                (_, None) => plain(fields),
            },
            other => plain(other),
        }
    }

    fn pretrained_key(&self, _fields: &[&str]) -> Option<String> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Distribution;

    #[test]
    fn joined_networks_average_their_cosines_by_shares() {
        let device = Device::flex();
        let own = RetrievalConfig {
            part_dim: 4,
            ring: vec![],
            ..RetrievalConfig::published("resnet10_w16")
        };
        let other = RetrievalConfig {
            part_dim: 8,
            share: 3,
            ..RetrievalConfig::published("densenet37_w16")
        };
        let config = RetrievalConfig {
            joined: vec![other.clone()],
            ..own.clone()
        };
        assert_eq!(config.embedding_dim(), own.embedding_dim() + other.embedding_dim());
        let (own, other) = (own.init(&device).expect("valid"), other.init(&device).expect("valid"));
        let joined = Embedder::new(vec![(own.clone(), 1), (other.clone(), 3)]);
        let x = Tensor::<4>::random([2, 3, 64, 48], Distribution::Normal(0.0, 1.0), &device);
        let cosine = |embedding: Tensor<2>| -> f32 {
            (embedding.clone().narrow(0, 0, 1) * embedding.narrow(0, 1, 1))
                .sum()
                .into_scalar()
        };
        let expected = 0.25 * cosine(own.forward(x.clone())) + 0.75 * cosine(other.forward(x.clone()));
        let found = cosine(joined.forward(x.clone()));
        assert!((found - expected).abs() < 1e-5, "{found} is not {expected}");
        assert!((cosine(joined.fold_batch_norm().forward(x)) - expected).abs() < 1e-4);

        let nested = RetrievalConfig {
            joined: vec![config.clone()],
            ..config
        };
        assert_eq!(nested.embedder(&device).err(), Some(RetrievalConfigError::Nested));
    }
}
