//! k folds of multi-label data: iterative stratification (Sechidis, Tsoumakas & Vlahavas 2011, ECML PKDD), by group.
//!
//! A group is what must not be torn apart: one item's photos and near-duplicates. Groups, not photos, are what is
//! stratified, since the photos of one group tell the same thing.

use super::manifest::Dataset;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::HashMap;
use std::hash::Hash;

/// Moves tried to bring a label into a fold that lacks it.
const REPAIRS: usize = 2000;
/// Share of those that are drawn at random, to leave dead ends (as in WalkSAT, Selman et al. 1994).
const NOISE: f64 = 0.15;

/// The fold, 0 to `k` − 1, of every row; `groups` and `targets`, `[row][label]`, describe the rows in one order.
///
/// - Rows of one group are in one fold.
/// - A label with `k` positive groups or more is in every fold, where the other labels allow that at all: of three
///   groups no two folds hold one of each pair.
/// - Folds differ by at most the largest group in rows, unless a fold holds no more groups than there are labels.
/// - The same arguments give the same folds, however a model is seeded.
pub fn assign<G: Eq + Hash>(groups: &[G], targets: &[Vec<bool>], k: usize, seed: u64) -> Vec<usize> {
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

/// What is assigned as one.
struct Group {
    rows: usize,
    /// Labels that one of its rows carries, each once.
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

/// No fold yet.
const NOWHERE: usize = usize::MAX;

/// Groups in folds, with the counts that moves need.
struct Division<'a> {
    groups: &'a [Group],
    fold: Vec<usize>,
    /// Rows of each fold.
    rows: Vec<usize>,
    /// Positive groups, `[fold][label]`.
    positive: Vec<Vec<usize>>,
    /// Whether a label has enough positive groups to be in every fold.
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

    /// The published algorithm: the label with the fewest groups left goes first, each of its groups to the fold that
    /// lacks it most, then the one that lacks rows most, then any. A fold that has its share of rows takes no more.
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

    /// Of the folds below their share of rows the one with the least `held`, then the fewest rows, then any.
    fn neediest(&self, held: impl Fn(usize) -> usize, rng: &mut impl Rng) -> usize {
        let total: usize = self.groups.iter().map(|group| group.rows).sum();
        let open = (0..self.rows.len()).filter(|fold| self.rows[*fold] * self.rows.len() < total);
        open.min_by_key(|fold| (held(*fold), self.rows[*fold], rng.random::<u32>()))
            .unwrap_or(0)
    }

    /// Labels that should be in every fold with the folds they are missing from.
    fn holes(&self) -> Vec<(usize, usize)> {
        let lacks = |label: usize| (0..self.rows.len()).filter(move |fold| self.positive[*fold][label] == 0);
        (0..self.everywhere.len())
            .filter(|label| self.everywhere[*label])
            .flat_map(|label| lacks(label).map(move |fold| (label, fold)))
            .collect()
    }

    /// Holes that a move closes less those that it opens.
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

    /// How much more of a group's labels the fold `to` holds than its own: high for a move that unbalances labels.
    fn unbalance(&self, group: usize, to: usize) -> isize {
        let from = self.fold[group];
        let labels = self.groups[group].labels.iter();
        labels
            .map(|label| self.positive[to][*label] as isize - self.positive[from][*label] as isize)
            .sum()
    }

    /// Brings labels into the folds that lack them: the algorithm balances one label after another, so that a common
    /// one may be left to chance once its groups were placed for rarer ones. Keeps the best that it has seen.
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

    /// Moves groups from the largest fold to the smallest until they differ by no more than the largest group.
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

/// Sets that grow together (Tarjan 1975, with path halving).
pub(super) struct UnionFind(Vec<usize>);

impl UnionFind {
    /// `n` sets of one.
    pub(super) fn new(n: usize) -> Self {
        Self((0..n).collect())
    }

    /// The member that stands for the set of `at`: its lowest.
    pub(super) fn root(&mut self, mut at: usize) -> usize {
        while self.0[at] != at {
            self.0[at] = self.0[self.0[at]];
            at = self.0[at];
        }
        at
    }

    /// Makes one set of those of `a` and `b`.
    pub(super) fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.0[a.max(b)] = a.min(b);
    }
}

impl Dataset {
    /// For each of `rows` its group, as a number: rows that share an `item_id` or a `dup_group`, also by way of others.
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

    /// The fold, 0 to `k` − 1, of each of `rows`, as [`assign`] divides their [`Dataset::groups`] by `labels`.
    ///
    /// # Errors
    /// If a label is unknown, or there are fewer groups than folds.
    pub fn folds(&self, rows: &[usize], labels: &[String], k: usize, seed: u64) -> anyhow::Result<Vec<usize>> {
        let groups = self.groups(rows);
        let n_groups = groups.iter().collect::<std::collections::HashSet<_>>().len();
        anyhow::ensure!(
            n_groups >= k,
            "{} has {n_groups} groups of photos to divide and {k} folds were asked for; lower data.folds",
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

    /// (label, fold) where a label of at least `k` positive groups is missing.
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

    /// Rows in groups with labels: number of groups, labels and the share of positives are drawn too.
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
        fn groups_stay_whole_and_folds_level((groups, targets) in problem(120, 13), k in 2usize..7, seed: u64) {
            let folds = assign(&groups, &targets, k, seed);
            prop_assert_eq!(&folds, &assign(&groups, &targets, k, seed));
            prop_assert!(folds.len() == groups.len() && folds.iter().all(|fold| *fold < k));
            let mut of: HashMap<usize, usize> = HashMap::new();
            let mut group_rows: HashMap<usize, usize> = HashMap::new();
            for (group, fold) in groups.iter().zip(&folds) {
                prop_assert_eq!(of.entry(*group).or_insert(*fold), fold, "group {} is torn", group);
                *group_rows.entry(*group).or_default() += 1;
            }
            let rows = |fold: usize| folds.iter().filter(|at| **at == fold).count();
            let large = (0..k).max_by_key(|fold| rows(*fold)).expect("folds");
            let small = (0..k).map(rows).min().expect("folds");
            let held = of.values().filter(|fold| **fold == large).count();
            let largest_group = group_rows.values().max().expect("groups");
            prop_assert!(rows(large) - small <= *largest_group || held <= targets[0].len());
        }

        /// No assignment of the few possible leaves fewer labels out of folds.
        #[test]
        fn no_assignment_covers_more((groups, targets) in problem(7, 6), k in 2usize..4, seed: u64) {
            let ids: Vec<usize> = groups.iter().collect::<HashSet<_>>().into_iter().copied().collect();
            let fewest = (0..k.pow(ids.len() as u32))
                .map(|code| {
                    let of = |group: &usize| {
                        let at = ids.iter().position(|id| id == group).expect("known") as u32;
                        code / k.pow(at) % k
                    };
                    holes(&groups, &targets, &groups.iter().map(of).collect::<Vec<_>>(), k)
                })
                .min();
            prop_assert_eq!(Some(holes(&groups, &targets, &assign(&groups, &targets, k, seed), k)), fewest);
        }
    }

    /// A long tail as the real one: rare labels ride on common ones, down to exactly as many positives as folds.
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
                let (low, high) = (counts.iter().min().expect("folds"), counts.iter().max().expect("folds"));
                // A random division differs three times as much.
                assert!(high - low <= 3 + high / 25, "label {label}: {counts:?}");
            }
        }
    }

    #[test]
    fn items_and_duplicates_are_joined_by_way_of_others() {
        let dir = tempfile::tempdir().expect("a folder");
        let text = "path,split,labels,item_id,dup_group\n\
                    a,train,x,1,\nb,train,x,1,p\nc,train,x,2,p\nd,train,x,,\ne,train,x,,q\nf,train,x,p,q\n";
        std::fs::write(dir.path().join(super::super::manifest::MANIFEST), text).expect("written");
        let dataset = Dataset::open(dir.path()).expect("valid");
        assert_eq!(dataset.groups(&[0, 1, 2, 3, 4, 5]), [0, 0, 0, 3, 4, 4]);
        assert_eq!(dataset.groups(&[0, 2]), [0, 1]);
        let labels = ["x".to_owned()];
        assert_eq!(dataset.folds(&[0, 3, 4], &labels, 3, 0).expect("three groups").len(), 3);
        let error = dataset
            .folds(&[0, 1, 2, 3], &labels, 3, 0)
            .expect_err("two groups")
            .to_string();
        assert!(error.contains("lower data.folds"), "{error}");
    }
}
