//! Sampling of an epoch's training rows: over-sampling of rare labels, under-sampling of frequent label sets.

use crate::batch::epoch_rng;
use crate::recipe::SamplingRecipe;
use rand::seq::SliceRandom;
use std::collections::BTreeSet;
use std::fmt::Write;

/// Sampler of training rows.
#[derive(Debug, Clone)]
pub(crate) struct Sampler {
    /// Each row with its number of repetitions per epoch.
    counts: Vec<(usize, usize)>,
    /// Rows of which an epoch leaves out a share.
    frequent: BTreeSet<usize>,
    /// Share that is left out.
    drop: f64,
}

impl Sampler {
    /// Prepares sampling of the rows `train`; `targets` returns a row's truth for each of `labels`.
    ///
    /// # Errors
    /// If a label is unknown, a factor is 0, or `drop` is not below 1.
    pub(crate) fn new<'a>(
        recipe: &SamplingRecipe,
        labels: &[String],
        train: &[usize],
        targets: impl Fn(usize) -> &'a [bool],
    ) -> anyhow::Result<Self> {
        let position = |label: &String| {
            labels.iter().position(|known| known == label).ok_or_else(|| {
                anyhow::anyhow!("[sampling] names the label '{label}', which the dataset lacks; it has {labels:?}")
            })
        };
        let positives = |label: usize| train.iter().filter(|row| targets(**row)[label]).count();
        let mut rare = Vec::new();
        for rule in &recipe.oversample {
            anyhow::ensure!(rule.factor > 0, "sampling.oversample needs a factor of at least 1");
            let mut chosen: BTreeSet<usize> = rule.labels.iter().map(position).collect::<Result<_, _>>()?;
            chosen.extend((0..labels.len()).filter(|label| positives(*label) < rule.below));
            rare.push((chosen, rule.factor));
        }
        let times = |row: usize| {
            let factors = rare
                .iter()
                .filter(|(labels, _)| labels.iter().any(|label| targets(row)[*label]));
            factors.map(|(_, factor)| *factor).max().unwrap_or(1)
        };
        let mut frequent = BTreeSet::new();
        if let Some(rule) = &recipe.undersample {
            anyhow::ensure!(
                (0.0..1.0).contains(&rule.drop),
                "sampling.undersample.drop must be from 0 to below 1"
            );
            for set in &rule.sets {
                let wanted: BTreeSet<usize> = set.iter().map(position).collect::<Result<_, _>>()?;
                let equal =
                    |row: &usize| (0..labels.len()).all(|label| targets(*row)[label] == wanted.contains(&label));
                frequent.extend(train.iter().copied().filter(equal));
            }
        }
        let counts = train.iter().map(|row| (*row, times(*row))).collect();
        Ok(Self {
            counts,
            frequent,
            drop: recipe.undersample.as_ref().map_or(0.0, |rule| rule.drop),
        })
    }

    /// Returns the rows of an epoch in random order. Every epoch has the same number of rows.
    pub(crate) fn epoch(&self, seed: u64, epoch: usize) -> Vec<usize> {
        let mut rng = epoch_rng(seed, epoch);
        let mut dropped: Vec<usize> = self.frequent.iter().copied().collect();
        dropped.shuffle(&mut rng);
        dropped.truncate((dropped.len() as f64 * self.drop).round() as usize);
        let left_out: BTreeSet<usize> = dropped.into_iter().collect();
        let shown = self.counts.iter().filter(|(row, _)| !left_out.contains(row));
        let mut rows: Vec<usize> = shown
            .flat_map(|(row, times)| std::iter::repeat_n(*row, *times))
            .collect();
        rows.shuffle(&mut rng);
        rows
    }

    /// Formats the number of rows per label before and after sampling, in the first epoch of `seed`. Returns `None` if
    /// sampling has no effect.
    pub(crate) fn table<'a>(
        &self,
        seed: u64,
        labels: &[String],
        targets: impl Fn(usize) -> &'a [bool],
    ) -> Option<String> {
        if self.drop == 0.0 && self.counts.iter().all(|(_, times)| *times == 1) {
            return None;
        }
        let after = self.epoch(seed, 0);
        let count = |rows: &mut dyn Iterator<Item = usize>, label: usize| rows.filter(|r| targets(*r)[label]).count();
        let mut text = format!("{:<24} {:>8} {:>8}\n", "label", "before", "after");
        for (label, name) in labels.iter().enumerate() {
            let before = count(&mut self.counts.iter().map(|(row, _)| *row), label);
            let after = count(&mut after.iter().copied(), label);
            let _ = writeln!(text, "{name:<24} {before:>8} {after:>8}");
        }
        let _ = writeln!(text, "{:<24} {:>8} {:>8}", "rows", self.counts.len(), after.len());
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::{Oversample, Undersample};

    fn truth(row: usize) -> &'static [bool] {
        [&[true, false], &[true, true]][row / 8]
    }

    /// Sampler of ten rows: rows 0–7 have the label `frequent` alone, 8 and 9 also `rare`.
    fn sampler(recipe: &SamplingRecipe) -> anyhow::Result<Sampler> {
        let labels = ["frequent".to_owned(), "rare".to_owned()];
        Sampler::new(recipe, &labels, &(0..10).collect::<Vec<_>>(), truth)
    }

    #[test]
    fn rare_rows_repeat_and_every_epoch_drops_other_frequent_rows() -> anyhow::Result<()> {
        let undersample = Some(Undersample {
            sets: vec![vec!["frequent".to_owned()]],
            drop: 0.5,
        });
        let by_name = Oversample {
            labels: vec!["rare".to_owned()],
            factor: 3,
            ..Oversample::default()
        };
        let by_count = Oversample {
            below: 5,
            factor: 3,
            ..Oversample::default()
        };
        for oversample in [by_name, by_count] {
            let sampler = sampler(&SamplingRecipe {
                oversample: vec![oversample],
                undersample: undersample.clone(),
            })?;
            let epochs: Vec<Vec<usize>> = (0..32).map(|epoch| sampler.epoch(1, epoch)).collect();
            let mut seen = BTreeSet::new();
            for rows in &epochs {
                assert_eq!(
                    (rows.len(), rows.iter().filter(|row| **row == 9).count()),
                    (4 + 2 * 3, 3)
                );
                seen.extend(rows.iter().copied().filter(|row| *row < 8));
            }
            assert_eq!(seen.len(), 8, "epochs leave out different rows");
            assert_eq!(sampler.epoch(1, 3), epochs[3]);
            let labels = ["frequent".to_owned(), "rare".to_owned()];
            let table = sampler.table(1, &labels, truth).expect("sampling has an effect");
            let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
            let expected = [
                ["label", "before", "after"],
                ["frequent", "10", "10"],
                ["rare", "2", "6"],
                ["rows", "10", "10"],
            ];
            assert_eq!(lines, expected);
        }
        let plain = sampler(&SamplingRecipe::default())?;
        assert_eq!(plain.epoch(1, 0).into_iter().collect::<BTreeSet<_>>().len(), 10);
        assert_eq!(plain.table(1, &["frequent".to_owned(), "rare".to_owned()], truth), None);
        let unknown = Oversample {
            labels: vec!["raer".to_owned()],
            factor: 3,
            ..Oversample::default()
        };
        let error = sampler(&SamplingRecipe {
            oversample: vec![unknown],
            undersample: None,
        })
        .expect_err("the label is unknown");
        assert!(error.to_string().contains("'raer'"), "{error}");
        Ok(())
    }
}
