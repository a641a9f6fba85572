//! Documents name files and tests that exist.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Markdown files of the repository.
fn documents(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("the folder is readable") {
        let path = entry.expect("the folder is readable").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            if !["target", "node_modules", "dist", "demo", "runs"].contains(&&*name) && !name.starts_with('.') {
                documents(&path, found);
            }
        } else if name.ends_with(".md") {
            found.push(path);
        }
    }
}

/// Targets of the links in a Markdown text, without those to the web and to places within the same page.
fn links(text: &str) -> Vec<String> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets
        .map(|target| target.split('#').next().unwrap_or_default().to_owned())
        .filter(|target| !target.is_empty() && !target.contains("://"))
        .collect()
}

/// Text between backticks on one line.
fn code_spans(text: &str) -> Vec<&str> {
    text.lines()
        .filter(|line| !line.starts_with("    "))
        .flat_map(|line| line.split('`').skip(1).step_by(2))
        .collect()
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut files = Vec::new();
    documents(&super::root(), &mut files);
    let mut broken = Vec::new();
    for file in &files {
        let text = fs::read_to_string(file).expect("the document is readable");
        for link in links(&text) {
            if !file.with_file_name(&link).exists() {
                broken.push(format!("{}: {link}", file.display()));
            }
        }
    }
    assert!(files.len() > 10 && broken.is_empty(), "{broken:#?}");
}

#[test]
fn the_architecture_names_existing_files_and_tests() {
    let root = super::root();
    let text = fs::read_to_string(root.join("ARCHITECTURE.md")).expect("the document is readable");
    let tops: BTreeSet<&str> = ["server", "shared", "web", "www", "tests"].into();
    let mut wrong = Vec::new();
    let mut named = 0;
    for span in code_spans(&text) {
        let (path, test) = span
            .split_once("::")
            .map_or((span, None), |(path, test)| (path, Some(test)));
        if !path.contains('/') || !tops.contains(path.split('/').next().unwrap_or_default()) {
            continue;
        }
        named += 1;
        let file = root.join(path);
        let has_test = |name: &str| {
            let source = fs::read_to_string(&file).unwrap_or_default();
            source.contains(&format!("fn {name}(")) || source.contains(&format!("test('{name}'"))
        };
        if !file.exists() || test.is_some_and(|name| !has_test(name)) {
            wrong.push(span);
        }
    }
    assert!(named > 50 && wrong.is_empty(), "{wrong:#?}");
}
