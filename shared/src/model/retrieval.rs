//! The multi-granularity network: a backbone whose last stage exists once a branch (global, horizontal stripes,
//! vertical stripes, square rings), each part pooled, projected (1×1 convolution + batch norm) and trained on its own
//! identity softmax; the embedding is the concatenation, unit norm.
//!
//! After Wang et al. 2018 (<https://arxiv.org/abs/1804.01438>) and the champion of the JD AI Fashion Challenge 2018.

#[cfg(feature = "backbones")]
use super::attention::Cbam;
use super::backbone::{Backbone, BackboneConfig, LastStage, UnknownBackbone};
use super::block::{ConvBn, ConvBnConfig, Fold};
use super::pooling::{Cut, GEM_START, Pooling};
#[cfg(feature = "backbones")]
use super::projection::Projection;
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

/// Why a retrieval network cannot be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RetrievalConfigError {
    /// No such backbone.
    #[error(transparent)]
    Backbone(#[from] UnknownBackbone),
    /// Neither a residual nor a densely connected network.
    #[error(
        "the retrieval network gives every branch a copy of its backbone's last stage, and '{0}' is not cut there; use a ResNet, ResNeXt or DenseNet"
    )]
    Family(String),
    /// All branches are off.
    #[error(
        "the retrieval network has no branch; switch on `global`, or name part counts for `horizontal`, `vertical` or `ring`"
    )]
    NoBranch,
    /// A size that leaves nothing.
    #[error("the retrieval network's {0} must be at least 1")]
    Zero(&'static str),
}

/// A retrieval network's configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetrievalConfig {
    /// Name of a ResNet, ResNeXt or DenseNet in the registry of backbones.
    pub backbone: String,
    /// The branch that sees the whole map.
    #[serde(default = "yes")]
    pub global: bool,
    /// Part counts of the horizontal branch; empty switches it off.
    #[serde(default = "two_and_three")]
    pub horizontal: Vec<usize>,
    /// Part counts of the vertical branch.
    #[serde(default = "two_and_three")]
    pub vertical: Vec<usize>,
    /// Part counts of the ring branch.
    #[serde(default = "two_and_three")]
    pub ring: Vec<usize>,
    /// Values of each part's projection.
    #[serde(default = "default_part_dim")]
    pub part_dim: usize,
    /// Pooling of a part.
    #[serde(default)]
    pub pooling: Pooling,
    /// One last stage for all branches instead of a copy each: a quarter of the size, less accurate.
    #[serde(default)]
    pub shared_last_stage: bool,
    /// Stride of the last stage; 1 keeps a finer map to cut.
    #[serde(default = "default_last_stride")]
    pub last_stride: usize,
    /// BNNeck (Luo et al. 2019, <https://arxiv.org/abs/1906.08332>): losses that compare embeddings see each part before
    /// its batch norm; the identity softmax, and the search, see it behind the norm, which then has no shift.
    #[serde(default, skip_serializing_if = "is_off")]
    pub neck: bool,
    /// Attention on each branch's map before it is cut into parts; absent in the browser.
    #[cfg(feature = "backbones")]
    #[serde(default, skip_serializing_if = "Attention::is_none")]
    pub attention: Attention,
    /// Networks that embed together with this one (early fusion): the embedding is all of theirs, one after another; not in
    /// the browser. Each is trained by itself.
    #[cfg(feature = "backbones")]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub joined: Vec<RetrievalConfig>,
    /// This network's share among those joined: cosines of the joined embeddings are the networks' own, weighed by shares.
    #[cfg(feature = "backbones")]
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub share: u32,
}

/// Attention on a branch's map before it is cut into parts and pooled.
#[cfg(feature = "backbones")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Attention {
    /// Nothing.
    #[default]
    None,
    /// [`Cbam`], one a branch. Its window sees which way is up, so rings then do, too.
    Cbam,
}

#[cfg(feature = "backbones")]
impl Attention {
    fn is_none(&self) -> bool {
        *self == Self::None
    }
}

#[allow(clippy::trivially_copy_pass_by_ref)] // as serde calls it
fn is_off(flag: &bool) -> bool {
    !flag
}

#[cfg(feature = "backbones")]
fn one() -> u32 {
    1
}

#[cfg(feature = "backbones")]
#[allow(clippy::trivially_copy_pass_by_ref)] // as serde calls it
fn is_one(share: &u32) -> bool {
    *share == 1
}

fn yes() -> bool {
    true
}

fn two_and_three() -> Vec<usize> {
    vec![2, 3]
}

fn default_part_dim() -> usize {
    256
}

fn default_last_stride() -> usize {
    1
}

impl RetrievalConfig {
    /// The published network over this backbone: 16 parts of 256 values.
    pub fn published(backbone: impl Into<String>) -> Self {
        Self {
            backbone: backbone.into(),
            global: true,
            horizontal: two_and_three(),
            vertical: two_and_three(),
            ring: two_and_three(),
            part_dim: default_part_dim(),
            pooling: Pooling::default(),
            shared_last_stage: false,
            last_stride: default_last_stride(),
            neck: false,
            #[cfg(feature = "backbones")]
            attention: Attention::None,
            #[cfg(feature = "backbones")]
            joined: Vec::new(),
            #[cfg(feature = "backbones")]
            share: one(),
        }
    }

    /// The branches: how each cuts its map (`None` for the whole) and into how many parts.
    fn branches(&self) -> Vec<(Option<Cut>, &[usize])> {
        let cuts = [
            (Cut::Horizontal, &self.horizontal),
            (Cut::Vertical, &self.vertical),
            (Cut::Ring, &self.ring),
        ];
        let global: &[usize] = &[1];
        let parts = cuts
            .into_iter()
            .filter(|(_, parts)| !parts.is_empty())
            .map(|(cut, parts)| (Some(cut), &parts[..]));
        self.global.then_some((None, global)).into_iter().chain(parts).collect()
    }

    /// Number of parts over all branches.
    pub fn n_parts(&self) -> usize {
        self.branches().iter().flat_map(|(_, parts)| parts.iter()).sum()
    }

    /// Length of the embedding.
    pub fn embedding_dim(&self) -> usize {
        let own = self.n_parts() * self.part_dim;
        #[cfg(feature = "backbones")]
        return own + self.joined.iter().map(Self::embedding_dim).sum::<usize>();
        #[cfg(not(feature = "backbones"))]
        own
    }

    /// The network with random weights.
    ///
    /// # Errors
    /// If the backbone is unknown or cannot be cut before its last stage, or every branch is off.
    pub fn init(&self, device: &Device) -> Result<RetrievalNet, RetrievalConfigError> {
        let backbone = BackboneConfig::named(&self.backbone)?;
        let cuts: Vec<Cuts> = self
            .branches()
            .into_iter()
            .map(|(cut, parts)| Cuts {
                cut,
                parts: parts.to_vec(),
            })
            .collect();
        if cuts.iter().any(|cuts| cuts.parts.contains(&0)) {
            return Err(RetrievalConfigError::Zero("part counts"));
        }
        for (size, name) in [(self.part_dim, "`part_dim`"), (self.last_stride, "`last_stride`")] {
            if size == 0 {
                return Err(RetrievalConfigError::Zero(name));
            }
        }
        if self.n_parts() == 0 {
            return Err(RetrievalConfigError::NoBranch);
        }
        let copies = if self.shared_last_stage { 1 } else { cuts.len() };
        let uncut = || RetrievalConfigError::Family(self.backbone.clone());
        Ok(RetrievalNet {
            trunk: backbone.trunk(self.last_stride, device).ok_or_else(uncut)?,
            // Each copy is built on its own: clones would share parameter identities, and so gradients.
            branches: (0..copies)
                .map(|_| backbone.last_stage(self.last_stride, device))
                .collect::<Option<_>>()
                .ok_or_else(uncut)?,
            parts: (0..self.n_parts())
                .map(|_| self.part(backbone.channels(), device))
                .collect(),
            #[cfg(feature = "backbones")]
            projection: None,
            #[cfg(feature = "backbones")]
            attention: match self.attention {
                Attention::None => Vec::new(),
                Attention::Cbam => cuts.iter().map(|_| Cbam::new(backbone.channels(), device)).collect(),
            },
            #[cfg(feature = "backbones")]
            joined: self
                .joined
                .iter()
                .map(|config| config.init(device))
                .collect::<Result<_, _>>()?,
            #[cfg(feature = "backbones")]
            share: self.share,
            exponents: (self.pooling == Pooling::Gem)
                .then(|| Param::from_tensor(Tensor::full([self.n_parts()], GEM_START, device))),
            cuts,
            pooling: self.pooling,
            neck: self.neck,
        })
    }

    /// The projection of one part.
    fn part(&self, channels: usize, device: &Device) -> ConvBn {
        let mut part = ConvBnConfig::new(channels, self.part_dim, 1, 1).init(device);
        if let (true, Some(norm)) = (self.neck, &mut part.bn) {
            norm.beta = norm.beta.clone().set_require_grad(false);
        }
        part
    }
}

/// One branch's way of cutting its map.
#[derive(Debug, Clone)]
struct Cuts {
    cut: Option<Cut>,
    parts: Vec<usize>,
}

impl Cuts {
    /// Positions of every part of a map; `None` for all of them.
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
    parts: Vec<ConvBn>,
    /// One a branch, or none at all.
    #[cfg(feature = "backbones")]
    attention: Vec<Cbam>,
    /// Projection of the finished embedding.
    #[cfg(feature = "backbones")]
    projection: Option<Projection>,
    /// Networks that embed together with this one.
    #[cfg(feature = "backbones")]
    joined: Vec<RetrievalNet>,
    #[cfg(feature = "backbones")]
    #[module(skip)]
    share: u32,
    /// Exponents of the generalised means, one a part.
    exponents: Option<Param<Tensor<1>>>,
    #[module(skip)]
    cuts: Vec<Cuts>,
    #[module(skip)]
    pooling: Pooling,
    #[module(skip)]
    neck: bool,
}

/// Every part's projection, each `[batch, part_dim]`.
#[derive(Debug, Clone)]
pub struct Parts {
    /// Inputs of losses that compare embeddings: before the norm of a BNNeck, otherwise the same as `embedding`.
    pub compared: Vec<Tensor<2>>,
    /// Inputs of identity softmaxes and of the search.
    pub embedding: Vec<Tensor<2>>,
}

impl RetrievalNet {
    pub(crate) fn trunk(&self) -> &Backbone {
        &self.trunk
    }

    /// `[batch, 3, h, w]` → every part, as the losses see it.
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

    /// `[batch, 3, h, w]` → embeddings `[batch, embedding_dim]`, unit norm; with a projection `[batch, its length]`.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        #[cfg(feature = "backbones")]
        let all = x.clone();
        let embedding = unit_norm(Tensor::cat(self.forward_parts(x).embedding, 1));
        #[cfg(feature = "backbones")]
        let embedding = self.join(embedding, all);
        #[cfg(feature = "backbones")]
        if let Some(projection) = &self.projection {
            return projection.forward(embedding);
        }
        embedding
    }

    /// This network's embeddings beside those of the networks joined to it, each scaled by the root of its share.
    #[cfg(feature = "backbones")]
    fn join(&self, own: Tensor<2>, x: Tensor<4>) -> Tensor<2> {
        if self.joined.is_empty() {
            return own;
        }
        let others = self.joined.iter().map(|net| (net.forward(x.clone()), net.share));
        let all: Vec<(Tensor<2>, u32)> = std::iter::once((own, self.share)).chain(others).collect();
        let sum: f64 = all.iter().map(|(_, share)| f64::from(*share)).sum();
        Tensor::cat(
            all.into_iter()
                .map(|(embedding, share)| embedding * (f64::from(share) / sum).sqrt())
                .collect(),
            1,
        )
    }

    /// This network with others that embed together with it, each with its share; see [`RetrievalConfig::joined`].
    #[cfg(feature = "backbones")]
    pub fn joined_with(self, share: u32, others: Vec<(Self, u32)>) -> Self {
        let joined = others.into_iter().map(|(net, share)| Self { share, ..net }).collect();
        Self { joined, share, ..self }
    }

    #[cfg(feature = "backbones")]
    pub(crate) fn joined(&self) -> &[Self] {
        &self.joined
    }

    /// The same network with its embeddings projected.
    #[cfg(feature = "backbones")]
    pub(crate) fn with_projection(self, projection: Projection) -> Self {
        Self {
            projection: Some(projection),
            ..self
        }
    }

    /// Projection of this network's embeddings, and of those of query encoders for the network without it.
    #[cfg(feature = "backbones")]
    pub fn projection(&self) -> Option<&Projection> {
        self.projection.as_ref()
    }

    /// `[batch, 3, h, w]` → every part's features, each `[batch, channels]`.
    fn forward_pooled(&self, x: Tensor<4>) -> Vec<Tensor<2>> {
        let trunk = self.trunk.forward_features(x);
        let maps: Vec<Tensor<4>> = self
            .branches
            .iter()
            .map(|branch| branch.forward(trunk.clone()))
            .collect();
        let mut pooled: Vec<Tensor<2>> = Vec::with_capacity(self.parts.len());
        for (branch, cuts) in self.cuts.iter().enumerate() {
            // A shared last stage has one map for all branches.
            let map = maps[branch.min(maps.len() - 1)].clone();
            #[cfg(feature = "backbones")]
            let map = match self.attention.get(branch) {
                Some(attention) => attention.forward(map),
                None => map,
            };
            for positions in cuts.positions(&map) {
                let part = pooled.len();
                let exponent = self
                    .exponents
                    .as_ref()
                    .map(|exponents| exponents.val().narrow(0, part, 1));
                pooled.push(self.pooling.pool(map.clone(), positions.as_deref(), exponent));
            }
        }
        pooled
    }

    /// The same function with batch norms folded into the convolutions before them, for export.
    pub fn fold_batch_norm(self) -> Self {
        self.fold(Fold::Exact)
    }

    pub(crate) fn folded_form(self) -> Self {
        self.fold(Fold::Form)
    }

    fn fold(self, fold: Fold) -> Self {
        Self {
            trunk: self.trunk.fold(fold),
            branches: self.branches.into_iter().map(|branch| branch.fold(fold)).collect(),
            parts: self.parts.into_iter().map(|part| fold.apply(part)).collect(),
            #[cfg(feature = "backbones")]
            attention: self
                .attention
                .into_iter()
                .map(|attention| attention.fold(fold))
                .collect(),
            #[cfg(feature = "backbones")]
            joined: self.joined.into_iter().map(|net| net.fold(fold)).collect(),
            ..self
        }
    }
}

/// Scales every row of `[batch, dim]` to unit length.
pub fn unit_norm(x: Tensor<2>) -> Tensor<2> {
    let norm = x.clone().square().sum_dim(1).sqrt().clamp_min(1e-12);
    x / norm
}

#[cfg(test)]
mod tests;
