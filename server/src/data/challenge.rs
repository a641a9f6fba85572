//! The files of the JD AI Fashion Challenge's style task: label files, the list to predict, and the submission.
//!
//! Training labels are `id,url` and thirteen columns of 0 and 1; the list to predict is `id,url`; a submission is `id` and
//! the thirteen columns. Columns are found by a header if there is one, which may also name `split` and put labels in
//! another order; without one they are in the challenge's order.

use super::import::{Line, file_name, report_missing, write_manifest};
use anyhow::Context;
use shared::taxonomy::STYLES;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Ways an image may end.
const EXTENSIONS: [&str; 8] = ["jpg", "jpeg", "png", "webp", "gif", "bmp", "JPG", "PNG"];

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
        let others: Vec<usize> =
            (1..header.len()).filter(|i| Some(*i) != at("url") && Some(*i) != at("split")).collect();
        let styles = match (known, others.len()) {
            (0, 0) => None,
            // Under other names, as in Chinese: in the challenge's order.
            (0, 13) => Some(std::array::from_fn(|style| others[style])),
            (0, n) => {
                anyhow::bail!("the header has {n} columns beside id, url and split; 13 styles are expected, or none")
            }
            _ => Some(STYLES.map(|style| at(style.id).unwrap_or_default())),
        };
        Ok(Self { url: at("url"), split: at("split"), styles, width: header.len() })
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
        Ok(Self { url, split: None, styles, width })
    }

    fn entry(&self, line: &csv::StringRecord) -> anyhow::Result<Entry> {
        anyhow::ensure!(line.len() == self.width, "it has {} cells, the first line has {}", line.len(), self.width);
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
        let split = self.split.map(|at| cell(at).to_owned()).filter(|split| !split.is_empty());
        Ok(Entry { id, url: self.url.map_or("", cell).to_owned(), split, styles })
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
    // A byte-order mark, which spreadsheets write, is no part of the first cell.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut lines = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(bytes);
    let (mut columns, mut entries, mut ids) = (None, Vec::new(), BTreeSet::new());
    for (number, line) in lines.records().enumerate() {
        let line = line?;
        let columns = match &columns {
            Some(columns) => columns,
            None if line.get(0).is_some_and(|cell| cell.trim().eq_ignore_ascii_case("id")) => {
                columns = Some(Columns::named(&line)?);
                continue;
            }
            None => columns.insert(Columns::counted(line.len())?),
        };
        let entry = columns.entry(&line).with_context(|| format!("line {}", number + 1))?;
        anyhow::ensure!(ids.insert(entry.id.clone()), "line {}: the id {} is there twice", number + 1, entry.id);
        entries.push(entry);
    }
    anyhow::ensure!(!entries.is_empty(), "there are no lines");
    Ok(entries)
}

/// The images of entries: `None` where there is none. An image is found by its id or by the last part of its url.
///
/// # Errors
/// If the folder cannot be read.
pub fn find_images(entries: &[Entry], folder: &Path) -> anyhow::Result<Vec<Option<PathBuf>>> {
    let mut names = BTreeSet::new();
    let read = std::fs::read_dir(folder).with_context(|| format!("cannot read the folder {}", folder.display()))?;
    for entry in read {
        names.insert(entry?.file_name().to_string_lossy().into_owned());
    }
    let of = |entry: &Entry| {
        let by_id = EXTENSIONS.iter().map(|extension| format!("{}.{extension}", entry.id));
        let mut candidates = std::iter::once(entry.id.clone()).chain(by_id).chain([file_name(&entry.url).to_owned()]);
        candidates.find(|name| names.contains(name)).map(|name| folder.join(name))
    };
    Ok(entries.iter().map(of).collect())
}

/// Writes a dataset's manifest for entries whose images are there, each in the split that it says or else in `split`;
/// images are named by absolute paths unless they lie within `out`. Returns rows by split.
///
/// # Errors
/// If more than `max_missing` images are missing, or a manifest is there already.
pub fn import(
    entries: &[(Entry, &str)],
    images: &Path,
    out: &Path,
    max_missing: usize,
) -> anyhow::Result<BTreeMap<String, usize>> {
    let folder = std::fs::canonicalize(images).with_context(|| format!("there is no folder {}", images.display()))?;
    let plain: Vec<Entry> = entries.iter().map(|(entry, _)| entry.clone()).collect();
    let found = find_images(&plain, &folder)?;
    let missing = plain.iter().zip(&found).filter(|(_, path)| path.is_none()).map(|(entry, _)| entry.id.as_str());
    report_missing(missing, max_missing, images)?;
    let mut lines = Vec::new();
    for ((entry, split), path) in entries.iter().zip(found) {
        let Some(path) = path else { continue };
        let on = entry.styles.iter().flat_map(|styles| STYLES.iter().zip(styles)).filter(|(_, on)| **on);
        let labels: Vec<&str> = on.map(|(style, _)| style.id).collect();
        lines.push(Line {
            path,
            split: entry.split.as_deref().unwrap_or(split).to_owned(),
            labels: labels.join(";"),
            item_id: entry.id.clone(),
            category: "other".to_owned(),
            domain: "shop".to_owned(),
            bounds: None,
        });
    }
    anyhow::ensure!(!lines.is_empty(), "none of the images is in {}", images.display());
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
            (format!("id,{}\na,1,0,0,0,0,0,0,0,0,0,0,1,0\n", reversed.join(",")), "", None, true),
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
        assert_eq!(read.iter().map(|entry| entry.styles).collect::<Vec<_>>(), [Some(styles), Some([false; 13])]);
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        for (text, said) in [
            ("", "no lines"),
            ("a,u\na,u\n", "line 2: the id a is there twice"),
            ("a,u\nb\n", "line 2: it has 1 cells"),
            ("a,u,0\n", "3 cells"),
            ("a,0,1,0,0,0,0,0,0,0,0,0,0,2\n", "line 1: ethnic is '2'"),
            ("id,url,sport\na,u,1\n", "1 of the 13 styles"),
            ("id,url,x,y\na,u,1,0\n", "2 columns beside"),
            (",u\n", "id is empty"),
        ] {
            let error = format!("{:#}", parse(text.as_bytes()).expect_err(text));
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
