//! Segmentation networks: intersection over union with masks, and the coverage of garments.

mod metrics;
mod report;
mod segmenter;

pub use metrics::{Masked, Overlap, Overlaps, classes_of, iou, masked_rows, mean_iou, pixel_accuracy};
pub use report::{SegmentationReport, evaluate};
pub use segmenter::{Segmenter, garments};
