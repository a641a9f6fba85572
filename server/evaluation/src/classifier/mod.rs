//! Metrics, thresholds and calibration of multi-label classifiers.

mod calibration;
mod classification;
mod lbfgsb;
mod multilabel;
mod out_of_fold;
mod precise;
mod ranking;
mod report;
mod single_label;
mod threshold_transfer;
mod thresholds;

pub use calibration::{BINS, Bin, Calibration};
pub use classification::{Classification, LabelReport, Sampled, classify, metric_names};
pub use lbfgsb::{Minimum, minimise};
pub use multilabel::{Counts, LabelScore, Predictions, macro_f2, micro_f2};
pub(crate) use precise::{CONFIDENCE, precise_thresholds, shown_tags};
pub use precise::{ShownLabel, ShownTags};
pub use ranking::{Areas, Ranking, mean_of_numbers};
pub use report::{ClassifierOptions, ClassifierReport, Tuning, evaluate, evaluate_predictions};
pub use threshold_transfer::{LabelTransfer, ThresholdTransfer};
pub use thresholds::ThresholdRule;
