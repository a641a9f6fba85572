//! Losses of a query encoder. The norms of embeddings have no effect in any of them.

use burn::tensor::Tensor;
use burn::tensor::activation::{log_softmax, softmax, softplus};
use shared::model::block::unit_norm;

/// 1 − cosine, mean over rows. `embedding` and `target` are `[rows, dim]`, and their norms have no effect.
pub(super) fn regression(embedding: Tensor<2>, target: Tensor<2>) -> Tensor<1> {
    let cosine = (unit_norm(embedding) * unit_norm(target)).sum_dim(1);
    (cosine.neg() + 1.0).mean()
}

/// Cross-entropy of finding a row's photos in the gallery by cosine / `temperature`, mean over the rows that have a photo.
///
/// `cosines` and `shares` are `[rows, photos]`. The shares are the targets: they add up to 1, or to 0 for a row without a photo.
pub(super) fn gallery_contrast(cosines: Tensor<2>, shares: Tensor<2>, temperature: f64) -> Tensor<1> {
    let rows = shares.clone().sum().clamp_min(1.0);
    (log_softmax(cosines / temperature, 1) * shares).sum().neg() / rows
}

/// 1 − cosine of each part to the same part of the target, mean over rows and parts. Each of `parts` is `[rows, part_dim]`;
/// `target` is the concatenation of the teacher's parts.
pub(super) fn part_regression(parts: &[Tensor<2>], target: &Tensor<2>) -> Tensor<1> {
    let mut at = 0;
    let terms = parts.iter().map(|part| {
        let [_, dim] = part.dims();
        at += dim;
        regression(part.clone(), target.clone().narrow(1, at - dim, dim))
    });
    Tensor::cat(terms.collect(), 0).mean()
}

/// Cosines of rows with the photos of a gallery, `[rows, photos]`.
pub(super) fn cosines(rows: Tensor<2>, gallery: Tensor<2>) -> Tensor<2> {
    unit_norm(rows).matmul(unit_norm(gallery).transpose())
}

/// Kullback–Leibler divergence of the student's distribution over a gallery from the teacher's, mean over rows: contextual
/// similarity distillation (Wu et al. 2022, <https://arxiv.org/abs/2203.10381>). Distributions are softmaxes of cosines, both
/// `[rows, photos]`, divided by `temperature`.
pub(super) fn context(student: Tensor<2>, teacher: Tensor<2>, temperature: f64) -> Tensor<1> {
    let [rows, _] = student.dims();
    let wanted = softmax(teacher.clone() / temperature, 1);
    let difference = log_softmax(teacher / temperature, 1) - log_softmax(student / temperature, 1);
    (wanted * difference).sum() / rows as f64
}

/// Logistic loss of every two consecutive photos among the `neighbours` nearest of the teacher: the student's cosine of the
/// nearer one should be larger. `student` and `teacher` are cosines `[rows, photos]`.
pub(super) fn order(student: Tensor<2>, teacher: Tensor<2>, neighbours: usize, temperature: f64) -> Tensor<1> {
    let [_, photos] = teacher.dims();
    let count = neighbours.min(photos);
    let (_, nearest) = teacher.topk_with_indices(count, 1);
    let sorted = student.gather(1, nearest);
    let nearer = sorted.clone().narrow(1, 0, count - 1);
    let farther = sorted.narrow(1, 1, count - 1);
    softplus((farther - nearer) / temperature, 1.0).mean()
}
