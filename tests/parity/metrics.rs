//! Metrics against scikit-learn and an independent reference.

use crate::{golden, of};
use serde_json::Value;
use server::evaluate::multilabel::{Counts, Predictions, macro_f2, micro_f2};
use server::evaluate::retrieval::{mean_ap_at_10, rank_scores, recall_at};

fn close(actual: f64, expected: &Value, what: &str) {
    let expected: f64 = of(expected);
    assert!((actual - expected).abs() < 1e-9, "{what}: {actual}, expected {expected}");
}

#[test]
fn f2_and_greedy_thresholds_agree_with_scikit_learn() {
    let golden = &golden("metrics.json")["tagging"];
    let truth: Vec<Vec<u8>> = of(&golden["truth"]);
    let predictions = Predictions {
        labels: (0..truth[0].len()).map(|label| label.to_string()).collect(),
        probs: of(&golden["probs"]),
        truth: truth.into_iter().map(|line| line.into_iter().map(|on| on == 1).collect()).collect(),
    };
    for name in ["everything_on", "at_half", "tuned"] {
        let expected = &golden[name];
        let thresholds: Vec<f32> = of(&expected["thresholds"]);
        if name == "tuned" {
            assert_eq!(predictions.greedy_thresholds(0.0), thresholds);
        }
        let counts: Vec<Counts> = predictions.counts(&predictions.all(), |label, prob| prob >= thresholds[label]);
        for (label, counts) in counts.iter().enumerate() {
            close(counts.f2(), &expected["f2"][label], &format!("{name}, label {label}"));
        }
        close(macro_f2(&counts, 0), &expected["macro_f2"], name);
        close(micro_f2(&counts), &expected["micro_f2"], name);
    }
}

#[test]
fn retrieval_metrics_agree_with_the_reference_ties_included() {
    let golden = &golden("metrics.json")["retrieval"];
    let queries: Vec<i64> = of(&golden["query_ids"]);
    let gallery: Vec<i64> = of(&golden["gallery_ids"]);
    let scores: Vec<Vec<f32>> = of(&golden["scores"]);
    let ranked: Vec<_> = scores
        .iter()
        .zip(&queries)
        .map(|(scores, query)| rank_scores(scores, |item| gallery[item] == *query))
        .collect();
    for (i, (ranked, expected)) in ranked.iter().zip(golden["queries"].as_array().expect("queries")).enumerate() {
        assert_eq!(ranked.top, of::<Vec<usize>>(&expected["top_10"]), "query {i}");
        match ranked.average_precision() {
            Some(precision) => close(precision, &expected["ap_at_10"], "average precision"),
            None => assert!(expected["ap_at_10"].is_null(), "query {i} has something to find"),
        }
    }
    let all: Vec<usize> = (0..ranked.len()).collect();
    close(mean_ap_at_10(&ranked, &all), &golden["mean_ap_at_10"], "mAP@10");
    close(recall_at(1, &ranked, &all), &golden["r_at_1"], "R@1");
    close(recall_at(10, &ranked, &all), &golden["r_at_10"], "R@10");
}
