//! Boosters against the Python package of XGBoost.

use crate::{golden, of};
use ensemble::grid::Params;
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    #[serde(flatten)]
    params: Params,
    rounds: u32,
    probs: Vec<f32>,
}

#[test]
fn boosters_agree_with_the_python_package() {
    let Some(xgboost) = tests::skip::xgboost("boosters_agree_with_the_python_package") else {
        return;
    };
    let golden = golden("xgboost.json");
    let features: Vec<Vec<f32>> = of(&golden["features"]);
    let targets: Vec<f32> = of(&golden["targets"]);
    let n: usize = of(&golden["train"]);
    let width = features[0].len();
    let train = xgboost.matrix(&features[..n].concat(), width).expect("rows");
    train.set_targets(&targets[..n]).expect("targets");
    let every = xgboost.matrix(&features.concat(), width).expect("rows");
    for case in of::<Vec<Case>>(&golden["cases"]) {
        let mut booster = xgboost.booster(case.params, &[&train]).expect("a booster");
        for round in 0..case.rounds {
            booster.update(round, &train).expect("a round");
        }
        // What is kept in a folder and read again must be the same.
        let bytes = booster.save().expect("saves");
        let mut again = xgboost.load_booster(&bytes).expect("loads");
        assert_eq!(
            again.predict(&every).expect("predicts"),
            booster.predict(&every).expect("predicts")
        );
        for (row, (ours, theirs)) in booster
            .predict(&every)
            .expect("predicts")
            .iter()
            .zip(&case.probs)
            .enumerate()
        {
            assert!(
                (ours - theirs).abs() <= 1e-6,
                "{:?} row {row}: {ours}, expected {theirs}",
                case.params
            );
        }
    }
    let error = train.set_targets(&targets).expect_err("too many").to_string();
    assert!(error.contains("150 targets for 100 rows"), "{error}");
    let error = xgboost.load_booster(b"no model").expect_err("no model").to_string();
    assert!(error.contains("XGBoost could not read a booster"), "{error}");
}
