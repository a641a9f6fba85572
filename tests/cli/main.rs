//! The command line as a user meets it: help, results on stdout, errors with hints, exit codes.

mod ablate;
mod benchmarks;
mod calibrate;
mod catalog;
mod challenge;
mod datasets;
mod index;
mod pairs;
mod pieces;
mod recolour;
mod tag;
mod weights;

use assert_cmd::Command;
use std::fs;
use std::path::Path;

fn selvedge() -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin("selvedge"));
    // The program looks for XGBoost's library where the tests do.
    command
        .env_clear()
        .envs(std::env::var_os("SELVEDGE_XGBOOST").map(|file| ("SELVEDGE_XGBOOST", file)));
    command
}

/// Folder of a committed bundle.
fn bundle(name: &str) -> String {
    let bundles = Path::new(env!("CARGO_MANIFEST_DIR")).join("../server/bundles");
    bundles.join(name).display().to_string()
}

/// Runs the program in `dir` and returns its stdout and stderr; `Err` with its stderr if it fails.
fn run_with_messages(dir: &Path, args: &[&str]) -> Result<(String, String), String> {
    let output = selvedge()
        .args(args)
        .current_dir(dir)
        .output()
        .expect("the program starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the output is text");
    if output.status.success() {
        Ok((text(output.stdout), text(output.stderr)))
    } else {
        Err(text(output.stderr))
    }
}

/// Runs the program in `dir` and returns its stdout; `Err` with its stderr if it fails.
fn run(dir: &Path, args: &[&str]) -> Result<String, String> {
    run_with_messages(dir, args).map(|(printed, _)| printed)
}

/// Runs the program with the words of a command line, of which none has a space.
fn run_line(dir: &Path, line: &str) -> Result<String, String> {
    run(dir, &line.split_whitespace().collect::<Vec<_>>())
}

/// Command line, output and exit code of a run, without the path of `dir`.
fn transcript(args: &[&str], dir: &Path) -> String {
    let output = selvedge()
        .args(args)
        .current_dir(dir)
        .output()
        .expect("the program starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(&*dir.to_string_lossy(), "[dir]");
    format!(
        "$ selvedge {}\n{}{}[exit {}]\n",
        args.join(" "),
        text(&output.stdout),
        text(&output.stderr),
        output.status.code().unwrap_or(-1)
    )
}

#[test]
fn help_and_errors() {
    let dir = tempfile::tempdir().expect("a temporary folder is created");
    fs::write(dir.path().join("bad.toml"), "name = 3\n").expect("the file is written");
    fs::create_dir(dir.path().join("empty")).expect("the folder is created");
    let lines = [
        "--help",
        "serve --help",
        "dataset describe empty",
        "train missing.toml",
        "train bad.toml",
        "train bad.toml --device gpu",
        "evaluate --bundle empty --data empty",
        "tag --bundle empty photo.jpg",
        "index --dataset empty --bundle empty --out index",
        "serve --index empty --bundle empty --tagger empty --listen 127.0.0.1:0 --log off",
    ];
    let transcript: String = lines
        .iter()
        .map(|line| transcript(&line.split(' ').collect::<Vec<_>>(), dir.path()) + "\n")
        .collect();
    insta::assert_snapshot!(transcript);
}

#[test]
fn a_rendered_shop_can_be_described_and_shown() {
    let dir = tempfile::tempdir().expect("a temporary folder is created");
    let dir = dir.path();
    run_line(dir, "dataset render --items 6 --size 64 --seed 2 --out shop").expect("the shop is rendered");
    let described = run_line(dir, "dataset describe shop").expect("the dataset is valid");
    assert!(
        described.contains("images of") && described.contains("ladylike"),
        "{described}"
    );
    let printed = run_line(dir, "dataset sheet shop --domain shop --cell 48 --out sheet.png");
    assert_eq!(printed.as_deref(), Ok("sheet.png\n"));
    assert!(image::open(dir.join("sheet.png")).is_ok());
    let error = run_line(dir, "dataset render --out shop").expect_err("the folder is not empty");
    assert!(error.contains("not empty"), "{error}");
}
