//! Contributions of the parts of a retrieval network to the score of two of its embeddings.

use nalgebra::{DMatrix, DVector};

/// Lengths of a network's parts, and the projection of its embeddings, if it has one.
#[derive(Debug, Clone, PartialEq)]
pub struct Parts {
    lengths: Vec<usize>,
    projection: Option<Unprojection>,
}

/// A projection to fewer values, and the map back.
#[derive(Debug, Clone, PartialEq)]
struct Unprojection {
    /// The directions of the projection, `[to, from]`.
    directions: DMatrix<f64>,
    /// The pseudo-inverse of `directions`, `[from, to]`.
    inverse: DMatrix<f64>,
}

impl Parts {
    /// Parts of embeddings that are the parts one after the other.
    pub fn new(lengths: Vec<usize>) -> Self {
        Self {
            lengths,
            projection: None,
        }
    }

    /// Parts of embeddings that a projection made from the parts. `directions` is `[to][from]`, and `from` is the sum of the lengths.
    /// Returns `None` if the directions do not fit the lengths or are not independent.
    pub fn projected(lengths: Vec<usize>, directions: &[f32]) -> Option<Self> {
        let from: usize = lengths.iter().sum();
        if from == 0 || !directions.len().is_multiple_of(from) {
            return None;
        }
        let numbers = directions.iter().map(|value| f64::from(*value));
        let directions = DMatrix::from_row_iterator(directions.len() / from, from, numbers);
        let gram = &directions * directions.transpose();
        let inverse = directions.transpose() * gram.cholesky()?.inverse();
        Some(Self {
            lengths,
            projection: Some(Unprojection { directions, inverse }),
        })
    }

    /// Returns a function that splits the inner product of `query` and a vector into the contributions of the parts. Their sum is
    /// the inner product.
    ///
    /// Projected embeddings are compared in the space before the projection: the query there is the shortest vector that the
    /// projection maps to it. So the contributions are those of what the projection keeps of each part.
    pub fn split(&self, query: &[f32]) -> impl Fn(&[f32]) -> Vec<f32> {
        let vector =
            |values: &[f32]| DVector::from_iterator(values.len(), values.iter().map(|value| f64::from(*value)));
        let projection = self
            .projection
            .as_ref()
            .filter(|projection| projection.directions.nrows() == query.len());
        let query = match projection {
            Some(projection) => &projection.inverse * vector(query),
            None => vector(query),
        };
        move |found: &[f32]| {
            let found = match projection {
                Some(projection) => projection.directions.tr_mul(&vector(found)),
                None => vector(found),
            };
            let mut begin = 0;
            let contribution = |length: &usize| {
                let range = begin..(begin + length).min(query.len()).min(found.len());
                begin += length;
                range.map(|at| query[at] * found[at]).sum::<f64>() as f32
            };
            self.lengths.iter().map(contribution).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contributions_sum_to_the_inner_product() {
        let inner = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        let plain = Parts::new(vec![1, 2]);
        let (a, b) = ([0.5, -1.0, 2.0], [3.0, 1.0, 0.25]);
        assert_eq!(plain.split(&a)(&b), [1.5, -0.5]);

        let directions = [1.0, 2.0, 0.0, 0.0, 1.0, -1.0];
        let projected = Parts::projected(vec![1, 2], &directions).expect("the directions are independent");
        let (a, b) = ([0.6, 0.8], [0.28, -0.96]);
        let contributions = projected.split(&a)(&b);
        assert_eq!(contributions.len(), 2);
        assert!(
            (contributions.iter().sum::<f32>() - inner(&a, &b)).abs() < 1e-6,
            "{contributions:?}"
        );

        // A projection that keeps one part alone gives that part the whole score.
        let first = Parts::projected(vec![1, 2], &[2.0, 0.0, 0.0]).expect("one direction");
        assert_eq!(first.split(&[1.0])(&[1.0]), [1.0, 0.0]);
    }

    #[test]
    fn directions_that_do_not_fit_have_no_parts() {
        for directions in [&[1.0, 2.0][..], &[1.0, 2.0, 3.0, 2.0, 4.0, 6.0]] {
            assert_eq!(Parts::projected(vec![1, 2], directions), None, "{directions:?}");
        }
    }
}
