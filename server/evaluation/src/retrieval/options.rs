//! Options of the evaluation of retrieval networks.

use super::search::Search;
use crate::inference::Views;
use serde::Serialize;
use shared::bundle::{Manifest, Weights};

/// Ranks up to which recall is measured by default.
pub const DEPTHS: [usize; 4] = [1, 5, 10, 20];

/// Stage at which networks are combined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Fusion {
    /// Their embeddings are concatenated, each scaled by the root of its weight, so that the cosines are summed with the
    /// weights. Whitening and all later steps use the joined embedding.
    #[default]
    Early,
    /// Each network searches by itself with all later steps. The scores of a query over the gallery are scaled to mean 0 and
    /// variance 1 and summed with the weights.
    Late,
}

/// Options of a search with retrieval networks, and of its report.
#[derive(Debug, Clone, PartialEq)]
pub struct RetrievalOptions {
    /// Views of queries whose embeddings are averaged.
    pub views: Views,
    /// Views of the gallery; those of the queries if `None`.
    pub gallery_views: Option<Views>,
    /// Steps between embeddings and ranking.
    pub search: Search,
    /// Combination of several networks.
    pub fusion: Fusion,
    /// Split that the weights of several networks are chosen on, per category; equal weights if `None`.
    pub tune_split: Option<String>,
    /// Ranks up to which recall is measured.
    pub recall_at: Vec<usize>,
    /// Category classifier. A query with a confident category is searched only among photos of that category.
    pub category: Option<(Manifest, Weights)>,
    /// Clockwise rotation of every query in steps of 90°, 0–3, to measure its effect.
    pub turn_queries: u8,
    /// Crop queries without a crop box to the proposed box.
    pub propose_boxes: bool,
    /// Number of worst queries in the report.
    pub failures: usize,
}

impl Default for RetrievalOptions {
    fn default() -> Self {
        Self {
            views: Views::default(),
            gallery_views: None,
            search: Search::default(),
            fusion: Fusion::default(),
            tune_split: None,
            category: None,
            recall_at: DEPTHS.to_vec(),
            turn_queries: 0,
            propose_boxes: false,
            failures: 0,
        }
    }
}

impl RetrievalOptions {
    /// # Errors
    /// If a number is out of range.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        anyhow::ensure!(
            !self.recall_at.is_empty() && !self.recall_at.contains(&0),
            "recall is measured up to ranks from 1 on"
        );
        anyhow::ensure!(self.turn_queries < 4, "queries are rotated by 0 to 3 quarters");
        Ok(())
    }
}
