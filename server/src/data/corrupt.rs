//! Pictures that cannot be read: named, counted, left out up to a limit.
//!
//! They are looked for before anything is drawn from the dataset, at the price of decoding every picture once more. So
//! splits, folds, pairs and batches are those of the pictures that there are, and nothing depends on which thread met a
//! damaged file first. A file that breaks later, during a run, ends the run with its name.

use super::manifest::{Dataset, Row};
use super::mask::Mask;
use super::photo::Photo;
use rayon::prelude::*;

/// How many unreadable pictures a dataset may have where nothing else is said.
pub const MAX_CORRUPT: usize = 10;

/// How many of them an error names.
const NAMED: usize = 20;

impl Dataset {
    /// Decodes the picture of every row that `wanted` picks, and its mask where `masks` says so; [`split`](Self::split)
    /// leaves out from now on the rows of which that fails. Each is named once on stderr.
    ///
    /// # Errors
    /// If more than `limit` rows would be left out; names them.
    pub fn leave_out_corrupt(
        &mut self,
        wanted: impl Fn(&Row) -> bool + Sync,
        masks: bool,
        limit: usize,
    ) -> anyhow::Result<()> {
        let faults: Vec<(usize, anyhow::Error)> = (0..self.rows.len())
            .into_par_iter()
            .filter(|row| wanted(&self.rows[*row]))
            .filter_map(|row| self.try_row(row, masks).err().map(|error| (row, error)))
            .collect();
        let path = |row: usize| self.rows[row].path.as_str();
        if faults.len() > limit {
            let named: Vec<&str> = faults.iter().take(NAMED).map(|(row, _)| path(*row)).collect();
            let more = faults.len() - named.len();
            let first = format!("{:#}", faults[0].1);
            anyhow::bail!(
                "{} pictures of {} cannot be read, and at most {limit} may be left out: {}{} (the first: {first})\nhint: repair or remove them, or allow more by data.max_corrupt",
                faults.len(),
                self.dir.display(),
                named.join(", "),
                if more > 0 { format!(" and {more} more") } else { String::new() },
            );
        }
        for (row, error) in &faults {
            eprintln!("left out {}: {error:#}", path(*row));
        }
        if !faults.is_empty() {
            eprintln!("left out {} of {} pictures; data.max_corrupt is {limit}", faults.len(), self.rows.len());
        }
        self.left_out.extend(faults.into_iter().map(|(row, _)| row));
        Ok(())
    }

    fn try_row(&self, row: usize, masks: bool) -> anyhow::Result<()> {
        let Row { path, mask, .. } = &self.rows[row];
        let photo = Photo::read(&self.dir.join(path))?;
        if masks && !mask.is_empty() {
            Mask::read(&self.dir.join(mask), &photo)?;
        }
        Ok(())
    }
}
