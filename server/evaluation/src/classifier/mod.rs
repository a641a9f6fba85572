//! Metrics, thresholds and calibration of multi-label classifiers.

mod calibration;
mod classification;
mod curve;
mod fit;
mod group;
mod label_points;
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
pub use fit::Method;
pub(crate) use group::Measured;
pub use label_points::{FitRule, LabelRules, TagsEffect};
pub(crate) use label_points::{choose as choose_label_points, chosen_on};
pub use lbfgsb::{Minimum, minimise};
pub use multilabel::{Counts, LabelScore, Predictions, macro_f2, micro_f2};
pub use precise::{ShownLabel, ShownTags};
pub use ranking::{Areas, Ranking, mean_of_numbers};
pub use report::{ClassifierOptions, ClassifierReport, Tuning, evaluate, evaluate_predictions};
pub use threshold_transfer::{LabelTransfer, ThresholdTransfer};
pub use thresholds::ThresholdRule;
