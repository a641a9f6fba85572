//! Parts of a retrieval network's embeddings.

use shared::api::PartScore;
use shared::bundle::Manifest;
use shared::model::{Architecture, RetrievalConfig};

/// Names and lengths of the parts of an embedding, in order.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct PartNames(Vec<(String, usize)>);

impl PartNames {
    /// The parts of a bundle's embeddings. A projection mixes the parts, so then there are none.
    pub(super) fn of(manifest: &Manifest) -> Self {
        match &manifest.architecture {
            Architecture::Retrieval(config) if manifest.projection.is_none() => {
                let lengths = lengths(config);
                Self(config.part_names().into_iter().zip(lengths).collect())
            }
            _ => Self::default(),
        }
    }

    /// Lengths of the parts.
    pub(super) fn lengths(&self) -> Vec<usize> {
        self.0.iter().map(|(_, length)| *length).collect()
    }

    /// Contributions with the names of their parts.
    pub(super) fn named(&self, scores: &[f32]) -> Vec<PartScore> {
        let named = |((name, _), score): (&(String, usize), &f32)| PartScore {
            part: name.clone(),
            score: *score,
        };
        self.0.iter().zip(scores).map(named).collect()
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
