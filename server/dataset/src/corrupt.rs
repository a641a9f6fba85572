//! Pictures that cannot be read: named, counted, left out up to a limit.
//!
//! They are looked for before anything is drawn from the dataset, at the price of decoding every picture once more. So
//! splits, folds, pairs and batches are those of the pictures that there are, and nothing depends on which thread met a
//! damaged file first. A file that breaks later, during a run, ends the run with its name.

use super::files::hint;
use super::manifest::{Dataset, Row};
use super::mask::Mask;
use super::max_errors::MaxErrors;
use super::photo::Photo;
use rayon::prelude::*;
use shared::input::CropBox;

/// How many unreadable pictures a dataset may have where nothing else is said.
pub const MAX_CORRUPT: usize = 10;

/// How many of them an error names.
const NAMED: usize = 20;

/// How many pictures may be unreadable.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Limit {
    /// As many as the recipe's key `data.max_corrupt` says.
    Recipe(usize),
    /// [`MAX_CORRUPT`].
    Fixed,
    /// A share of the wanted pictures, as `--max-errors` says.
    Share(MaxErrors),
}

impl Limit {
    fn allows(self, failed: usize, wanted: usize) -> bool {
        match self {
            Self::Recipe(limit) => failed <= limit,
            Self::Fixed => failed <= MAX_CORRUPT,
            Self::Share(share) => share.allows(failed, wanted),
        }
    }

    /// The limit, and how to change it.
    fn words(self) -> (String, &'static str) {
        match self {
            Self::Recipe(limit) => (
                limit.to_string(),
                "repair or remove them, or allow more by data.max_corrupt",
            ),
            Self::Fixed => (
                MAX_CORRUPT.to_string(),
                "repair them, or remove their rows from the manifest",
            ),
            Self::Share(share) => (
                share.to_string(),
                "repair or remove them, or allow more by --max-errors",
            ),
        }
    }
}

impl Dataset {
    /// Decodes the picture of every row that `wanted` picks, looks whether its box lies inside, and decodes its mask where
    /// `masks` says so; [`split`](Self::split) leaves out from now on the rows of which that fails. Each is named once on
    /// stderr.
    ///
    /// # Errors
    /// If more rows than `limit` allows would be left out; names them.
    pub fn leave_out_corrupt(
        &mut self,
        wanted: impl Fn(&Row) -> bool + Sync,
        masks: bool,
        limit: Limit,
    ) -> anyhow::Result<()> {
        let wanted: Vec<usize> = (0..self.rows.len()).filter(|row| wanted(&self.rows[*row])).collect();
        let faults: Vec<(usize, anyhow::Error)> = wanted
            .par_iter()
            .filter_map(|row| self.try_row(*row, masks).err().map(|error| (*row, error)))
            .collect();
        let (most, how) = limit.words();
        let name = |(row, error): &(usize, anyhow::Error)| {
            let Row { path, line, .. } = &self.rows[*row];
            format!("{path} (line {line}): {error:#}")
        };
        if !limit.allows(faults.len(), wanted.len()) {
            let named: Vec<String> = faults.iter().take(NAMED).map(name).collect();
            let more = faults.len() - named.len();
            anyhow::bail!(
                "{} pictures of {} cannot be read, and at most {most} of {} may be left out\n  {}{}\nhint: {how}",
                faults.len(),
                self.dir.display(),
                wanted.len(),
                named.join("\n  "),
                if more > 0 {
                    format!("\n  and {more} more")
                } else {
                    String::new()
                },
            );
        }
        for fault in &faults {
            eprintln!("left out {}", name(fault));
        }
        if !faults.is_empty() {
            eprintln!(
                "left out {} of {} pictures; at most {most} may be",
                faults.len(),
                wanted.len()
            );
        }
        self.left_out.extend(faults.into_iter().map(|(row, _)| row));
        Ok(())
    }

    fn try_row(&self, row: usize, masks: bool) -> anyhow::Result<()> {
        let Row { path, mask, bounds, .. } = &self.rows[row];
        let photo = Photo::read(&self.dir.join(path)).map_err(|error| match hint(&self.dir, path) {
            Some(hint) if !self.dir.join(path).is_file() => anyhow::anyhow!("no such photo: {hint}"),
            _ => error,
        })?;
        if let Some(CropBox { x, y, width, height }) = *bounds {
            let (right, bottom) = (x.saturating_add(width), y.saturating_add(height));
            let size = (photo.width(), photo.height());
            anyhow::ensure!(
                right <= size.0 && bottom <= size.1,
                "its box {x} {y} {right} {bottom} leaves its {} × {} pixels; correct the box, which is of the upright picture",
                size.0,
                size.1
            );
        }
        if masks && !mask.is_empty() {
            Mask::read(&self.dir.join(mask), &photo)?;
        }
        Ok(())
    }
}
