//! Search, re-ranking and whitening compared with an independent NumPy reference, including ties (tests/golden/search.py).

use burn::tensor::Device;
use evaluation::retrieval::{Ranked, mean_ap_at_10, rank_scores_to, standardised_sum, values};
use search::rerank::{Parameters, Rerank, augment};
use search::storage::{Storage, Stored};
use search::whitening::{Order, Whitening, whitening};

/// Vectors of the generator, at unit length.
fn vectors(n: usize, width: usize, seed: f64) -> Vec<Vec<f32>> {
    let value = |i: usize| {
        let raw = (i as f64 * 12.9898 + seed * 78.233).sin() * 43758.5453;
        f64::from((raw - raw.floor() - 0.5) as f32)
    };
    let line = |row: usize| -> Vec<f32> {
        let line: Vec<f64> = (0..width).map(|column| value(row * width + column)).collect();
        let norm = line.iter().map(|x| x * x).sum::<f64>().sqrt();
        line.iter().map(|x| (x / norm) as f32).collect()
    };
    (0..n).map(line).collect()
}

fn golden() -> serde_json::Value {
    serde_json::from_str(include_str!("../golden/search.json")).expect("the golden file is JSON")
}

fn matrix(value: &serde_json::Value) -> Vec<Vec<f64>> {
    serde_json::from_value(value.clone()).expect("the value is a matrix")
}

fn assert_close(found: &[Vec<f64>], expected: &[Vec<f64>], tolerance: f64, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (q, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert_eq!(found.len(), expected.len());
        for (g, (a, b)) in found.iter().zip(expected).enumerate() {
            assert!((a - b).abs() < tolerance, "{what} {q} {g}: {a} instead of {b}");
        }
    }
}

#[test]
fn search_metrics_and_re_ranking_equal_numpy() {
    let golden = golden();
    let (queries, mut gallery) = (vectors(12, 8, 1.0), vectors(30, 8, 2.0));
    gallery[7] = gallery[3].clone();
    let plain = |queries: &[Vec<f32>]| Rerank::None.scores(queries, &Stored::new(Storage::F32, &gallery));
    let ranked = |queries: &[Vec<f32>], is_match: &dyn Fn(usize, usize) -> Option<bool>| -> Vec<Ranked> {
        let rank = |(q, line): (usize, &Vec<f32>)| rank_scores_to(20, line, |g| is_match(q, g));
        plain(queries).iter().enumerate().map(rank).collect()
    };
    let searched = ranked(&queries, &|q, g| Some(q % 6 == g % 7));
    // Every photo searches all others.
    let among_others = ranked(&gallery, &|q, g| (q != g).then_some(q % 7 == g % 7));
    for (key, ranked) in [("figures", &searched), ("figures_among_all_others", &among_others)] {
        let found = values(ranked, &[1, 5, 10, 20]);
        let expected = golden[key].as_object().expect("the golden has metrics");
        assert_eq!(found.len(), expected.len());
        for (name, values) in found {
            let counted: Vec<f64> = values.into_iter().flatten().collect();
            let (mean, expected) = (counted.iter().sum::<f64>() / counted.len() as f64, &expected[&name]);
            let expected = expected.as_f64().expect("the value is a number");
            assert!(
                (mean - expected).abs() < 1e-12,
                "{key}, {name}: {mean} instead of {expected}"
            );
        }
    }
    let all: Vec<usize> = (0..searched.len()).collect();
    assert!(
        (mean_ap_at_10(&searched, &all)
            - golden["figures"]["mean_ap_at_10"]
                .as_f64()
                .expect("the value is a number"))
        .abs()
            < 1e-12
    );
    let scores = |rerank: Rerank, sign: f64| -> Vec<Vec<f64>> {
        let scores = rerank.scores(&queries, &Stored::new(Storage::F32, &gallery));
        scores
            .iter()
            .map(|line| line.iter().map(|x| sign * f64::from(*x)).collect())
            .collect()
    };
    assert_close(&scores(Rerank::Hop, 1.0), &matrix(&golden["hop"]), 1e-5, "top-1 hop");
    assert_close(
        &scores(Rerank::AlphaQe, 1.0),
        &matrix(&golden["alpha_qe"]),
        1e-5,
        "α-query expansion",
    );
    assert_close(
        &scores(Rerank::KReciprocal, -1.0),
        &matrix(&golden["k_reciprocal"]),
        1e-5,
        "k-reciprocal",
    );
}

#[test]
fn augmented_galleries_and_summed_scores_equal_numpy() {
    let golden = golden();
    let mut gallery = vectors(30, 8, 2.0);
    gallery[7] = gallery[3].clone();
    let wide = |rows: Vec<Vec<f32>>| -> Vec<Vec<f64>> {
        rows.into_iter()
            .map(|line| line.into_iter().map(f64::from).collect())
            .collect()
    };
    assert_close(
        &wide(augment(gallery.clone(), Parameters::default())),
        &matrix(&golden["augmented"]),
        1e-5,
        "augmented",
    );
    let scores = |seed| Rerank::None.scores(&vectors(12, 8, seed), &Stored::new(Storage::F32, &gallery));
    let late = standardised_sum(&[scores(1.0), scores(3.0)], &[0.7, 0.3]);
    assert_close(&wide(late), &matrix(&golden["late"]), 1e-5, "late fusion");
}

#[test]
fn whitening_equals_numpy() {
    let golden = golden();
    let mut rows = vectors(30, 8, 2.0);
    rows[7] = rows[3].clone();
    let ids: Vec<String> = (0..30).map(|row| format!("{:02}", row / 3)).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let device = Device::flex();
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    // Twenty values of twelve rows, and eight of thirty.
    let (wide, wide_ids) = (vectors(12, 20, 4.0), &ids[..12]);
    for (key, rows, ids, options) in [
        ("whitened_similarity", &rows, &ids[..], Whitening::to(4)),
        ("whitened_wide_similarity", &wide, wide_ids, Whitening::to(4)),
        (
            "whitened_lda_similarity",
            &rows,
            &ids[..],
            Whitening {
                order: Order::Lda,
                shrinkage: 0.02,
                ..Whitening::to(4)
            },
        ),
        (
            "whitened_wide_lda_similarity",
            &wide,
            wide_ids,
            Whitening {
                order: Order::Lda,
                ..Whitening::to(4)
            },
        ),
    ] {
        let projection = whitening(rows, ids, options, &device).expect("there are enough rows");
        let white = projection.apply(rows, shared::server_models::Side::Shop);
        let alike: Vec<Vec<f64>> = white[..5]
            .iter()
            .map(|a| white.iter().map(|b| dot(a, b)).collect())
            .collect();
        assert_close(&alike, &matrix(&golden[key]), 1e-4, key);
    }

    for (rows, ids, dims) in [
        (&rows[..3], &ids[..3], 4),
        (&rows[..], &ids[..], 9),
        (&rows[..], &ids[..], 0),
    ] {
        assert!(
            whitening(rows, ids, Whitening::to(dims), &device).is_err(),
            "{dims} of {} rows",
            rows.len()
        );
    }
    let alone: Vec<String> = (0..30).map(|row| row.to_string()).collect();
    let alone: Vec<&str> = alone.iter().map(String::as_str).collect();
    let error = whitening(&rows, &alone, Whitening::to(4), &device)
        .expect_err("every item has one photo")
        .to_string();
    assert!(error.contains("two training photos"), "{error}");
}
