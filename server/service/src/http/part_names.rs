//! Parts of a retrieval network's embeddings.

use std::sync::Arc;

use search::Parts;
use shared::api::PartScore;
use shared::bundle::Manifest;
use shared::model::{Architecture, RetrievalConfig};
use shared::server_models::Projection;

/// Parts of an embedding and their names, in order.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct PartNames {
    names: Vec<String>,
    parts: Option<Arc<Parts>>,
}

impl PartNames {
    /// The parts of the embeddings of a bundle with this projection.
    pub(super) fn of(manifest: &Manifest, projection: Option<&Projection>) -> Self {
        let Architecture::Retrieval(config) = &manifest.architecture else {
            return Self::default();
        };
        let lengths = lengths(config);
        let parts = match projection {
            Some(projection) => Parts::projected(lengths, &projection.directions()),
            None => Some(Parts::new(lengths)),
        };
        Self {
            names: config.part_names(),
            parts: parts.map(Arc::new),
        }
    }

    /// The parts, or `None` if the scores cannot be split.
    pub(super) fn parts(&self) -> Option<Arc<Parts>> {
        self.parts.clone()
    }

    /// Contributions with the names of their parts.
    pub(super) fn named(&self, scores: &[f32]) -> Vec<PartScore> {
        let named = |(name, score): (&String, &f32)| PartScore {
            part: name.clone(),
            score: *score,
        };
        self.names.iter().zip(scores).map(named).collect()
    }
}

/// Lengths of all parts, also of joined networks.
fn lengths(config: &RetrievalConfig) -> Vec<usize> {
    let own = std::iter::repeat_n(config.part_dim, config.n_parts());
    own.chain(config.joined.iter().flat_map(lengths)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_of_an_embedding_belongs_to_a_part() {
        let mut config = RetrievalConfig::published("resnet18");
        config.joined = vec![RetrievalConfig::published("resnet34")];
        let (names, lengths) = (config.part_names(), lengths(&config));
        assert_eq!((names.len(), lengths.len()), (32, 32));
        assert_eq!(lengths.iter().sum::<usize>(), config.embedding_dim());
        assert_eq!(
            (names[0].as_str(), names[15].as_str(), names[31].as_str()),
            ("whole", "ring 3/3", "2: ring 3/3")
        );
    }
}
