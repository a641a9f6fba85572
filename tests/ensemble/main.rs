//! Ensembles of simulated networks: the filter, stacking without leaks, and fits by several processes.

mod cli;
mod leaks;

use dataset::predictions::{OOF, Table};
use ensemble::filter::Dropped;
use ensemble::{
    Ensemble, FilterOptions, FitOptions, Origin, PredictionSet, PredictionSetFile, Shard, XgBoost, filter, folder,
};
use evaluation::Interval;
use tests::zoo::{Recipe, zoo};

const FILTER: FilterOptions = FilterOptions {
    keep: 3,
    correlation: 0.9,
};
const WHOLE: Shard = Shard { index: 1, of: 1 };

fn options() -> FitOptions {
    FitOptions {
        filter: FILTER,
        grid: "eta=0.2;max_depth=3;min_child_weight=1"
            .parse()
            .expect("the grid is valid"),
        rounds: 200,
        patience: 10,
        inner_folds: 2,
    }
}

/// Fits an ensemble to a table.
fn fit(xgboost: &XgBoost, table: &Table) -> (PredictionSet, Ensemble) {
    let dir = tempfile::tempdir().expect("a temporary folder is created");
    let path = dir.path().join("zoo.parquet");
    table.write(&path).expect("the table is written");
    let file = PredictionSetFile::open(&path).expect("the set is consistent");
    let origin = Origin::new(&file, &options(), xgboost).expect("the set has out-of-fold rows");
    let models = folder::fit(xgboost, &file.set, &origin, WHOLE, &|| ()).expect("the models are fitted");
    let ensemble = Ensemble::new(xgboost, &file.set, origin, models).expect("the models predict");
    (file.set, ensemble)
}

#[test]
fn the_filter_keeps_one_epoch_of_each_of_the_best_different_models() {
    let set = PredictionSet::new(&zoo(Recipe::default())).expect("the set is consistent");
    assert_eq!(set.candidates.len(), 18);
    for (label, fold) in [(0, 0), (2, 4)] {
        let choice = filter(
            &set,
            label,
            fold,
            FilterOptions {
                keep: 10,
                correlation: 0.9,
            },
        );
        assert_eq!(choice.ranking.len(), 18);
        assert!(choice.ranking.is_sorted_by(|a, b| a.f2 >= b.f2));
        let kept: Vec<&str> = choice
            .kept()
            .map(|r| r.candidate.split_once('@').expect("run@epoch").0)
            .collect();
        let twins = kept.iter().filter(|run| ["net4", "net5"].contains(run)).count();
        assert_eq!(
            (kept.len(), twins),
            (5, 1),
            "one epoch of each of net0 to net3, and one of the twins: {kept:?}"
        );
        let correlated = choice.ranking.iter().filter_map(|r| match &r.dropped {
            Some(Dropped::Correlated { with, correlation }) => Some((&r.candidate[..4], &with[..4], *correlation)),
            _ => None,
        });
        for (out, with, correlation) in correlated {
            assert!(["net4", "net5"].contains(&out) && ["net4", "net5"].contains(&with) && correlation > 0.9);
        }
        // A stricter filter keeps the first candidates of the same ranking, and states why the others are dropped.
        let two = filter(
            &set,
            label,
            fold,
            FilterOptions {
                keep: 2,
                correlation: 0.9,
            },
        );
        assert!(
            two.kept()
                .map(|r| &r.candidate)
                .eq(choice.kept().take(2).map(|r| &r.candidate))
        );
        assert!(two.ranking.iter().any(|r| r.dropped == Some(Dropped::Enough)));
    }
}

#[test]
fn an_epoch_without_a_fold_is_left_out_and_named() {
    let mut table = zoo(Recipe {
        pictures: 60,
        ..Recipe::default()
    });
    table
        .rows
        .retain(|row| !(&*row.run == "net1" && row.epoch == 3 && row.fold == Some(2)));
    let set = PredictionSet::new(&table).expect("net1 has other epochs");
    assert_eq!(set.candidates.len(), 17);
    let (candidate, why) = &set.incomplete[0];
    assert_eq!(candidate.to_string(), "net1@3");
    assert!(why.contains("fold 2"), "{why}");
}

#[test]
fn stacking_is_reproducible_and_beats_the_best_model() {
    let Some(xgboost) = tests::skip::xgboost("stacking_is_reproducible_and_beats_the_best_model") else {
        return;
    };
    let table = zoo(Recipe::default());
    let (set, ensemble) = fit(&xgboost, &table);
    let mut shuffled = table.clone();
    shuffled.rows.reverse();
    let (_, again) = fit(&xgboost, &shuffled);
    assert!(
        again.models == ensemble.models && again.thresholds == ensemble.thresholds,
        "the order of the rows does not matter"
    );

    let report = ensemble::report(&ensemble, &xgboost, &set).expect("the set is that of the fit");
    for part in [OOF, "val"] {
        let f2 = |method: &str| {
            let metrics = report
                .metrics
                .iter()
                .find(|f| f.method == method && f.part == part)
                .expect(method);
            let Interval { value, low, high } = metrics.macro_f2;
            assert!(low < value && value < high);
            value
        };
        // The labels depend on each other. Only stacking uses that.
        assert!(f2("stacking") > f2("mean of kept models"), "{part}\n{report}");
        assert!(f2("stacking") > f2("best single model"), "{part}\n{report}");
        assert!(f2("best single model") > f2("all positive"), "{part}\n{report}");
    }

    let dir = tempfile::tempdir().expect("a temporary folder is created");
    ensemble.write(&dir.path().join("e")).expect("the folder is written");
    let read = Ensemble::read(&dir.path().join("e")).expect("the folder is read");
    assert_eq!(read.thresholds, ensemble.thresholds);
    let error = ensemble
        .write(&dir.path().join("e"))
        .expect_err("an ensemble is never overwritten")
        .to_string();
    assert!(error.contains("exists already"), "{error}");
}

#[test]
fn a_label_without_positive_rows_gets_a_constant_prediction() {
    let Some(xgboost) = tests::skip::xgboost("a_label_without_positive_rows_gets_a_constant_prediction") else {
        return;
    };
    let mut table = zoo(Recipe {
        pictures: 100,
        runs: 2,
        epochs: 1,
        ..Recipe::default()
    });
    for row in &mut table.rows {
        row.truth[0] = Some(false);
        row.truth[2] = row.truth[2].filter(|_| !row.path.ends_with("3.jpg"));
    }
    let (set, ensemble) = fit(&xgboost, &table);
    let probs = ensemble.oof(&xgboost, &set).expect("the set is that of the fit");
    assert!(
        probs
            .iter()
            .all(|line| line[0] == 0.0 && line[1..].iter().all(|prob| (0.0..=1.0).contains(prob)))
    );
}
