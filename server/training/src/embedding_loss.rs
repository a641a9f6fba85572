//! Losses of embeddings by identity: softmaxes over the training identities, and comparisons within a batch.

use crate::loss::{contrast, cross_entropy};
use crate::recipe::EmbeddingLoss;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::{log_sigmoid, log_softmax, relu};
use burn::tensor::{Int, Tensor};
use shared::model::block::unit_norm;

/// Identities of the rows of a batch.
#[derive(Debug, Clone)]
pub struct Identified {
    /// Number of the identity, `[batch]`.
    pub classes: Tensor<1, Int>,
    /// Rows of a block. A block shows different identities, and all blocks show the same ones in the same order. Blocks of
    /// users' photos and of shop photos alternate.
    pub block: usize,
}

impl EmbeddingLoss {
    /// Returns the identity classifier that the loss needs for vectors of `dim` values, or `None` for a comparison within
    /// the batch.
    ///
    /// `neck` is true if the network has a BNNeck, whose classifier has no bias.
    pub fn classifier(&self, dim: usize, n_classes: usize, neck: bool) -> Option<LinearConfig> {
        let (columns, bias) = match self {
            Self::Softmax { scale, .. } => (n_classes, *scale == 0.0 && !neck),
            Self::AmSoftmax { sub_centres, .. } | Self::Arcface { sub_centres, .. } => (n_classes * sub_centres, false),
            Self::Triplet { .. } | Self::Supcon { .. } | Self::Contrast { .. } => return None,
        };
        Some(LinearConfig::new(dim, columns).with_bias(bias))
    }

    /// Computes the unweighted loss of vectors `[batch, dim]`, with the classifier that [`classifier`](Self::classifier)
    /// returns.
    ///
    /// # Errors
    /// If that classifier is missing.
    pub fn compute(&self, x: Tensor<2>, classifier: Option<&Linear>, batch: &Identified) -> anyhow::Result<Tensor<1>> {
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
                let widened = add_angle(cosines.clone(), margin);
                let logits = cosines.clone() + truth * (widened - cosines);
                cross_entropy(logits * scale, classes, smoothing)
            }
            Self::Triplet { margin, normalise, .. } => {
                batch_hard(if normalise { unit_norm(x) } else { x }, &classes, margin)
            }
            Self::Supcon { temperature, .. } => supervised_contrast(x, &classes, temperature),
            Self::Contrast { temperature, .. } => pair_contrast(&x, batch.block, temperature),
        })
    }
}

/// Mean of the contrasts between each block of users' photos and the next block, of shop photos.
fn pair_contrast(x: &Tensor<2>, rows: usize, temperature: f64) -> Tensor<1> {
    let pairs = x.dims()[0] / (2 * rows);
    let block = |at: usize| x.clone().narrow(0, at * rows, rows);
    let mut loss = Tensor::zeros([1], &x.device());
    for pair in 0..pairs {
        loss = loss + contrast(block(2 * pair), block(2 * pair + 1), temperature) / pairs as f64;
    }
    loss
}

/// Cosines of vectors `[batch, dim]` with the identities' directions, `[batch, classes]`.
///
/// Directions are the columns of `weight`, `[dim, classes · sub_centres]`; those of one identity are adjacent, and the
/// nearest one counts.
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

/// 1 at each row's class and 0 elsewhere, `[batch, classes]`, the shape of `like`.
fn one_hot(classes: &Tensor<1, Int>, like: &Tensor<2>) -> Tensor<2> {
    let [batch, n] = like.dims();
    let columns = Tensor::<1, Int>::arange(0..n as i64, &like.device())
        .reshape([1, n])
        .repeat(&[batch, 1]);
    columns
        .equal(classes.clone().reshape([batch, 1]).repeat(&[1, n]))
        .float()
}

/// Returns cos(θ + margin) for cos θ. Past π, where the cosine would rise again, it is a straight line as in the authors'
/// code.
fn add_angle(cosine: Tensor<2>, margin: f64) -> Tensor<2> {
    let (sin, cos) = margin.sin_cos();
    let sine = (cosine.clone().square().neg() + 1.0).clamp_min(1e-9).sqrt();
    let widened = cosine.clone() * cos - sine * sin;
    let past = cosine.clone().lower_equal_elem(-cos);
    widened.mask_where(past, cosine - margin * sin)
}

/// 1 where two rows show the same identity and 0 elsewhere, `[batch, batch]`.
fn same_identity(classes: &Tensor<1, Int>) -> Tensor<2> {
    let [n] = classes.dims();
    let rows = classes.clone().reshape([n, 1]).repeat(&[1, n]);
    rows.clone().equal(rows.transpose()).float()
}

/// Mean triplet loss over the rows, each with its hardest positive and its hardest negative in the batch.
fn batch_hard(x: Tensor<2>, classes: &Tensor<1, Int>, margin: Option<f64>) -> Tensor<1> {
    /// Greater than any distance.
    const FAR: f64 = 1e9;
    let squares = x.clone().square().sum_dim(1);
    let products = x.clone().matmul(x.transpose());
    // The clamp keeps the square root's gradient finite for two equal vectors.
    let distances = (squares.clone() + squares.transpose() - products * 2.0)
        .clamp_min(1e-12)
        .sqrt();
    let same = same_identity(classes);
    let hardest_positive = (distances.clone() * same.clone()).max_dim(1);
    let hardest_negative = (distances + same * FAR).min_dim(1);
    let excess = hardest_positive - hardest_negative;
    match margin {
        Some(margin) => relu(excess + margin).mean(),
        // ln(1 + eˣ)
        None => log_sigmoid(excess.neg()).mean().neg(),
    }
}

/// Supervised contrast: −log softmax of the cosines with all other rows, mean over a row's positives, then over the rows
/// that have a positive.
fn supervised_contrast(x: Tensor<2>, classes: &Tensor<1, Int>, temperature: f64) -> Tensor<1> {
    /// Logit of a row with itself.
    const EXCLUDED: f64 = -1e9;
    let [n, _] = x.dims();
    let x = unit_norm(x);
    let itself = Tensor::<2>::eye(n, &x.device());
    let logits = x.clone().matmul(x.transpose()) / temperature + itself.clone() * EXCLUDED;
    let positives = same_identity(classes) - itself;
    let count = positives.clone().sum_dim(1);
    let sums = (log_softmax(logits, 1) * positives).sum_dim(1);
    let rows = count.clone().greater_elem(0.0).float().sum().clamp_min(1.0);
    (sums / count.clamp_min(1.0)).sum().neg() / rows
}
