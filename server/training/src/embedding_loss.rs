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
    /// Vectors of earlier batches, which are additional negatives of the comparing losses; `None` for none.
    pub memory: Option<Remembered>,
}

/// Vectors of shop photos of earlier batches, without gradients (XBM, Wang et al. 2020, <https://arxiv.org/abs/1912.06798>).
/// Those of a row's own identity are neither positives nor negatives of the row.
#[derive(Debug, Clone)]
pub struct Remembered {
    /// Vectors, `[memory, dim]`.
    pub vectors: Tensor<2>,
    /// Number of the identity, `[memory]`.
    pub classes: Tensor<1, Int>,
}

impl Remembered {
    /// 1 where a row of the batch shows the identity of an entry and 0 elsewhere, `[batch, memory]`.
    fn same_identity(&self, classes: &Tensor<1, Int>) -> Tensor<2> {
        let ([batch], [n]) = (classes.dims(), self.classes.dims());
        let rows = classes.clone().reshape([batch, 1]).repeat(&[1, n]);
        let entries = self.classes.clone().reshape([1, n]).repeat(&[batch, 1]);
        rows.equal(entries).float()
    }

    /// Cosines of `x`, `[batch, dim]`, with the entries, divided by the temperature, `[batch, memory]`. Entries of a row's own
    /// identity have a logit that excludes them.
    fn logits(&self, x: &Tensor<2>, classes: &Tensor<1, Int>, temperature: f64) -> Tensor<2> {
        let cosines = unit_norm(x.clone()).matmul(unit_norm(self.vectors.clone()).transpose());
        cosines / temperature + self.same_identity(classes) * EXCLUDED
    }
}

/// Logit of a pair that does not count.
const EXCLUDED: f64 = -1e9;
/// Greater than any distance.
const FAR: f64 = 1e9;

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
                let unit = |x: Tensor<2>| if normalise { unit_norm(x) } else { x };
                let memory = batch.memory.clone().map(|memory| Remembered {
                    vectors: unit(memory.vectors),
                    ..memory
                });
                batch_hard(unit(x), &classes, memory.as_ref(), margin)
            }
            Self::Supcon { temperature, .. } => supervised_contrast(x, batch, temperature),
            Self::Contrast { temperature, .. } => pair_contrast(&x, batch, temperature),
        })
    }
}

/// Mean of the contrasts between each block of users' photos and the next block, of shop photos. The photos of users are also
/// contrasted with the memory.
fn pair_contrast(x: &Tensor<2>, batch: &Identified, temperature: f64) -> Tensor<1> {
    let rows = batch.block;
    let pairs = x.dims()[0] / (2 * rows);
    let block = |at: usize| x.clone().narrow(0, at * rows, rows);
    let mut loss = Tensor::zeros([1], &x.device());
    for pair in 0..pairs {
        let (user, shop) = (block(2 * pair), block(2 * pair + 1));
        let others = batch.memory.as_ref().map(|memory| {
            let classes = batch.classes.clone().narrow(0, 2 * pair * rows, rows);
            memory.logits(&user, &classes, temperature)
        });
        loss = loss + contrast(user, shop, others, temperature) / pairs as f64;
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

/// Euclidean distances between the rows of two matrices, `[a, b]`.
fn distances(a: Tensor<2>, b: Tensor<2>) -> Tensor<2> {
    let squares = |x: &Tensor<2>| x.clone().square().sum_dim(1);
    let (of_a, of_b) = (squares(&a), squares(&b).transpose());
    // The clamp keeps the square root's gradient finite for two equal vectors.
    (of_a + of_b - a.matmul(b.transpose()) * 2.0).clamp_min(1e-12).sqrt()
}

/// Mean triplet loss over the rows, each with its hardest positive in the batch, and its hardest negative in batch and memory.
fn batch_hard(x: Tensor<2>, classes: &Tensor<1, Int>, memory: Option<&Remembered>, margin: Option<f64>) -> Tensor<1> {
    let within = distances(x.clone(), x.clone());
    let same = same_identity(classes);
    let hardest_positive = (within.clone() * same.clone()).max_dim(1);
    let mut hardest_negative = (within + same * FAR).min_dim(1);
    if let Some(memory) = memory {
        let across = distances(x, memory.vectors.clone()) + memory.same_identity(classes) * FAR;
        hardest_negative = hardest_negative.min_pair(across.min_dim(1));
    }
    let excess = hardest_positive - hardest_negative;
    match margin {
        Some(margin) => relu(excess + margin).mean(),
        // ln(1 + eˣ)
        None => log_sigmoid(excess.neg()).mean().neg(),
    }
}

/// Supervised contrast: −log softmax of the cosines with all other rows and the memory, mean over a row's positives in the
/// batch, then over the rows that have a positive.
fn supervised_contrast(x: Tensor<2>, batch: &Identified, temperature: f64) -> Tensor<1> {
    let [n, _] = x.dims();
    let x = unit_norm(x);
    let itself = Tensor::<2>::eye(n, &x.device());
    let mut logits = x.clone().matmul(x.clone().transpose()) / temperature + itself.clone() * EXCLUDED;
    if let Some(memory) = &batch.memory {
        logits = Tensor::cat(vec![logits, memory.logits(&x, &batch.classes, temperature)], 1);
    }
    let positives = same_identity(&batch.classes) - itself;
    let count = positives.clone().sum_dim(1);
    let sums = (log_softmax(logits, 1).narrow(1, 0, n) * positives).sum_dim(1);
    let rows = count.clone().greater_elem(0.0).float().sum().clamp_min(1.0);
    (sums / count.clamp_min(1.0)).sum().neg() / rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    /// Two items in a batch of two users' and two shop photos, and a memory of one photo of item 0 and one of item 2.
    fn batch(with_memory: bool) -> (Tensor<2>, Identified) {
        let device = Device::flex();
        let x = Tensor::from_floats([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8], [0.0, 2.0]], &device);
        let memory = Remembered {
            vectors: Tensor::from_floats([[1.0, 0.0], [0.8, 0.6]], &device),
            classes: Tensor::from_ints([0, 2], &device),
        };
        let batch = Identified {
            classes: Tensor::from_ints([0, 1, 0, 1], &device),
            block: 2,
            memory: with_memory.then_some(memory),
        };
        (x, batch)
    }

    /// Loss computed in f64 with the cosines of `batch`, whose rows are u0, u1, s0, s1 and whose negative entry is m.
    fn by_hand(kind: &str, with_memory: bool) -> f64 {
        // Cosines between the four rows, and of each row with m. The entry of item 0 is never a negative, since u1 and s1
        // alone could use it: their cosines with it are 0.
        let cosine = [
            [1.0, 0.0, 0.6, 0.0],
            [0.0, 1.0, 0.8, 1.0],
            [0.6, 0.8, 1.0, 0.8],
            [0.0, 1.0, 0.8, 1.0],
        ];
        let with_m = [0.8, 0.6, 0.96, 0.6];
        let with_item_0 = [1.0, 0.0, 0.6, 0.0];
        let memory = |row: usize| -> Vec<f64> {
            match (with_memory, row % 2) {
                (false, _) => vec![],
                (true, 0) => vec![with_m[row]],
                (true, _) => vec![with_m[row], with_item_0[row]],
            }
        };
        let log_share = |right: f64, all: Vec<f64>| right - all.iter().map(|logit| logit.exp()).sum::<f64>().ln();
        match kind {
            "contrast" => {
                let there = |user: usize| {
                    let shop = [cosine[user][2], cosine[user][3]];
                    log_share(shop[user], [&shop[..], &memory(user)].concat())
                };
                let back = |shop: usize| {
                    let user = [cosine[0][2 + shop], cosine[1][2 + shop]];
                    log_share(user[shop], user.to_vec())
                };
                -(there(0) + there(1) + back(0) + back(1)) / 4.0
            }
            "supcon" => {
                let row = |row: usize| {
                    let others = (0..4).filter(|other| *other != row).map(|other| cosine[row][other]);
                    log_share(cosine[row][(row + 2) % 4], others.chain(memory(row)).collect())
                };
                -(0..4).map(row).sum::<f64>() / 4.0
            }
            _ => {
                let distance = |cosine: f64| (2.0 - 2.0 * cosine).max(1e-12).sqrt();
                let row = |row: usize| {
                    let negatives = [(row + 1) % 4, (row + 3) % 4].map(|other| cosine[row][other]);
                    let nearest = negatives.into_iter().chain(memory(row)).fold(-1.0, f64::max);
                    (distance(cosine[row][(row + 2) % 4]) - distance(nearest) + 0.5).max(0.0)
                };
                (0..4).map(row).sum::<f64>() / 4.0
            }
        }
    }

    #[test]
    fn memory_adds_negatives_of_other_items_to_every_comparing_loss() {
        for (kind, loss) in [
            (
                "contrast",
                serde_json::json!({ "kind": "contrast", "temperature": 1.0 }),
            ),
            ("supcon", serde_json::json!({ "kind": "supcon", "temperature": 1.0 })),
            ("triplet", serde_json::json!({ "kind": "triplet", "margin": 0.5 })),
        ] {
            let loss: EmbeddingLoss = serde_json::from_value(loss).expect("the loss is valid");
            for with_memory in [false, true] {
                let (x, batch) = batch(with_memory);
                let computed: f32 = loss
                    .compute(x, None, &batch)
                    .expect("no classifier is needed")
                    .into_scalar();
                let expected = by_hand(kind, with_memory);
                assert!(
                    (f64::from(computed) - expected).abs() < 1e-5,
                    "{kind}, memory {with_memory}: {computed}, by hand {expected}"
                );
            }
            assert!((by_hand(kind, true) - by_hand(kind, false)).abs() > 1e-3, "{kind}");
        }
    }
}
