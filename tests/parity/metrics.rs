//! Metrics compared with scikit-learn and an independent reference.

use crate::{golden, parse};
use evaluation::classifier::{
    Calibration, Counts, Predictions, ThresholdRule, ThresholdTransfer, classify, macro_f2, micro_f2, minimise,
};
use evaluation::retrieval::{mean_ap_at_10, rank_scores, recall_at};
use evaluation::statistics::Interval;
use flate2::read::GzDecoder;
use serde_json::Value;
use std::io::Read;

fn close(actual: f64, expected: &Value, what: &str) {
    let expected: f64 = parse(expected);
    assert!(
        (actual - expected).abs() < 1e-9,
        "{what}: {actual}, expected {expected}"
    );
}

/// Predictions of the tagging problem.
fn predictions(golden: &Value) -> Predictions {
    let truth: Vec<Vec<u8>> = parse(&golden["truth"]);
    Predictions {
        labels: (0..truth[0].len()).map(|label| label.to_string()).collect(),
        probs: parse(&golden["probs"]),
        truth: truth
            .into_iter()
            .map(|line| line.into_iter().map(|on| on == 1).collect())
            .collect(),
    }
}

#[test]
fn f2_and_thresholds_agree_with_scikit_learn() {
    let golden = &golden("metrics.json")["tagging"];
    let predictions = predictions(golden);
    for name in ["everything_on", "at_half", "tuned"] {
        let expected = &golden[name];
        let thresholds: Vec<f32> = parse(&expected["thresholds"]);
        if name == "tuned" {
            assert_eq!(predictions.greedy_thresholds(0.0), thresholds);
            for (label, threshold) in ThresholdRule::Lbfgsb.choose(&predictions).into_iter().enumerate() {
                let (found, grid) = (
                    predictions.counts_at(label, threshold).f2(),
                    parse::<f64>(&expected["f2"][label]),
                );
                assert!(
                    found > grid - 0.03,
                    "L-BFGS-B, label {label}: {found} at {threshold}, on the grid {grid}"
                );
            }
        }
        let counts: Vec<Counts> = predictions.counts(&predictions.all(), |label, prob| prob >= thresholds[label]);
        for (label, counts) in counts.iter().enumerate() {
            close(counts.f2(), &expected["f2"][label], &format!("{name}, label {label}"));
        }
        close(macro_f2(&counts, 0), &expected["macro_f2"], name);
        close(macro_f2(&counts, 1), &expected["macro_f2_without_label_0"], name);
        close(micro_f2(&counts), &expected["micro_f2"], name);
    }
}

#[test]
fn ranking_and_calibration_agree_with_scikit_learn() {
    let golden = &golden("metrics.json")["tagging"];
    let predictions = predictions(golden);
    let thresholds: Vec<f32> = parse(&golden["tuned"]["thresholds"]);
    let measured = classify(&predictions, &thresholds, &[1; 6]);
    let area = |area: Option<Interval>, expected: &Value, what: &str| match area {
        Some(area) => {
            close(area.value, expected, what);
            assert!(area.low < area.value && area.value < area.high, "{what}: {area}");
        }
        None => assert!(expected.is_null(), "{what} is defined"),
    };
    let calibrated = |calibration: &Calibration, expected: &Value| {
        close(
            calibration.expected_calibration_error,
            &expected["expected_calibration_error"],
            "calibration error",
        );
        close(calibration.brier, &expected["brier"], "Brier score");
        let bins: Vec<_> = calibration.bins.iter().flatten().collect();
        assert_eq!(
            bins.iter().map(|bin| bin.n).collect::<Vec<_>>(),
            parse::<Vec<usize>>(&expected["n"])
        );
        for (at, bin) in bins.into_iter().enumerate() {
            close(bin.share_true, &expected["share_true"][at], "share true");
            close(bin.mean_prob, &expected["mean_prob"][at], "mean probability");
        }
    };
    for (label, report) in measured.labels.iter().enumerate() {
        area(
            report.average_precision,
            &golden["average_precision"][label],
            "average precision",
        );
        area(report.roc_auc, &golden["roc_auc"][label], "area under the ROC curve");
        close(report.f2_interval.value, &golden["tuned"]["f2"][label], "F2");
        close(
            predictions.soft_f2(label, (0.3f64 / 0.7).ln(), 0.1).0,
            &golden["soft_f2_at_0.3"][label],
            "soft F2",
        );
        if report.score.support > 0 {
            calibrated(&report.calibration, &golden["label_calibration"][label]);
            assert!(report.f2_interval.low < report.f2_interval.high, "label {label}");
        }
    }
    calibrated(&measured.calibration, &golden["calibration"]);
    for (metric, expected) in [
        ("macro_f2_6", &golden["tuned"]["macro_f2"]),
        ("macro_f2_5", &golden["tuned"]["macro_f2_without_label_0"]),
        ("micro_f2", &golden["tuned"]["micro_f2"]),
        ("mean_average_precision", &golden["mean_average_precision"]),
        ("mean_roc_auc", &golden["mean_roc_auc"]),
        ("brier", &golden["calibration"]["brier"]),
    ] {
        close(measured.metrics[metric].value, expected, metric);
    }
    // One half of the images is for tuning, the other half is unseen.
    let half = |keep: fn(usize) -> bool| {
        let rows: Vec<usize> = predictions.all().into_iter().filter(|image| keep(*image)).collect();
        let truth = rows.iter().map(|row| predictions.truth[*row].clone()).collect();
        let probs = rows.iter().map(|row| predictions.probs[*row].clone()).collect();
        Predictions {
            labels: predictions.labels.clone(),
            probs,
            truth,
        }
    };
    let (tuned, unseen) = (half(|image| image % 2 == 0), half(|image| image % 2 == 1));
    let thresholds = ThresholdRule::Greedy.choose(&tuned);
    let transfer = ThresholdTransfer::measure(&tuned, &thresholds, &unseen).expect("the labels are the same");
    assert!(transfer.gap > 0.0, "{transfer}");
    for (label, line) in transfer.labels.iter().enumerate() {
        let f2 = |predictions: &Predictions| predictions.counts_at(label, thresholds[label]).f2();
        assert_eq!(
            (line.tuned_f2, line.unseen_f2, line.gap),
            (f2(&tuned), f2(&unseen), f2(&tuned) - f2(&unseen))
        );
    }
    assert!(ThresholdTransfer::measure(&tuned, &thresholds[1..], &unseen).is_err());
}

#[test]
fn bounded_minima_agree_with_scipy() {
    let rosenbrock = |x: &[f64], gradient: &mut [f64]| {
        gradient.fill(0.0);
        let mut sum = 0.0;
        for i in 0..x.len() - 1 {
            let (bend, rest) = (x[i + 1] - x[i] * x[i], 1.0 - x[i]);
            sum += 100.0 * bend * bend + rest * rest;
            gradient[i] += -400.0 * x[i] * bend - 2.0 * rest;
            gradient[i + 1] += 200.0 * bend;
        }
        sum
    };
    let golden = golden("metrics.json");
    for case in golden["bounded_minima"].as_array().expect("the golden has cases") {
        let expected: Vec<f64> = parse(&case["x"]);
        let all = |key: &str| vec![parse::<f64>(&case[key]); expected.len()];
        let found = minimise(rosenbrock, &all("start"), &all("low"), &all("high"));
        for (found, expected) in found.x.iter().zip(&expected) {
            assert!((found - expected).abs() < 1e-4, "{case}: {found}");
        }
        assert!(
            (found.value - parse::<f64>(&case["value"])).abs() < 1e-6,
            "{case}: {}",
            found.value
        );
    }
}

#[test]
fn constant_baselines_on_the_challenge_labels_equal_the_published_metrics() {
    let Some(dir) = tests::real_data("jd13_labels") else {
        return;
    };
    let mut text = String::new();
    let file = std::fs::File::open(dir.join("labels.csv.gz")).expect("the labels exist");
    GzDecoder::new(file)
        .read_to_string(&mut text)
        .expect("the file is compressed by gzip");
    let mut lines = text.lines();
    let labels: Vec<String> = lines
        .next()
        .expect("there is a header")
        .split(',')
        .skip(3)
        .map(str::to_owned)
        .collect();
    let (mut train, mut test) = (vec![0; labels.len()], Vec::new());
    for line in lines {
        let cells: Vec<&str> = line.split(',').collect();
        let truth: Vec<bool> = cells[3..].iter().map(|cell| *cell == "1").collect();
        match cells[1] {
            "test" => test.push(truth),
            _ => train.iter_mut().zip(truth).for_each(|(n, on)| *n += usize::from(on)),
        }
    }
    assert_eq!((labels.len(), test.len()), (13, 10_000));
    let probs = vec![vec![1.0; 13]; test.len()];
    let predictions = Predictions {
        labels,
        probs,
        truth: test,
    };
    let started = std::time::Instant::now();
    let measured = classify(&predictions, &[0.5; 13], &train);
    eprintln!(
        "{} resamples of 10,000 images took {:?}",
        evaluation::statistics::RESAMPLES,
        started.elapsed()
    );
    for (name, published) in [
        ("macro_f2_13 all positive", 0.3377),
        ("macro_f2_12 all positive", 0.3649),
        ("micro_f2 top-3 labels", 0.7998),
    ] {
        let guess = measured.guesses[name];
        assert!(
            (guess - published).abs() < 5e-5,
            "{name}: {guess}, published {published}"
        );
    }
    assert_eq!(
        measured.metrics["macro_f2_13"].value,
        measured.guesses["macro_f2_13 all positive"]
    );
}

#[test]
fn retrieval_metrics_agree_with_the_reference_including_ties() {
    let golden = &golden("metrics.json")["retrieval"];
    let queries: Vec<i64> = parse(&golden["query_ids"]);
    let gallery: Vec<i64> = parse(&golden["gallery_ids"]);
    let scores: Vec<Vec<f32>> = parse(&golden["scores"]);
    let ranked: Vec<_> = scores
        .iter()
        .zip(&queries)
        .map(|(scores, query)| rank_scores(scores, |item| gallery[item] == *query))
        .collect();
    for (i, (ranked, expected)) in ranked
        .iter()
        .zip(golden["queries"].as_array().expect("the golden has queries"))
        .enumerate()
    {
        assert_eq!(ranked.top, parse::<Vec<usize>>(&expected["top_10"]), "query {i}");
        match ranked.average_precision() {
            Some(precision) => close(precision, &expected["ap_at_10"], "average precision"),
            None => assert!(expected["ap_at_10"].is_null(), "query {i} has a relevant image"),
        }
    }
    let all: Vec<usize> = (0..ranked.len()).collect();
    close(mean_ap_at_10(&ranked, &all), &golden["mean_ap_at_10"], "mAP@10");
    close(recall_at(1, &ranked, &all), &golden["r_at_1"], "R@1");
    close(recall_at(10, &ranked, &all), &golden["r_at_10"], "R@10");
}
