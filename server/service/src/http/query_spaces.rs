//! Embedding spaces of queries that clients embed themselves.

use std::sync::{Mutex, PoisonError};

use anyhow::ensure;
use shared::api::EmbeddingInput;
use shared::bundle::Manifest;
use shared::embedding::Embedding;
use shared::server_models::Projection;

use super::error::ApiError;

/// Spaces in which a client's embedding may lie, and the score floors of the models that embed into them.
pub(super) struct QuerySpaces {
    /// The catalog's model, whose id is also the name of its space.
    model_id: String,
    dim: usize,
    /// Score floor of the retrieval bundle for the catalog.
    floor: Option<f32>,
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
    floor: Option<f32>,
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
            // The catalog's own network has the floor of the catalog's bundle.
            floor: if encoder.model_id() == retrieval.network_id() {
                retrieval.floor_in(&model_id)
            } else {
                encoder.floor_in(&model_id)
            },
        });
        Ok(Self {
            dim: retrieval.embedding_dim,
            floor: retrieval.floor_in(&model_id),
            model_id,
            unprojected,
            encoder,
        })
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
                .apply(&[embedding.values().to_vec()])
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

    /// Score below which a best hit is not close, for an embedding of the model `embedder`, or for a photo without one.
    pub(super) fn floor(&self, embedder: Option<&str>) -> Option<f32> {
        let encoder = self.encoder.as_ref();
        match encoder.filter(|encoder| embedder == Some(encoder.model_id.as_str())) {
            Some(encoder) => encoder.floor,
            None => self.floor,
        }
    }
}
