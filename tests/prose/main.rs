//! Measures of the texts: beginnings of documentation comments, and lengths of sentences in README.md and ARCHITECTURE.md.
//!
//! A documentation line is a line that begins with `///` or `//!` and has text. All such lines of `server`, `shared`, `web`
//! and `tests` count, not only the first line of each comment. At commit c27108d, 478 of 4,612 lines (10.4 %) began with one
//! of the words in [`CLAUSES`].
//!
//! A sentence ends with `.`, `!` or `?` before white space and one of `A` to `Z`, a backtick or an asterisk. Code blocks and
//! tables are taken out first. Headings and list markers stay in the text, so a list item counts as a sentence of its own
//! only after an asterisk. Words are separated by white space. At commit c27108d, README.md had 30 sentences, 40 % of them
//! long, and ARCHITECTURE.md had 53, 43 % of them long.
//!
//! **Invariant:** both shares stay below their limits.

use std::fs;
use std::path::{Path, PathBuf};

/// Folders of the workspace that contain Rust code.
const PACKAGES: [&str; 4] = ["server", "shared", "web", "tests"];
/// First words that hide the noun which the reader looks for.
const CLAUSES: [&str; 6] = ["What", "Which", "How", "Whether", "Where", "Whose"];
/// Largest share of documentation lines that begin with one of [`CLAUSES`].
const MAX_CLAUSES: f64 = 0.02;
/// Documents whose sentences are measured.
const DOCUMENTS: [&str; 2] = ["README.md", "ARCHITECTURE.md"];
/// Largest number of words in a sentence that is not long.
const LONG: usize = 30;
/// Largest share of long sentences in a document.
const MAX_LONG: f64 = 0.15;

/// Root of the workspace.
fn workspace() -> PathBuf {
    let tests = option_env!("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from("tests"), PathBuf::from);
    tests.join("..")
}

/// Paths of all Rust files below `folder`, except those in build folders.
fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for entry in entries {
        let path = entry.expect("entries of the folder are readable").path();
        let name = path.file_name().unwrap_or_default();
        if path.is_dir() {
            if name != "target" && name != "node_modules" {
                rust_files(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Text of a documentation line, or `None` for other lines and for documentation lines without text.
fn documentation(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let text = line.strip_prefix("///").or_else(|| line.strip_prefix("//!"))?.trim();
    (!text.is_empty()).then_some(text)
}

/// True if the first word of `text` is one of [`CLAUSES`].
fn is_clause(text: &str) -> bool {
    let word = text.split(|c: char| !c.is_alphanumeric()).next();
    word.is_some_and(|word| CLAUSES.contains(&word))
}

/// Words of a Markdown document, without code blocks and tables.
fn words(markdown: &str) -> Vec<&str> {
    let mut in_code = false;
    let prose = markdown.lines().filter(|line| {
        let is_fence = line.starts_with("```");
        in_code ^= is_fence;
        !(is_fence || in_code || line.starts_with('|') || line.starts_with("    "))
    });
    prose.flat_map(str::split_whitespace).collect()
}

/// Sentences of a Markdown document, each with single spaces between its words.
fn sentences(markdown: &str) -> Vec<String> {
    let words = words(markdown);
    let ends = |at: usize| {
        let begins = |next: &&str| next.starts_with(|c: char| c.is_ascii_uppercase() || "`*".contains(c));
        words[at].ends_with(['.', '!', '?']) && words.get(at + 1).is_some_and(begins)
    };
    let (mut sentences, mut start) = (Vec::new(), 0);
    for at in 0..words.len() {
        if ends(at) || at + 1 == words.len() {
            sentences.push(words[start..=at].join(" "));
            start = at + 1;
        }
    }
    sentences
}

/// Number of words in a sentence.
fn length(sentence: &str) -> usize {
    sentence.split(' ').count()
}

#[test]
fn documentation_begins_with_nouns_and_verbs() {
    let root = workspace();
    let mut files = Vec::new();
    for package in PACKAGES {
        rust_files(&root.join(package), &mut files);
    }
    files.sort();
    assert!(files.len() > 100, "the workspace has Rust files: {}", files.len());
    let (mut total, mut offending) = (0, Vec::new());
    for path in &files {
        let text = fs::read_to_string(path).expect("Rust files are UTF-8");
        for (at, line) in text.lines().enumerate() {
            let Some(documented) = documentation(line) else {
                continue;
            };
            total += 1;
            if is_clause(documented) {
                let path = path.strip_prefix(&root).unwrap_or(path);
                offending.push(format!("{}:{}: {documented}", path.display(), at + 1));
            }
        }
    }
    let share = offending.len() as f64 / total as f64;
    eprintln!(
        "{} of {total} documentation lines ({:.1} %) begin with one of {CLAUSES:?}; at most {:.0} % may",
        offending.len(),
        100.0 * share,
        100.0 * MAX_CLAUSES
    );
    assert!(
        share <= MAX_CLAUSES,
        "begin these with a noun or a verb:\n{}",
        offending.join("\n")
    );
}

#[test]
fn few_sentences_are_long() {
    let mut failures = Vec::new();
    for document in DOCUMENTS {
        let path = workspace().join(document);
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let all = sentences(&text);
        assert!(all.len() > 20, "{document} has sentences: {}", all.len());
        let long: Vec<&String> = all.iter().filter(|sentence| length(sentence) > LONG).collect();
        let share = long.len() as f64 / all.len() as f64;
        let mean = all.iter().map(|sentence| length(sentence)).sum::<usize>() as f64 / all.len() as f64;
        eprintln!(
            "{document}: {} of {} sentences ({:.0} %) have more than {LONG} words, {mean:.1} on average; at most {:.0} % may",
            long.len(),
            all.len(),
            100.0 * share,
            100.0 * MAX_LONG
        );
        if share > MAX_LONG {
            failures.push(format!("{document}: shorten these sentences:"));
            failures.extend(long.into_iter().cloned());
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn markdown_splits_into_sentences() {
    let markdown = "# Heading\n\nOne `x.y` here, v. 2 too. `code` begins. *Three!* Four\ngoes on.\n\n    not counted\n\n\
        | a. B | c |\n\n* Item one.\n* Item two.\n- Item three.\n\n```text\nNot. Counted.\n```\n\nThe last: e.g. this.\n";
    let expected = [
        "# Heading One `x.y` here, v. 2 too.",
        "`code` begins.",
        "*Three!* Four goes on.",
        "* Item one.",
        "* Item two. - Item three.",
        "The last: e.g. this.",
    ];
    assert_eq!(sentences(markdown), expected);
    assert_eq!(length("One two three."), 3);
}

#[test]
fn clauses_are_recognised() {
    assert_eq!(documentation("    /// What it is."), Some("What it is."));
    assert_eq!(documentation("//! Header."), Some("Header."));
    assert_eq!(documentation("///"), None);
    assert_eq!(documentation("// What it is."), None);
    assert!(is_clause("Whether so."));
    assert!(!is_clause("Whatever."));
    assert!(!is_clause("Number of rows, where known."));
}
