//! `selvedge ablate`: from switches to a table, also after a kill or a failed training.

use super::selvedge;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// Recipe of a tiny classifier.
const STYLE: &str = "name = 'tiny'\nseed = 3\nepochs = 2\n[data]\ndir = 'shop'\nholdout = 0.2\n[input]\nwidth = 24\n\
    height = 24\nfit = 'pad'\n[optimiser]\nbatch = 16\nrate = 0.01\n[task]\nkind = 'style'\nbackbone = 'resnet10_w16'\n\
    hidden = 16\n";
/// Recipe of a tiny retrieval network.
const RETRIEVAL: &str = "name = 'tiny'\nseed = 3\nepochs = 1\n[data]\ndir = 'shop'\nholdout = 0.2\n[input]\nwidth = 32\n\
    height = 32\nfit = 'pad'\n[optimiser]\nbatch = 16\nrate = 0.01\n[task]\nkind = 'retrieval'\nidentities = 8\n\
    photos = 2\n[task.model]\nbackbone = 'resnet10_w16'\npart_dim = 8\nshared_last_stage = true\n";
/// Ablation of a technique of training and one of evaluation.
const STYLE_SWITCHES: &str = "recipe = 'recipe.toml'\nseeds = 2\nmodes = ['off', 'alone', 'ladder']\n\
    evaluate = ['thresholds=0.5']\n[[switches]]\nname = 'mirror'\nset.augment.flip = true\n\
    [[switches]]\nname = 'tuned'\nevaluate = ['thresholds=null']\n";

/// Folder with a drawn shop, a recipe and an ablation.
fn folder(recipe: &str, switches: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("the folder is created");
    let shop = [
        "dataset", "render", "--items", "40", "--size", "48", "--seed", "2", "--out", "shop",
    ];
    let output = selvedge()
        .args(shop)
        .current_dir(dir.path())
        .output()
        .expect("the program starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    fs::write(dir.path().join("recipe.toml"), recipe).expect("the file is written");
    fs::write(dir.path().join("ablation.toml"), switches).expect("the file is written");
    dir
}

/// Runs `selvedge ablate` with further arguments; returns success, stdout and stderr.
fn ablate(dir: &Path, args: &[&str]) -> (bool, String, String) {
    let all = [&["ablate", "ablation.toml", "--out", "out", "--device", "cpu"], args].concat();
    let output = selvedge()
        .args(all)
        .current_dir(dir)
        .output()
        .expect("the program starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the output is UTF-8");
    (output.status.success(), text(output.stdout), text(output.stderr))
}

/// Lines of `ablation.csv` by variant and seed; the cells of a line by column.
fn table(dir: &Path) -> BTreeMap<(String, String), BTreeMap<String, String>> {
    let text = fs::read_to_string(dir.join("out/ablation.csv")).expect("the table is written");
    let mut lines = text
        .lines()
        .map(|line| line.split(',').map(str::to_owned).collect::<Vec<_>>());
    let header = lines.next().expect("the table has a header");
    let line = |cells: Vec<String>| -> BTreeMap<String, String> { header.iter().cloned().zip(cells).collect() };
    lines
        .map(line)
        .map(|line| ((line["variant"].clone(), line["seed"].clone()), line))
        .collect()
}

/// Number in a cell.
fn number(line: &BTreeMap<String, String>, column: &str) -> f64 {
    line[column].parse().unwrap_or_else(|_| panic!("{column} of {line:?}"))
}

/// Runs `selvedge evaluate --json` with further arguments; returns the report.
fn evaluate(dir: &Path, args: &[&str]) -> serde_json::Value {
    let common = [
        "evaluate", "--data", "shop", "--split", "val", "--json", "--device", "cpu",
    ];
    let output = selvedge()
        .args(common)
        .args(args)
        .current_dir(dir)
        .output()
        .expect("the program starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("the report is JSON")
}

/// Starts `selvedge ablate` and kills it and its child processes after the file `started` exists.
fn kill_after(dir: &Path, started: &Path) {
    let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin("selvedge"))
        .args(["ablate", "ablation.toml", "--out", "out", "--device", "cpu"])
        .current_dir(dir)
        .process_group(0)
        .spawn()
        .expect("the program starts");
    let begun = Instant::now();
    while !started.exists() && begun.elapsed() < Duration::from_secs(300) {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(
        child.try_wait().expect("the child can be waited for").is_none(),
        "the ablation ended before it was killed"
    );
    let kill = format!("kill -9 -{}", child.id());
    let status = std::process::Command::new("sh").args(["-c", &kill]).status();
    assert!(status.expect("the shell starts").success());
    child.wait().expect("the child ends");
}

#[test]
fn a_killed_ablation_resumes_without_repeating_finished_runs() {
    let dir = folder(STYLE, &STYLE_SWITCHES.replace("seeds = 2", "seeds = 1"));
    let dir = dir.path();
    let (ok, plan, stderr) = ablate(dir, &["--dry-run"]);
    assert!(
        ok && plan.contains("4 evaluations on the split `val` of 2 runs, 2 of them to be trained, for 4 epochs"),
        "{plan}{stderr}"
    );
    assert!(!dir.join("out").exists(), "a dry run writes no file");

    kill_after(dir, &dir.join("out/only-tuned-seed3/recipe.toml"));
    let (ok, plan, _) = ablate(dir, &["--dry-run"]);
    assert!(ok && plan.contains("2 runs, 1 of them to be trained"), "{plan}");

    let weights = dir.join("out/all-seed3/bundle/weights.safetensors");
    let written = || fs::metadata(&weights).and_then(|file| file.modified());
    let before = written().expect("the first run was finished");
    let (ok, _, stderr) = ablate(dir, &[]);
    assert!(ok, "{stderr}");
    assert_eq!(written().expect("the bundle exists"), before);
    let (_, plan, _) = ablate(dir, &["--dry-run"]);
    assert!(plan.contains("2 runs, 0 of them to be trained"), "{plan}");

    let (ok, _, stderr) = ablate(dir, &["--set", "optimiser.rate=0.02"]);
    assert!(!ok && stderr.contains("was trained with another recipe"), "{stderr}");
}

#[test]
fn the_table_has_the_metrics_of_evaluate_and_their_differences() {
    let dir = folder(STYLE, STYLE_SWITCHES);
    let dir = dir.path();
    let (ok, printed, stderr) = ablate(dir, &[]);
    assert!(ok, "{stderr}");
    let lines = table(dir);
    assert_eq!(lines.len(), 8, "{lines:#?}");
    assert!(lines.values().all(|line| line["status"] == "done"));
    for seed in ["3", "4"] {
        let line = |variant: &str| &lines[&(variant.to_owned(), seed.to_owned())];
        // Variants that differ only in their evaluation share a run. Thresholds change macro F2 only.
        assert_eq!(line("all")["run"], line("only mirror")["run"]);
        assert_eq!(line("baseline")["run"], line("only tuned")["run"]);
        assert_ne!(line("all")["run"], line("baseline")["run"]);
        for column in ["tuned_score", "mean_average_precision"] {
            assert_eq!(line("all")[column], line("only mirror")[column]);
        }
        assert_ne!(line("baseline")["macro_f2_13"], line("only tuned")["macro_f2_13"]);
    }
    let metric = |variant: &str, seed: &str| number(&lines[&(variant.to_owned(), seed.to_owned())], "macro_f2_13");
    let mean = |variant: &str| (metric(variant, "3") + metric(variant, "4")) / 2.0;
    let difference = format!("{:+.4}", mean("only tuned") - mean("baseline"));
    let row = printed
        .lines()
        .find(|line| line.starts_with("| only tuned |"))
        .expect("the table has a row of the variant");
    assert!(row.contains(&difference), "{row} lacks {difference}");

    let report = evaluate(dir, &["--bundle", "out/only-tuned-seed3/bundle"]);
    assert_eq!(
        report["figures"]["macro_f2_13"]["value"].as_f64(),
        Some(metric("only tuned", "3"))
    );
    let markdown = fs::read_to_string(dir.join("out/ablation.md")).expect("the report is written");
    assert_eq!(markdown, printed);
    let svg = fs::read_to_string(dir.join("out/ablation.svg")).expect("the plot is written");
    assert!(svg.contains("only tuned") && svg.contains("Ladder"));
}

#[test]
fn a_failed_training_is_named_and_does_not_affect_the_others() {
    let switches = "recipe = 'recipe.toml'\nseeds = 1\nmodes = ['alone']\n\
        [[switches]]\nname = 'absurd rate'\nset.optimiser = { rate = 1e30, warmup = 0 }\n\
        [[switches]]\nname = 'mirror'\nset.augment.flip = true\n";
    let dir = folder(RETRIEVAL, switches);
    let (ok, printed, stderr) = ablate(dir.path(), &[]);
    assert!(!ok && stderr.contains("1 of 3 evaluations are missing"), "{stderr}");
    let lines = table(dir.path());
    let line = |variant: &str| &lines[&(variant.to_owned(), "3".to_owned())];
    assert!(line("only absurd rate")["status"].contains("failed: "), "{lines:#?}");
    assert!(number(line("only mirror"), "mean_ap_at_10") >= 0.0 && number(line("baseline"), "recall_at_1") >= 0.0);
    assert!(
        printed.contains("mean_ap_at_10 on ") && printed.contains("**Failed**"),
        "{printed}"
    );
    assert!(
        printed
            .lines()
            .any(|line| line.starts_with("- `only-absurd-rate-seed3`")),
        "{printed}"
    );
}

#[test]
fn a_query_encoder_is_distilled_and_measured_in_the_gallery_of_its_teacher() {
    let recipe = "name = 'tiny'\nseed = 3\nepochs = 1\n[data]\ndir = 'shop'\nholdout = 0.2\n[input]\nwidth = 48\n\
        height = 48\nfit = 'pad'\n[optimiser]\nbatch = 16\nrate = 0.01\n[task]\nkind = 'query'\n\
        backbone = 'resnet10_w16'\ncontrast = 0\n";
    let switches = "recipe = 'recipe.toml'\nseeds = 1\nmodes = ['alone']\ntrain = ['teacher=teacher']\n\
        evaluate = ['gallery-bundle=teacher']\n[[switches]]\nname = 'mirror'\nset.augment.flip = true\n";
    let dir = folder(recipe, switches);
    let dir = dir.path();
    tests::fixture::write_retrieval_bundle(&dir.join("teacher")).expect("the teacher is written");
    let (ok, printed, stderr) = ablate(dir, &[]);
    assert!(ok, "{stderr}");
    assert!(printed.contains("mean_ap_at_10 on "), "{printed}");
    let lines = table(dir);
    for variant in ["baseline", "only mirror"] {
        let line = &lines[&(variant.to_owned(), "3".to_owned())];
        assert!(
            line["status"] == "done" && number(line, "mean_ap_at_10") >= 0.0,
            "{line:?}"
        );
    }
    // The metric is that of the student's queries in the teacher's gallery.
    let bundles = ["--bundle", "out/baseline-seed3/bundle", "--gallery-bundle", "teacher"];
    let report = evaluate(dir, &bundles);
    let across = &report["pairings"][1];
    assert_eq!(across["name"], "small–large");
    let expected = number(&lines[&("baseline".to_owned(), "3".to_owned())], "mean_ap_at_10");
    assert_eq!(across["figures"]["mean_ap_at_10"]["value"].as_f64(), Some(expected));
}

#[test]
fn boosters_are_stacked_on_folds_and_compared_with_the_mean_of_the_networks() {
    if tests::skip::xgboost("boosters_are_stacked_on_folds_and_compared_with_the_mean_of_the_networks").is_none() {
        return;
    }
    let switches = "recipe = 'recipe.toml'\nseeds = 1\nfolds = 3\nmodes = ['ladder']\nset.data.predict = ['val']\n\
        evaluate = ['thresholds=greedy']\n[[switches]]\nname = 'mirrored view'\nevaluate = ['views=flip']\n\
        [[switches]]\nname = 'stacking'\nstacking = ['grid=max_depth=2', 'keep=2']\n";
    let dir = folder(STYLE, switches);
    let dir = dir.path();
    let (ok, printed, stderr) = ablate(dir, &[]);
    assert!(ok, "{stderr}");
    assert!(
        printed.lines().any(|line| line.starts_with("| + stacking |")),
        "{printed}"
    );
    let lines = table(dir);
    let line = |variant: &str| &lines[&(variant.to_owned(), "3".to_owned())];
    assert_eq!(
        line("all")["run"],
        line("baseline")["run"],
        "stacking trains no further network"
    );
    assert_ne!(
        line("all")["mean_average_precision"],
        line("only mirrored view")["mean_average_precision"]
    );
    // The metric is that of the ensemble's table of predictions.
    let stacked = "out/stacking/all-seed3.predictions.parquet";
    let report = evaluate(dir, &["--predictions", stacked]);
    assert_eq!(
        report["figures"]["macro_f2_13"]["value"].as_f64(),
        Some(number(line("all"), "macro_f2_13"))
    );
    assert!(report["gap"]["tuned_macro_f2"].is_number(), "{report}");
    for (more, complaint) in [
        (&["--split", "test"][..], "data.predict"),
        (&["--whiten", "4"], "--whiten cannot be used with a predictions table"),
    ] {
        let args = [&["evaluate", "--predictions", stacked, "--data", "shop"], more].concat();
        let output = selvedge()
            .args(args)
            .current_dir(dir)
            .output()
            .expect("the program starts");
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && stderr.contains(complaint), "{stderr}");
    }
    // Boosters need a fold to stop by besides the one that they predict.
    let text = fs::read_to_string(dir.join("ablation.toml")).expect("the file is readable");
    fs::write(dir.join("ablation.toml"), text.replace("folds = 3", "folds = 2")).expect("the file is written");
    let (ok, _, stderr) = ablate(dir, &["--dry-run"]);
    assert!(!ok && stderr.contains("give folds = 3"), "{stderr}");
}

#[test]
fn mistakes_are_named_before_anything_is_trained() {
    let wrong = STYLE_SWITCHES.replace("thresholds=null", "vews=flip");
    let dir = folder(STYLE, &wrong);
    for (args, complaint) in [
        (&[][..], "unexpected argument '--vews'"),
        (
            &["--only", "mirrors"],
            "there is no switch 'mirrors'; there are mirror, tuned",
        ),
        (&["--set", "data.holdout=0"], "would be too good"),
        (&["--only", "mirror", "--set", "task.backbone=nothing"], "resnet18"),
    ] {
        let (ok, _, stderr) = ablate(dir.path(), args);
        assert!(!ok && stderr.contains(complaint), "{args:?}: {stderr}");
        assert!(!dir.path().join("out").exists(), "{args:?}");
    }
}
