//! Re-ranking of hits: hop, query expansion, k-reciprocal neighbours, gallery augmentation.
//!
//! All methods take unit vectors of one model. Equal similarities rank in gallery order.

use rayon::prelude::*;
use serde::Serialize;

use super::storage::{Storage, Stored};
use super::unit::unit;

/// Number of gallery vectors that α-query expansion and gallery augmentation add.
const NEIGHBOURS: usize = 3;
/// Exponent of the similarity as a neighbour's weight (Radenović, Tolias & Chum 2018).
const ALPHA: f64 = 3.0;
/// Neighbourhood sizes and the weight of the original distance (Zhong et al. 2017).
const K_RECIPROCAL: KReciprocal = KReciprocal {
    k1: 20,
    k2: 6,
    lambda: 0.3,
};

/// Number of rows that k-reciprocal re-ranking of one query compares. A whole gallery takes too long.
const CANDIDATES: usize = 100;

/// Method of the second ranking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Rerank {
    /// No second ranking: the order of the inner products.
    #[default]
    None,
    /// Search again with the first hit instead of the query.
    Hop,
    /// Search again with the query plus its first hits, weighted by their similarity to the power of α.
    AlphaQe,
    /// Rank by common k-reciprocal neighbours. It is transductive: neighbours of a query can be other queries of the run.
    KReciprocal,
}

impl Rerank {
    /// Computes scores `[query][gallery]`; higher is better. Scores of one query are comparable.
    pub fn scores(self, queries: &[Vec<f32>], gallery: &Stored) -> Vec<Vec<f32>> {
        if self == Self::KReciprocal {
            let rows: Vec<Vec<f32>> = (0..gallery.len()).map(|row| gallery.row(row)).collect();
            let distances = K_RECIPROCAL.distances(queries, &rows);
            return distances
                .into_iter()
                .map(|line| line.into_iter().map(|d| -d as f32).collect())
                .collect();
        }
        let scores = |query: &Vec<f32>| {
            let query = self.second_query(query, gallery, |_| true);
            (0..gallery.len()).map(|row| gallery.dot(&query, row)).collect()
        };
        queries.par_iter().map(scores).collect()
    }

    /// Computes the query of the second search among the gallery's rows that `keep` accepts, at unit length. Without a second
    /// search it is `query`.
    pub(crate) fn second_query(self, query: &[f32], gallery: &Stored, keep: impl Fn(usize) -> bool + Sync) -> Vec<f32> {
        match self {
            Self::None | Self::KReciprocal => query.to_vec(),
            Self::Hop => {
                let first = gallery.nearest(query, 1, keep);
                first
                    .first()
                    .map_or_else(|| query.to_vec(), |(row, _)| gallery.row(*row))
            }
            Self::AlphaQe => expand(query, gallery, NEIGHBOURS, ALPHA, keep),
        }
    }

    /// Returns the [`CANDIDATES`] nearest rows that `keep` accepts in the order of k-reciprocal re-ranking. It is empty for the
    /// other methods, whose order is that of the inner products with [`second_query`](Self::second_query).
    pub(crate) fn reordered(self, query: &[f32], gallery: &Stored, keep: impl Fn(usize) -> bool + Sync) -> Vec<usize> {
        if self != Self::KReciprocal {
            return Vec::new();
        }
        let near = gallery.nearest(query, CANDIDATES, keep);
        let rows: Vec<Vec<f32>> = near.iter().map(|(row, _)| gallery.row(*row)).collect();
        let distances = K_RECIPROCAL
            .distances(&[query.to_vec()], &rows)
            .pop()
            .unwrap_or_default();
        let mut order: Vec<(f64, usize)> = distances.into_iter().zip(near).map(|(d, (row, _))| (d, row)).collect();
        order.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        order.into_iter().map(|(_, row)| row).collect()
    }
}

/// Computes `row` plus its `n` nearest rows of the gallery that `keep` accepts, weighted by their similarity to the power of
/// `alpha`, at unit length. Neighbours with a negative similarity have weight 0.
fn expand(row: &[f32], gallery: &Stored, n: usize, alpha: f64, keep: impl Fn(usize) -> bool + Sync) -> Vec<f32> {
    let mut sum: Vec<f64> = row.iter().map(|value| f64::from(*value)).collect();
    for (near, similarity) in gallery.nearest(row, n, keep) {
        let weight = f64::from(similarity).max(0.0).powf(alpha);
        sum.iter_mut()
            .zip(gallery.row(near))
            .for_each(|(sum, value)| *sum += weight * f64::from(value));
    }
    unit(&sum)
}

/// Applies database-side augmentation: adds to every gallery vector its nearest neighbours.
pub fn augment(gallery: Vec<Vec<f32>>) -> Vec<Vec<f32>> {
    let stored = Stored::new(Storage::F32, &gallery);
    // The nearest row is the vector itself with weight 1, which does not change its direction.
    gallery
        .par_iter()
        .map(|row| expand(row, &stored, NEIGHBOURS + 1, ALPHA, |_| true))
        .collect()
}

/// Re-ranking with k-reciprocal encoding (Zhong, Zheng, Cao & Li, CVPR 2017).
#[derive(Debug, Clone, Copy, PartialEq)]
struct KReciprocal {
    /// Number of neighbours that can be reciprocal.
    k1: usize,
    /// Number of neighbours whose encodings are averaged.
    k2: usize,
    /// Weight of the original distance, 0–1. The weight of the Jaccard distance is 1 less this.
    lambda: f64,
}

impl KReciprocal {
    /// Computes distances `[query][gallery]`; lower is better. It holds three tables of (queries + gallery)² numbers.
    fn distances(&self, queries: &[Vec<f32>], gallery: &[Vec<f32>]) -> Vec<Vec<f64>> {
        let all: Vec<&Vec<f32>> = queries.iter().chain(gallery).collect();
        let n = all.len();
        let original = scaled_distances(&all);
        let order = |line: &Vec<f64>| {
            let mut order: Vec<usize> = (0..n).collect();
            order.sort_by(|a, b| line[*a].total_cmp(&line[*b]));
            order
        };
        let ranks: Vec<Vec<usize>> = original.par_iter().map(order).collect();
        let encode = |i: usize| self.encode(i, &original[i], &ranks);
        let encoded: Vec<Vec<f64>> = (0..n).into_par_iter().map(encode).collect();
        let smooth = self.smooth(&encoded, &ranks);
        let distance = |q: usize, g: usize| {
            let common: f64 = smooth[q].iter().zip(&smooth[g]).map(|(a, b)| a.min(*b)).sum();
            (1.0 - self.lambda) * (1.0 - common / (2.0 - common)) + self.lambda * original[q][g]
        };
        (0..queries.len())
            .into_par_iter()
            .map(|q| (queries.len()..n).map(|g| distance(q, g)).collect())
            .collect()
    }

    /// Encodes photo `i` by the weights of its k-reciprocal neighbours, `[photo]`. `distances` are those of photo `i`.
    fn encode(&self, i: usize, distances: &[f64], ranks: &[Vec<usize>]) -> Vec<f64> {
        let half = (self.k1 as f64 / 2.0).round_ties_even() as usize;
        let core = reciprocal(i, self.k1, ranks);
        let mut members = core.clone();
        for candidate in &core {
            let theirs = reciprocal(*candidate, half, ranks);
            let shared = theirs.iter().filter(|member| core.contains(member)).count();
            if 3 * shared > 2 * theirs.len() {
                members.extend(theirs);
            }
        }
        members.sort_unstable();
        members.dedup();
        let weights: Vec<f64> = members.iter().map(|j| (-distances[*j]).exp()).collect();
        let sum: f64 = weights.iter().sum();
        let mut line = vec![0.0; ranks.len()];
        members
            .iter()
            .zip(weights)
            .for_each(|(j, weight)| line[*j] = weight / sum);
        line
    }

    /// Averages the encodings of each photo's `k2` nearest neighbours.
    fn smooth(&self, encoded: &[Vec<f64>], ranks: &[Vec<usize>]) -> Vec<Vec<f64>> {
        if self.k2 <= 1 {
            return encoded.to_vec();
        }
        let n = encoded.len();
        let averaged = |i: usize| {
            let mut line = vec![0.0; n];
            let near = &ranks[i][..self.k2.clamp(1, n)];
            for j in near {
                line.iter_mut()
                    .zip(&encoded[*j])
                    .for_each(|(sum, value)| *sum += value / near.len() as f64);
            }
            line
        };
        (0..n).into_par_iter().map(averaged).collect()
    }
}

/// Squared Euclidean distances of unit vectors, with each row divided by its maximum.
fn scaled_distances(all: &[&Vec<f32>]) -> Vec<Vec<f64>> {
    let scaled = |a: &&Vec<f32>| {
        let line: Vec<f64> = all.iter().map(|b| (2.0 - 2.0 * dot(a, b)).max(0.0)).collect();
        let greatest = line.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
        line.into_iter().map(|distance| distance / greatest).collect()
    };
    all.par_iter().map(scaled).collect()
}

/// The `k` nearest neighbours of photo `i` that have photo `i` among their `k` nearest neighbours.
fn reciprocal(i: usize, k: usize, ranks: &[Vec<usize>]) -> Vec<usize> {
    let forward = ranks[i].iter().take(k + 1);
    forward
        .copied()
        .filter(|j| ranks[*j].iter().take(k + 1).any(|back| *back == i))
        .collect()
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::score::descending;

    /// Unit vectors at these angles in degrees.
    fn at(angles: &[f64]) -> Vec<Vec<f32>> {
        angles
            .iter()
            .map(|angle| unit(&[angle.to_radians().cos(), angle.to_radians().sin()]))
            .collect()
    }

    fn best(rerank: Rerank, queries: &[f64], gallery: &[f64]) -> Vec<usize> {
        let scores = rerank.scores(&at(queries), &Stored::new(Storage::F32, &at(gallery)));
        let mut order: Vec<usize> = (0..gallery.len()).collect();
        order.sort_by(|a, b| descending(scores[0][*a], scores[0][*b]));
        order
    }

    #[test]
    fn a_second_search_starts_from_the_first_hits() {
        // The query at 0° is nearest to 10°. From 10°, 25° is nearer than −20°.
        let gallery = [10.0, -20.0, 25.0];
        assert_eq!(best(Rerank::None, &[0.0], &gallery), [0, 1, 2]);
        assert_eq!(best(Rerank::Hop, &[0.0], &gallery), [0, 2, 1]);
        // The weighted mean of the query and all three is at 3°. From there, 25° is also nearer than −20°.
        assert_eq!(best(Rerank::AlphaQe, &[0.0], &gallery), [0, 2, 1]);
        for rerank in [Rerank::Hop, Rerank::AlphaQe, Rerank::KReciprocal] {
            let nothing = rerank.scores(&at(&[0.0]), &Stored::new(Storage::F32, &[]));
            assert!(nothing.iter().all(Vec::is_empty), "{rerank:?} of an empty gallery");
        }
    }

    #[test]
    fn augmentation_moves_neighbours_together_and_keeps_unit_length() {
        let before = at(&[0.0, 20.0, 90.0]);
        let after = augment(before.clone());
        assert!(dot(&after[0], &after[1]) > dot(&before[0], &before[1]));
        assert!(after.iter().all(|row| (dot(row, row) - 1.0).abs() < 1e-6));
    }
}
