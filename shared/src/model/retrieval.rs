//! The multi-granularity network: a backbone whose last stage has one copy per branch (global, horizontal stripes, vertical
//! stripes, square rings).
//!
//! Each branch's map is cut into parts. Each part is pooled, projected (1×1 convolution + batch norm) and trained with an
//! identity softmax of its own. Maps before the last stage may be pooled whole as further parts. The embedding is the concatenation of all parts, scaled to unit length.
//!
//! After Wang et al. 2018 (<https://arxiv.org/abs/1804.01438>) and the winner of the JD AI Fashion Challenge 2018.

use super::attention::Cbam;
use super::pooling::{Cut, GEM_START};
use super::stages::LastStage;
use crate::model::backbone::{Backbone, BackboneConfig};
use crate::model::block::{ConvBn, ConvBnConfig, Fold, unit_norm};
use crate::model::config::{Attention, Pooling, RetrievalConfig, RetrievalConfigError};
use crate::model::keys::{TorchKeys, plain};
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};

impl RetrievalConfig {
    /// The cuts of the branches' maps into parts.
    fn branches(&self) -> Vec<Cuts> {
        let cuts = [
            (Cut::Horizontal, &self.horizontal),
            (Cut::Vertical, &self.vertical),
            (Cut::Ring, &self.ring),
        ];
        let global = Cuts {
            cut: None,
            parts: vec![1],
        };
        let parts = cuts
            .into_iter()
            .filter(|(_, parts)| !parts.is_empty())
            .map(|(cut, parts)| Cuts {
                cut: Some(cut),
                parts: parts.clone(),
            });
        self.global.then_some(global).into_iter().chain(parts).collect()
    }

    /// Builds the network with random weights, without the networks that are [joined](RetrievalConfig::joined) to it.
    ///
    /// # Errors
    /// If the backbone is unknown or cannot be cut before its last stage, every branch is off, or a size is 0.
    pub fn init(&self, device: &Device) -> Result<RetrievalNet, RetrievalConfigError> {
        let backbone = BackboneConfig::named(&self.backbone)?;
        let cuts = self.branches();
        self.check_sizes(&cuts)?;
        let copies = if self.shared_last_stage { 1 } else { cuts.len() };
        let uncut = || RetrievalConfigError::Family(self.backbone.clone());
        let levels = self.level_channels(&backbone)?;
        let cut_parts = vec![backbone.channels(); self.n_parts() - levels.len()];
        Ok(RetrievalNet {
            trunk: backbone.trunk(self.last_stride, device).ok_or_else(uncut)?,
            // Each copy is built on its own: clones would share parameter identities, and so gradients.
            branches: (0..copies)
                .map(|_| backbone.last_stage(self.last_stride, device))
                .collect::<Option<_>>()
                .ok_or_else(uncut)?,
            parts: cut_parts
                .into_iter()
                .chain(levels)
                .map(|channels| self.part(channels, device))
                .collect(),
            attention: match self.attention {
                Attention::None => Vec::new(),
                Attention::Cbam => cuts.iter().map(|_| Cbam::new(backbone.channels(), device)).collect(),
            },
            exponents: (self.pooling == Pooling::Gem)
                .then(|| Param::from_tensor(Tensor::full([self.n_parts()], GEM_START, device))),
            cuts,
            levels: self.levels,
            pooling: self.pooling,
            neck: self.neck,
        })
    }

    /// Channels of the maps that `levels` pools, coarsest first.
    fn level_channels(&self, backbone: &BackboneConfig) -> Result<Vec<usize>, RetrievalConfigError> {
        let channels = backbone.trunk_channels();
        if self.levels > channels.len() {
            return Err(RetrievalConfigError::Levels {
                backbone: self.backbone.clone(),
                levels: self.levels,
                maps: channels.len(),
            });
        }
        Ok(channels.into_iter().rev().take(self.levels).collect())
    }

    fn check_sizes(&self, cuts: &[Cuts]) -> Result<(), RetrievalConfigError> {
        if cuts.iter().any(|cuts| cuts.parts.contains(&0)) {
            return Err(RetrievalConfigError::Zero("part counts"));
        }
        for (size, name) in [(self.part_dim, "`part_dim`"), (self.last_stride, "`last_stride`")] {
            if size == 0 {
                return Err(RetrievalConfigError::Zero(name));
            }
        }
        if cuts.is_empty() {
            return Err(RetrievalConfigError::NoBranch);
        }
        Ok(())
    }

    /// Builds the projection of one part.
    fn part(&self, channels: usize, device: &Device) -> ConvBn {
        let mut part = ConvBnConfig::new(channels, self.part_dim, 1, 1).init(device);
        if let (true, Some(norm)) = (self.neck, &mut part.bn) {
            norm.beta = norm.beta.clone().set_require_grad(false);
        }
        part
    }
}

/// Cuts of one branch's map into parts.
#[derive(Debug, Clone)]
struct Cuts {
    /// Direction of the cuts. `None` leaves the map whole.
    cut: Option<Cut>,
    /// Part counts.
    parts: Vec<usize>,
}

impl Cuts {
    /// Positions of each part of a map. `None` stands for all positions.
    fn positions(&self, map: &Tensor<4>) -> Vec<Option<Vec<usize>>> {
        let [_, _, height, width] = map.dims();
        match self.cut {
            None => vec![None],
            Some(cut) => self
                .parts
                .iter()
                .flat_map(|parts| cut.positions(*parts, height, width))
                .map(Some)
                .collect(),
        }
    }
}

/// The multi-granularity network.
#[derive(Module, Debug)]
pub struct RetrievalNet {
    trunk: Backbone,
    branches: Vec<LastStage>,
    /// Projections of the parts.
    parts: Vec<ConvBn>,
    /// One module per branch, or none.
    attention: Vec<Cbam>,
    /// Exponents of the generalised means, one per part.
    exponents: Option<Param<Tensor<1>>>,
    #[module(skip)]
    cuts: Vec<Cuts>,
    /// Number of the trunk's maps that are pooled whole.
    #[module(skip)]
    levels: usize,
    #[module(skip)]
    pooling: Pooling,
    #[module(skip)]
    neck: bool,
}

/// Embeddings of the parts, each `[batch, part_dim]`.
#[derive(Debug, Clone)]
pub struct Parts {
    /// Inputs of losses that compare embeddings: before the norm of a BNNeck, otherwise the same as `embedding`.
    pub compared: Vec<Tensor<2>>,
    /// Inputs of the identity softmaxes and of the search.
    pub embedding: Vec<Tensor<2>>,
}

impl RetrievalNet {
    /// `[batch, 3, h, w]` → the embeddings of all parts.
    pub fn forward_parts(&self, x: Tensor<4>) -> Parts {
        let mut parts = Parts {
            compared: Vec::new(),
            embedding: Vec::new(),
        };
        for (pooled, part) in self.forward_pooled(x).into_iter().zip(&self.parts) {
            let [batch, channels] = pooled.dims();
            let projected = part.conv.forward(pooled.reshape([batch, channels, 1, 1]));
            let normed = match &part.bn {
                Some(norm) => norm.forward(projected.clone()),
                None => projected.clone(),
            };
            let [_, dim, _, _] = normed.dims();
            let embedding = normed.reshape([batch, dim]);
            parts.compared.push(if self.neck {
                projected.reshape([batch, dim])
            } else {
                embedding.clone()
            });
            parts.embedding.push(embedding);
        }
        parts
    }

    /// `[batch, 3, h, w]` → embeddings `[batch, embedding_dim]` of unit norm.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        unit_norm(Tensor::cat(self.forward_parts(x).embedding, 1))
    }

    /// `[batch, 3, h, w]` → the pooled features of all parts, each `[batch, channels]`.
    fn forward_pooled(&self, x: Tensor<4>) -> Vec<Tensor<2>> {
        let levels = match self.levels {
            0 => vec![self.trunk.forward_features(x)],
            _ => self.trunk.trunk_maps(x),
        };
        let trunk = levels[levels.len() - 1].clone();
        let maps: Vec<Tensor<4>> = self
            .branches
            .iter()
            .map(|branch| branch.forward(trunk.clone()))
            .collect();
        let exponent = |part: usize| {
            self.exponents
                .as_ref()
                .map(|exponents| exponents.val().narrow(0, part, 1))
        };
        let mut pooled: Vec<Tensor<2>> = Vec::with_capacity(self.parts.len());
        for (branch, cuts) in self.cuts.iter().enumerate() {
            // All branches use the one map of a shared last stage.
            let map = maps[branch.min(maps.len() - 1)].clone();
            let map = match self.attention.get(branch) {
                Some(attention) => attention.forward(map),
                None => map,
            };
            for positions in cuts.positions(&map) {
                let exponent = exponent(pooled.len());
                pooled.push(self.pooling.pool(map.clone(), positions.as_deref(), exponent));
            }
        }
        for map in levels.into_iter().rev().take(self.levels) {
            pooled.push(self.pooling.pool(map, None, exponent(pooled.len())));
        }
        pooled
    }

    /// Folds batch norms into the convolutions before them, for export. The function stays the same.
    pub fn fold_batch_norm(self) -> Self {
        self.fold(Fold::Exact)
    }

    pub(crate) fn fold(self, fold: Fold) -> Self {
        Self {
            trunk: self.trunk.fold(fold),
            branches: self.branches.into_iter().map(|branch| branch.fold(fold)).collect(),
            parts: self.parts.into_iter().map(|part| fold.apply(part)).collect(),
            attention: self
                .attention
                .into_iter()
                .map(|attention| attention.fold(fold))
                .collect(),
            ..self
        }
    }
}

impl TorchKeys for RetrievalNet {
    fn torch_key(&self, fields: &[&str]) -> String {
        match fields {
            ["trunk", rest @ ..] => self.trunk.torch_key(rest),
            ["branches", branch, rest @ ..] => format!("branches.{branch}.{}", self.trunk.last_stage_key(rest)),
            other => plain(other),
        }
    }

    /// Every branch starts with the last stage of the pretrained network.
    fn pretrained_key(&self, fields: &[&str]) -> Option<String> {
        match fields {
            ["trunk", ..] => Some(self.torch_key(fields)),
            ["branches", _, rest @ ..] => Some(self.trunk.last_stage_key(rest)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
