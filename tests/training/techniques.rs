//! Techniques of recipes: frozen parameters do not change, averages are averages, early stopping stops, and a resumed run
//! with all techniques equals an uninterrupted one.

use anyhow::Result;
use dataset::predictions::Table;
use dataset::run::Start;
use evaluation::evaluate;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use tests::tiny::{STYLE, TrainedRun, Trainings, assert_error};
use training::TrainOptions;

pub(crate) type Weights = BTreeMap<String, Vec<f32>>;

/// Reads the best weights of a run.
pub(crate) fn weights(run: &TrainedRun) -> Result<Weights> {
    let bytes = fs::read(run.best())?;
    let file = safetensors::SafeTensors::deserialize(&bytes)?;
    let numbers = |bytes: &[u8]| {
        bytes
            .chunks_exact(4)
            .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
            .collect()
    };
    Ok(file
        .iter()
        .map(|(key, tensor)| (key.to_owned(), numbers(tensor.data())))
        .collect())
}

/// Trains the tiny style recipe from the best weights of `init`.
fn continued(trainings: &Trainings, run: &str, settings: &[&str], init: &TrainedRun) -> Result<TrainedRun> {
    let options = TrainOptions {
        init: Some(init.best().display().to_string()),
        ..trainings.options(run)
    };
    trainings.train_with(options, STYLE, settings)
}

/// Changes the rows of a dataset's manifest, which have columns by name; removes rows for which `keep` returns false.
fn rewrite(data: &Path, mut keep: impl FnMut(&mut BTreeMap<String, String>) -> bool) -> Result<()> {
    let mut manifest = csv::Reader::from_path(data.join("manifest.csv"))?;
    let header = manifest.headers()?.clone();
    let rows = manifest
        .deserialize()
        .collect::<Result<Vec<BTreeMap<String, String>>, _>>()?;
    let mut written = csv::Writer::from_path(data.join("manifest.csv"))?;
    written.write_record(&header)?;
    for mut row in rows {
        if keep(&mut row) {
            written.write_record(header.iter().map(|column| &row[column]))?;
        }
    }
    Ok(written.flush()?)
}

#[test]
fn frozen_parts_keep_weights_and_running_statistics() -> Result<()> {
    let trainings = Trainings::on_shop()?;
    let first = trainings.train("first", STYLE, &["epochs=1"])?;
    let before = weights(&first)?;
    let is_head = |key: &str| key.starts_with("head.");
    let is_last = |key: &str| key.starts_with("layer4.");
    // One run trains the head alone, the other also the last stage of the backbone.
    let head = "stages=[{from=0, rate=0.02, freeze=[\"backbone\"]}]";
    let last = "stages=[{from=0, rate=0.01, freeze=[\"backbone.stem\", \"backbone.layer1\", \"backbone.layer2\", \"backbone.layer3\"]}]";
    for (name, stages, learns) in [
        ("head", head, &is_head as &dyn Fn(&str) -> bool),
        ("last", last, &|key: &str| is_head(key) || is_last(key)),
    ] {
        let settings = ["epochs=2", stages, "average={kind=\"ema\", decay=0.0}"];
        let after = weights(&continued(&trainings, name, &settings, &first)?)?;
        for (key, values) in after {
            let same = before[&key] == values;
            if !learns(&key) {
                assert!(same, "{name}: {key} is frozen but has changed");
            } else if is_last(&key) {
                assert!(!same, "{name}: {key} is trained but has not changed");
            }
        }
    }
    Ok(())
}

#[test]
fn an_unknown_part_to_freeze_is_named_with_the_known_ones() -> Result<()> {
    let trainings = Trainings::on_shop()?;
    let stages = "stages=[{from=0, freeze=[\"backbone.layer9\"]}]";
    let error = trainings
        .train("run", STYLE, &[stages])
        .expect_err("there is no layer9");
    let error = format!("{error:#}");
    assert!(error.contains("layer9") && error.contains("backbone.layer4"), "{error}");
    Ok(())
}

#[test]
fn frozen_parts_keep_running_statistics_when_an_average_is_resumed() -> Result<()> {
    let trainings = Trainings::on_shop()?;
    let first = trainings.train("first", STYLE, &["epochs=1"])?;
    let settings = |epochs: &'static str| {
        let stages = "stages=[{from=0, rate=0.02, freeze=[\"backbone\"]}]";
        [
            epochs,
            stages,
            "average={kind=\"swa\", from=0, batches=3}",
            "optimiser.schedule=constant",
        ]
    };
    let resumed = continued(&trainings, "resumed", &settings("epochs=1"), &first)?;
    let longer = trainings.recipe(STYLE, &settings("epochs=3"))?;
    fs::write(resumed.dir.join("recipe.toml"), toml::to_string_pretty(&longer)?)?;
    let options = TrainOptions {
        start: Start::Resume,
        ..trainings.options("resumed")
    };
    let resumed = trainings.train_with(options, STYLE, &settings("epochs=3"))?;
    let (before, after) = (weights(&first)?, weights(&resumed)?);
    for (key, values) in &after {
        let learns = key.starts_with("head.");
        assert!(learns || before[key] == *values, "{key} is frozen but has changed");
    }
    assert!(after["head.output.weight"] != before["head.output.weight"]);
    Ok(())
}

/// An epoch has one step: from one batch, or accumulated over its three batches by an `accumulate` of three or four.
#[test]
fn accumulated_gradients_make_the_step_of_a_larger_batch() -> Result<()> {
    let trainings = Trainings::on_shop()?;
    let (rows, mut kept) = (48, 0);
    rewrite(&trainings.data(), |row| {
        kept += usize::from(row["split"] == "train");
        row["split"] != "train" || kept <= rows
    })?;
    // Frozen norms do not depend on the other images of a batch. A step of plain SGD is proportional to the gradient.
    let step = |name: &str, batch: usize, accumulate: usize, rate: f64| -> Result<Weights> {
        let stages = format!("stages=[{{from=0, rate={rate}, freeze=[\"backbone\"]}}]");
        let (batch, accumulate) = (
            format!("optimiser.batch={batch}"),
            format!("optimiser.accumulate={accumulate}"),
        );
        let plain = [
            "task.hidden=[]",
            "optimiser.kind=sgd",
            "optimiser.momentum=0.0",
            "optimiser.schedule=constant",
        ];
        let settings = [&plain[..], &["epochs=1", "augment={}", &stages, &batch, &accumulate]].concat();
        weights(&trainings.train(name, STYLE, &settings)?)
    };
    let before = step("before", rows, 1, 1e-12)?;
    let whole = step("whole", rows, 1, 5.0)?;
    for (name, accumulate) in [("three", 3), ("four", 4)] {
        let accumulated = step(name, rows / 3, accumulate, 5.0)?;
        for key in ["head.output.weight", "head.output.bias"] {
            let far = |one: &Weights, other: &Weights| -> f32 {
                one[key]
                    .iter()
                    .zip(&other[key])
                    .map(|(a, b)| (a - b).abs())
                    .fold(0.0, f32::max)
            };
            let (moved, apart) = (far(&whole, &before), far(&accumulated, &whole));
            assert!(
                moved > 1e-3 && apart < 1e-3 * moved,
                "{name}, {key}: moved by {moved}, {apart} apart"
            );
        }
    }
    Ok(())
}

#[test]
fn a_split_without_labels_is_predicted_and_never_scored() -> Result<()> {
    let trainings = Trainings::on_shop()?;
    rewrite(&trainings.data(), |row| {
        if row["split"] == "test" {
            row.insert("labels".to_owned(), String::new());
        }
        true
    })?;

    let run = trainings.train("run", STYLE, &["epochs=1", "data.predict=[\"val\", \"test\"]"])?;
    let table = Table::read(&run.dir.join("predictions/epoch0000.parquet"))?;
    let known = |part: &str| -> BTreeSet<bool> {
        table
            .rows
            .iter()
            .filter(|row| &*row.part == part)
            .flat_map(|row| &row.truth)
            .map(Option::is_some)
            .collect()
    };
    assert_eq!((known("val"), known("test")), ([true].into(), [false].into()));
    let (manifest, weights) = run.read()?;
    assert_error(
        evaluate(&manifest, &weights, trainings.dataset()?, "test", &trainings.device),
        "no image of split 'test' has labels",
    );
    Ok(())
}

#[test]
fn a_report_written_again_equals_the_first() -> Result<()> {
    let trainings = Trainings::on_shop()?;
    let run = trainings.train("run", STYLE, &["epochs=2", "evaluate.views=flip"])?;
    let plots = fs::read_dir(run.dir.join("plots"))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>>>()?;
    assert!(plots.iter().any(|path| path.ends_with("mistakes.jpg")), "{plots:?}");
    let paths = ["report.html", "labels.csv", "summary.csv"]
        .map(|name| run.dir.join(name))
        .into_iter()
        .chain(plots);
    let first: BTreeMap<_, _> = paths
        .map(|path| Ok((path.clone(), fs::read(path)?)))
        .collect::<Result<_>>()?;
    for path in first.keys() {
        fs::remove_file(path)?;
    }
    training::run_report::write_again(&run.dir, None)?;
    for (path, bytes) in first {
        assert!(fs::read(&path)? == bytes, "{} differs", path.display());
    }
    Ok(())
}

#[test]
fn all_techniques_together_learn_keep_predictions_and_resume_exactly() -> Result<()> {
    let trainings = Trainings::on_shop()?;
    let all = |epochs: &'static str| {
        [
            epochs,
            "mixup=0.2",
            "loss={kind=\"weighted\", root=true, cap=5.0}",
            "sampling={oversample=[{below=20, factor=2}], undersample={sets=[[\"ol_commuter\", \"ladylike\"]], drop=0.2}}",
            "average={kind=\"swa\", from=0, batches=3}",
            "optimiser.accumulate=2",
            "optimiser.schedule=triangular",
            "optimiser.rate=0.002",
            "optimiser.clip=1.0",
            "optimiser.groups=[{of=[\"backbone\"], rate=0.5}]",
            "optimiser.weight_decay=0.01",
            "optimiser.decay_all=false",
            "optimiser.clip_all=2.0",
            "optimiser.norm_momentum=0.2",
            "data.folds=3",
            "data.fold=1",
            "data.predict=[\"val\"]",
        ]
    };
    let whole = trainings.train("whole", STYLE, &all("epochs=3"))?;
    let losses = whole.losses();
    assert!(losses[2] < losses[0], "{losses:?}");
    for epoch in 0..3 {
        let table = Table::read(&whole.dir.join(format!("predictions/epoch{epoch:04}.parquet")))?;
        let parts: BTreeSet<&str> = table.rows.iter().map(|row| &*row.part).collect();
        assert_eq!(parts.into_iter().collect::<Vec<_>>(), ["oof", "val"]);
        assert!(table.rows.iter().all(|row| row.fold == Some(1) && row.epoch == epoch));
    }

    // Triangular rates do not depend on the number of epochs, so a shorter run is the beginning of the longer one.
    let parts = trainings.train_in_parts("parts", STYLE, &all("epochs=2"), &whole, &all("epochs=3"))?;
    let last = |run: &TrainedRun| fs::read(run.dir.join("predictions/epoch0002.parquet"));
    assert!(
        last(&whole)? == last(&parts)?,
        "the resumed run predicts something else"
    );
    Ok(())
}

#[test]
fn training_stops_early_when_the_score_stops_rising() -> Result<()> {
    let trainings = Trainings::on_shop()?;
    // The learning rate is too small to change the score, so no epoch is better than the first.
    let still = "stages=[{from=0, rate=1e-12, freeze=[\"backbone\", \"hidden\"]}]";
    let stopped = trainings.train("stopped", STYLE, &["epochs=20", "patience=2", still])?;
    // An epoch is evaluated while the next one trains, so one more epoch is trained.
    assert_eq!(stopped.log().len(), 4);
    Ok(())
}

#[test]
fn stages_that_freeze_all_parameters_are_refused() -> Result<()> {
    let trainings = Trainings::on_shop()?;
    let frozen = "stages=[{from=0, freeze=[\"backbone\", \"hidden\", \"output\"]}]";
    assert_error(trainings.train("run", STYLE, &[frozen]), "leaves nothing to learn");
    Ok(())
}

#[test]
fn one_network_per_label_learns_and_is_frozen_like_a_single_one() -> Result<()> {
    let trainings = Trainings::on_shop()?;
    let settings = [
        "task.per_label=true",
        "epochs=2",
        "input.width=24",
        "input.height=24",
        "task.hidden=8",
    ];
    let trained = |name: &str, rate: &str| {
        let stages = format!("stages=[{{ rate = {rate}, freeze = [\"backbone.stem\"] }}]");
        trainings.train(name, STYLE, &[&settings[..], &[&stages]].concat())
    };
    // Both runs start with the same weights, so different weights were trained.
    let (slow_run, fast_run) = (trained("slow", "0.001")?, trained("fast", "0.01")?);
    let (slow, fast) = (weights(&slow_run)?, weights(&fast_run)?);
    for net in ["", "label1.", "label12."] {
        let (stem, output) = (format!("{net}conv1.weight"), format!("{net}head.output.weight"));
        assert!(slow[&stem] == fast[&stem], "{stem} is frozen but has changed");
        assert!(
            slow[&output] != fast[&output],
            "{output} is trained but has not changed"
        );
    }
    let losses = fast_run.losses();
    assert!(losses[1] < losses[0], "{losses:?}");
    let (manifest, weights) = fast_run.read()?;
    let report = evaluate(&manifest, &weights, trainings.dataset()?, "val", &trainings.device)?;
    let evaluation::Report::Classifier(report) = report else {
        panic!("a style bundle is a classifier: {report}");
    };
    assert_eq!(report.labels.len(), 13);

    let both = ["task.per_label=true", "task.dense={ classes = 3, weight = 1.0 }"];
    assert_error(trainings.recipe(STYLE, &both), "exclude each other");
    Ok(())
}
