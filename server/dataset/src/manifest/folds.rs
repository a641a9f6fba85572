//! Folds of multi-label data for cross-validation, by iterative stratification of groups (Sechidis, Tsoumakas & Vlahavas
//! 2011, ECML PKDD).
//!
//! A group contains the images of one item and their near-duplicates. It is never split between folds, so the
//! stratification counts groups instead of images.

use super::dataset::Dataset;
use super::union_find::UnionFind;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::HashMap;
use std::hash::Hash;

/// Maximum number of moves to bring labels into folds that lack them.
const REPAIRS: usize = 2000;
/// Share of random moves, which escape local optima (WalkSAT, Selman et al. 1994).
const NOISE: f64 = 0.15;

/// Assigns every row to a fold from 0 to `k` − 1. `groups` has an entry per row, and `targets` is `[row][label]`.
///
/// - Rows of one group are in one fold.
/// - A label with at least `k` positive groups is in every fold, unless the other labels make that impossible.
/// - The numbers of rows of two folds differ by at most the size of the largest group, unless a fold has no more groups
///   than there are labels.
/// - The result depends only on the arguments.
pub(super) fn assign<G: Eq + Hash>(groups: &[G], targets: &[Vec<bool>], k: usize, seed: u64) -> Vec<usize> {
    let mut index = HashMap::new();
    let mut members: Vec<Group> = Vec::new();
    let of_row: Vec<usize> = groups
        .iter()
        .zip(targets)
        .map(|(group, line)| {
            let at = *index.entry(group).or_insert(members.len());
            if at == members.len() {
                members.push(Group {
                    rows: 0,
                    labels: Vec::new(),
                });
            }
            members[at].add(line);
            at
        })
        .collect();
    let mut division = Division::new(&members, targets.first().map_or(0, Vec::len), k.max(1));
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    division.stratify(&mut rng);
    division.repair(&mut rng);
    division.level();
    of_row.into_iter().map(|group| division.fold[group]).collect()
}

/// Rows that are assigned together.
struct Group {
    rows: usize,
    /// Distinct labels of its rows.
    labels: Vec<usize>,
}

impl Group {
    fn add(&mut self, line: &[bool]) {
        self.rows += 1;
        for (label, on) in line.iter().enumerate() {
            if *on && !self.labels.contains(&label) {
                self.labels.push(label);
            }
        }
    }
}

/// Fold of groups that are not assigned yet.
const NOWHERE: usize = usize::MAX;

/// Assignment of groups to folds, with counts that are updated on every move.
struct Division<'a> {
    groups: &'a [Group],
    fold: Vec<usize>,
    /// Number of rows per fold.
    rows: Vec<usize>,
    /// Number of positive groups, `[fold][label]`.
    positive: Vec<Vec<usize>>,
    /// True for labels with enough positive groups to be in every fold.
    everywhere: Vec<bool>,
}

impl<'a> Division<'a> {
    fn new(groups: &'a [Group], n_labels: usize, k: usize) -> Self {
        let support = |label: usize| groups.iter().filter(|group| group.labels.contains(&label)).count();
        Self {
            groups,
            fold: vec![NOWHERE; groups.len()],
            rows: vec![0; k],
            positive: vec![vec![0; n_labels]; k],
            everywhere: (0..n_labels).map(|label| support(label) >= k).collect(),
        }
    }

    fn put(&mut self, group: usize, fold: usize) {
        let Group { rows, labels } = &self.groups[group];
        let from = std::mem::replace(&mut self.fold[group], fold);
        if from != NOWHERE {
            self.rows[from] -= rows;
            labels.iter().for_each(|label| self.positive[from][*label] -= 1);
        }
        self.rows[fold] += rows;
        labels.iter().for_each(|label| self.positive[fold][*label] += 1);
    }

    /// Runs the published algorithm. It takes the label with the fewest remaining groups first. Each group of that label goes
    /// to the fold with the fewest such groups, then the fewest rows, then a random one. Full folds are skipped.
    fn stratify(&mut self, rng: &mut impl Rng) {
        let mut order: Vec<usize> = (0..self.groups.len()).collect();
        order.shuffle(rng);
        let mut left = vec![0usize; self.everywhere.len()];
        self.groups
            .iter()
            .flat_map(|group| &group.labels)
            .for_each(|label| left[*label] += 1);
        while let Some(label) = (0..left.len())
            .filter(|label| left[*label] > 0)
            .min_by_key(|label| left[*label])
        {
            for &group in &order {
                if self.fold[group] == NOWHERE && self.groups[group].labels.contains(&label) {
                    let fold = self.neediest(|fold| self.positive[fold][label], rng);
                    self.put(group, fold);
                    self.groups[group].labels.iter().for_each(|label| left[*label] -= 1);
                }
            }
        }
        for group in order {
            if self.fold[group] == NOWHERE {
                let fold = self.neediest(|_| 0, rng);
                self.put(group, fold);
            }
        }
    }

    /// Returns the fold with the smallest `held`, then the fewest rows, then a random one. Folds with their share of rows
    /// are skipped.
    fn neediest(&self, held: impl Fn(usize) -> usize, rng: &mut impl Rng) -> usize {
        let total: usize = self.groups.iter().map(|group| group.rows).sum();
        let open = (0..self.rows.len()).filter(|fold| self.rows[*fold] * self.rows.len() < total);
        open.min_by_key(|fold| (held(*fold), self.rows[*fold], rng.random::<u32>()))
            .unwrap_or(0)
    }

    /// Returns pairs of a label that should be in every fold and a fold that lacks it.
    fn holes(&self) -> Vec<(usize, usize)> {
        let lacks = |label: usize| (0..self.rows.len()).filter(move |fold| self.positive[*fold][label] == 0);
        (0..self.everywhere.len())
            .filter(|label| self.everywhere[*label])
            .flat_map(|label| lacks(label).map(move |fold| (label, fold)))
            .collect()
    }

    /// Number of holes that a move closes, minus the number that it opens.
    fn gain(&self, group: usize, to: usize) -> isize {
        let from = self.fold[group];
        let needed = self.groups[group]
            .labels
            .iter()
            .filter(|label| self.everywhere[**label]);
        let change =
            |label: &usize| isize::from(self.positive[to][*label] == 0) - isize::from(self.positive[from][*label] == 1);
        needed.map(change).sum()
    }

    /// Number of the group's labels in fold `to` minus their number in its own fold. High values unbalance the labels.
    fn unbalance(&self, group: usize, to: usize) -> isize {
        let from = self.fold[group];
        let labels = self.groups[group].labels.iter();
        labels
            .map(|label| self.positive[to][*label] as isize - self.positive[from][*label] as isize)
            .sum()
    }

    /// Moves groups until no fold lacks a label, and keeps the best assignment found. The published algorithm balances
    /// labels one by one, so a common label may be missing once its groups were placed for rarer ones.
    fn repair(&mut self, rng: &mut impl Rng) {
        let mut best = (self.holes().len(), self.fold.clone());
        for _ in 0..REPAIRS {
            let holes = self.holes();
            if holes.len() < best.0 {
                best = (holes.len(), self.fold.clone());
            }
            let Some(&(label, fold)) = holes.choose(rng) else { break };
            let carriers: Vec<usize> = (0..self.groups.len())
                .filter(|group| self.groups[*group].labels.contains(&label))
                .collect();
            let chosen = if rng.random_bool(NOISE) {
                carriers.choose(rng).copied()
            } else {
                let cost = |group: &usize| {
                    (
                        -self.gain(*group, fold),
                        self.unbalance(*group, fold),
                        rng.random::<u32>(),
                    )
                };
                carriers.iter().copied().min_by_key(cost)
            };
            if let Some(group) = chosen {
                self.put(group, fold);
            }
        }
        for (group, fold) in best.1.into_iter().enumerate() {
            if self.fold[group] != fold {
                self.put(group, fold);
            }
        }
    }

    /// Moves groups from the largest to the smallest fold until their sizes differ by at most the largest group.
    fn level(&mut self) {
        let allowed = self.groups.iter().map(|group| group.rows).max().unwrap_or(0);
        while let (Some(large), Some(small)) = (
            (0..self.rows.len()).max_by_key(|fold| self.rows[*fold]),
            (0..self.rows.len()).min_by_key(|fold| self.rows[*fold]),
        ) {
            if self.rows[large] - self.rows[small] <= allowed {
                break;
            }
            let spare =
                (0..self.groups.len()).filter(|group| self.fold[*group] == large && self.gain(*group, small) >= 0);
            let Some(group) = spare.min_by_key(|group| self.unbalance(*group, small)) else {
                break;
            };
            self.put(group, small);
        }
    }
}

impl Dataset {
    /// Returns a group number for each of `rows`. Rows with a common `item_id` or `dup_group` are in one group, also
    /// transitively.
    pub fn groups(&self, rows: &[usize]) -> Vec<usize> {
        let mut sets = UnionFind::new(rows.len());
        let mut first: HashMap<(bool, &str), usize> = HashMap::new();
        for (at, row) in rows.iter().map(|row| &self.rows[*row]).enumerate() {
            for key in [(true, row.item_id.as_str()), (false, row.dup_group.as_str())] {
                if !key.1.is_empty() {
                    sets.join(at, *first.entry(key).or_insert(at));
                }
            }
        }
        (0..rows.len()).map(|at| sets.root(at)).collect()
    }

    /// Returns the fold, 0 to `k` − 1, of each of `rows`: stratified by group (see [`groups`](Self::groups)) and
    /// `labels`.
    ///
    /// # Errors
    /// If a label is unknown, or there are fewer groups than folds.
    pub fn folds(&self, rows: &[usize], labels: &[String], k: usize, seed: u64) -> anyhow::Result<Vec<usize>> {
        let groups = self.groups(rows);
        let n_groups = groups.iter().collect::<std::collections::HashSet<_>>().len();
        anyhow::ensure!(
            n_groups >= k,
            "{} has {n_groups} groups of images, fewer than the {k} folds; lower data.folds",
            self.dir.display()
        );
        Ok(assign(&groups, &self.targets(rows, labels)?, k, seed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::Rng;
    use std::collections::HashSet;

    /// Number of pairs of a label with at least `k` positive groups and a fold that lacks it.
    fn holes(groups: &[usize], targets: &[Vec<bool>], folds: &[usize], k: usize) -> usize {
        let n_labels = targets.first().map_or(0, Vec::len);
        let distinct = |label: usize, fold: Option<usize>| {
            let rows =
                (0..groups.len()).filter(|row| targets[*row][label] && fold.is_none_or(|fold| folds[*row] == fold));
            rows.map(|row| groups[row]).collect::<HashSet<_>>().len()
        };
        (0..n_labels)
            .filter(|label| distinct(*label, None) >= k)
            .map(|label| (0..k).filter(|fold| distinct(label, Some(*fold)) == 0).count())
            .sum()
    }

    /// Random rows with groups and labels. The numbers of groups and labels and the share of positives are random too.
    fn problem(max_groups: usize, max_labels: usize) -> impl Strategy<Value = (Vec<usize>, Vec<Vec<bool>>)> {
        (1..=max_groups, 1..=max_labels, 1u32..60).prop_flat_map(|(n_groups, n_labels, percent)| {
            let row = (
                0..n_groups,
                prop::collection::vec(prop::bool::weighted(f64::from(percent) / 100.0), n_labels),
            );
            prop::collection::vec(row, 1..=2 * n_groups).prop_map(|rows| rows.into_iter().unzip())
        })
    }

    proptest! {
        #[test]
        fn groups_stay_whole_and_folds_have_equal_sizes((groups, targets) in problem(120, 13), k in 2usize..7, seed: u64) {
            let folds = assign(&groups, &targets, k, seed);
            prop_assert_eq!(&folds, &assign(&groups, &targets, k, seed));
            prop_assert!(folds.len() == groups.len() && folds.iter().all(|fold| *fold < k));
            let mut fold_of: HashMap<usize, usize> = HashMap::new();
            let mut group_rows: HashMap<usize, usize> = HashMap::new();
            for (group, fold) in groups.iter().zip(&folds) {
                prop_assert_eq!(fold_of.entry(*group).or_insert(*fold), fold, "group {} is split", group);
                *group_rows.entry(*group).or_default() += 1;
            }
            let rows = |fold: usize| folds.iter().filter(|at| **at == fold).count();
            let large = (0..k).max_by_key(|fold| rows(*fold)).expect("there are folds");
            let small = (0..k).map(rows).min().expect("there are folds");
            let held = fold_of.values().filter(|fold| **fold == large).count();
            let largest_group = group_rows.values().max().expect("there are groups");
            prop_assert!(rows(large) - small <= *largest_group || held <= targets[0].len());
        }

        #[test]
        fn no_assignment_has_fewer_missing_labels((groups, targets) in problem(7, 6), k in 2usize..4, seed: u64) {
            let ids: Vec<usize> = groups.iter().collect::<HashSet<_>>().into_iter().copied().collect();
            let fewest = (0..k.pow(ids.len() as u32))
                .map(|code| {
                    let fold = |group: &usize| {
                        let at = ids.iter().position(|id| id == group).expect("the group is known") as u32;
                        code / k.pow(at) % k
                    };
                    holes(&groups, &targets, &groups.iter().map(fold).collect::<Vec<_>>(), k)
                })
                .min();
            prop_assert_eq!(Some(holes(&groups, &targets, &assign(&groups, &targets, k, seed), k)), fewest);
        }
    }

    /// The labels have a long tail: the rarest has exactly as many positives as there are folds.
    #[test]
    fn rare_labels_reach_every_fold_and_common_ones_their_share() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for (n, k) in [(300, 5), (2000, 5), (2000, 10)] {
            let shares = [0.9, 0.6, 0.3, 0.1, 0.05, 0.0];
            let mut targets: Vec<Vec<bool>> = (0..n)
                .map(|_| shares.map(|share| rng.random_bool(share)).to_vec())
                .collect();
            let rare: Vec<usize> = (0..n)
                .collect::<Vec<_>>()
                .choose_multiple(&mut rng, k)
                .copied()
                .collect();
            rare.into_iter().for_each(|row| targets[row][5] = true);
            let groups: Vec<usize> = (0..n).collect();
            let folds = assign(&groups, &targets, k, 7);
            assert_eq!(holes(&groups, &targets, &folds, k), 0, "{n} rows in {k} folds");
            let count =
                |label: usize, fold: usize| (0..n).filter(|row| folds[*row] == fold && targets[*row][label]).count();
            for label in 0..shares.len() {
                let counts: Vec<usize> = (0..k).map(|fold| count(label, fold)).collect();
                let (low, high) = (
                    counts.iter().min().expect("there are folds"),
                    counts.iter().max().expect("there are folds"),
                );
                // The counts of a random assignment differ three times as much.
                assert!(high - low <= 3 + high / 25, "label {label}: {counts:?}");
            }
        }
    }

    #[test]
    fn items_and_duplicates_are_grouped_transitively() {
        let dir = tempfile::tempdir().expect("a temporary folder can be created");
        let text = "path,split,labels,item_id,dup_group\n\
                    a,train,x,1,\nb,train,x,1,p\nc,train,x,2,p\nd,train,x,,\ne,train,x,,q\nf,train,x,p,q\n";
        std::fs::write(dir.path().join(crate::manifest::MANIFEST), text).expect("the file can be written");
        let dataset = Dataset::open(dir.path()).expect("the manifest is valid");
        assert_eq!(dataset.groups(&[0, 1, 2, 3, 4, 5]), [0, 0, 0, 3, 4, 4]);
        assert_eq!(dataset.groups(&[0, 2]), [0, 1]);
        let labels = ["x".to_owned()];
        assert_eq!(
            dataset
                .folds(&[0, 3, 4], &labels, 3, 0)
                .expect("there are three groups")
                .len(),
            3
        );
        let error = dataset
            .folds(&[0, 1, 2, 3], &labels, 3, 0)
            .expect_err("two groups")
            .to_string();
        assert!(error.contains("lower data.folds"), "{error}");
    }
}
