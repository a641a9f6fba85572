//! The truth of a row must not influence the model that predicts it.

use super::{fit, options};
use dataset::predictions::{OOF, Table};
use ensemble::{Ensemble, Origin, PredictionSet, PredictionSetFile};
use tests::zoo::{Recipe, zoo};

fn small() -> Recipe {
    Recipe {
        pictures: 80,
        runs: 3,
        epochs: 2,
        ..Recipe::default()
    }
}

#[test]
fn a_prediction_set_that_leaks_or_is_inconsistent_is_refused() {
    type Edit = fn(&mut Table);
    let cases: &[(&str, &str, Edit)] = &[
        (
            "an image predicted by a network of another fold",
            "leak: the image 00000.jpg",
            |table| {
                for row in table
                    .rows
                    .iter_mut()
                    .filter(|row| &*row.path == "00000.jpg" && &*row.run == "net1")
                {
                    row.fold = Some(3);
                }
            },
        ),
        (
            "an image out of fold in two folds of one run",
            "leak: the image 00000.jpg",
            |table| {
                let mut row = table.rows[0].clone();
                row.fold = Some(2);
                table.rows.push(row);
            },
        ),
        ("two images of an item in two folds", "leak: the item item0", |table| {
            for row in table.rows.iter_mut().filter(|row| &*row.path == "00001.jpg") {
                row.fold = Some(1);
            }
        }),
        (
            "an item both in another split and in a fold",
            "leak: the item item0",
            |table| {
                for row in table.rows.iter_mut().filter(|row| &*row.path == "00090.jpg") {
                    row.item_id = "item0".into();
                }
            },
        ),
        (
            "an image both in another split and in a fold",
            "leak: the image 00000.jpg",
            |table| {
                let mut row = table.rows[0].clone();
                row.part = "val".into();
                table.rows.push(row);
            },
        ),
        ("the same prediction twice", "twice", |table| {
            table.rows.push(table.rows[0].clone())
        }),
        ("another truth of the same image", "disagree on truth", |table| {
            table.rows[0].truth[0] = None
        }),
        ("a network without a fold", "trained without folds", |table| {
            table.rows[0].fold = None
        }),
        (
            "a probability that is not a number",
            "as the probability of label1",
            |table| table.rows[0].probs[1] = f32::NAN,
        ),
        (
            "an image that one network did not predict",
            "00000.jpg is missing",
            |table| {
                table.rows.remove(0);
            },
        ),
        (
            "a model whose fold was never trained",
            "net2 has no epoch that all its folds predicted: fold 4",
            |table| {
                table.rows.retain(|row| !(&*row.run == "net2" && row.fold == Some(4)));
            },
        ),
    ];
    let sound = zoo(small());
    PredictionSet::new(&sound).expect("the set is consistent");
    for (what, complaint, edit) in cases {
        let mut table = sound.clone();
        edit(&mut table);
        let error = PredictionSet::new(&table).expect_err(what).to_string();
        assert!(error.contains(complaint), "{what}: {error}");
    }
}

#[test]
fn the_truth_of_a_fold_does_not_change_its_predictions() {
    let Some(xgboost) = tests::skip::xgboost("the_truth_of_a_fold_does_not_change_its_predictions") else {
        return;
    };
    let table = zoo(small());
    let mut flipped = table.clone();
    for row in flipped
        .rows
        .iter_mut()
        .filter(|row| &*row.part == OOF && row.fold == Some(1))
    {
        row.truth
            .iter_mut()
            .for_each(|truth| *truth = truth.map(|truth| !truth));
    }
    let ((set, before), (_, after)) = (fit(&xgboost, &table), fit(&xgboost, &flipped));
    for (before, after) in before.models.iter().zip(&after.models) {
        let is_same = before == after;
        assert_eq!(is_same, before.fold == 1, "{} fold {}", before.label, before.fold);
    }
    let oof = |ensemble: &Ensemble| ensemble.oof(&xgboost, &set).expect("the set is that of the fit");
    let (before, after) = (oof(&before), oof(&after));
    for (row, fold) in set
        .fold_of
        .iter()
        .enumerate()
        .filter(|(_, fold)| set.folds[**fold] == 1)
    {
        assert_eq!(before[row], after[row], "row {row} of fold {fold}");
    }
    assert_ne!(before, after);
}

/// Area under the ROC curve: share of the pairs in which the positive row has the higher probability.
fn auc(pairs: &[(f32, bool)]) -> f64 {
    let probs = |on: bool| {
        pairs
            .iter()
            .filter(move |(_, truth)| *truth == on)
            .map(|(prob, _)| *prob)
    };
    let wins = probs(true).flat_map(|p| {
        probs(false).map(move |n| {
            if p > n {
                1.0
            } else if p == n {
                0.5
            } else {
                0.0
            }
        })
    });
    wins.sum::<f64>() / (probs(true).count() * probs(false).count()) as f64
}

#[test]
fn random_labels_cannot_be_predicted() {
    let Some(xgboost) = tests::skip::xgboost("random_labels_cannot_be_predicted") else {
        return;
    };
    for (informative, low, high) in [(false, 0.46, 0.54), (true, 0.85, 1.0)] {
        let mut aucs = Vec::new();
        for seed in 0..3 {
            let (set, ensemble) = fit(
                &xgboost,
                &zoo(Recipe {
                    informative,
                    seed,
                    ..Recipe::default()
                }),
            );
            let probs = ensemble.oof(&xgboost, &set).expect("the set is that of the fit");
            for (label, fold) in (0..set.labels.len()).flat_map(|l| (0..set.folds.len()).map(move |f| (l, f))) {
                let rows = (0..set.oof.len()).filter(|row| set.fold_of[*row] == fold);
                let pairs: Vec<_> = rows
                    .filter_map(|row| Some((probs[row][label], set.oof[row].truth[label]?)))
                    .collect();
                aucs.push(auc(&pairs));
            }
        }
        let mean = aucs.iter().sum::<f64>() / aucs.len() as f64;
        assert!(
            (low..=high).contains(&mean),
            "informative {informative}: mean AUC {mean} of {aucs:.2?}"
        );
    }
}

#[test]
fn an_ensemble_refuses_rows_in_other_folds_than_it_was_fitted_to() {
    let Some(xgboost) = tests::skip::xgboost("an_ensemble_refuses_rows_in_other_folds") else {
        return;
    };
    let table = zoo(small());
    let (_, ensemble) = fit(&xgboost, &table);
    let mut moved = table.clone();
    for row in moved.rows.iter_mut().filter(|row| &*row.part == OOF) {
        row.fold = row.fold.map(|fold| (fold + 1) % 5);
    }
    let moved = PredictionSet::new(&moved).expect("the set is consistent");
    let error = ensemble
        .oof(&xgboost, &moved)
        .expect_err("the folds differ")
        .to_string();
    assert!(error.contains("leak"), "{error}");

    let mut two = table;
    two.rows.retain(|row| row.fold < Some(2));
    let dir = tempfile::tempdir().expect("a temporary folder is created");
    let path = dir.path().join("zoo.parquet");
    two.write(&path).expect("the table is written");
    let file = PredictionSetFile::open(&path).expect("the set is consistent");
    let origin = Origin::new(&file, &options(), &xgboost).expect("the set has out-of-fold rows");
    let error =
        ensemble::folder::fit(&xgboost, &file.set, &origin, super::WHOLE, &|| ()).expect_err("two folds are too few");
    assert!(error.to_string().contains("three folds or more"), "{error}");
}
