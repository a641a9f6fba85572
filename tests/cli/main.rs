//! The command line as a user meets it: help, answers on stdout, errors that say what to do, exit codes.

mod ablate;
mod benchmarks;
mod calibrate;
mod challenge;
mod datasets;
mod index;
mod recolour;
mod weights;

use assert_cmd::Command;
use std::fs;

fn selvedge() -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin("selvedge"));
    // Ensembles find XGBoost's library where the tests found it.
    command
        .env_clear()
        .envs(std::env::var_os("SELVEDGE_XGBOOST").map(|file| ("SELVEDGE_XGBOOST", file)));
    command
}

/// What a run printed, paths of this machine taken out.
fn transcript(args: &[&str], dir: &std::path::Path) -> String {
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
    let dir = tempfile::tempdir().expect("a folder");
    fs::write(dir.path().join("bad.toml"), "name = 3\n").expect("writes");
    fs::create_dir(dir.path().join("empty")).expect("creates");
    let runs: &[&[&str]] = &[
        &["--help"],
        &["serve", "--help"],
        &["dataset", "describe", "empty"],
        &["train", "missing.toml"],
        &["train", "bad.toml"],
        &["train", "bad.toml", "--device", "gpu"],
        &["evaluate", "--bundle", "empty", "--data", "empty"],
        &["tag", "--bundle", "empty", "photo.jpg"],
        &["index", "--dataset", "empty", "--bundle", "empty", "--out", "index"],
        &[
            "serve",
            "--index",
            "empty",
            "--bundle",
            "empty",
            "--tagger",
            "empty",
            "--listen",
            "127.0.0.1:0",
            "--log",
            "off",
        ],
    ];
    let transcript: String = runs.iter().map(|args| transcript(args, dir.path()) + "\n").collect();
    insta::assert_snapshot!(transcript);
}

#[test]
fn a_shop_is_rendered_described_and_laid_out() {
    let dir = tempfile::tempdir().expect("a folder");
    let ok = |args: &[&str]| {
        let output = selvedge()
            .args(args)
            .current_dir(dir.path())
            .output()
            .expect("the program starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    };
    ok(&[
        "dataset", "render", "--items", "6", "--size", "64", "--seed", "2", "--out", "shop",
    ]);
    let described = ok(&["dataset", "describe", "shop"]);
    assert!(
        described.contains("images of") && described.contains("ladylike"),
        "{described}"
    );
    assert_eq!(
        ok(&[
            "dataset",
            "sheet",
            "shop",
            "--domain",
            "shop",
            "--cell",
            "48",
            "--out",
            "sheet.png"
        ]),
        "sheet.png\n"
    );
    assert!(image::open(dir.path().join("sheet.png")).is_ok());
    let again = selvedge()
        .args(["dataset", "render", "--out", "shop"])
        .current_dir(dir.path())
        .output()
        .expect("starts");
    assert!(!again.status.success() && String::from_utf8_lossy(&again.stderr).contains("not empty"));
}
