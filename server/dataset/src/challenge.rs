//! The files of the JD AI Fashion Challenge's style task: label files, the list to predict, and the submission.
//!
//! Training labels are `id,url` and thirteen columns of 0 and 1; the list to predict is `id,url`; a submission is `id` and
//! the thirteen columns. Columns are found by a header if there is one, which may also name `split` and put labels in
//! another order; without one they are in the challenge's order.

use super::csv_text::{Lines, first_line, no_comma, text};
use super::import::{Line, each_photo, file_name, format_of, report_missing, write_manifest};
use super::max_errors::MaxErrors;
use anyhow::Context;
use shared::taxonomy::STYLES;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A line of one of the challenge's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Names the image.
    pub id: String,
    /// Where the image was; may be empty.
    pub url: String,
    /// `train`, `val` or `test` where the file says so.
    pub split: Option<String>,
    /// In the order of [`STYLES`]; `None` in a list to predict.
    pub styles: Option<[bool; 13]>,
}

/// Where the columns of a file are.
struct Columns {
    url: Option<usize>,
    split: Option<usize>,
    styles: Option<[usize; 13]>,
    width: usize,
}

impl Columns {
    /// From a header whose first column is `id`.
    fn named(header: &csv::StringRecord) -> anyhow::Result<Self> {
        let at = |name: &str| header.iter().position(|cell| cell.trim().eq_ignore_ascii_case(name));
        let known = STYLES.iter().filter(|style| at(style.id).is_some()).count();
        anyhow::ensure!(
            known == 0 || known == STYLES.len(),
            "the header names {known} of the {} styles ({})",
            STYLES.len(),
            STYLES.map(|style| style.id).join(", ")
        );
        let others: Vec<usize> = (1..header.len())
            .filter(|i| Some(*i) != at("url") && Some(*i) != at("split"))
            .collect();
        let styles = match (known, others.len()) {
            (0, 0) => None,
            // Under other names, as in Chinese: in the challenge's order.
            (0, 13) => Some(std::array::from_fn(|style| others[style])),
            (0, n) => {
                anyhow::bail!("the header has {n} columns beside id, url and split; 13 styles are expected, or none")
            }
            _ => Some(STYLES.map(|style| at(style.id).unwrap_or_default())),
        };
        Ok(Self {
            url: at("url"),
            split: at("split"),
            styles,
            width: header.len(),
        })
    }

    /// By the number of cells of a first line that is no header.
    fn counted(width: usize) -> anyhow::Result<Self> {
        let styles = |from: usize| Some(std::array::from_fn(|style| from + style));
        let (url, styles) = match width {
            1 => (None, None),
            2 => (Some(1), None),
            14 => (None, styles(1)),
            15 => (Some(1), styles(2)),
            _ => anyhow::bail!(
                "a line has {width} cells; id,url or id,url and 13 styles are expected, or a header that says what is what"
            ),
        };
        Ok(Self {
            url,
            split: None,
            styles,
            width,
        })
    }

    fn entry(&self, line: &csv::StringRecord) -> anyhow::Result<Entry> {
        anyhow::ensure!(
            line.len() == self.width,
            "it has {} cells, the first line has {}",
            line.len(),
            self.width
        );
        let cell = |at: usize| line.get(at).unwrap_or_default().trim();
        let id = cell(0).to_owned();
        anyhow::ensure!(!id.is_empty(), "its id is empty");
        let on = |style: usize, at: usize| match cell(at) {
            "1" => Ok(true),
            "0" => Ok(false),
            other => Err(anyhow::anyhow!("{} is '{other}', neither 0 nor 1", STYLES[style].id)),
        };
        let styles = match &self.styles {
            None => None,
            Some(places) => {
                let mut styles = [false; 13];
                for (style, at) in places.iter().enumerate() {
                    styles[style] = on(style, *at)?;
                }
                Some(styles)
            }
        };
        let split = self
            .split
            .map(|at| cell(at).to_owned())
            .filter(|split| !split.is_empty());
        Ok(Entry {
            id,
            url: self.url.map_or("", cell).to_owned(),
            split,
            styles,
        })
    }
}

/// Reads a label file, a list to predict or a submission.
///
/// # Errors
/// Names the file and the line: cells that are no labels, an id that is there twice.
pub fn read(path: &Path) -> anyhow::Result<Vec<Entry>> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    parse(&bytes).with_context(|| format!("in {}", path.display()))
}

fn parse(bytes: &[u8]) -> anyhow::Result<Vec<Entry>> {
    let text = text(bytes).map_err(|(line, what)| match line {
        Some(line) => anyhow::anyhow!("line {line}: {what}"),
        None => anyhow::anyhow!("{what}"),
    })?;
    if let Some(said) = no_comma(first_line(text)) {
        anyhow::bail!("{said}");
    }
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(text.as_bytes());
    let mut lines = Lines::of(text);
    let (mut columns, mut entries, mut ids) = (None, Vec::new(), BTreeSet::new());
    for record in reader.records() {
        let record = record?;
        let number = lines.number(&record);
        if record.iter().all(|cell| cell.trim().is_empty()) {
            continue;
        }
        let titled = record.get(0).is_some_and(|cell| cell.trim().eq_ignore_ascii_case("id"));
        let columns = match &columns {
            Some(_) if titled => anyhow::bail!("line {number} repeats the header; remove it"),
            Some(columns) => columns,
            None if titled => {
                columns = Some(Columns::named(&record).with_context(|| format!("line {number}"))?);
                continue;
            }
            None => columns.insert(Columns::counted(record.len()).with_context(|| format!("line {number}"))?),
        };
        let entry = columns.entry(&record).with_context(|| format!("line {number}"))?;
        anyhow::ensure!(
            ids.insert(entry.id.clone()),
            "line {number}: the id {} is there twice; keep the line that is right",
            entry.id
        );
        entries.push(entry);
    }
    anyhow::ensure!(
        !entries.is_empty(),
        "there are no lines; every line is an image's id, url and styles"
    );
    Ok(entries)
}

/// The images of entries: `None` where there is none. An image is named by its id, by its id with any ending, or as in its
/// url; of several that are named alike, that whose bytes are a picture's.
///
/// # Errors
/// If the folder cannot be read.
pub fn find_images(entries: &[Entry], folder: &Path) -> anyhow::Result<Vec<Option<PathBuf>>> {
    let mut names = BTreeSet::new();
    let read = std::fs::read_dir(folder).with_context(|| format!("cannot read the folder {}", folder.display()))?;
    for entry in read {
        names.insert(entry?.file_name().to_string_lossy().into_owned());
    }
    let mut by_stem: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for name in &names {
        let stem = Path::new(name)
            .file_stem()
            .map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
        by_stem.entry(stem).or_default().push(name);
    }
    let of = |entry: &Entry| {
        let alike = by_stem.get(&entry.id).map_or(&[][..], Vec::as_slice);
        let picture = alike
            .iter()
            .copied()
            .find(|name| format_of(&folder.join(name)).is_some());
        let there = |name| names.get(name).map(String::as_str);
        let name = there(&*entry.id).or(picture).or_else(|| there(file_name(&entry.url)));
        name.or(alike.first().copied()).map(|name| folder.join(name))
    };
    Ok(entries.iter().map(of).collect())
}

/// Number of images that an import may leave out before it fails.
#[derive(Debug, Clone, Copy)]
pub struct Allowed {
    /// Images that are not there.
    pub missing: usize,
    /// The share of those that are there and cannot be read.
    pub errors: MaxErrors,
}

/// Writes a dataset's manifest for entries whose images are there and can be read, each in the split that it says or else in
/// `split`; images are named by absolute paths unless they lie within `out`. Returns rows by split.
///
/// # Errors
/// If more images are missing or unreadable than `allowed`, or a manifest is there already.
pub fn import(
    entries: &[(Entry, &str)],
    images: &Path,
    out: &Path,
    allowed: Allowed,
) -> anyhow::Result<BTreeMap<String, usize>> {
    let folder = std::fs::canonicalize(images).with_context(|| format!("there is no folder {}", images.display()))?;
    let plain: Vec<Entry> = entries.iter().map(|(entry, _)| entry.clone()).collect();
    let found = find_images(&plain, &folder)?;
    let missing = plain
        .iter()
        .zip(&found)
        .filter(|(_, path)| path.is_none())
        .map(|(entry, _)| entry.id.as_str());
    report_missing(missing, allowed.missing, images)?;
    let there: Vec<_> = entries
        .iter()
        .zip(found)
        .filter_map(|(entry, path)| Some((entry, path?)))
        .collect();
    anyhow::ensure!(
        !there.is_empty(),
        "none of the images is in {}; name their folder with --images",
        images.display()
    );
    let lines = each_photo(
        there,
        |(_, path)| path,
        |((entry, split), path), _| {
            let on = entry
                .styles
                .iter()
                .flat_map(|styles| STYLES.iter().zip(styles))
                .filter(|(_, on)| **on);
            let labels: Vec<&str> = on.map(|(style, _)| style.id).collect();
            Ok(Line {
                path,
                split: entry.split.as_deref().unwrap_or(split).to_owned(),
                labels: labels.join(";"),
                item_id: entry.id.clone(),
                category: "other".to_owned(),
                domain: "shop".to_owned(),
                bounds: None,
            })
        },
        allowed.errors,
    )?;
    anyhow::ensure!(
        !lines.is_empty(),
        "none of the images in {} can be read; fetch them again",
        images.display()
    );
    write_manifest(lines, out)
}

/// A submission: a line an id, with 0 and 1 in the challenge's order of styles.
pub fn submission<'a>(lines: impl Iterator<Item = (&'a str, [bool; 13])>) -> String {
    let line = |(id, styles): (&str, [bool; 13])| {
        let cells: String = styles.iter().map(|on| if *on { ",1" } else { ",0" }).collect();
        format!("{id}{cells}\n")
    };
    lines.map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_file_says_the_same() {
        let styles: [bool; 13] = std::array::from_fn(|style| style == 1 || style == 12);
        let cells = "0,1,0,0,0,0,0,0,0,0,0,0,1";
        let ids = STYLES.map(|style| style.id).join(",");
        let mut reversed = STYLES.map(|style| style.id);
        reversed.reverse();
        let other = (1..=13).map(|i| format!("风格{i}")).collect::<Vec<_>>().join(",");
        for (text, url, split, labelled) in [
            (format!("a,http://b/c.jpg,{cells}\n"), "http://b/c.jpg", None, true),
            (format!("a,{cells}\n"), "", None, true),
            (format!("\u{feff}id,url,{ids}\na,u,{cells}\n"), "u", None, true),
            (format!("id,split,{ids}\na,test,{cells}\n"), "", Some("test"), true),
            (
                format!("id,{}\na,1,0,0,0,0,0,0,0,0,0,0,1,0\n", reversed.join(",")),
                "",
                None,
                true,
            ),
            (format!("id,url,{other}\na,u,{cells}\n"), "u", None, true),
            ("id,url\na,u\n".to_owned(), "u", None, false),
            ("a,u\r\n".to_owned(), "u", None, false),
        ] {
            let expected = Entry {
                id: "a".to_owned(),
                url: url.to_owned(),
                split: split.map(str::to_owned),
                styles: labelled.then_some(styles),
            };
            assert_eq!(parse(text.as_bytes()).expect(&text), [expected], "{text}");
        }
        let read = parse(submission([("x", styles), ("y", [false; 13])].into_iter()).as_bytes()).expect("a submission");
        assert_eq!(
            read.iter().map(|entry| entry.styles).collect::<Vec<_>>(),
            [Some(styles), Some([false; 13])]
        );
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        for (text, said) in [
            ("", "it is empty"),
            ("id,url\n", "no lines"),
            ("a,u\na,u\n", "line 2: the id a is there twice"),
            ("a,u\nb\n", "line 2: it has 1 cells"),
            ("a,u,0\n", "3 cells"),
            ("a,0,1,0,0,0,0,0,0,0,0,0,0,2\n", "line 1: ethnic is '2'"),
            ("id,url,sport\na,u,1\n", "1 of the 13 styles"),
            ("id,url,x,y\na,u,1,0\n", "2 columns beside"),
            (",u\n", "id is empty"),
            ("a;u\n", "separated by semicolons"),
            ("id\turl\na\tu\n", "separated by tabs"),
            ("\u{feff}a,u\r\n\r\n,\r\na,v\r\n", "line 4: the id a is there twice"),
            ("id,url\na,u\nid,url\n", "line 3 repeats the header"),
        ] {
            let error = format!("{:#}", parse(text.as_bytes()).expect_err(text));
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
