//! Plots of a run, from its epochs and its predictions.

use super::chart::{Axis, Chart, Mark, Panel};
use super::curves::{self, Operating, f2_by_threshold, operating_at, precision_recall};
use super::heatmap;
use super::record::Epoch;
use evaluation::classifier::{BINS, Bin, Calibration, Classification, Predictions, mean_of_numbers};

/// Number of labels with a panel if there are more than [`ALL_LABELS`] labels. Half of them are frequent, half are rare.
const SOME_LABELS: usize = 16;
/// Maximum number of labels for which each label has a panel.
const ALL_LABELS: usize = 20;
/// Maximum number of labels in the confusion matrix.
const MATRIX_LABELS: usize = 24;
/// Size of a small panel.
const SMALL: [f64; 2] = [240.0, 210.0];

/// Text of the training plots for readers who do not see them.
fn training_description(epochs: &[Epoch], best: Option<&Epoch>) -> String {
    match best {
        Some(best) => format!(
            "{} epochs. The last training loss is {}. The dashed line marks the best epoch, {}, with the score {:.4} on the tuning part.",
            epochs.len(),
            epochs
                .last()
                .and_then(|e| e.train_loss)
                .map_or("an unknown value".to_owned(), |loss| format!("{loss:.4}")),
            best.epoch + 1,
            best.score.unwrap_or(f64::NAN)
        ),
        None => "No epoch is finished.".to_owned(),
    }
}

/// Plots loss, score and learning rate over the epochs, with a mark at the best epoch.
pub(crate) fn training(epochs: &[Epoch]) -> String {
    let number = |epoch: &Epoch| (epoch.epoch + 1) as f64;
    let best = super::record::best(epochs);
    let (first, last) = (
        epochs.first().map_or(1, |e| e.epoch + 1),
        epochs.last().map_or(1, |e| e.epoch + 1),
    );
    let panel = |title: &str, unit: &str, series: usize, value: &dyn Fn(&Epoch) -> Option<f64>| {
        let points: Vec<[f64; 2]> = epochs
            .iter()
            .map(|e| [number(e), value(e).unwrap_or(f64::NAN)])
            .collect();
        let mut marks = Vec::new();
        if let Some(best) = best {
            marks.push(Mark::Chosen {
                at: number(best),
                series: 5,
            });
        }
        marks.push(Mark::Line {
            points: points.clone(),
            series,
            name: None,
        });
        if let Some(best) = best {
            marks.push(Mark::Dots {
                points: vec![[number(best), value(best).unwrap_or(f64::NAN)]],
                series,
            });
        }
        Panel {
            title: title.to_owned(),
            x: Axis::counting("epoch", first, last),
            y: Axis::fitting(unit, points.iter().map(|point| point[1])),
            marks,
        }
    };
    Chart {
        title: "Training".to_owned(),
        description: training_description(epochs, best),
        panels: vec![
            panel("Training loss", "loss", 1, &|e| e.train_loss),
            panel("Score on the tuning part", "score", 0, &|e| e.score),
            panel("Learning rate", "rate", 2, &|e| e.rate),
        ],
        columns: 3,
        size: [320.0, 260.0],
    }
    .draw()
}

/// Returns the indices of the labels with a panel: all labels, or the most frequent and the rarest ones with an image.
fn shown_labels(predictions: &Predictions) -> Vec<usize> {
    let mut order: Vec<usize> = (0..predictions.labels.len())
        .filter(|label| predictions.support(*label) > 0)
        .collect();
    if order.len() <= ALL_LABELS {
        return order;
    }
    order.sort_by_key(|label| (std::cmp::Reverse(predictions.support(*label)), *label));
    let rare = order.split_off(order.len() - SOME_LABELS / 2);
    order.truncate(SOME_LABELS / 2);
    order.into_iter().chain(rare).collect()
}

/// Describes the labels with a panel.
fn describe(predictions: &Predictions, shown: &[usize]) -> String {
    let known = predictions.labels.len();
    if shown.len() == known {
        return format!("all {known} labels");
    }
    let absent = (0..known).filter(|label| predictions.support(*label) == 0).count();
    let note = if absent > 0 {
        format!("; {absent} have no image")
    } else {
        String::new()
    };
    if shown.len() < SOME_LABELS || shown.len() + absent == known {
        return format!("{} of {known} labels{note}", shown.len());
    }
    format!(
        "the {} most frequent and the {} rarest of {known} labels{note}",
        SOME_LABELS / 2,
        SOME_LABELS / 2
    )
}

/// Plots precision over recall: a panel with the mean over labels, and one per label with the chosen threshold.
pub(crate) fn precision_recalls(predictions: &Predictions, thresholds: &[f32], measured: &Classification) -> String {
    let shown = shown_labels(predictions);
    let average_precision = |label: usize| {
        measured.labels[label]
            .average_precision
            .map_or(f64::NAN, |interval| interval.value)
    };
    let mean_ap = mean_of_numbers((0..predictions.labels.len()).map(average_precision)).max(0.0);
    let mean = Mark::Line {
        points: mean_precision_by_recall(predictions),
        series: 1,
        name: None,
    };
    let mut panels = vec![precision_recall_panel(format!("mean, AP {mean_ap:.3}"), vec![mean])];
    panels.extend(shown.iter().map(|&label| {
        let title = format!(
            "{} ({}), AP {:.3}",
            predictions.labels[label],
            predictions.support(label),
            average_precision(label)
        );
        precision_recall_panel(title, precision_recall_marks(predictions, label, thresholds[label]))
    }));
    Chart {
        title: format!("Precision and recall: mean and {}", describe(predictions, &shown)),
        description: format!(
            "The mean average precision over labels is {mean_ap:.3}. Brackets contain the number of images with the label. The dot is the chosen threshold. The dotted line is a constant baseline."
        ),
        panels,
        columns: 4,
        size: SMALL,
    }
    .draw()
}

fn precision_recall_panel(title: String, marks: Vec<Mark>) -> Panel {
    Panel {
        title,
        x: Axis::fixed("recall", 0.0, 1.0),
        y: Axis::fixed("precision", 0.0, 1.0),
        marks,
    }
}

/// Curve of a label, with its baseline and the chosen threshold.
fn precision_recall_marks(predictions: &Predictions, label: usize, threshold: f32) -> Vec<Mark> {
    let curve = precision_recall(predictions, label);
    let share = predictions.support(label) as f64 / predictions.truth.len().max(1) as f64;
    let chosen = operating_at(predictions, label, threshold);
    vec![
        Mark::Guess {
            from: [0.0, share],
            to: [1.0, share],
        },
        Mark::Line {
            points: curve.iter().map(|point| [point.recall, point.precision]).collect(),
            series: 0,
            name: None,
        },
        Mark::Dots {
            points: vec![[chosen.recall, chosen.precision]],
            series: 1,
        },
    ]
}

/// Mean over labels of the maximum precision at each recall or a higher one, as recall and precision.
fn mean_precision_by_recall(predictions: &Predictions) -> Vec<[f64; 2]> {
    let curves: Vec<Vec<Operating>> = (0..predictions.labels.len())
        .map(|label| precision_recall(predictions, label))
        .filter(|curve| !curve.is_empty())
        .collect();
    let mean = |step: u8| {
        let recall = f64::from(step) / 50.0;
        let best = |curve: &Vec<Operating>| {
            curve
                .iter()
                .filter(|point| point.recall >= recall - 1e-12)
                .map(|point| point.precision)
                .fold(0.0, f64::max)
        };
        [
            recall,
            curves.iter().map(best).sum::<f64>() / curves.len().max(1) as f64,
        ]
    };
    (0..=50).map(mean).collect()
}

/// Plots F2 by threshold with one panel per label. The chosen threshold is dashed, predicting every image is dotted.
pub(crate) fn thresholds(predictions: &Predictions, thresholds: &[f32]) -> String {
    let shown = shown_labels(predictions);
    let all_positive = predictions.counts(&predictions.all(), |_, _| true);
    let panels = shown
        .iter()
        .map(|&label| {
            let guess = all_positive[label].f2();
            Panel {
                title: format!(
                    "{} ({}) at {:.2}",
                    predictions.labels[label],
                    predictions.support(label),
                    thresholds[label]
                ),
                x: Axis::fixed("threshold", 0.0, 1.0),
                y: Axis::fixed("F2", 0.0, 1.0),
                marks: vec![
                    Mark::Guess {
                        from: [0.0, guess],
                        to: [1.0, guess],
                    },
                    Mark::Chosen {
                        at: f64::from(thresholds[label]),
                        series: 1,
                    },
                    Mark::Line {
                        points: f2_by_threshold(predictions, label),
                        series: 0,
                        name: None,
                    },
                ],
            }
        })
        .collect();
    Chart {
        title: format!("F2 by threshold: {}", describe(predictions, &shown)),
        description:
            "F2 of each label at every threshold. The dashed line is the chosen threshold. The dotted line is the F2 of predicting the label for every image."
                .to_owned(),
        panels,
        columns: 4,
        size: SMALL,
    }
    .draw()
}

/// Plots the frequency of each prediction for images with another label.
pub(crate) fn confusion(predictions: &Predictions, thresholds: &[f32]) -> String {
    let mut labels: Vec<usize> = (0..predictions.labels.len()).collect();
    if labels.len() > MATRIX_LABELS {
        labels.sort_by_key(|label| (std::cmp::Reverse(predictions.support(*label)), *label));
        labels.truncate(MATRIX_LABELS);
    }
    let suffix = if labels.len() < predictions.labels.len() {
        ", most frequent labels"
    } else {
        ""
    };
    let names: Vec<String> = labels.iter().map(|label| predictions.labels[*label].clone()).collect();
    let matrix = curves::confusion(predictions, thresholds, &labels);
    heatmap::draw(&heatmap::Matrix {
        title: format!("Predicted where another label is true{suffix}"),
        description: "Lines are true labels. Columns are predicted labels. A cell is the percentage of the images with the line's label that are predicted to carry the column's label. The diagonal is the recall.".to_owned(),
        lines: "true",
        columns: "predicted",
        names: &names,
        shares: &matrix,
    })
}

/// Plots a reliability diagram: the share of true predictions per bin of probability, and the number of predictions.
pub(crate) fn calibration(predictions: &Predictions) -> String {
    let Calibration {
        bins,
        expected_calibration_error: error,
        ..
    } = curves::calibration(predictions);
    let filled: Vec<(usize, Bin)> = (0..).zip(bins).filter_map(|(at, bin)| Some((at, bin?))).collect();
    let width = 1.0 / BINS as f64;
    let points: Vec<[f64; 2]> = filled.iter().map(|(_, bin)| [bin.mean_prob, bin.share_true]).collect();
    Chart {
        title: format!("Calibration: expected error {error:.3}"),
        description: format!(
            "All labels together, in ten bins of probability. The mean distance between the predicted probability and the share that is true is {error:.3}. They are equal on the dotted line."
        ),
        panels: vec![
            Panel {
                title: "Reliability".to_owned(),
                x: Axis::fixed("predicted probability", 0.0, 1.0),
                y: Axis::fixed("share that is true", 0.0, 1.0),
                marks: vec![
                    Mark::Guess { from: [0.0, 0.0], to: [1.0, 1.0] },
                    Mark::Line { points: points.clone(), series: 0, name: None },
                    Mark::Dots { points, series: 0 },
                ],
            },
            Panel {
                title: "Number of predictions".to_owned(),
                x: Axis::fixed("predicted probability", 0.0, 1.0),
                y: Axis::logarithmic("predictions", filled.iter().map(|(_, bin)| bin.n as f64)),
                marks: vec![Mark::Bars {
                    bars: filled.iter().map(|(i, bin)| [*i as f64 * width, (i + 1) as f64 * width, bin.n as f64]).collect(),
                    series: 2,
                }],
            },
        ],
        columns: 2,
        size: [360.0, 320.0],
    }
    .draw()
}
