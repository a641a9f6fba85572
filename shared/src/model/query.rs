//! The query encoder: a network small enough for a phone that embeds photos into the space of a larger network (Budnik &
//! Avrithis 2021, "Asymmetric metric learning", <https://arxiv.org/abs/2006.16331>).
//!
//! A catalog that the larger network embedded is searched without that network. The encoder is a style network with a linear
//! head (a backbone, global average pooling and a projection to the embedding), or a retrieval network whose parts are those of
//! the larger network.

use super::block::Fold;
use super::config::{HeadConfig, Hidden, QueryConfig, QueryConfigError};
use super::keys::{TorchKeys, plain};
use super::retrieval::RetrievalNet;
use super::style::{NetShape, StyleNet};
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};

impl QueryConfig {
    /// Builds the network with random weights.
    ///
    /// # Errors
    /// [`QueryConfigError`] if the backbone is unknown, or cannot be cut before its last stage for the parts.
    pub fn init(&self, device: &Device) -> Result<QueryNet, QueryConfigError> {
        let Some(parts) = &self.parts else {
            let shape = NetShape {
                head: &HeadConfig::Style { hidden: Hidden::none() },
                dense: None,
                n_outputs: self.embedding_dim,
            };
            return Ok(QueryNet::Whole(StyleNet::new(&self.backbone, &shape, device)?));
        };
        let config = parts.network(&self.backbone);
        let width = config.embedding_dim();
        let project = (width != self.embedding_dim).then(|| {
            LinearConfig::new(width, self.embedding_dim)
                .with_bias(false)
                .init(device)
        });
        Ok(QueryNet::Parts(PartsNet {
            net: config.init(device)?,
            project,
        }))
    }
}

/// A query encoder.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant)] // there is one encoder per model, so its size does not matter
pub enum QueryNet {
    /// Averages the whole map.
    Whole(StyleNet),
    /// Cuts the map into parts.
    Parts(PartsNet),
}

/// A query encoder that cuts its map into parts.
#[derive(Module, Debug)]
pub struct PartsNet {
    net: RetrievalNet,
    /// Layer from the vectors of all parts to the embedding. It is absent where both have the same length.
    project: Option<Linear>,
}

impl QueryNet {
    /// `[batch, 3, h, w]` → `[batch, embedding_dim]`. The direction of a row is the embedding. The length of a row means nothing.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        self.forward_parts(x).1
    }

    /// `[batch, 3, h, w]` → the vectors of all parts, each `[batch, part_dim]`, and the embedding. There are no parts if the
    /// whole map is averaged.
    pub fn forward_parts(&self, x: Tensor<4>) -> (Vec<Tensor<2>>, Tensor<2>) {
        match self {
            Self::Whole(net) => (Vec::new(), net.forward(x)),
            Self::Parts(PartsNet { net, project }) => {
                let parts = net.forward_parts(x).embedding;
                let joined = Tensor::cat(parts.clone(), 1);
                let embedding = match project {
                    Some(project) => project.forward(joined),
                    None => joined,
                };
                (parts, embedding)
            }
        }
    }

    /// Folds batch norms into the layers before them, for export. The function stays the same.
    pub fn fold_batch_norm(self) -> Self {
        self.fold(Fold::Exact)
    }

    /// Adds the weights for the kernels that compute on one thread of a CPU, where the backbone has some. The network must be on the
    /// CPU, and its norms must be folded. Its weights must not change afterwards.
    pub fn packed(self) -> Self {
        self.fold(Fold::Pack)
    }

    /// Returns the folded form with meaningless weights, for weights to be loaded into.
    pub(crate) fn folded_form(self) -> Self {
        self.fold(Fold::Form)
    }

    fn fold(self, fold: Fold) -> Self {
        match self {
            Self::Whole(net) => Self::Whole(net.fold(fold)),
            Self::Parts(PartsNet { net, project }) => Self::Parts(PartsNet {
                net: net.fold(fold),
                project,
            }),
        }
    }
}

impl From<StyleNet> for QueryNet {
    fn from(net: StyleNet) -> Self {
        Self::Whole(net)
    }
}

impl From<RetrievalNet> for QueryNet {
    fn from(net: RetrievalNet) -> Self {
        Self::Parts(PartsNet { net, project: None })
    }
}

impl TorchKeys for QueryNet {
    fn torch_key(&self, fields: &[&str]) -> String {
        match (self, fields) {
            (Self::Parts(parts), ["net", rest @ ..]) => parts.net.torch_key(rest),
            (Self::Parts(_), other) => plain(other),
            (Self::Whole(net), all) => net.torch_key(all),
        }
    }

    fn pretrained_key(&self, fields: &[&str]) -> Option<String> {
        match (self, fields) {
            (Self::Parts(parts), ["net", rest @ ..]) => parts.net.pretrained_key(rest),
            (Self::Parts(_), _) => None,
            (Self::Whole(net), all) => net.pretrained_key(all),
        }
    }
}
