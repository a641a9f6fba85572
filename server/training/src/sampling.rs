//! Which training rows an epoch shows, and how often: over-sampling of rare labels, under-sampling of dense label sets.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt::Write;

/// How often rows are shown; empty for each once.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SamplingRecipe {
    /// Rows to show more often.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub oversample: Vec<Oversample>,
    /// Rows to leave out at random, anew in every epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undersample: Option<Undersample>,
}

/// Over-sampling: all rows with a rare label, several times.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Oversample {
    /// Rows that carry any of these labels; the champion took `sport`, `japanese`, `british`, `ethnic`.
    pub labels: Vec<String>,
    /// And rows that carry any label with fewer training rows than this.
    pub below: usize,
    /// Times that such a row is shown in an epoch; 10, 30 and 50 as published.
    pub factor: usize,
}

/// Under-sampling: only rows whose labels are exactly one of these sets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Undersample {
    /// The dense label sets.
    pub sets: Vec<Vec<String>>,
    /// Share of their rows that an epoch leaves out; .2, .4 and .6 as published.
    pub drop: f64,
}

/// A [`SamplingRecipe`] that has seen the training rows.
#[derive(Debug, Clone)]
pub struct Sampler {
    /// Row and how often an epoch shows it.
    counts: Vec<(usize, usize)>,
    dense: BTreeSet<usize>,
    drop: f64,
}

impl Sampler {
    /// For the rows `train`, whose labels `targets` gives as a line over `labels`.
    ///
    /// # Errors
    /// If a label is unknown, or nothing would be left.
    pub fn new<'a>(
        recipe: &SamplingRecipe,
        labels: &[String],
        train: &[usize],
        targets: impl Fn(usize) -> &'a [bool],
    ) -> anyhow::Result<Self> {
        let position = |label: &String| {
            labels.iter().position(|known| known == label).ok_or_else(|| {
                anyhow::anyhow!("[sampling] names the label '{label}', which the data lack; they have {labels:?}")
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
        let mut dense = BTreeSet::new();
        if let Some(rule) = &recipe.undersample {
            anyhow::ensure!(
                (0.0..1.0).contains(&rule.drop),
                "sampling.undersample.drop must be from 0 to below 1"
            );
            for set in &rule.sets {
                let wanted: BTreeSet<usize> = set.iter().map(position).collect::<Result<_, _>>()?;
                let equal =
                    |row: &usize| (0..labels.len()).all(|label| targets(*row)[label] == wanted.contains(&label));
                dense.extend(train.iter().copied().filter(equal));
            }
        }
        let counts = train.iter().map(|row| (*row, times(*row))).collect();
        Ok(Self {
            counts,
            dense,
            drop: recipe.undersample.as_ref().map_or(0.0, |rule| rule.drop),
        })
    }

    /// The rows of an epoch in random order; every epoch has equally many.
    pub fn epoch(&self, seed: u64, epoch: usize) -> Vec<usize> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(u64::MAX - epoch as u64);
        let mut dense: Vec<usize> = self.dense.iter().copied().collect();
        dense.shuffle(&mut rng);
        dense.truncate((dense.len() as f64 * self.drop).round() as usize);
        let left_out: BTreeSet<usize> = dense.into_iter().collect();
        let shown = self.counts.iter().filter(|(row, _)| !left_out.contains(row));
        let mut rows: Vec<usize> = shown
            .flat_map(|(row, times)| std::iter::repeat_n(*row, *times))
            .collect();
        rows.shuffle(&mut rng);
        rows
    }

    /// A table of the labels' rows before and after sampling, as the first epoch of `seed` shows them, or `None` if sampling
    /// changes nothing.
    pub fn table<'a>(&self, seed: u64, labels: &[String], targets: impl Fn(usize) -> &'a [bool]) -> Option<String> {
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

    fn truth(row: usize) -> &'static [bool] {
        [&[true, false], &[true, true]][row / 8]
    }

    /// Rows 0–7 are only dense, 8 and 9 also rare.
    fn sampler(recipe: &SamplingRecipe) -> anyhow::Result<Sampler> {
        let labels = ["dense".to_owned(), "rare".to_owned()];
        Sampler::new(recipe, &labels, &(0..10).collect::<Vec<_>>(), truth)
    }

    #[test]
    fn rare_rows_repeat_and_dense_ones_drop_anew_each_epoch() -> anyhow::Result<()> {
        let undersample = Some(Undersample {
            sets: vec![vec!["dense".to_owned()]],
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
            let mut dense_seen = BTreeSet::new();
            for rows in &epochs {
                assert_eq!(
                    (rows.len(), rows.iter().filter(|row| **row == 9).count()),
                    (4 + 2 * 3, 3)
                );
                dense_seen.extend(rows.iter().copied().filter(|row| *row < 8));
            }
            assert_eq!(dense_seen.len(), 8, "the same rows were left out in every epoch");
            assert_eq!(sampler.epoch(1, 3), epochs[3]);
            let labels = ["dense".to_owned(), "rare".to_owned()];
            let table = sampler.table(1, &labels, truth).expect("sampling changes something");
            let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
            let expected = [
                ["label", "before", "after"],
                ["dense", "10", "10"],
                ["rare", "2", "6"],
                ["rows", "10", "10"],
            ];
            assert_eq!(lines, expected);
        }
        let plain = sampler(&SamplingRecipe::default())?;
        assert_eq!(plain.epoch(1, 0).into_iter().collect::<BTreeSet<_>>().len(), 10);
        assert_eq!(plain.table(1, &["dense".to_owned(), "rare".to_owned()], truth), None);
        let unknown = Oversample {
            labels: vec!["raer".to_owned()],
            factor: 3,
            ..Oversample::default()
        };
        let error = sampler(&SamplingRecipe {
            oversample: vec![unknown],
            undersample: None,
        })
        .expect_err("a typo");
        assert!(error.to_string().contains("'raer'"), "{error}");
        Ok(())
    }
}
