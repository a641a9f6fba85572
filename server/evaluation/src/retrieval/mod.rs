//! Item retrieval: searches with one or several networks, their metrics and score floors.

mod asymmetric;
mod categories;
mod floor;
mod folds;
mod fusion;
mod metrics;
mod options;
mod ranker;
mod report;
mod search;
mod sides;
mod whiten;

pub use asymmetric::{AsymmetricPair, AsymmetricReport, Pairing, asymmetric, asymmetric_with};
pub(crate) use asymmetric::{projected, projection_into};
pub use categories::categorise;
pub use floor::FloorEffect;
pub(crate) use floor::{Searched, choose_floor, choose_same, floor_effect};
pub use folds::{FoldNetworks, evaluate_folds};
pub use fusion::{Fused, standardised_sum};
pub use metrics::{
    DEPTH, MEAN_AP, Ranked, Rankings, mean_ap_at_10, rank, rank_products_to, rank_scores, rank_scores_to, recall_at,
    values,
};
pub use options::{DEPTHS, Fusion, RetrievalOptions};
pub use ranker::Ranker;
pub use report::{CategoryReport, Failure, RetrievalReport, evaluate};
pub use search::{Direction, Search};
pub(crate) use sides::by_side;
pub use whiten::fit_whitening;
