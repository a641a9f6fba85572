//! Exclusion of images that cannot be read, up to a limit.
//!
//! All images are decoded once before anything is drawn from the dataset. Splits, folds, pairs and batches therefore
//! contain only readable images and do not depend on the order in which threads meet damaged files. A file that becomes
//! unreadable during a run ends the run with an error that names it.

use super::dataset::Dataset;
use super::missing_files::hint;
use super::row::Row;
use crate::decode::{Mask, Photo};
use crate::max_errors::MaxErrors;
use rayon::prelude::*;
use shared::input::CropBox;

/// Default number of unreadable images that a dataset may have.
pub const MAX_CORRUPT: usize = 10;

/// Maximum number of images that an error names.
const NAMED: usize = 20;

/// Maximum number of unreadable images.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Limit {
    /// Value of the recipe key `data.max_corrupt`.
    Recipe(usize),
    /// The default, [`MAX_CORRUPT`].
    Fixed,
    /// Share of the checked images, the value of `--max-errors`.
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

    /// Returns the limit as text, and advice on exceeding it.
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
    /// Excludes unreadable rows from [`split`](Self::split), and names them on stderr.
    ///
    /// Checks the rows that satisfy `wanted`: decodes the image, checks that the box is inside it, and decodes the mask if
    /// `masks` is true.
    ///
    /// # Errors
    /// If more rows than `limit` allows are unreadable. Names them.
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
                "{} images of {} cannot be read, and at most {most} of {} may be left out\n  {}{}\nhint: {how}",
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
                "left out {} of {} images; at most {most} may be",
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
            Some(hint) if !self.dir.join(path).is_file() => anyhow::anyhow!("no such image: {hint}"),
            _ => error,
        })?;
        if let Some(CropBox { x, y, width, height }) = *bounds {
            let (right, bottom) = (x.saturating_add(width), y.saturating_add(height));
            let size = (photo.width(), photo.height());
            anyhow::ensure!(
                right <= size.0 && bottom <= size.1,
                "its box {x} {y} {right} {bottom} exceeds its {} × {} pixels; correct the box, which refers to the upright image",
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
