//! Embedding spaces of queries that clients embed themselves.

use std::sync::{Mutex, PoisonError};

use anyhow::ensure;
use shared::api::{Confidence, EmbeddingInput};
use shared::bundle::Manifest;
use shared::embedding::Embedding;
use shared::server_models::{Projection, Side};

use super::error::ApiError;

/// Spaces in which a client's embedding may lie, and the score floors of the models that embed into them.
pub(super) struct QuerySpaces {
    /// The catalog's model, whose id is also the name of its space.
    model_id: String,
    dim: usize,
    /// Scores of the retrieval bundle for the catalog.
    floors: Floors,
    /// Space before the retrieval bundle's projection, if it has one.
    unprojected: Option<Unprojected>,
    /// The query encoder that the service offers, if any.
    encoder: Option<Encoder>,
}

/// Space of a network before its bundle's projection, and the projection into the catalog's space. Query encoders that
/// were distilled from the network embed into this space.
struct Unprojected {
    space: String,
    dim: usize,
    projection: Mutex<Projection>,
}

struct Encoder {
    model_id: String,
    space: String,
    floors: Floors,
}

/// Scores that a best hit is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Floors {
    /// Score below which no product is close.
    pub(super) similar: Option<f32>,
    /// Score from which the best hit is the same product.
    pub(super) same: Option<f32>,
}

impl Floors {
    /// Scores that the bundle with this manifest states for galleries of the model `gallery`.
    fn of(manifest: &Manifest, gallery: &str) -> Self {
        Self {
            similar: manifest.floor_in(gallery),
            same: manifest.same_in(gallery),
        }
    }

    /// Relation of the best hit, whose score is `best`, to the query. `None` if no floor is known.
    pub(super) fn confidence(self, best: Option<f32>) -> Option<Confidence> {
        let floor = self.similar?;
        Some(match best {
            Some(best) if best >= floor => match self.same {
                Some(same) if best >= same => Confidence::Same,
                _ => Confidence::Similar,
            },
            _ => Confidence::None,
        })
    }
}

impl QuerySpaces {
    /// Spaces of a retrieval bundle, its projection, and a query encoder.
    ///
    /// # Errors
    /// If the query encoder embeds into another space.
    pub(super) fn new(
        retrieval: &Manifest,
        projection: Option<Projection>,
        encoder: Option<&Manifest>,
    ) -> anyhow::Result<Self> {
        let model_id = retrieval.model_id();
        let unprojected = projection.map(|projection| Unprojected {
            space: retrieval.network_id(),
            dim: projection.from_dim(),
            projection: Mutex::new(projection),
        });
        if let Some(encoder) = encoder {
            let spaces = unprojected.iter().map(|before| (before.space.as_str(), before.dim));
            let mut spaces = spaces.chain([(model_id.as_str(), retrieval.embedding_dim)]);
            ensure!(
                spaces.any(|space| space == (encoder.space().as_str(), encoder.embedding_dim)),
                "the query encoder {} embeds into the space of {}, but the catalog was indexed with {model_id}; distil an \
                 encoder from that bundle, or serve without one",
                encoder.model_id(),
                encoder.space(),
            );
        }
        let encoder = encoder.map(|encoder| Encoder {
            model_id: encoder.model_id(),
            space: encoder.space(),
            // The catalog's own network has the floors of the catalog's bundle.
            floors: if encoder.model_id() == retrieval.network_id() {
                Floors::of(retrieval, &model_id)
            } else {
                Floors::of(encoder, &model_id)
            },
        });
        Ok(Self {
            dim: retrieval.embedding_dim,
            floors: Floors::of(retrieval, &model_id),
            model_id,
            unprojected,
            encoder,
        })
    }

    /// The catalog's model, or the model before.
    pub(super) fn model_id(&self) -> &str {
        &self.model_id
    }

    /// True if embeddings of the model `embedder` can be converted.
    pub(super) fn knows(&self, embedder: &str) -> bool {
        embedder == self.model_id
            || self.unprojected.as_ref().is_some_and(|before| before.space == embedder)
            || self
                .encoder
                .as_ref()
                .is_some_and(|encoder| encoder.model_id == embedder)
    }

    /// Converts a client's embedding into the catalog's space. It may come from the catalog's model, from the same model
    /// without its projection, or from the query encoder.
    ///
    /// # Errors
    /// If the embedding is of another model, has a wrong length, or has values that are not finite.
    pub(super) fn query(&self, input: EmbeddingInput) -> Result<Embedding, ApiError> {
        let space = match &self.encoder {
            Some(encoder) if encoder.model_id == input.model_id => &encoder.space,
            _ => &input.model_id,
        };
        let check_length = |expected: usize| match input.values.len() {
            actual if actual == expected => Ok(()),
            actual => Err(ApiError::WrongDimension { expected, actual }),
        };
        if *space == self.model_id {
            check_length(self.dim)?;
            return Ok(Embedding::new(self.model_id.as_str(), input.values)?);
        }
        if let Some(before) = self.unprojected.as_ref().filter(|before| before.space == *space) {
            check_length(before.dim)?;
            let embedding = Embedding::new(space.as_str(), input.values)?;
            let projection = before.projection.lock().unwrap_or_else(PoisonError::into_inner);
            let projected = projection
                .apply(&[embedding.values().to_vec()], Side::Customer)
                .pop()
                .unwrap_or_default();
            return Ok(Embedding::new(self.model_id.as_str(), projected)?);
        }
        Err(ApiError::WrongModel {
            actual: input.model_id.chars().take(80).collect(),
            expected: self.model_id.clone(),
            encoder: self.encoder.as_ref().map(|encoder| encoder.model_id.clone()),
        })
    }

    /// Scores that a best hit is compared with, for an embedding of the model `embedder`, or for a photo without one.
    pub(super) fn floors(&self, embedder: Option<&str>) -> Floors {
        let encoder = self.encoder.as_ref();
        match encoder.filter(|encoder| embedder == Some(encoder.model_id.as_str())) {
            Some(encoder) => encoder.floors,
            None => self.floors,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_score_decides_the_confidence() {
        let floors = Floors {
            similar: Some(0.4),
            same: Some(0.8),
        };
        for (floors, best, expected) in [
            (floors, Some(0.9), Some(Confidence::Same)),
            (floors, Some(0.8), Some(Confidence::Same)),
            (floors, Some(0.5), Some(Confidence::Similar)),
            (floors, Some(0.1), Some(Confidence::None)),
            (floors, None, Some(Confidence::None)),
            (Floors { same: None, ..floors }, Some(0.9), Some(Confidence::Similar)),
            (Floors::default(), Some(0.9), None),
        ] {
            assert_eq!(floors.confidence(best), expected, "{floors:?} {best:?}");
        }
    }
}
