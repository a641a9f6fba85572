//! The plots of a run, from its epochs and from predictions.

use super::chart::{Axis, Figure, Mark, Panel};
use super::curves::{self, Operating, f2_by_threshold, operating_at, precision_recall};
use super::heatmap;
use super::record::Epoch;
use evaluation::classifier::{BINS, Bin, Calibration, Classification, Predictions, mean_of_numbers};

/// Labels that get a panel of their own where there are more than [`ALL_LABELS`]: half frequent, half rare.
const SOME_LABELS: usize = 16;
/// Up to so many labels, each gets a panel.
const ALL_LABELS: usize = 20;
/// Labels of the confusion matrix at most, the most frequent.
const MATRIX_LABELS: usize = 24;
/// A small panel's size.
const SMALL: [f64; 2] = [240.0, 210.0];

/// Loss, score and learning rate over the epochs; the best epoch is marked.
pub fn training(epochs: &[Epoch]) -> String {
    let number = |epoch: &Epoch| (epoch.epoch + 1) as f64;
    let best = super::record::best(epochs);
    let (first, last) = (
        epochs.first().map_or(1, |e| e.epoch + 1),
        epochs.last().map_or(1, |e| e.epoch + 1),
    );
    let panel = |title: &str, unit: &str, series: usize, of: &dyn Fn(&Epoch) -> Option<f64>| {
        let points: Vec<[f64; 2]> = epochs.iter().map(|e| [number(e), of(e).unwrap_or(f64::NAN)]).collect();
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
                points: vec![[number(best), of(best).unwrap_or(f64::NAN)]],
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
    let description = match best {
        Some(best) => format!(
            "{} epochs. The training loss ends at {}. The score on the tuning part is best in epoch {}, {:.4}, which the dashed line marks.",
            epochs.len(),
            epochs
                .last()
                .and_then(|e| e.train_loss)
                .map_or("an unknown value".to_owned(), |loss| format!("{loss:.4}")),
            best.epoch + 1,
            best.score.unwrap_or(f64::NAN)
        ),
        None => "No epoch is done.".to_owned(),
    };
    Figure {
        title: "Training".to_owned(),
        description,
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

/// Indices of the labels that get a panel: all of a few, else the most frequent and the rarest that occur at all.
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

fn which(predictions: &Predictions, shown: &[usize]) -> String {
    let known = predictions.labels.len();
    if shown.len() == known {
        return format!("all {known} labels");
    }
    let absent = (0..known).filter(|label| predictions.support(*label) == 0).count();
    let note = if absent > 0 {
        format!("; {absent} have no image here")
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

/// Precision over recall, a panel a label with the chosen threshold's point, after one with the mean over labels.
pub fn precision_recalls(predictions: &Predictions, thresholds: &[f32], measured: &Classification) -> String {
    let shown = shown_labels(predictions);
    let n = predictions.truth.len().max(1) as f64;
    let axes = || (Axis::fixed("recall", 0.0, 1.0), Axis::fixed("precision", 0.0, 1.0));
    let curves: Vec<_> = (0..predictions.labels.len())
        .map(|label| precision_recall(predictions, label))
        .filter(|c| !c.is_empty())
        .collect();
    // Mean over labels of the best precision at that recall or a higher one.
    let mean: Vec<[f64; 2]> = (0..=50)
        .map(|step| {
            let recall = f64::from(step) / 50.0;
            let best = |curve: &Vec<Operating>| {
                curve
                    .iter()
                    .filter(|p| p.recall >= recall - 1e-12)
                    .map(|p| p.precision)
                    .fold(0.0, f64::max)
            };
            [
                recall,
                curves.iter().map(best).sum::<f64>() / curves.len().max(1) as f64,
            ]
        })
        .collect();
    let average_precision = |label: usize| {
        measured.labels[label]
            .average_precision
            .map_or(f64::NAN, |interval| interval.value)
    };
    let mean_ap = mean_of_numbers((0..predictions.labels.len()).map(average_precision)).max(0.0);
    let (x, y) = axes();
    let mut panels = vec![Panel {
        title: format!("mean, AP {mean_ap:.3}"),
        x,
        y,
        marks: vec![Mark::Line {
            points: mean,
            series: 1,
            name: None,
        }],
    }];
    panels.extend(shown.iter().map(|&label| {
        let curve = precision_recall(predictions, label);
        let share = predictions.support(label) as f64 / n;
        let chosen = operating_at(predictions, label, thresholds[label]);
        let (x, y) = axes();
        Panel {
            title: format!(
                "{} ({}), AP {:.3}",
                predictions.labels[label],
                predictions.support(label),
                average_precision(label)
            ),
            x,
            y,
            marks: vec![
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
            ],
        }
    }));
    Figure {
        title: format!("Precision and recall: mean and {}", which(predictions, &shown)),
        description: format!(
            "Mean average precision over labels {mean_ap:.3}. In brackets the images that carry a label; the dot is the chosen threshold, the dotted line a guess."
        ),
        panels,
        columns: 4,
        size: SMALL,
    }
    .draw()
}

/// F2 over the threshold, a panel a label: dashed what was chosen, dotted what yes to every image gives.
pub fn thresholds(predictions: &Predictions, thresholds: &[f32]) -> String {
    let shown = shown_labels(predictions);
    let yes = predictions.counts(&predictions.all(), |_, _| true);
    let panels = shown
        .iter()
        .map(|&label| {
            let guess = yes[label].f2();
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
    Figure {
        title: format!("F2 over the threshold: {}", which(predictions, &shown)),
        description:
            "Each label's F2 at every threshold. The dashed line is the chosen threshold, the dotted one is the F2 of saying yes to every image."
                .to_owned(),
        panels,
        columns: 4,
        size: SMALL,
    }
    .draw()
}

/// Plot of how often each label is predicted where another is true.
pub fn confusion(predictions: &Predictions, thresholds: &[f32]) -> String {
    let mut labels: Vec<usize> = (0..predictions.labels.len()).collect();
    if labels.len() > MATRIX_LABELS {
        labels.sort_by_key(|label| (std::cmp::Reverse(predictions.support(*label)), *label));
        labels.truncate(MATRIX_LABELS);
    }
    let some = if labels.len() < predictions.labels.len() {
        ", most frequent labels"
    } else {
        ""
    };
    let names: Vec<String> = labels.iter().map(|label| predictions.labels[*label].clone()).collect();
    let matrix = curves::confusion(predictions, thresholds, &labels);
    heatmap::draw(&heatmap::Matrix {
        title: format!("Predicted where another label is true{some}"),
        description: "Line: the label that is true. Column: the label that is predicted. A cell is the share of the line's images that are predicted to carry the column's label, in percent; the diagonal is recall.".to_owned(),
        lines: "true",
        columns: "predicted",
        names: &names,
        shares: &matrix,
    })
}

/// Reliability diagram: observed frequency per bin of predicted probability, with the counts.
pub fn calibration(predictions: &Predictions) -> String {
    let Calibration {
        bins,
        expected_calibration_error: error,
        ..
    } = curves::calibration(predictions);
    let filled: Vec<(usize, Bin)> = (0..).zip(bins).filter_map(|(at, bin)| Some((at, bin?))).collect();
    let width = 1.0 / BINS as f64;
    let points: Vec<[f64; 2]> = filled.iter().map(|(_, bin)| [bin.mean_prob, bin.share_true]).collect();
    Figure {
        title: format!("Calibration: expected error {error:.3}"),
        description: format!(
            "All labels together, in ten stretches of probability. The mean distance between promised probability and share that came true is {error:.3}; on the dotted line they are equal."
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
                title: "How many probabilities".to_owned(),
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
