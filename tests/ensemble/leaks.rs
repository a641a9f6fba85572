//! No label of a row may reach the booster that predicts it.

use super::{fitted, options};
use dataset::predictions::{OOF, Table};
use ensemble::{Origin, Zoo, ZooFile};
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
fn a_zoo_that_leaks_or_does_not_fit_together_is_refused() {
    type Edit = fn(&mut Table);
    let cases: &[(&str, &str, Edit)] = &[
        (
            "a picture predicted by a network of another fold",
            "leak: the picture 00000.jpg",
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
            "a picture out of fold in two folds of one run",
            "leak: the picture 00000.jpg",
            |table| {
                let mut row = table.rows[0].clone();
                row.fold = Some(2);
                table.rows.push(row);
            },
        ),
        (
            "two pictures of an item in two folds",
            "leak: the item item0",
            |table| {
                for row in table.rows.iter_mut().filter(|row| &*row.path == "00001.jpg") {
                    row.fold = Some(1);
                }
            },
        ),
        (
            "an item of the split that no network saw, in a fold",
            "leak: the item item0",
            |table| {
                for row in table.rows.iter_mut().filter(|row| &*row.path == "00090.jpg") {
                    row.item_id = "item0".into();
                }
            },
        ),
        (
            "a picture in the split that no network saw, and in a fold",
            "leak: the picture 00000.jpg",
            |table| {
                let mut row = table.rows[0].clone();
                row.part = "val".into();
                table.rows.push(row);
            },
        ),
        ("the same prediction twice", "twice", |table| {
            table.rows.push(table.rows[0].clone())
        }),
        ("another truth of the same picture", "disagree on truth", |table| {
            table.rows[0].truth[0] = None
        }),
        ("a network without a fold", "trained without folds", |table| {
            table.rows[0].fold = None
        }),
        ("no probability", "as the probability of label1", |table| {
            table.rows[0].probs[1] = f32::NAN
        }),
        ("a picture that one network left out", "00000.jpg is missing", |table| {
            table.rows.remove(0);
        }),
        (
            "a model whose fold was never trained",
            "net2 has no epoch that all its folds predicted: fold 4",
            |table| {
                table.rows.retain(|row| !(&*row.run == "net2" && row.fold == Some(4)));
            },
        ),
    ];
    let sound = zoo(small());
    Zoo::new(&sound).expect("a sound zoo");
    for (what, complaint, edit) in cases {
        let mut table = sound.clone();
        edit(&mut table);
        let error = Zoo::new(&table).expect_err(what).to_string();
        assert!(error.contains(complaint), "{what}: {error}");
    }
}

#[test]
fn labels_of_a_fold_change_nothing_that_predicts_it() {
    let Some(xgboost) = tests::skip::xgboost("labels_of_a_fold_change_nothing_that_predicts_it") else {
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
    let ((zoo, before), (_, after)) = (fitted(&xgboost, &table), fitted(&xgboost, &flipped));
    for (before, after) in before.fitted.iter().zip(&after.fitted) {
        let same = before == after;
        assert_eq!(
            same,
            before.unit.fold == 1,
            "{} fold {}",
            before.unit.label,
            before.unit.fold
        );
    }
    let (before, after) = (before.oof(&xgboost, &zoo), after.oof(&xgboost, &zoo));
    let (before, after) = (before.expect("predicts"), after.expect("predicts"));
    for (row, fold) in zoo
        .fold_of
        .iter()
        .enumerate()
        .filter(|(_, fold)| zoo.folds[**fold] == 1)
    {
        assert_eq!(before[row], after[row], "row {row} of fold {fold}");
    }
    assert_ne!(before, after);
}

/// Area under the ROC curve: how often a positive is above a negative.
fn auc(pairs: &[(f32, bool)]) -> f64 {
    let of = |on: bool| {
        pairs
            .iter()
            .filter(move |(_, truth)| *truth == on)
            .map(|(prob, _)| *prob)
    };
    let wins = of(true).flat_map(|p| {
        of(false).map(move |n| {
            if p > n {
                1.0
            } else if p == n {
                0.5
            } else {
                0.0
            }
        })
    });
    wins.sum::<f64>() / (of(true).count() * of(false).count()) as f64
}

#[test]
fn random_labels_cannot_be_predicted() {
    let Some(xgboost) = tests::skip::xgboost("random_labels_cannot_be_predicted") else {
        return;
    };
    for (informative, low, high) in [(false, 0.46, 0.54), (true, 0.85, 1.0)] {
        let mut aucs = Vec::new();
        for seed in 0..3 {
            let (zoo, ensemble) = fitted(
                &xgboost,
                &zoo(Recipe {
                    informative,
                    seed,
                    ..Recipe::default()
                }),
            );
            let probs = ensemble.oof(&xgboost, &zoo).expect("predicts");
            for (label, fold) in (0..zoo.labels.len()).flat_map(|l| (0..zoo.folds.len()).map(move |f| (l, f))) {
                let rows = (0..zoo.oof.len()).filter(|row| zoo.fold_of[*row] == fold);
                let pairs: Vec<_> = rows
                    .filter_map(|row| Some((probs[row][label], zoo.oof[row].truth[label]?)))
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
    let (_, ensemble) = fitted(&xgboost, &table);
    let mut moved = table.clone();
    for row in moved.rows.iter_mut().filter(|row| &*row.part == OOF) {
        row.fold = row.fold.map(|fold| (fold + 1) % 5);
    }
    let moved = Zoo::new(&moved).expect("sound in itself");
    let error = ensemble.oof(&xgboost, &moved).expect_err("other folds").to_string();
    assert!(error.contains("leak"), "{error}");

    let mut two = table;
    two.rows.retain(|row| row.fold < Some(2));
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("zoo.parquet");
    two.write(&path).expect("writes");
    let file = ZooFile::open(&path).expect("sound in itself");
    let origin = Origin::new(&file, &options(), &xgboost).expect("it has rows");
    let error = ensemble::folder::fit(&xgboost, &file.zoo, &origin, super::WHOLE, &|| ()).expect_err("two folds");
    assert!(error.to_string().contains("three folds or more"), "{error}");
}
