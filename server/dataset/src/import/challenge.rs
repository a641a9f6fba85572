//! Files of the style task of the JD AI Fashion Challenge 2018: training labels, the list to predict, and the submission.
//!
//! Training labels have the columns `id,url` and one column of 0 and 1 for each of the 13 styles. The list to predict has
//! `id,url`. A submission has `id` and the 13 styles. A header is optional. It may contain `split` and order the styles
//! differently. Without a header, columns are in the order of the challenge.

use super::{ManifestLine, each_photo, file_name, is_image, report_missing, write_manifest};
use crate::manifest::csv_text::{Lines, first_line, no_comma, text};
use crate::max_errors::MaxErrors;
use anyhow::Context;
use shared::taxonomy::STYLES;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Line of one of the challenge's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Identifier of the image.
    pub id: String,
    /// Source of the image, or empty.
    pub url: String,
    /// `train`, `val` or `test`, if the file has the column.
    pub split: Option<String>,
    /// Labels in the order of [`STYLES`], or `None` in a list to predict.
    pub styles: Option<[bool; 13]>,
}

/// Positions of the columns of a file.
struct Columns {
    url: Option<usize>,
    split: Option<usize>,
    styles: Option<[usize; 13]>,
    width: usize,
}

impl Columns {
    /// Reads a header whose first column is `id`.
    fn from_header(header: &csv::StringRecord) -> anyhow::Result<Self> {
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
            // Styles under other names, such as Chinese ones, are in the order of the challenge.
            (0, 13) => Some(std::array::from_fn(|style| others[style])),
            (0, n) => {
                anyhow::bail!("the header has {n} columns besides id, url and split; 13 styles are expected, or none")
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

    /// Assigns the columns by their number, for a file without a header.
    fn from_width(width: usize) -> anyhow::Result<Self> {
        let styles = |from: usize| Some(std::array::from_fn(|style| from + style));
        let (url, styles) = match width {
            1 => (None, None),
            2 => (Some(1), None),
            14 => (None, styles(1)),
            15 => (Some(1), styles(2)),
            _ => anyhow::bail!(
                "a line has {width} cells; id,url or id,url and 13 styles are expected, or a header with the names of the columns"
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
            "it has {} cells, and the first line has {}",
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
/// If the file is malformed, a label is neither 0 nor 1, or an id is repeated. Names the file and the line.
pub fn read(path: &Path) -> anyhow::Result<Vec<Entry>> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    parse(&bytes).with_context(|| format!("in {}", path.display()))
}

fn parse(bytes: &[u8]) -> anyhow::Result<Vec<Entry>> {
    let text = text(bytes).map_err(|(line, message)| match line {
        Some(line) => anyhow::anyhow!("line {line}: {message}"),
        None => anyhow::anyhow!("{message}"),
    })?;
    if let Some(message) = no_comma(first_line(text)) {
        anyhow::bail!("{message}");
    }
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(text.as_bytes());
    let mut lines = Lines::new(text);
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
                columns = Some(Columns::from_header(&record).with_context(|| format!("line {number}"))?);
                continue;
            }
            None => columns.insert(Columns::from_width(record.len()).with_context(|| format!("line {number}"))?),
        };
        let entry = columns.entry(&record).with_context(|| format!("line {number}"))?;
        anyhow::ensure!(
            ids.insert(entry.id.clone()),
            "line {number}: the id {} is repeated; keep the correct line",
            entry.id
        );
        entries.push(entry);
    }
    anyhow::ensure!(
        !entries.is_empty(),
        "there are no lines; write id, url and styles of one image per line"
    );
    Ok(entries)
}

/// Finds the image files of entries, `None` for missing ones. A file is named by the id, by the id with any extension, or by
/// the URL. A file whose first bytes are those of an image takes precedence.
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
    let find = |entry: &Entry| {
        let alike = by_stem.get(&entry.id).map_or(&[][..], Vec::as_slice);
        let image = alike.iter().copied().find(|name| is_image(&folder.join(name)));
        let existing = |name| names.get(name).map(String::as_str);
        let name = existing(&*entry.id)
            .or(image)
            .or_else(|| existing(file_name(&entry.url)));
        name.or(alike.first().copied()).map(|name| folder.join(name))
    };
    Ok(entries.iter().map(find).collect())
}

/// Maximum numbers of images that an import leaves out without failing.
#[derive(Debug, Clone, Copy)]
pub struct Allowed {
    /// Maximum number of missing images.
    pub missing: usize,
    /// Maximum number or share of unreadable images among the existing ones.
    pub errors: MaxErrors,
}

/// Writes the manifest of a dataset in the folder `out`. `entries` are pairs of an entry and the split for entries without
/// one. Missing and unreadable images are left out. Returns the number of rows by split.
///
/// # Errors
/// If more images are missing or unreadable than `allowed`, or a manifest exists already.
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
            Ok(ManifestLine {
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
        "none of the images in {} can be read; download them again",
        images.display()
    );
    write_manifest(lines, out)
}

/// Formats the submission: one line per id with 0 and 1 in the order of the challenge's styles.
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
    fn all_forms_of_label_files_are_read_alike() {
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
        let read = parse(submission([("x", styles), ("y", [false; 13])].into_iter()).as_bytes())
            .expect("the submission can be parsed");
        assert_eq!(
            read.iter().map(|entry| entry.styles).collect::<Vec<_>>(),
            [Some(styles), Some([false; 13])]
        );
    }

    #[test]
    fn malformed_lines_are_refused_with_their_number() {
        for (text, message) in [
            ("", "it is empty"),
            ("id,url\n", "no lines"),
            ("a,u\na,u\n", "line 2: the id a is repeated"),
            ("a,u\nb\n", "line 2: it has 1 cells"),
            ("a,u,0\n", "3 cells"),
            ("a,0,1,0,0,0,0,0,0,0,0,0,0,2\n", "line 1: ethnic is '2'"),
            ("id,url,sport\na,u,1\n", "1 of the 13 styles"),
            ("id,url,x,y\na,u,1,0\n", "2 columns besides"),
            (",u\n", "id is empty"),
            ("a;u\n", "separated by semicolons"),
            ("id\turl\na\tu\n", "separated by tabs"),
            ("\u{feff}a,u\r\n\r\n,\r\na,v\r\n", "line 4: the id a is repeated"),
            ("id,url\na,u\nid,url\n", "line 3 repeats the header"),
        ] {
            let error = format!("{:#}", parse(text.as_bytes()).expect_err(text));
            assert!(error.contains(message), "{text}: {error}");
        }
    }
}
