//! Re-ranking of hits: hop, query expansion, k-reciprocal neighbours, gallery augmentation.
//!
//! All methods take unit vectors of one model. Equal similarities rank in gallery order.

use rayon::prelude::*;
use scan::Bitmap;
use serde::Serialize;

use super::storage::{Storage, Stored};
use super::unit::unit;

/// Numbers of the methods of re-ranking. The defaults are those of the publications.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, clap::Args)]
pub struct Parameters {
    /// Gallery embeddings that alpha-qe and gallery augmentation add to a vector, at least 1
    #[arg(id = "rerank_neighbours", long = "rerank-neighbours", value_name = "N", default_value_t = Self::default().neighbours)]
    pub neighbours: usize,
    /// Exponent of the similarity as the weight of such an embedding, at least 0 (Radenović, Tolias & Chum 2018)
    #[arg(id = "rerank_alpha", long = "rerank-alpha", value_name = "ALPHA", default_value_t = Self::default().alpha)]
    pub alpha: f64,
    /// Neighbours that can be reciprocal in k-reciprocal re-ranking, at least 1 (Zhong et al. 2017)
    #[arg(id = "rerank_k1", long = "rerank-k1", value_name = "N", default_value_t = Self::default().k1)]
    pub k1: usize,
    /// Neighbours whose encodings k-reciprocal re-ranking averages, at least 1
    #[arg(id = "rerank_k2", long = "rerank-k2", value_name = "N", default_value_t = Self::default().k2)]
    pub k2: usize,
    /// Weight of the original distance in k-reciprocal re-ranking, 0 to 1; the Jaccard distance has the rest
    #[arg(id = "rerank_lambda", long = "rerank-lambda", value_name = "SHARE", default_value_t = Self::default().lambda)]
    pub lambda: f64,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            neighbours: 3,
            alpha: 3.0,
            k1: 20,
            k2: 6,
            lambda: 0.3,
        }
    }
}

impl Parameters {
    /// Checks the ranges.
    ///
    /// # Errors
    /// Names the number that is out of range.
    pub fn check(&self) -> Result<(), String> {
        let is_right = [
            (self.neighbours > 0, "--rerank-neighbours must be at least 1"),
            (
                self.alpha >= 0.0 && self.alpha.is_finite(),
                "--rerank-alpha must be 0 or a positive number",
            ),
            (self.k1 > 0, "--rerank-k1 must be at least 1"),
            (self.k2 > 0, "--rerank-k2 must be at least 1"),
            (
                (0.0..=1.0).contains(&self.lambda),
                "--rerank-lambda must lie between 0 and 1",
            ),
        ];
        match is_right.into_iter().find(|(is_right, _)| !is_right) {
            Some((_, message)) => Err(message.to_owned()),
            None => Ok(()),
        }
    }
}

/// A method of re-ranking with its numbers.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Reranking {
    /// The method.
    pub method: Rerank,
    /// Its numbers.
    pub parameters: Parameters,
}

impl From<Rerank> for Reranking {
    fn from(method: Rerank) -> Self {
        Self {
            method,
            parameters: Parameters::default(),
        }
    }
}

/// Lists the numbers that the method uses, after its name.
impl std::fmt::Display for Reranking {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Parameters {
            neighbours,
            alpha,
            k1,
            k2,
            lambda,
        } = self.parameters;
        match self.method {
            Rerank::None => write!(f, "nothing"),
            Rerank::Hop => write!(f, "hop"),
            Rerank::AlphaQe => write!(f, "alpha-qe (n {neighbours}, alpha {alpha})"),
            Rerank::KReciprocal => write!(f, "k-reciprocal (k1 {k1}, k2 {k2}, lambda {lambda})"),
        }
    }
}

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
    /// Computes scores with the default numbers, as [`Reranking::scores`] does.
    pub fn scores(self, queries: &[Vec<f32>], gallery: &Stored) -> Vec<Vec<f32>> {
        Reranking::from(self).scores(queries, gallery)
    }
}

impl Reranking {
    /// Computes scores `[query][gallery]`; higher is better. Scores of one query are comparable.
    pub fn scores(&self, queries: &[Vec<f32>], gallery: &Stored) -> Vec<Vec<f32>> {
        if self.method == Rerank::KReciprocal {
            let rows: Vec<Vec<f32>> = (0..gallery.len()).map(|row| gallery.row(row)).collect();
            let distances = KReciprocal::from(self.parameters).distances(queries, &rows);
            return distances
                .into_iter()
                .map(|line| line.into_iter().map(|d| -d as f32).collect())
                .collect();
        }
        let second = queries.par_iter().map(|query| self.second_query(query, gallery, None));
        let second: Vec<Vec<f32>> = second.collect();
        gallery.dots(&second.iter().map(Vec::as_slice).collect::<Vec<_>>())
    }

    /// Computes the query of the second search among the gallery's rows that `filter` contains, at unit length. Without a second
    /// search it is `query`.
    pub(crate) fn second_query(&self, query: &[f32], gallery: &Stored, filter: Option<&Bitmap>) -> Vec<f32> {
        match self.method {
            Rerank::None | Rerank::KReciprocal => query.to_vec(),
            Rerank::Hop => {
                let first = gallery.nearest(&[query], 1, filter);
                let first = first.first().and_then(|near| near.first());
                first.map_or_else(|| query.to_vec(), |(row, _)| gallery.row(*row))
            }
            Rerank::AlphaQe => {
                let near = gallery.nearest(&[query], self.parameters.neighbours, filter);
                expand(
                    query,
                    gallery,
                    near.first().map_or(&[], Vec::as_slice),
                    self.parameters.alpha,
                )
            }
        }
    }

    /// Returns the [`CANDIDATES`] nearest rows that `filter` contains in the order of k-reciprocal re-ranking. It is empty for the
    /// other methods, whose order is that of the inner products with [`second_query`](Self::second_query).
    pub(crate) fn reordered(&self, query: &[f32], gallery: &Stored, filter: Option<&Bitmap>) -> Vec<usize> {
        if self.method != Rerank::KReciprocal {
            return Vec::new();
        }
        let near = gallery.nearest(&[query], CANDIDATES, filter).pop().unwrap_or_default();
        let rows: Vec<Vec<f32>> = near.iter().map(|(row, _)| gallery.row(*row)).collect();
        let distances = KReciprocal::from(self.parameters)
            .distances(&[query.to_vec()], &rows)
            .pop()
            .unwrap_or_default();
        let mut order: Vec<(f64, usize)> = distances.into_iter().zip(near).map(|(d, (row, _))| (d, row)).collect();
        order.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        order.into_iter().map(|(_, row)| row).collect()
    }
}

/// Computes `row` plus the rows of the gallery in `near`, weighted by their similarity to the power of `alpha`, at unit length.
/// Neighbours with a negative similarity have weight 0.
fn expand(row: &[f32], gallery: &Stored, near: &[(usize, f32)], alpha: f64) -> Vec<f32> {
    let mut sum: Vec<f64> = row.iter().map(|value| f64::from(*value)).collect();
    for (near, similarity) in near {
        let weight = f64::from(*similarity).max(0.0).powf(alpha);
        sum.iter_mut()
            .zip(gallery.row(*near))
            .for_each(|(sum, value)| *sum += weight * f64::from(value));
    }
    unit(&sum)
}

/// Vectors whose neighbours are found in one pass over the gallery.
const PASS: usize = 96;

/// Applies database-side augmentation: adds to every gallery vector its nearest neighbours, as many as the parameters say.
pub fn augment(gallery: Vec<Vec<f32>>, parameters: Parameters) -> Vec<Vec<f32>> {
    let Parameters { neighbours, alpha, .. } = parameters;
    let stored = Stored::new(Storage::F32, &gallery);
    let pass = |rows: &[Vec<f32>]| -> Vec<Vec<f32>> {
        let queries: Vec<&[f32]> = rows.iter().map(Vec::as_slice).collect();
        // The nearest row is the vector itself with weight 1, which does not change its direction.
        let near = stored.nearest(&queries, neighbours + 1, None);
        let pairs = rows.par_iter().zip(near);
        pairs.map(|(row, near)| expand(row, &stored, &near, alpha)).collect()
    };
    gallery.chunks(PASS).flat_map(pass).collect()
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

impl From<Parameters> for KReciprocal {
    fn from(Parameters { k1, k2, lambda, .. }: Parameters) -> Self {
        Self { k1, k2, lambda }
    }
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
    fn the_numbers_of_a_method_change_its_ranking() {
        let (queries, gallery) = (at(&[0.0]), Stored::new(Storage::F32, &at(&[10.0, -20.0, 25.0])));
        let scores = |parameters: Parameters| {
            let method = Rerank::AlphaQe;
            Reranking { method, parameters }.scores(&queries, &gallery).remove(0)
        };
        // With one neighbour the second query is at 5°, and -20° and 25° lie 25° and 20° from it.
        let one = scores(Parameters {
            neighbours: 1,
            alpha: 0.0,
            ..Parameters::default()
        });
        let cosine = |degrees: f64| degrees.to_radians().cos() as f32;
        for (score, degrees) in one.iter().zip([5.0, 25.0, 20.0]) {
            assert!((score - cosine(degrees)).abs() < 1e-6, "{score}, {degrees} degrees");
        }
        assert_ne!(one, scores(Parameters::default()));
        let wrong = Parameters {
            lambda: 1.5,
            ..Parameters::default()
        };
        assert!(
            wrong
                .check()
                .expect_err("lambda is too large")
                .contains("--rerank-lambda")
        );
    }

    #[test]
    fn augmentation_moves_neighbours_together_and_keeps_unit_length() {
        let before = at(&[0.0, 20.0, 90.0]);
        let after = augment(before.clone(), Parameters::default());
        assert!(dot(&after[0], &after[1]) > dot(&before[0], &before[1]));
        assert!(after.iter().all(|row| (dot(row, row) - 1.0).abs() < 1e-6));
    }
}
