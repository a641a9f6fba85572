//! Inputs of a retrieval model.

use shared::server_models::Side;

/// A prepared photo and who took it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EmbedInput {
    /// Normalised pixels, `[3, height, width]`.
    pub values: Vec<f32>,
    /// Origin of the photo. A model that is adapted to a shop treats both sides differently.
    pub side: Side,
}

impl EmbedInput {
    /// A photo that is searched with.
    pub fn query(values: Vec<f32>) -> Self {
        Self {
            values,
            side: Side::Customer,
        }
    }

    /// A product's photo.
    pub fn product(values: Vec<f32>) -> Self {
        Self {
            values,
            side: Side::Shop,
        }
    }
}
