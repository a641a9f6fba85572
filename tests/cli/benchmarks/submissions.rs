//! `selvedge submit-retrieval` on photos of the challenge's format.

use super::{run_line, write_pairs};
use shared::taxonomy::Category;
use std::fs;
use std::path::Path;
use tests::fixture;

const SUBMIT: &str = "--device cpu submit-retrieval --queries queries.txt --gallery gallery.txt --images jd";

/// A list of photos with boxes.
fn list(names: &[&str]) -> String {
    let line = |name: &&str| format!("http://c/{name}.png 0 0 30 30\n");
    names.iter().map(line).collect()
}

/// Writes two queries, a gallery of five photos, and a bundle.
fn write_lists(dir: &Path) {
    write_pairs(dir);
    fs::write(dir.join("queries.txt"), list(&["8", "3"])).expect("the file is written");
    fs::write(dir.join("gallery.txt"), list(&["1", "2", "3", "8", "9"])).expect("the file is written");
    fixture::write_retrieval_bundle(&dir.join("bundle")).expect("the bundle is written");
}

#[test]
fn every_query_is_followed_by_its_ranked_gallery() {
    let dir = tempfile::tempdir().expect("a temporary folder is created");
    let dir = dir.path();
    write_lists(dir);
    let line = format!("{SUBMIT} --bundle bundle --out answers.txt --storage int8 --views flip");
    assert_eq!(run_line(dir, &line).as_deref(), Ok("answers.txt\n"));
    let text = fs::read_to_string(dir.join("answers.txt")).expect("the submission is written");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        (lines.len(), lines[0], lines[6]),
        (12, "http://c/8.png", "http://c/3.png"),
        "{text}"
    );
    // A photo finds itself first.
    assert_eq!((lines[1], lines[7]), ("1 http://c/8.png", "1 http://c/3.png"), "{text}");
    assert!(lines[5].starts_with("5 http://c/"), "{text}");
    let error = run_line(dir, &line).expect_err("the submission exists");
    assert!(error.contains("exists already"), "{error}");
}

#[test]
fn networks_are_whitened_and_weighted_on_another_dataset() {
    let dir = tempfile::tempdir().expect("a temporary folder is created");
    let dir = dir.path();
    write_lists(dir);
    fixture::write_search(dir, &["second"]).expect("the dataset and the bundle are written");
    fixture::write_category_bundle(&dir.join("shoes"), Category::Shoes).expect("the bundle is written");
    let manifest = dir.join("shop/manifest.csv");
    let text = fs::read_to_string(&manifest).expect("the manifest is readable");
    fs::write(&manifest, text.replace(",test,", ",val,")).expect("the manifest is written");
    let tuned = "--whiten 8 --tune-split val --category-bundle shoes --out tuned.txt";
    let error = run_line(dir, &format!("{SUBMIT} --bundle bundle {tuned}")).expect_err("there is no dataset");
    assert!(error.contains("name it with --data"), "{error}");
    let line = format!("{SUBMIT} --bundle bundle --tune-split val --data shop --out tuned.txt");
    let error = run_line(dir, &line).expect_err("the queries have no categories");
    assert!(
        error.contains("--tune-split chooses weights per category") && error.contains("--category-bundle"),
        "{error}"
    );
    let line = format!("{SUBMIT} --bundle bundle second --data shop {tuned}");
    run_line(dir, &line).expect("the submission is written");
    let text = fs::read_to_string(dir.join("tuned.txt")).expect("the submission is written");
    assert_eq!(
        (text.lines().count(), text.lines().nth(1)),
        (12, Some("1 http://c/8.png")),
        "{text}"
    );
}

#[test]
fn a_missing_photo_of_the_gallery_is_refused() {
    let dir = tempfile::tempdir().expect("a temporary folder is created");
    let dir = dir.path();
    write_lists(dir);
    fs::write(dir.join("gallery.txt"), list(&["1", "nowhere"])).expect("the file is written");
    let error = run_line(dir, &format!("{SUBMIT} --bundle bundle --out more.txt")).expect_err("a photo is missing");
    assert!(error.contains("in the whole gallery"), "{error}");
}
