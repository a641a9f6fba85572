//! Boosters compared with the Python package of XGBoost.

use crate::{golden, parse};
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
    let features: Vec<Vec<f32>> = parse(&golden["features"]);
    let targets: Vec<f32> = parse(&golden["targets"]);
    let n: usize = parse(&golden["train"]);
    let width = features[0].len();
    let train = xgboost
        .matrix(&features[..n].concat(), width)
        .expect("the values are whole rows");
    train.set_targets(&targets[..n]).expect("there is one target per row");
    let every = xgboost
        .matrix(&features.concat(), width)
        .expect("the values are whole rows");
    for case in parse::<Vec<Case>>(&golden["cases"]) {
        let mut booster = xgboost
            .booster(case.params, &[&train])
            .expect("the parameters are valid");
        for round in 0..case.rounds {
            booster.update(round, &train).expect("the matrix has targets");
        }
        // A booster that is saved and read gives the same predictions.
        let bytes = booster.save().expect("the weights serialise");
        let mut again = xgboost.load_booster(&bytes).expect("the bytes are a booster");
        assert_eq!(
            again.predict(&every).expect("the matrix has the right columns"),
            booster.predict(&every).expect("the matrix has the right columns")
        );
        for (row, (ours, theirs)) in booster
            .predict(&every)
            .expect("the matrix has the right columns")
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
    let error = train
        .set_targets(&targets)
        .expect_err("there are too many targets")
        .to_string();
    assert!(error.contains("150 targets for 100 rows"), "{error}");
    let error = xgboost
        .load_booster(b"no model")
        .expect_err("the bytes are not a model")
        .to_string();
    assert!(error.contains("XGBoost could not read a booster"), "{error}");
}
