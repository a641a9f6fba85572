//! The commands of ensembles, run as processes.

use assert_cmd::Command;
use dataset::predictions::{FOLDER, Table};
use evaluation::classifier::Predictions;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};
use tests::zoo::{Recipe, zoo};

fn selvedge(dir: &Path) -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin("selvedge"));
    command.current_dir(dir);
    command
}

/// Runs a command that must succeed; returns its output.
fn ok(dir: &Path, args: &[&str]) -> String {
    let output = selvedge(dir).args(args).output().expect("starts");
    assert!(
        output.status.success(),
        "{args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("text")
}

/// Runs a command that must fail; returns its error.
fn fails(dir: &Path, args: &[&str]) -> String {
    let output = selvedge(dir).args(args).output().expect("starts");
    assert!(!output.status.success(), "{args:?} succeeded");
    String::from_utf8(output.stderr).expect("text")
}

/// Writes simulated predictions like runs: one folder per model and fold, one table per epoch.
fn write_runs(dir: &Path, table: &Table) {
    let mut files: BTreeMap<(String, u32, u32), Table> = BTreeMap::new();
    for row in &table.rows {
        let key = (row.run.to_string(), row.fold.expect("folds"), row.epoch);
        let file = files.entry(key).or_insert_with(|| Table {
            labels: table.labels.clone(),
            rows: Vec::new(),
        });
        file.rows.push(row.clone());
    }
    for ((run, fold, epoch), table) in files {
        let folder = dir.join(format!("{run}-{fold}")).join(FOLDER);
        fs::create_dir_all(&folder).expect("creates");
        table
            .write(&folder.join(format!("epoch{epoch:04}.parquet")))
            .expect("writes");
    }
}

/// Contents of every file under a folder, by path.
fn contents(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(dir).expect("a folder") {
        let path = entry.expect("readable").path();
        let name = path.file_name().expect("named").to_string_lossy().into_owned();
        if path.is_dir() {
            files.extend(
                contents(&path)
                    .into_iter()
                    .map(|(inner, bytes)| (format!("{name}/{inner}"), bytes)),
            );
        } else {
            files.insert(name, fs::read(&path).expect("readable"));
        }
    }
    files
}

#[test]
fn merged_shards_equal_a_fit_by_one_process() {
    if tests::skip::xgboost("merged_shards_equal_a_fit_by_one_process").is_none() {
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    write_runs(&dir.join("runs"), &zoo(Recipe::default()));
    ok(dir, &["ensemble", "collect", "runs", "--out", "zoo.parquet"]);
    let fit = |more: &[&str]| {
        let grid = ["--keep", "3", "--grid", "eta=0.1;max_depth=3,6;min_child_weight=1,5"];
        [&["ensemble", "fit", "zoo.parquet"], &grid[..], more]
            .concat()
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let args = |args: &[String]| args.iter().map(String::as_str).collect::<Vec<_>>().join("\n");
    let run = |list: Vec<String>| ok(dir, &args(&list).split('\n').collect::<Vec<_>>());

    run(fit(&["--out", "whole"]));
    for shard in ["1/3", "3/3"] {
        run(fit(&["--out", &format!("part{}", &shard[..1]), "--shard", shard]));
    }
    let missing = fails(dir, &["ensemble", "merge", "part1", "part3", "--out", "merged"]);
    assert!(
        missing.contains("shard 2/3 is missing") && missing.contains("--shard 2/3"),
        "{missing}"
    );

    // A fit that is killed leaves no part.
    let second = fit(&["--out", "part2", "--shard", "2/3"]);
    let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin("selvedge"))
        .args(&second)
        .current_dir(dir)
        .spawn()
        .expect("starts");
    // The process is killed once it has threads that fit boosters, or after ten seconds.
    let begun = Instant::now();
    let threads = || fs::read_dir(format!("/proc/{}/task", child.id())).map_or(0, Iterator::count);
    while cfg!(target_os = "linux") && threads() < 2 && begun.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().expect("kills");
    child.wait().expect("ends");
    assert!(!dir.join("part2").exists());
    let unfinished = fails(
        dir,
        &["ensemble", "merge", "part1", "part2", "part3", "--out", "merged"],
    );
    assert!(unfinished.contains("part2 is not a finished part"), "{unfinished}");
    // The files of a process that was killed while it wrote are ignored.
    fs::create_dir_all(dir.join(".part2.partial/boosters")).expect("creates");
    fs::write(dir.join(".part2.partial/boosters/000-0.ubj"), "half").expect("writes");

    run(second.clone());
    run(second); // A finished shard is not fitted again.
    ok(
        dir,
        &["ensemble", "merge", "part3", "part1", "part2", "--out", "merged"],
    );
    assert!(
        contents(&dir.join("merged")) == contents(&dir.join("whole")),
        "merged parts differ from the whole"
    );
    assert!(contents(dir).keys().all(|name| !name.contains(".partial")));

    run(fit(&["--out", "other", "--shard", "2/3", "--rounds", "5"]));
    for (parts, complaint) in [
        (["part1", "other", "part3"], "other was fitted with other options"),
        (["part1", "part1", "part3"], "shard 1/3 is given twice"),
        (["part1", "whole", "part3"], "whole is not a finished part"),
    ] {
        let error = fails(dir, &[&["ensemble", "merge"], &parts[..], &["--out", "wrong"]].concat());
        assert!(error.contains(complaint), "{error}");
    }
}

#[test]
fn an_ensemble_predicts_a_set_and_is_compared_with_simpler_methods() {
    if tests::skip::xgboost("an_ensemble_predicts_a_set_and_is_compared_with_simpler_methods").is_none() {
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    let recipe = Recipe {
        pictures: 120,
        runs: 3,
        epochs: 2,
        ..Recipe::default()
    };
    zoo(recipe).write(&dir.join("zoo.parquet")).expect("writes");
    let kept = ok(dir, &["ensemble", "filter", "zoo.parquet", "--keep", "2"]);
    assert_eq!(kept.lines().count(), 15);
    assert!(kept.starts_with("label0 fold 0: kept net"), "{kept}");
    ok(
        dir,
        &["ensemble", "fit", "zoo.parquet", "--grid", "max_depth=2", "--out", "e"],
    );
    let text = ok(dir, &["ensemble", "report", "e", "zoo.parquet"]);
    assert!(
        text.contains("label0 fold 0: kept net") && text.contains("correlated"),
        "{text}"
    );
    let report: serde_json::Value =
        serde_json::from_str(&ok(dir, &["ensemble", "report", "e", "zoo.parquet", "--json"])).expect("JSON");
    let metrics = report["figures"].as_array().expect("the report has metrics");
    assert_eq!(metrics.len(), 6 + 8, "{report:#}");
    // A split with unknown truth is predicted and has no metrics.
    let mut unlabelled = Table::read(&dir.join("zoo.parquet")).expect("a table");
    for row in unlabelled.rows.iter_mut().filter(|row| &*row.part == "val") {
        row.truth.fill(None);
    }
    unlabelled.write(&dir.join("unlabelled.parquet")).expect("writes");
    ok(
        dir,
        &[
            "ensemble",
            "fit",
            "unlabelled.parquet",
            "--grid",
            "max_depth=2",
            "--out",
            "u",
        ],
    );
    let report: serde_json::Value =
        serde_json::from_str(&ok(dir, &["ensemble", "report", "u", "unlabelled.parquet", "--json"])).expect("JSON");
    let parts = report["figures"]
        .as_array()
        .expect("the report has metrics")
        .iter()
        .map(|metrics| metrics["part"].as_str());
    assert!(parts.into_iter().all(|part| part == Some("oof")), "{report:#}");
    assert_eq!(report["unknown"], serde_json::json!({ "val": 60 }));
    for bagging in ["mean", "pairs", "vote"] {
        ok(
            dir,
            &[
                "ensemble",
                "predict",
                "e",
                "zoo.parquet",
                "--out",
                "p.parquet",
                "--bagging",
                bagging,
            ],
        );
        let table = Table::read(&dir.join("p.parquet")).expect("a table");
        assert_eq!(table.rows.len(), 180);
        let val = Predictions::from_table(&table, |row| &*row.part == "val").expect("the truth is known");
        let mean_where = |on: bool| {
            let pairs = val.probs.iter().flatten().zip(val.truth.iter().flatten());
            let probs: Vec<f32> = pairs
                .filter(|(_, truth)| **truth == on)
                .map(|(prob, _)| *prob)
                .collect();
            assert!(probs.iter().all(|prob| (0.0..=1.0).contains(prob)));
            probs.iter().sum::<f32>() / probs.len() as f32
        };
        let (on, off) = (mean_where(true), mean_where(false));
        assert!(on > off + 0.3, "{bagging}: {on} where the label holds, {off} elsewhere");
    }
    let missing = fails(
        dir,
        &[
            "ensemble",
            "fit",
            "zoo.parquet",
            "--out",
            "x",
            "--xgboost",
            "nowhere.so",
        ],
    );
    assert!(missing.contains("pip install xgboost-cpu"), "{missing}");
    let nothing = fails(dir, &["ensemble", "collect", "e", "--out", "y.parquet"]);
    assert!(nothing.contains("holds no predictions"), "{nothing}");
}
