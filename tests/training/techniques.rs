//! What recipes can switch on: frozen really means frozen, averages are averages, early stopping stops, a resumed run
//! with all of it equals an uninterrupted one.

use super::*;
use dataset::predictions::Table;
use std::collections::BTreeMap;

type Weights = BTreeMap<String, Vec<f32>>;

fn weights(run: &Path) -> Result<Weights> {
    let bytes = fs::read(run.join("best.safetensors"))?;
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

/// Trains the tiny style recipe with settings, from `init` if given.
fn run(dir: &Path, name: &str, settings: &[&str], init: Option<&Path>) -> Result<std::path::PathBuf> {
    let out = dir.join(name);
    let order = TrainOptions {
        init: init.map(|run| run.join("best.safetensors")),
        ..order(&out, Start::New)
    };
    train(&recipe(STYLE, &dir.join("shop"), settings)?, &order, &Device::flex())?;
    Ok(out)
}

/// Changes the rows of a dataset's manifest, column by name; those that `keep` says no to go.
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
    let _alone = alone();
    let dir = tempfile::tempdir()?;
    shop(&dir.path().join("shop"))?;
    let first = run(dir.path(), "first", &["epochs=1"], None)?;
    let before = weights(&first)?;
    let of_head = |key: &str| key.starts_with("head.");
    let of_last = |key: &str| key.starts_with("layer4.");
    // The head alone, and the last stage of the backbone with it.
    let head = "stages=[{from=0, rate=0.02, freeze=[\"backbone\"]}]";
    let last = "stages=[{from=0, rate=0.01, freeze=[\"backbone.stem\", \"backbone.layer1\", \"backbone.layer2\", \"backbone.layer3\"]}]";
    for (name, stages, learns) in [
        ("head", head, &of_head as &dyn Fn(&str) -> bool),
        ("last", last, &|key: &str| of_head(key) || of_last(key)),
    ] {
        let settings = ["epochs=2", stages, "average={kind=\"ema\", decay=0.0}"];
        let after = weights(&run(dir.path(), name, &settings, Some(&first))?)?;
        for (key, values) in after {
            let same = before[&key] == values;
            if !learns(&key) {
                assert!(same, "{name}: {key} is frozen and has changed");
            } else if of_last(&key) {
                assert!(!same, "{name}: {key} should have learnt");
            }
        }
    }
    let typo = run(
        dir.path(),
        "typo",
        &["stages=[{from=0, freeze=[\"backbone.layer9\"]}]"],
        None,
    );
    let error = format!("{:#}", typo.expect_err("there is no layer9"));
    assert!(error.contains("layer9") && error.contains("backbone.layer4"), "{error}");
    Ok(())
}

#[test]
fn frozen_parts_keep_running_statistics_when_an_average_is_resumed() -> Result<()> {
    let _alone = alone();
    let dir = tempfile::tempdir()?;
    shop(&dir.path().join("shop"))?;
    let first = run(dir.path(), "first", &["epochs=1"], None)?;
    let settings = |epochs: &'static str| {
        let stages = "stages=[{from=0, rate=0.02, freeze=[\"backbone\"]}]";
        [
            epochs,
            stages,
            "average={kind=\"swa\", from=0, batches=3}",
            "optimiser.schedule=constant",
        ]
    };
    let resumed = run(dir.path(), "resumed", &settings("epochs=1"), Some(&first))?;
    let longer = recipe(STYLE, &dir.path().join("shop"), &settings("epochs=3"))?;
    fs::write(resumed.join("recipe.toml"), toml::to_string_pretty(&longer)?)?;
    train(&longer, &order(&resumed, Start::Resume), &Device::flex())?;
    let (before, after) = (weights(&first)?, weights(&resumed)?);
    for (key, values) in &after {
        let learns = key.starts_with("head.");
        assert!(learns || before[key] == *values, "{key} is frozen and has changed");
    }
    assert!(after["head.output.weight"] != before["head.output.weight"]);
    Ok(())
}

/// An epoch of three equal batches: one step for all of them, whether they are gathered by three, by four, or are one.
#[test]
fn gathered_gradients_make_the_step_of_a_larger_batch() -> Result<()> {
    let _alone = alone();
    let dir = tempfile::tempdir()?;
    let data = dir.path().join("shop");
    shop(&data)?;
    let (rows, mut kept) = (48, 0);
    rewrite(&data, |row| {
        kept += usize::from(row["split"] == "train");
        row["split"] != "train" || kept <= rows
    })?;
    // Frozen norms do not depend on what else is in a batch; plain descent shows the gradient itself.
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
        weights(&run(dir.path(), name, &settings, None)?)
    };
    let before = step("before", rows, 1, 1e-12)?;
    let whole = step("whole", rows, 1, 5.0)?;
    for (name, accumulate) in [("three", 3), ("four", 4)] {
        let gathered = step(name, rows / 3, accumulate, 5.0)?;
        for key in ["head.output.weight", "head.output.bias"] {
            let far = |of: &Weights, than: &Weights| -> f32 {
                of[key]
                    .iter()
                    .zip(&than[key])
                    .map(|(a, b)| (a - b).abs())
                    .fold(0.0, f32::max)
            };
            let (moved, apart) = (far(&whole, &before), far(&gathered, &whole));
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
    let _alone = alone();
    let dir = tempfile::tempdir()?;
    let data = dir.path().join("shop");
    shop(&data)?;
    rewrite(&data, |row| {
        if row["split"] == "test" {
            row.insert("labels".to_owned(), String::new());
        }
        true
    })?;

    let trained = run(
        dir.path(),
        "run",
        &["epochs=1", "data.predict=[\"val\", \"test\"]"],
        None,
    )?;
    let table = Table::read(&trained.join("predictions/epoch0000.parquet"))?;
    let known = |part: &str| -> std::collections::BTreeSet<bool> {
        table
            .rows
            .iter()
            .filter(|row| &*row.part == part)
            .flat_map(|row| &row.truth)
            .map(Option::is_some)
            .collect()
    };
    assert_eq!((known("val"), known("test")), ([true].into(), [false].into()));
    let (manifest, weights) = bundle::read(&trained.join(BUNDLE))?;
    let refused = evaluate(&manifest, &weights, Dataset::open(&data)?, "test", &Device::flex()).expect_err("no truth");
    assert!(
        refused.to_string().contains("no image of split 'test' has labels"),
        "{refused}"
    );
    Ok(())
}

#[test]
fn a_report_written_again_says_what_the_first_said() -> Result<()> {
    let _alone = alone();
    let dir = tempfile::tempdir()?;
    shop(&dir.path().join("shop"))?;
    let trained = run(dir.path(), "run", &["epochs=2", "evaluate.views=flip"], None)?;
    let plots = fs::read_dir(trained.join("plots"))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>>>()?;
    assert!(plots.iter().any(|path| path.ends_with("mistakes.jpg")), "{plots:?}");
    let paths = ["report.html", "labels.csv", "summary.csv"]
        .map(|name| trained.join(name))
        .into_iter()
        .chain(plots);
    let first: BTreeMap<_, _> = paths
        .map(|path| Ok((path.clone(), fs::read(path)?)))
        .collect::<Result<_>>()?;
    for path in first.keys() {
        fs::remove_file(path)?;
    }
    training::run_report::write_again(&trained, None)?;
    for (path, bytes) in first {
        assert!(fs::read(&path)? == bytes, "{} differs", path.display());
    }
    Ok(())
}

#[test]
fn everything_together_learns_keeps_predictions_and_resumes_exactly() -> Result<()> {
    let _alone = alone();
    let dir = tempfile::tempdir()?;
    shop(&dir.path().join("shop"))?;
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
            "data.folds=3",
            "data.fold=1",
            "data.predict=[\"val\"]",
        ]
    };
    let whole = run(dir.path(), "whole", &all("epochs=3"), None)?;
    let losses: Vec<f64> = lines(&whole)
        .iter()
        .map(|line| line["train_loss"].as_f64().expect("a number"))
        .collect();
    assert!(losses[2] < losses[0], "{losses:?}");
    for epoch in 0..3 {
        let table = Table::read(&whole.join(format!("predictions/epoch{epoch:04}.parquet")))?;
        let parts: std::collections::BTreeSet<&str> = table.rows.iter().map(|row| &*row.part).collect();
        assert_eq!(parts.into_iter().collect::<Vec<_>>(), ["oof", "val"]);
        assert!(table.rows.iter().all(|row| row.fold == Some(1) && row.epoch == epoch));
    }

    // Triangular rates do not depend on the number of epochs, so a shorter run is the beginning of the longer one.
    let parts = run(dir.path(), "parts", &all("epochs=2"), None)?;
    fs::copy(whole.join("recipe.toml"), parts.join("recipe.toml"))?;
    let order = order(&parts, Start::Resume);
    train(
        &recipe(STYLE, &dir.path().join("shop"), &all("epochs=3"))?,
        &order,
        &Device::flex(),
    )?;
    let last = |run: &Path| fs::read(run.join("predictions/epoch0002.parquet"));
    assert!(
        last(&whole)? == last(&parts)?,
        "the resumed run predicts something else"
    );
    Ok(())
}

#[test]
fn training_stops_early_when_the_score_stops_rising() -> Result<()> {
    let _alone = alone();
    let dir = tempfile::tempdir()?;
    shop(&dir.path().join("shop"))?;
    // Nothing is learnt, so no epoch is better than the first.
    let still = "stages=[{from=0, rate=1e-12, freeze=[\"backbone\", \"hidden\"]}]";
    let stopped = run(dir.path(), "stopped", &["epochs=20", "patience=2", still], None)?;
    // The evaluation runs beside the next epoch, so one more is trained before it is known.
    assert_eq!(lines(&stopped).len(), 4);
    let frozen = "stages=[{from=0, freeze=[\"backbone\", \"hidden\", \"output\"]}]";
    let error = run(dir.path(), "frozen", &[frozen], None).expect_err("nothing could learn");
    assert!(error.to_string().contains("leaves nothing to learn"), "{error}");
    Ok(())
}

#[test]
fn a_network_for_each_label_learns_and_is_frozen_like_one() -> Result<()> {
    let _alone = alone();
    let dir = tempfile::tempdir()?;
    let data = dir.path().join("shop");
    shop(&data)?;
    let settings = [
        "task.per_label=true",
        "epochs=2",
        "input.width=24",
        "input.height=24",
        "task.hidden=8",
    ];
    let trained = |name: &str, rate: &str| -> Result<Weights> {
        let stages = format!("stages=[{{ rate = {rate}, freeze = [\"backbone.stem\"] }}]");
        weights(&run(dir.path(), name, &[&settings[..], &[&stages]].concat(), None)?)
    };
    // The same beginning, by the seed: what differs has learnt.
    let (slow, fast) = (trained("slow", "0.001")?, trained("fast", "0.01")?);
    for net in ["", "label1.", "label12."] {
        let (stem, output) = (format!("{net}conv1.weight"), format!("{net}head.output.weight"));
        assert!(slow[&stem] == fast[&stem], "{stem} is frozen");
        assert!(slow[&output] != fast[&output], "{output} should have learnt");
    }
    let losses: Vec<f64> = lines(&dir.path().join("fast"))
        .iter()
        .map(|line| line["train_loss"].as_f64().expect("a number"))
        .collect();
    assert!(losses[1] < losses[0], "{losses:?}");
    let (manifest, weights) = bundle::read(&dir.path().join("fast").join(BUNDLE))?;
    let report = evaluate(&manifest, &weights, Dataset::open(&data)?, "val", &Device::flex())?;
    let evaluation::Report::Classifier(report) = report else {
        panic!("a style bundle is a classifier: {report}");
    };
    assert_eq!(report.labels.len(), 13);

    let both = recipe(
        STYLE,
        &data,
        &["task.per_label=true", "task.dense={ classes = 3, weight = 1.0 }"],
    );
    assert!(format!("{:#}", both.expect_err("one or the other")).contains("exclude each other"));
    Ok(())
}
