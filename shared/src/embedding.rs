//! Embeddings: vectors of unit length with the name of their space.
//!
//! The name of a space is the id of the model that defines it. A query encoder that was distilled from that model embeds into
//! the same space (see [`Manifest::space`](crate::bundle::Manifest::space)).
//!
//! **Invariant:** an [`Embedding`] has unit length and finite values. Two embeddings are compared only if they lie in the same
//! space.

/// Errors of making or comparing embeddings.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum EmbeddingError {
    /// There are no values.
    #[error("the embedding is empty")]
    Empty,
    /// A value is NaN or infinite.
    #[error("value {index} of the embedding is not a finite number")]
    NotFinite {
        /// Index of the first such value.
        index: usize,
    },
    /// All values are zero, so that there is no direction.
    #[error("the embedding has no direction: all its values are zero")]
    Zero,
    /// The embeddings lie in different spaces.
    #[error(
        "embeddings in the spaces of {left} and {right} cannot be compared; embed both with the same model, or with a query encoder of it"
    )]
    Space {
        /// Space of the first embedding.
        left: String,
        /// Space of the second embedding.
        right: String,
    },
}

/// A vector of unit length and the space that it lies in.
#[derive(Debug, Clone, PartialEq)]
pub struct Embedding {
    space: String,
    values: Vec<f32>,
}

impl Embedding {
    /// Scales `values` to unit length. `space` is the id of the model that defines the space.
    ///
    /// # Errors
    /// If there are no values, a value is not finite, or all are zero.
    pub fn new(space: impl Into<String>, mut values: Vec<f32>) -> Result<Self, EmbeddingError> {
        if values.is_empty() {
            return Err(EmbeddingError::Empty);
        }
        if let Some(index) = values.iter().position(|value| !value.is_finite()) {
            return Err(EmbeddingError::NotFinite { index });
        }
        let norm = values.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
        if norm == 0.0 {
            return Err(EmbeddingError::Zero);
        }
        for value in &mut values {
            *value = (f64::from(*value) / norm) as f32;
        }
        Ok(Self {
            space: space.into(),
            values,
        })
    }

    /// Name of the space.
    pub fn space(&self) -> &str {
        &self.space
    }

    /// The values, of unit norm.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// Number of values.
    pub fn dim(&self) -> usize {
        self.values.len()
    }

    /// Cosine similarity, −1 to 1.
    ///
    /// # Errors
    /// [`EmbeddingError::Space`] if `other` lies in another space.
    pub fn similarity(&self, other: &Self) -> Result<f32, EmbeddingError> {
        if self.space != other.space || self.dim() != other.dim() {
            return Err(EmbeddingError::Space {
                left: self.space.clone(),
                right: other.space.clone(),
            });
        }
        Ok(self.values.iter().zip(&other.values).map(|(a, b)| a * b).sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn values_without_a_direction_and_other_spaces_are_refused() {
        for (values, error) in [
            (vec![], EmbeddingError::Empty),
            (vec![0.0; 4], EmbeddingError::Zero),
            (vec![1.0, f32::NAN], EmbeddingError::NotFinite { index: 1 }),
            (vec![f32::INFINITY, 1.0], EmbeddingError::NotFinite { index: 0 }),
        ] {
            assert_eq!(Embedding::new("m", values), Err(error));
        }
        let embedding = |space: &str| Embedding::new(space, vec![1.0, 2.0]).expect("valid");
        assert!(embedding("a").similarity(&embedding("b")).is_err());
    }

    proptest! {
        #[test]
        fn every_embedding_has_unit_norm(values in proptest::collection::vec(-1e30f32..1e30, 1..64)) {
            prop_assume!(values.iter().any(|value| *value != 0.0));
            let embedding = Embedding::new("m", values).expect("valid");
            prop_assert!((embedding.similarity(&embedding).expect("same space") - 1.0).abs() < 1e-4);
        }
    }
}
