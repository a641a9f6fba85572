//! `selvedge ablate`: from switches to a table, whatever is killed or fails on the way.

use super::selvedge;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::time::{Duration, Instant};

const STYLE: &str = "name = 'tiny'\nseed = 3\nepochs = 2\n[data]\ndir = 'shop'\nholdout = 0.2\n[input]\nwidth = 24\n\
    height = 24\nfit = 'pad'\n[optimiser]\nbatch = 16\nrate = 0.01\n[task]\nkind = 'style'\nbackbone = 'resnet10_w16'\n\
    hidden = 16\n";
const RETRIEVAL: &str = "name = 'tiny'\nseed = 3\nepochs = 1\n[data]\ndir = 'shop'\nholdout = 0.2\n[input]\nwidth = 32\n\
    height = 32\nfit = 'pad'\n[optimiser]\nbatch = 16\nrate = 0.01\n[task]\nkind = 'retrieval'\nidentities = 8\n\
    photos = 2\n[task.model]\nbackbone = 'resnet10_w16'\npart_dim = 8\nshared_last_stage = true\n";
const STYLE_SWITCHES: &str = "recipe = 'recipe.toml'\nseeds = 2\nmodes = ['off', 'alone', 'ladder']\n\
    evaluate = ['thresholds=0.5']\n[[switches]]\nname = 'mirror'\nset = ['augment.flip=true']\n\
    [[switches]]\nname = 'tuned'\nevaluate = ['thresholds=null']\n";

fn folder(recipe: &str, switches: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    let shop = [
        "dataset", "render", "--items", "40", "--size", "48", "--seed", "2", "--out", "shop",
    ];
    let output = selvedge().args(shop).current_dir(dir.path()).output().expect("starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    fs::write(dir.path().join("recipe.toml"), recipe).expect("writes");
    fs::write(dir.path().join("ablation.toml"), switches).expect("writes");
    dir
}

/// Runs `selvedge ablate` with further arguments: whether it succeeded, what it printed, what it said.
fn ablate(dir: &Path, args: &[&str]) -> (bool, String, String) {
    let all = [&["ablate", "ablation.toml", "--out", "out", "--device", "cpu"], args].concat();
    let output = selvedge()
        .args(all)
        .current_dir(dir)
        .output()
        .expect("the program starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (output.status.success(), text(output.stdout), text(output.stderr))
}

/// The lines of `ablation.csv` by variant and seed, each by column.
fn table(dir: &Path) -> BTreeMap<(String, String), BTreeMap<String, String>> {
    let text = fs::read_to_string(dir.join("out/ablation.csv")).expect("a table");
    let mut lines = text
        .lines()
        .map(|line| line.split(',').map(str::to_owned).collect::<Vec<_>>());
    let header = lines.next().expect("a header");
    let line = |cells: Vec<String>| -> BTreeMap<String, String> { header.iter().cloned().zip(cells).collect() };
    lines
        .map(line)
        .map(|line| ((line["variant"].clone(), line["seed"].clone()), line))
        .collect()
}

fn number(line: &BTreeMap<String, String>, column: &str) -> f64 {
    line[column].parse().unwrap_or_else(|_| panic!("{column} of {line:?}"))
}

#[test]
fn a_killed_ablation_goes_on_and_says_what_each_switch_is_worth() {
    let dir = folder(STYLE, STYLE_SWITCHES);
    let dir = dir.path();
    let (ok, plan, said) = ablate(dir, &["--dry-run"]);
    assert!(
        ok && plan.contains("8 evaluations on 'val' of 4 runs, 4 of them to be trained, for 8 epochs"),
        "{plan}{said}"
    );
    assert!(!dir.join("out").exists(), "a dry run writes nothing");

    // With everything it has started, in the middle of the second run.
    let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin("selvedge"))
        .args(["ablate", "ablation.toml", "--out", "out", "--device", "cpu"])
        .current_dir(dir)
        .process_group(0)
        .spawn()
        .expect("starts");
    let second = dir.join("out/only-tuned-seed3/recipe.toml");
    let begun = Instant::now();
    while !second.exists() && begun.elapsed() < Duration::from_secs(300) {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(
        child.try_wait().expect("a child").is_none(),
        "it ended before it was killed"
    );
    let group = format!("kill -9 -{}", child.id());
    assert!(
        std::process::Command::new("sh")
            .args(["-c", &group])
            .status()
            .expect("runs")
            .success()
    );
    child.wait().expect("ends");
    let first = dir.join("out/all-seed3");
    let weights = |run: &Path| fs::metadata(run.join("bundle/weights.safetensors")).and_then(|meta| meta.modified());

    let (ok, plan, _) = ablate(dir, &["--dry-run"]);
    assert!(ok && plan.contains(" of them to be trained"), "{plan}");
    let before = weights(&first).expect("the first run had finished");
    let (ok, printed, said) = ablate(dir, &[]);
    assert!(ok, "{said}");
    assert_eq!(
        weights(&first).expect("a bundle"),
        before,
        "a finished run was trained again"
    );
    let (_, plan, _) = ablate(dir, &["--dry-run"]);
    assert!(plan.contains("4 runs, 0 of them to be trained"), "{plan}");

    let lines = table(dir);
    assert_eq!(lines.len(), 8, "{lines:#?}");
    assert!(lines.values().all(|line| line["status"] == "done"));
    for seed in ["3", "4"] {
        let of = |variant: &str| &lines[&(variant.to_owned(), seed.to_owned())];
        // What only differs in its evaluation shares the run and its tuned score, not the figure that thresholds change.
        assert_eq!(of("all")["run"], of("only mirror")["run"]);
        assert_eq!(of("baseline")["run"], of("only tuned")["run"]);
        assert_ne!(of("all")["run"], of("baseline")["run"]);
        assert_eq!(of("all")["tuned_score"], of("only mirror")["tuned_score"]);
        assert_eq!(
            of("all")["mean_average_precision"],
            of("only mirror")["mean_average_precision"]
        );
        assert_ne!(of("baseline")["macro_f2_13"], of("only tuned")["macro_f2_13"]);
    }
    // The table's difference is that of the means of the figures that `evaluate` gives.
    let figure = |variant: &str, seed: &str| number(&lines[&(variant.to_owned(), seed.to_owned())], "macro_f2_13");
    let mean = |variant: &str| (figure(variant, "3") + figure(variant, "4")) / 2.0;
    let difference = format!("{:+.4}", mean("only tuned") - mean("baseline"));
    let row = printed
        .lines()
        .find(|line| line.starts_with("| only tuned |"))
        .expect("a row");
    assert!(row.contains(&difference), "{row} lacks {difference}");
    let evaluate = [
        "evaluate",
        "--bundle",
        "out/only-tuned-seed3/bundle",
        "--data",
        "shop",
        "--split",
        "val",
        "--json",
    ];
    let output = selvedge().args(evaluate).current_dir(dir).output().expect("starts");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(
        report["figures"]["macro_f2_13"]["value"].as_f64().expect("a figure"),
        figure("only tuned", "3")
    );
    assert_eq!(
        fs::read_to_string(dir.join("out/ablation.md")).expect("written"),
        printed
    );
    let svg = fs::read_to_string(dir.join("out/ablation.svg")).expect("a plot");
    assert!(svg.contains("only tuned") && svg.contains("Ladder"));

    // Another recipe under the same names is neither reused nor overwritten.
    let (ok, _, said) = ablate(dir, &["--set", "optimiser.rate=0.02"]);
    assert!(!ok && said.contains("was trained with another recipe"), "{said}");
}

#[test]
fn one_failure_leaves_the_rest_and_is_named() {
    let switches = "recipe = 'recipe.toml'\nseeds = 1\nmodes = ['alone']\n\
        [[switches]]\nname = 'absurd rate'\nset = ['optimiser.rate=1e30', 'optimiser.warmup=0']\n\
        [[switches]]\nname = 'mirror'\nset = ['augment.flip=true']\n";
    let dir = folder(RETRIEVAL, switches);
    let (ok, printed, said) = ablate(dir.path(), &[]);
    assert!(!ok && said.contains("1 of 3 evaluations are missing"), "{said}");
    let lines = table(dir.path());
    let of = |variant: &str| &lines[&(variant.to_owned(), "3".to_owned())];
    assert!(of("only absurd rate")["status"].contains("failed: "), "{lines:#?}");
    assert!(number(of("only mirror"), "mean_ap_at_10") >= 0.0 && number(of("baseline"), "recall_at_1") >= 0.0);
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
fn a_query_encoder_is_distilled_and_measured_in_its_teachers_gallery() {
    let recipe = "name = 'tiny'\nseed = 3\nepochs = 1\n[data]\ndir = 'shop'\nholdout = 0.2\n[input]\nwidth = 48\n\
        height = 48\nfit = 'pad'\n[optimiser]\nbatch = 16\nrate = 0.01\n[task]\nkind = 'query'\n\
        backbone = 'resnet10_w16'\ncontrast = 0\n";
    let switches = "recipe = 'recipe.toml'\nseeds = 1\nmodes = ['alone']\ntrain = ['teacher=teacher']\n\
        evaluate = ['gallery-bundle=teacher']\n[[switches]]\nname = 'mirror'\nset = ['augment.flip=true']\n";
    let dir = folder(recipe, switches);
    let dir = dir.path();
    tests::fixture::write_retrieval_bundle(&dir.join("teacher")).expect("a teacher");
    let (ok, printed, said) = ablate(dir, &[]);
    assert!(ok, "{said}");
    assert!(printed.contains("mean_ap_at_10 on "), "{printed}");
    let lines = table(dir);
    for variant in ["baseline", "only mirror"] {
        let line = &lines[&(variant.to_owned(), "3".to_owned())];
        assert!(
            line["status"] == "done" && number(line, "mean_ap_at_10") >= 0.0,
            "{line:?}"
        );
    }
    // The table's figure is that of small queries in the large gallery.
    let run = "out/baseline-seed3/bundle";
    let evaluate = [
        "evaluate",
        "--bundle",
        run,
        "--gallery-bundle",
        "teacher",
        "--data",
        "shop",
        "--split",
        "val",
        "--json",
    ];
    let output = selvedge()
        .args(evaluate)
        .args(["--device", "cpu"])
        .current_dir(dir)
        .output()
        .expect("starts");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let across = &report["pairings"][1];
    assert_eq!(across["name"], "small–large");
    let figure = across["figures"]["mean_ap_at_10"]["value"].as_f64().expect("a figure");
    assert_eq!(
        figure,
        number(&lines[&("baseline".to_owned(), "3".to_owned())], "mean_ap_at_10")
    );
}

#[test]
fn boosters_are_stacked_on_folds_and_measured_beside_their_mean() {
    if tests::skip::xgboost("boosters_are_stacked_on_folds_and_measured_beside_their_mean").is_none() {
        return;
    }
    let switches = "recipe = 'recipe.toml'\nseeds = 1\nfolds = 3\nmodes = ['ladder']\nset = [\"data.predict=['val']\"]\n\
        evaluate = ['thresholds=greedy']\n[[switches]]\nname = 'mirrored view'\nevaluate = ['views=flip']\n\
        [[switches]]\nname = 'stacking'\nstacking = ['grid=max_depth=2', 'keep=2']\n";
    let dir = folder(STYLE, switches);
    let dir = dir.path();
    let (ok, printed, said) = ablate(dir, &[]);
    assert!(ok, "{said}");
    assert!(
        printed.lines().any(|line| line.starts_with("| + stacking |")),
        "{printed}"
    );
    let lines = table(dir);
    let of = |variant: &str| &lines[&(variant.to_owned(), "3".to_owned())];
    assert_eq!(
        of("all")["run"],
        of("baseline")["run"],
        "stacking trains no network of its own"
    );
    assert_ne!(
        of("all")["mean_average_precision"],
        of("only mirrored view")["mean_average_precision"]
    );
    // The figure is that of the table that the ensemble left.
    let stacked = "out/stacking/all-seed3.predictions.parquet";
    let evaluate = [
        "evaluate",
        "--predictions",
        stacked,
        "--data",
        "shop",
        "--split",
        "val",
        "--json",
    ];
    let output = selvedge().args(evaluate).current_dir(dir).output().expect("starts");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(
        report["figures"]["macro_f2_13"]["value"].as_f64().expect("a figure"),
        number(of("all"), "macro_f2_13")
    );
    assert!(report["gap"]["tuned_macro_f2"].is_number(), "{report}");
    for (more, complaint) in [
        (&["--split", "test"][..], "data.predict"),
        (&["--whiten", "4"], "--whiten cannot be used with a predictions table"),
    ] {
        let args = [&["evaluate", "--predictions", stacked, "--data", "shop"], more].concat();
        let output = selvedge().args(args).current_dir(dir).output().expect("starts");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(complaint), "{said}");
    }
    // Boosters need a fold to stop by beside the one that they predict.
    let text = fs::read_to_string(dir.join("ablation.toml")).expect("readable");
    fs::write(dir.join("ablation.toml"), text.replace("folds = 3", "folds = 2")).expect("writes");
    let (ok, _, said) = ablate(dir, &["--dry-run"]);
    assert!(!ok && said.contains("give folds = 3"), "{said}");
}

#[test]
fn mistakes_show_before_anything_is_trained() {
    let wrong = STYLE_SWITCHES.replace("thresholds=null", "vews=flip");
    let dir = folder(STYLE, &wrong);
    for (args, complaint) in [
        (&[][..], "unexpected argument '--vews'"),
        (
            &["--only", "mirrors"],
            "there is no switch 'mirrors'; there are mirror, tuned",
        ),
        (&["--set", "data.holdout=0"], "figures on it flatter"),
        (&["--only", "mirror", "--set", "task.backbone=nothing"], "resnet18"),
    ] {
        let (ok, _, said) = ablate(dir.path(), args);
        assert!(!ok && said.contains(complaint), "{args:?}: {said}");
        assert!(!dir.path().join("out").exists(), "{args:?}");
    }
}
