//! Losses of embeddings by identity: softmaxes over the training identities, and comparisons within a batch; each for
//! every part or for the whole, summed with weights.

use super::loss::{contrast, cross_entropy};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::{log_sigmoid, log_softmax, relu};
use burn::tensor::{Int, Tensor};
use serde::{Deserialize, Serialize};
use shared::model::retrieval::unit_norm;

/// What a loss sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum On {
    /// Each part by itself; the mean over the parts.
    Parts,
    /// All parts joined, as the search compares them.
    Whole,
}

/// One term of a retrieval network's loss: an entry of `[[task.losses]]`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum EmbeddingLoss {
    /// Cross-entropy of a linear identity classifier.
    Softmax {
        /// What it sees.
        #[serde(default = "parts")]
        on: On,
        /// Factor within the sum.
        #[serde(default = "one")]
        weight: f64,
        /// Cosines times this instead of a linear layer with bias (Wang et al. 2017, <https://arxiv.org/abs/1704.06369>);
        /// 0 for not.
        #[serde(default)]
        scale: f64,
        /// Label smoothing.
        #[serde(default)]
        smoothing: f64,
    },
    /// AM-Softmax: the true identity's cosine less a margin (Wang et al. 2018, <https://arxiv.org/abs/1801.05599>).
    AmSoftmax {
        /// What it sees.
        #[serde(default = "parts")]
        on: On,
        /// Factor within the sum.
        #[serde(default = "one")]
        weight: f64,
        /// Factor of the cosines, 30 as published.
        #[serde(default = "am_scale")]
        scale: f64,
        /// What the true identity's cosine loses, .35 as published.
        #[serde(default = "am_margin")]
        margin: f64,
        /// Directions of each identity, of which the nearest counts.
        #[serde(default = "single")]
        sub_centres: usize,
        /// Label smoothing.
        #[serde(default)]
        smoothing: f64,
    },
    /// ArcFace: a margin on the true identity's angle (Deng et al. 2019, <https://arxiv.org/abs/1801.07698>), with
    /// sub-centres (Deng et al. 2020).
    Arcface {
        /// What it sees.
        #[serde(default = "parts")]
        on: On,
        /// Factor within the sum.
        #[serde(default = "one")]
        weight: f64,
        /// Factor of the cosines, 64 as published.
        #[serde(default = "arc_scale")]
        scale: f64,
        /// What the true identity's angle gains, in radians, ½ as published.
        #[serde(default = "arc_margin")]
        margin: f64,
        /// Directions of each identity, of which the nearest counts; 3 as published for noisy data.
        #[serde(default = "single")]
        sub_centres: usize,
        /// Label smoothing.
        #[serde(default)]
        smoothing: f64,
    },
    /// Triplets of each photo, its farthest fellow and its nearest stranger in the batch (Hermans et al. 2017,
    /// <https://arxiv.org/abs/1703.07737>).
    Triplet {
        /// What it sees.
        #[serde(default = "whole")]
        on: On,
        /// Factor within the sum.
        #[serde(default = "one")]
        weight: f64,
        /// How much nearer the fellow must be; absent for the paper's soft margin.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        margin: Option<f64>,
        /// Distances between unit vectors, as the search compares them; raw ones, as published, if false.
        #[serde(default = "yes")]
        normalise: bool,
    },
    /// Supervised contrast: every photo of the same identity is a positive (Khosla et al. 2020, their L_out,
    /// <https://arxiv.org/abs/2004.11362>).
    Supcon {
        /// What it sees.
        #[serde(default = "whole")]
        on: On,
        /// Factor within the sum.
        #[serde(default = "one")]
        weight: f64,
        /// Divides the cosines, .1 as published.
        #[serde(default = "default_temperature")]
        temperature: f64,
    },
    /// Contrast between the user's and the shop's photo of each identity, in both directions (InfoNCE, van den Oord et al.
    /// 2018, <https://arxiv.org/abs/1807.03748>).
    Contrast {
        /// What it sees.
        #[serde(default = "whole")]
        on: On,
        /// Factor within the sum.
        #[serde(default = "one")]
        weight: f64,
        /// Divides the cosines.
        #[serde(default = "default_temperature")]
        temperature: f64,
    },
}

fn parts() -> On {
    On::Parts
}

fn whole() -> On {
    On::Whole
}

fn yes() -> bool {
    true
}

fn one() -> f64 {
    1.0
}

fn single() -> usize {
    1
}

fn am_scale() -> f64 {
    30.0
}

fn am_margin() -> f64 {
    0.35
}

fn arc_scale() -> f64 {
    64.0
}

fn arc_margin() -> f64 {
    0.5
}

pub(super) fn default_temperature() -> f64 {
    0.1
}

/// Which identity each row of a batch shows.
#[derive(Debug, Clone)]
pub struct Identified {
    /// Number of the identity, `[batch]`.
    pub classes: Tensor<1, Int>,
    /// Rows of a block: a block shows different identities, and the blocks show the same ones in the same order, users'
    /// photos and shop photos by turns.
    pub block: usize,
}

impl EmbeddingLoss {
    /// What recipes without losses learn by: a plain identity softmax a part, as published.
    pub fn published() -> Vec<Self> {
        vec![Self::Softmax {
            on: On::Parts,
            weight: 1.0,
            scale: 0.0,
            smoothing: 0.0,
        }]
    }

    /// What it sees.
    pub fn on(&self) -> On {
        match self {
            Self::Softmax { on, .. }
            | Self::AmSoftmax { on, .. }
            | Self::Arcface { on, .. }
            | Self::Triplet { on, .. }
            | Self::Supcon { on, .. }
            | Self::Contrast { on, .. } => *on,
        }
    }

    /// Factor within the sum.
    pub fn weight(&self) -> f64 {
        match self {
            Self::Softmax { weight, .. }
            | Self::AmSoftmax { weight, .. }
            | Self::Arcface { weight, .. }
            | Self::Triplet { weight, .. }
            | Self::Supcon { weight, .. }
            | Self::Contrast { weight, .. } => *weight,
        }
    }

    /// The classifier that it needs for each vector of `dim` values; `None` for a comparison within the batch.
    ///
    /// `neck` is whether the network has a BNNeck, whose classifier has no bias.
    pub fn classifier(&self, dim: usize, n_classes: usize, neck: bool) -> Option<LinearConfig> {
        let (columns, bias) = match self {
            Self::Softmax { scale, .. } => (n_classes, *scale == 0.0 && !neck),
            Self::AmSoftmax { sub_centres, .. } | Self::Arcface { sub_centres, .. } => (n_classes * sub_centres, false),
            Self::Triplet { .. } | Self::Supcon { .. } | Self::Contrast { .. } => return None,
        };
        Some(LinearConfig::new(dim, columns).with_bias(bias))
    }

    /// The loss of vectors `[batch, dim]`, unweighted, with the classifier that [`classifier`](Self::classifier) asks for.
    ///
    /// # Errors
    /// If that classifier is missing.
    pub fn of(&self, x: Tensor<2>, classifier: Option<&Linear>, batch: &Identified) -> anyhow::Result<Tensor<1>> {
        let classes = batch.classes.clone();
        let missing = || anyhow::anyhow!("{self:?} needs a classifier");
        let weight = || classifier.map(|classifier| classifier.weight.val()).ok_or_else(missing);
        Ok(match *self {
            Self::Softmax { scale, smoothing, .. } => {
                let logits = if scale > 0.0 {
                    cosines(x, weight()?, 1) * scale
                } else {
                    classifier.ok_or_else(missing)?.forward(x)
                };
                cross_entropy(logits, classes, smoothing)
            }
            Self::AmSoftmax {
                scale,
                margin,
                sub_centres,
                smoothing,
                ..
            } => {
                let cosines = cosines(x, weight()?, sub_centres);
                let truth = one_hot(&classes, &cosines);
                cross_entropy((cosines - truth * margin) * scale, classes, smoothing)
            }
            Self::Arcface {
                scale,
                margin,
                sub_centres,
                smoothing,
                ..
            } => {
                let cosines = cosines(x, weight()?, sub_centres);
                let truth = one_hot(&classes, &cosines);
                let widened = widen(cosines.clone(), margin);
                let logits = cosines.clone() + truth * (widened - cosines);
                cross_entropy(logits * scale, classes, smoothing)
            }
            Self::Triplet { margin, normalise, .. } => {
                batch_hard(if normalise { unit_norm(x) } else { x }, &classes, margin)
            }
            Self::Supcon { temperature, .. } => supervised_contrast(x, &classes, temperature),
            Self::Contrast { temperature, .. } => {
                let pairs = x.dims()[0] / (2 * batch.block);
                let block = |at: usize| x.clone().narrow(0, at * batch.block, batch.block);
                let mut loss = Tensor::zeros([1], &x.device());
                for pair in 0..pairs {
                    loss = loss + contrast(block(2 * pair), block(2 * pair + 1), temperature) / pairs as f64;
                }
                loss
            }
        })
    }

    /// # Errors
    /// Names the key that makes no sense.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        let weight = self.weight();
        anyhow::ensure!(
            weight >= 0.0 && weight.is_finite(),
            "weight must be 0 or a positive number"
        );
        match *self {
            Self::Softmax { scale, smoothing, .. } => {
                anyhow::ensure!(scale >= 0.0, "scale must be positive, or 0 for a plain softmax");
                anyhow::ensure!((0.0..1.0).contains(&smoothing), "smoothing must be from 0 to below 1");
            }
            Self::AmSoftmax {
                scale,
                margin,
                sub_centres,
                smoothing,
                ..
            }
            | Self::Arcface {
                scale,
                margin,
                sub_centres,
                smoothing,
                ..
            } => {
                anyhow::ensure!(scale > 0.0, "scale must be positive");
                anyhow::ensure!((0.0..=1.5).contains(&margin), "margin must lie between 0 and 1.5");
                anyhow::ensure!(sub_centres > 0, "sub_centres must be at least 1");
                anyhow::ensure!((0.0..1.0).contains(&smoothing), "smoothing must be from 0 to below 1");
            }
            Self::Triplet { margin, .. } => {
                anyhow::ensure!(
                    margin.is_none_or(|margin| margin >= 0.0),
                    "margin must be 0 or a positive number"
                );
            }
            Self::Supcon { temperature, .. } | Self::Contrast { temperature, .. } => {
                anyhow::ensure!(temperature > 0.0, "temperature must be positive");
            }
        }
        Ok(())
    }
}

/// Cosines of vectors `[batch, dim]` with the identities' directions, the columns of `weight`, `[dim, classes ·
/// sub_centres]` with an identity's beside each other: `[batch, classes]`, of several directions the nearest.
fn cosines(x: Tensor<2>, weight: Tensor<2>, sub_centres: usize) -> Tensor<2> {
    let directions = unit_norm(weight.transpose()).transpose();
    let cosines = unit_norm(x).matmul(directions);
    if sub_centres == 1 {
        return cosines;
    }
    let [batch, columns] = cosines.dims();
    let classes = columns / sub_centres;
    cosines
        .reshape([batch, classes, sub_centres])
        .max_dim(2)
        .reshape([batch, classes])
}

/// 1 at each row's class, `[batch, classes]` as `like`.
fn one_hot(classes: &Tensor<1, Int>, like: &Tensor<2>) -> Tensor<2> {
    let [batch, n] = like.dims();
    let columns = Tensor::<1, Int>::arange(0..n as i64, &like.device())
        .reshape([1, n])
        .repeat(&[batch, 1]);
    columns
        .equal(classes.clone().reshape([batch, 1]).repeat(&[1, n]))
        .float()
}

/// cos(θ + margin) of cos θ; past a half turn, where it would rise again, the straight line of the authors' code.
fn widen(cosine: Tensor<2>, margin: f64) -> Tensor<2> {
    let (sin, cos) = margin.sin_cos();
    let sine = (cosine.clone().square().neg() + 1.0).clamp_min(1e-9).sqrt();
    let widened = cosine.clone() * cos - sine * sin;
    let past = cosine.clone().lower_equal_elem(-cos);
    widened.mask_where(past, cosine - margin * sin)
}

/// Whether two rows show the same identity, `[batch, batch]` of zeros and ones.
fn same(classes: &Tensor<1, Int>) -> Tensor<2> {
    let [n] = classes.dims();
    let rows = classes.clone().reshape([n, 1]).repeat(&[1, n]);
    rows.clone().equal(rows.transpose()).float()
}

/// Mean over the rows of how much farther the farthest fellow is than the nearest stranger.
fn batch_hard(x: Tensor<2>, classes: &Tensor<1, Int>, margin: Option<f64>) -> Tensor<1> {
    /// Farther than anything.
    const FAR: f64 = 1e9;
    let squares = x.clone().square().sum_dim(1);
    let products = x.clone().matmul(x.transpose());
    // Two equal vectors would have no gradient; below the clamp there is none.
    let distances = (squares.clone() + squares.transpose() - products * 2.0)
        .clamp_min(1e-12)
        .sqrt();
    let same = same(classes);
    let farthest = (distances.clone() * same.clone()).max_dim(1);
    let nearest = (distances + same * FAR).min_dim(1);
    let excess = farthest - nearest;
    match margin {
        Some(margin) => relu(excess + margin).mean(),
        // ln(1 + eˣ)
        None => log_sigmoid(excess.neg()).mean().neg(),
    }
}

/// Mean over the rows that have a fellow of the mean over the fellows of −log softmax of the cosines with all other rows.
fn supervised_contrast(x: Tensor<2>, classes: &Tensor<1, Int>, temperature: f64) -> Tensor<1> {
    /// Logit of a row with itself.
    const NEVER: f64 = -1e9;
    let [n, _] = x.dims();
    let x = unit_norm(x);
    let itself = Tensor::<2>::eye(n, &x.device());
    let logits = x.clone().matmul(x.transpose()) / temperature + itself.clone() * NEVER;
    let fellows = same(classes) - itself;
    let count = fellows.clone().sum_dim(1);
    let sums = (log_softmax(logits, 1) * fellows).sum_dim(1);
    let rows = count.clone().greater_elem(0.0).float().sum().clamp_min(1.0);
    (sums / count.clamp_min(1.0)).sum().neg() / rows
}
