//! List files of benchmarks: lines of words, with a header and perhaps a count of the lines.

use super::listed::{Corners, parse_corners};
use crate::manifest::csv_text::text;
use anyhow::{Context, ensure};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// List file with `N` columns. Its first line may be the number of lines, and the next one is the header.
pub(super) struct ListFile<const N: usize> {
    path: PathBuf,
    /// Line numbers and words.
    lines: Vec<(usize, [String; N])>,
}

impl<const N: usize> ListFile<N> {
    /// Opens `file` in `dir/folder` or in `dir`.
    ///
    /// # Errors
    /// If the file is missing or malformed.
    pub(super) fn open(dir: &Path, folder: &str, file: &str, header: &[&str; N]) -> anyhow::Result<Self> {
        let path = locate(dir, folder, file).with_context(|| {
            format!(
                "there is no {file} in {}{}",
                dir.display(),
                if folder.is_empty() { "" } else { " or its folder Eval" }
            )
        })?;
        Self::read(path, header)
    }

    fn read(path: PathBuf, header: &[&str; N]) -> anyhow::Result<Self> {
        let mut lines = read_words(&path)?.into_iter().peekable();
        let counted = match lines.next_if(|(_, words)| words.len() == 1) {
            None => None,
            Some((number, words)) => Some(words[0].parse::<usize>().ok().with_context(|| {
                format!(
                    "{} line {number}: '{}' is neither a count nor the header",
                    path.display(),
                    words[0]
                )
            })?),
        };
        let titled = lines.next().map(|(_, words)| words).unwrap_or_default();
        ensure!(
            titled == *header,
            "{}: the header is '{}', not '{}'",
            path.display(),
            titled.join(" "),
            header.join(" ")
        );
        let line = |(number, words): (usize, Vec<String>)| {
            let found = words.len();
            let words: [String; N] = words.try_into().ok().with_context(|| {
                format!(
                    "{} line {number}: it has {found} words; {} are {N}",
                    path.display(),
                    header.join(" ")
                )
            })?;
            Ok((number, words))
        };
        let lines = lines.map(line).collect::<anyhow::Result<Vec<_>>>()?;
        ensure!(!lines.is_empty(), "{} has no lines", path.display());
        if let Some(counted) = counted {
            ensure!(
                counted == lines.len(),
                "{} announces {counted} lines and has {}; it is truncated or was edited",
                path.display(),
                lines.len()
            );
        }
        Ok(Self { path, lines })
    }

    /// Converts every line to any number of values.
    ///
    /// # Errors
    /// If `convert` fails. Names the line.
    pub(super) fn convert<T>(
        self,
        mut convert: impl FnMut([String; N]) -> anyhow::Result<Vec<T>>,
    ) -> anyhow::Result<Vec<T>> {
        let mut all = Vec::with_capacity(self.lines.len());
        for (number, words) in self.lines {
            all.extend(convert(words).with_context(|| format!("{} line {number}", self.path.display()))?);
        }
        Ok(all)
    }
}

/// Reads the boxes of a list by image name. Returns none if the dataset lacks the list. `first` are the first words of the
/// header, which `x_1 y_1 x_2 y_2` follow.
///
/// # Errors
/// If the list is malformed.
pub(super) fn read_boxes(dir: &Path, file: &str, first: &[&str; 3]) -> anyhow::Result<HashMap<String, Corners>> {
    let Some(path) = locate(dir, "Anno", file) else {
        eprintln!("there is no {file}, so whole images are used");
        return Ok(HashMap::new());
    };
    let [a, b, c] = first;
    let list = ListFile::read(path, &[a, b, c, "x_1", "y_1", "x_2", "y_2"])?;
    let boxes = list.convert(|[name, _, _, x0, y0, x1, y1]| Ok(vec![(name, parse_corners([&x0, &y0, &x1, &y1])?)]))?;
    Ok(boxes.into_iter().collect())
}

fn locate(dir: &Path, folder: &str, file: &str) -> Option<PathBuf> {
    [dir.join(folder).join(file), dir.join(file)]
        .into_iter()
        .find(|path| path.is_file())
}

/// Returns the words of every line that is not blank, with its line number.
///
/// # Errors
/// If the file cannot be read or is not UTF-8.
pub(super) fn read_words(path: &Path) -> anyhow::Result<Vec<(usize, Vec<String>)>> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(Vec::new());
    }
    let text = text(&bytes).map_err(|(line, message)| match line {
        Some(line) => anyhow::anyhow!("{} line {line}: {message}", path.display()),
        None => anyhow::anyhow!("{}: {message}", path.display()),
    })?;
    let words = |(at, line): (usize, &str)| (at + 1, line.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
    Ok(text
        .lines()
        .enumerate()
        .map(words)
        .filter(|(_, words)| !words.is_empty())
        .collect())
}
