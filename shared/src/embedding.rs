//! A picture as a point on the unit sphere, always with the name of the model that put it there.
//!
//! **Invariant:** an [`Embedding`] has unit length and finite values, and two of them are only ever compared when the
//! same model made both.

/// Why values are no embedding, or two embeddings cannot be compared.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum EmbeddingError {
    /// No values.
    #[error("the embedding is empty")]
    Empty,
    /// A value is NaN or infinite.
    #[error("value {index} of the embedding is not a finite number")]
    NotFinite {
        /// Index of the first such value.
        index: usize,
    },
    /// All values are zero, so there is no direction.
    #[error("the embedding has no direction: all its values are zero")]
    Zero,
    /// Made by different models.
    #[error("embeddings of {left} and {right} cannot be compared; embed both with the same model")]
    Model {
        /// Model of one.
        left: String,
        /// Model of the other.
        right: String,
    },
}

/// A unit-norm vector and the model that made it.
#[derive(Debug, Clone, PartialEq)]
pub struct Embedding {
    model_id: String,
    values: Vec<f32>,
}

impl Embedding {
    /// Scales `values` to unit length.
    ///
    /// # Errors
    /// If there are none, one is not finite, or all are zero.
    pub fn new(model_id: impl Into<String>, mut values: Vec<f32>) -> Result<Self, EmbeddingError> {
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
        Ok(Self { model_id: model_id.into(), values })
    }

    /// Which model made it.
    pub fn model_id(&self) -> &str {
        &self.model_id
    }

    /// The values, unit norm.
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
    /// [`EmbeddingError::Model`] if another model made `other`.
    pub fn similarity(&self, other: &Self) -> Result<f32, EmbeddingError> {
        if self.model_id != other.model_id || self.dim() != other.dim() {
            return Err(EmbeddingError::Model { left: self.model_id.clone(), right: other.model_id.clone() });
        }
        Ok(self.values.iter().zip(&other.values).map(|(a, b)| a * b).sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn refuses_what_has_no_direction() {
        for (values, error) in [
            (vec![], EmbeddingError::Empty),
            (vec![0.0; 4], EmbeddingError::Zero),
            (vec![1.0, f32::NAN], EmbeddingError::NotFinite { index: 1 }),
            (vec![f32::INFINITY, 1.0], EmbeddingError::NotFinite { index: 0 }),
        ] {
            assert_eq!(Embedding::new("m", values), Err(error));
        }
        let of = |model: &str| Embedding::new(model, vec![1.0, 2.0]).expect("valid");
        assert!(of("a").similarity(&of("b")).is_err());
    }

    proptest! {
        #[test]
        fn always_unit_norm(values in proptest::collection::vec(-1e30f32..1e30, 1..64)) {
            prop_assume!(values.iter().any(|value| *value != 0.0));
            let embedding = Embedding::new("m", values).expect("valid");
            prop_assert!((embedding.similarity(&embedding).expect("same model") - 1.0).abs() < 1e-4);
        }
    }
}
