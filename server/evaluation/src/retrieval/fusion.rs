//! Several retrieval networks that search together: joined to one embedding before the search, or their scores summed
//! after it, with weights by category that a split of their own chooses.

use super::categories::categorise;
use super::forward::embeddings;
use super::retrieval::{Ranked, mean_ap_at_10, rank_scores_to};
use super::run::Options;
use super::search::Search;
use super::views::View;
use anyhow::Context;
use burn::tensor::Device;
use dataset::{Dataset, Images};
use search::storage::Stored;
use search::{Rerank, unit};
use serde::Serialize;
use shared::bundle::{Manifest, Weights, load_retrieval};
use shared::model::{Projection, RetrievalNet};
use shared::taxonomy::Category;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// The most photos that are compared with each other, three tables of f64: 5 GB.
const K_RECIPROCAL_PHOTOS: usize = 15_000;
/// Queries whose scores are held at once.
const CHUNK: usize = 512;

/// Stage at which networks are combined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Fusion {
    /// Their embeddings are joined, each scaled by the root of its weight, so that cosines sum with the weights; whitening
    /// and all that follows sees the joined one.
    #[default]
    Early,
    /// Each searches by itself with all that follows; a query's scores over the gallery get mean 0 and variance 1, and
    /// are summed with the weights.
    Late,
}

/// Combination of several networks in a search.
#[derive(Debug, Clone, Serialize)]
pub struct Fused {
    /// Stage at which they are combined.
    pub fusion: Fusion,
    /// The split that chose the weights, if any did.
    pub tuned_on: Option<String>,
    /// The networks, in order.
    pub networks: Vec<String>,
    /// One weight a network by category of the query, summing to 1; categories that are not here have equal weights.
    pub weights: BTreeMap<String, Vec<f64>>,
    /// mAP@10 of each network alone on the split that is measured.
    pub alone: BTreeMap<String, f64>,
}

/// A network with what it has embedded so far.
struct Network {
    manifest: Manifest,
    net: RetrievalNet,
    images: Arc<Images>,
    /// By row, and whether the photo is turned as queries are.
    known: RefCell<HashMap<(usize, bool), Vec<f32>>>,
}

/// Networks that search a dataset.
pub struct Finder<'a> {
    networks: Vec<Network>,
    /// Category that a query's photo shows with confidence, by row.
    shown: RefCell<HashMap<usize, Option<Category>>>,
    dataset: &'a Arc<Dataset>,
    /// The split that is measured.
    split: &'a str,
    options: &'a Options,
    search: &'a Search,
    depth: usize,
    device: &'a Device,
}

/// One embedding space with its gallery: of a network, or of all joined.
struct Space {
    queries: Vec<Vec<f32>>,
    gallery: Stored,
    projection: Option<Projection>,
}

impl<'a> Finder<'a> {
    /// Networks as options say; `depth` ranks are kept.
    ///
    /// # Errors
    /// If a bundle does not load or is no retrieval network's.
    pub fn new(
        bundles: &[(Manifest, Weights)],
        dataset: &'a Arc<Dataset>,
        split: &'a str,
        options: &'a Options,
        depth: usize,
        device: &'a Device,
    ) -> anyhow::Result<Self> {
        let network = |(manifest, weights): &(Manifest, Weights)| {
            let net = load_retrieval(manifest, weights, device)
                .with_context(|| format!("{} cannot search together with the others", manifest.model_id()))?;
            Ok(Network {
                net,
                images: Arc::new(Images::new(Arc::clone(dataset)).with_margin_of(&manifest.input)),
                manifest: manifest.clone(),
                known: RefCell::default(),
            })
        };
        let networks = bundles.iter().map(network).collect::<anyhow::Result<Vec<_>>>()?;
        anyhow::ensure!(
            networks.len() > 1 || options.instances.tune_split.is_none(),
            "weights are tuned of several networks; name them all with --bundle"
        );
        Ok(Self {
            networks,
            shown: RefCell::default(),
            dataset,
            split,
            options,
            search: &options.instances.search,
            depth,
            device,
        })
    }

    /// Combination of the networks; `None` if there is only one.
    ///
    /// # Errors
    /// If weights would be tuned on what is measured, or a picture cannot be read.
    pub fn fuse(&self, queries: &[usize], gallery: &[usize]) -> anyhow::Result<Option<Fused>> {
        if self.networks.len() < 2 {
            return Ok(None);
        }
        let n = self.networks.len();
        let mut alone = BTreeMap::new();
        for (at, network) in self.networks.iter().enumerate() {
            let only: Vec<f64> = (0..n).map(|other| f64::from(u8::from(other == at))).collect();
            let ranked = self.rank_weighted(queries, gallery, &only)?;
            alone.insert(
                network.manifest.model_id(),
                mean_ap_at_10(&ranked, &(0..ranked.len()).collect::<Vec<_>>()),
            );
        }
        let tuned_on = self.options.instances.tune_split.clone();
        Ok(Some(Fused {
            fusion: self.options.instances.fusion,
            weights: self.weights()?,
            networks: self
                .networks
                .iter()
                .map(|network| network.manifest.model_id())
                .collect(),
            tuned_on,
            alone,
        }))
    }

    /// Weights by category, where a split chooses them.
    ///
    /// # Errors
    /// As [`fuse`](Self::fuse).
    pub fn weights(&self) -> anyhow::Result<BTreeMap<String, Vec<f64>>> {
        self.options
            .instances
            .tune_split
            .as_deref()
            .map_or_else(|| Ok(BTreeMap::new()), |split| self.tune(split))
    }

    /// For every category the weights of a grid that find most on a split; of equals those nearest to equal weights.
    fn tune(&self, split: &str) -> anyhow::Result<BTreeMap<String, Vec<f64>>> {
        anyhow::ensure!(
            split != self.split && self.dataset.in_both(self.split, split).is_none(),
            "weights tuned on '{split}' would have seen items of '{}', which is measured; tune on a split of other items",
            self.split
        );
        let (queries, gallery) = self.search.sides(self.dataset, split)?;
        let mut members: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (q, row) in queries.iter().enumerate() {
            members.entry(&self.dataset.rows[*row].category).or_default().push(q);
        }
        let mut best: BTreeMap<String, (f64, Vec<f64>)> = BTreeMap::new();
        for weights in grid(self.networks.len()) {
            let ranked = self.rank_weighted(&queries, &gallery, &weights)?;
            for (category, members) in &members {
                let found = mean_ap_at_10(&ranked, members);
                if best.get(*category).is_none_or(|(most, _)| found > *most) {
                    best.insert((*category).to_owned(), (found, weights.clone()));
                }
            }
        }
        Ok(best
            .into_iter()
            .map(|(category, (_, weights))| (category, weights))
            .collect())
    }

    /// Ranks the gallery for every query, the networks weighed by its category, or equally where that has no weights.
    ///
    /// # Errors
    /// If a picture cannot be read, or whitening has too little to be fitted on.
    pub fn rank(
        &self,
        queries: &[usize],
        gallery: &[usize],
        by_category: &BTreeMap<String, Vec<f64>>,
    ) -> anyhow::Result<Vec<Ranked>> {
        let equal = vec![1.0 / self.networks.len() as f64; self.networks.len()];
        let weights = |row: usize| by_category.get(&self.dataset.rows[row].category).unwrap_or(&equal);
        // Queries that share weights search together.
        let mut groups: Vec<(&Vec<f64>, Vec<usize>)> = Vec::new();
        for (place, row) in queries.iter().enumerate() {
            match groups.iter_mut().find(|(known, _)| *known == weights(*row)) {
                Some((_, places)) => places.push(place),
                None => groups.push((weights(*row), vec![place])),
            }
        }
        let mut answers: Vec<Option<Ranked>> = vec![None; queries.len()];
        for (weights, places) in groups {
            let rows: Vec<usize> = places.iter().map(|place| queries[*place]).collect();
            for (place, ranked) in places.into_iter().zip(self.rank_weighted(&rows, gallery, weights)?) {
                answers[place] = Some(ranked);
            }
        }
        Ok(answers.into_iter().flatten().collect())
    }

    fn rank_weighted(&self, queries: &[usize], gallery: &[usize], weights: &[f64]) -> anyhow::Result<Vec<Ranked>> {
        // A network without weight does not search.
        let taking: Vec<(&Network, f64)> = self
            .networks
            .iter()
            .zip(weights.iter().copied())
            .filter(|(_, weight)| *weight > 0.0)
            .collect();
        let (spaces, weights): (Vec<Space>, Vec<f64>) = match self.options.instances.fusion {
            Fusion::Early => (vec![self.space(&taking, queries, gallery)?], vec![1.0]),
            Fusion::Late => {
                let space = |one: &(&Network, f64)| Ok((self.space(&[(one.0, 1.0)], queries, gallery)?, one.1));
                taking
                    .iter()
                    .map(space)
                    .collect::<anyhow::Result<Vec<_>>>()?
                    .into_iter()
                    .unzip()
            }
        };
        let photos = queries.len() + gallery.len();
        anyhow::ensure!(
            self.search.rerank != Rerank::KReciprocal || photos <= K_RECIPROCAL_PHOTOS,
            "k-reciprocal re-ranking compares all {photos} photos with each other, which takes {} GB of memory; measure it on \
             fewer, at most {K_RECIPROCAL_PHOTOS}, or choose another --rerank",
            24 * photos * photos / 1_000_000_000
        );
        // Neighbours among queries count for k-reciprocal re-ranking, so they stay together there.
        let chunk = if self.search.rerank == Rerank::KReciprocal {
            queries.len()
        } else {
            CHUNK
        };
        let rows = &self.dataset.rows;
        let shown = self.shown(queries, gallery)?;
        let mut ranked = Vec::with_capacity(queries.len());
        for start in (0..queries.len()).step_by(chunk.max(1)) {
            let end = queries.len().min(start + chunk);
            let mut scores: Vec<Vec<Vec<f32>>> = spaces
                .iter()
                .map(|space| {
                    self.search
                        .scores(&space.queries[start..end], &space.gallery, space.projection.as_ref())
                })
                .collect();
            let mut sum = if scores.len() == 1 {
                scores.swap_remove(0)
            } else {
                standardised_sum(&scores, &weights)
            };
            for (line, category) in sum.iter_mut().zip(&shown[start..end]) {
                let other = |g: &usize| category.is_some_and(|category| rows[gallery[*g]].category() != category);
                (0..line.len()).filter(other).for_each(|g| line[g] = f32::NEG_INFINITY);
            }
            ranked.extend(sum.iter().zip(&queries[start..end]).map(|(line, query)| {
                rank_scores_to(self.depth, line, |g| {
                    (gallery[g] != *query).then(|| rows[*query].is_same_item(&rows[gallery[g]]))
                })
            }));
        }
        Ok(ranked)
    }

    /// For each query the category among whose photos it is looked up, where one is known for sure and the gallery has it.
    fn shown(&self, queries: &[usize], gallery: &[usize]) -> anyhow::Result<Vec<Option<Category>>> {
        let Some(bundle) = &self.options.instances.category else {
            return Ok(vec![None; queries.len()]);
        };
        let mut known = self.shown.borrow_mut();
        let missing: Vec<usize> = queries.iter().copied().filter(|row| !known.contains_key(row)).collect();
        let found = categorise(bundle, self.dataset, &missing, self.device)?;
        known.extend(
            missing
                .into_iter()
                .zip(found.into_iter().map(|(category, sure)| sure.then_some(category))),
        );
        let shelves: HashSet<Category> = gallery.iter().map(|row| self.dataset.rows[*row].category()).collect();
        Ok(queries
            .iter()
            .map(|row| known[row].filter(|category| shelves.contains(category)))
            .collect())
    }

    /// The joined space of networks.
    fn space(&self, networks: &[(&Network, f64)], queries: &[usize], gallery: &[usize]) -> anyhow::Result<Space> {
        let joined = |rows: &[usize], as_query: bool| -> anyhow::Result<Vec<Vec<f32>>> {
            if let [(network, _)] = networks {
                return self.embed(network, rows, as_query);
            }
            let mut lines: Vec<Vec<f64>> = vec![Vec::new(); rows.len()];
            for (network, weight) in networks {
                for (line, embedding) in lines.iter_mut().zip(self.embed(network, rows, as_query)?) {
                    line.extend(embedding.iter().map(|value| weight.sqrt() * f64::from(*value)));
                }
            }
            Ok(lines.iter().map(|line| unit(line)).collect())
        };
        let fit = |dims| {
            self.search
                .fit(self.split, dims, self.dataset, |rows| joined(rows, false), self.device)
        };
        let projection = self.search.whiten.map(fit).transpose()?;
        Ok(Space {
            queries: joined(queries, true)?,
            gallery: self.search.gallery(joined(gallery, false)?, projection.as_ref()),
            projection,
        })
    }

    /// A network's embeddings of rows, each computed once.
    fn embed(&self, network: &Network, rows: &[usize], as_query: bool) -> anyhow::Result<Vec<Vec<f32>>> {
        let quarters = if as_query {
            self.options.instances.turn_queries
        } else {
            0
        };
        let turned = quarters > 0;
        let mut known = network.known.borrow_mut();
        let missing: Vec<usize> = rows
            .iter()
            .copied()
            .filter(|row| !known.contains_key(&(*row, turned)))
            .collect();
        let turn = |view: View| View {
            turns: (view.turns + quarters) % 4,
            ..view
        };
        let views: Vec<View> = self.options.views.list().into_iter().map(turn).collect();
        let spec = &network.manifest.input;
        let forward = |x| network.net.forward(x);
        let found = embeddings(&network.images, &missing, spec, &views, self.device, forward)?;
        known.extend(missing.into_iter().map(|row| (row, turned)).zip(found));
        Ok(rows.iter().map(|row| known[&(*row, turned)].clone()).collect())
    }
}

/// The weighted sum of several networks' scores, `[network][query][gallery]`, each query's at mean 0 and variance 1.
pub fn standardised_sum(scores: &[Vec<Vec<f32>>], weights: &[f64]) -> Vec<Vec<f32>> {
    let standardised = |line: &[f32]| -> Vec<f64> {
        let n = line.len().max(1) as f64;
        let mean = line.iter().map(|score| f64::from(*score)).sum::<f64>() / n;
        let variance = line.iter().map(|score| (f64::from(*score) - mean).powi(2)).sum::<f64>() / n;
        let deviation = variance.sqrt().max(f64::MIN_POSITIVE);
        line.iter()
            .map(|score| (f64::from(*score) - mean) / deviation)
            .collect()
    };
    let sum = |q: usize| {
        let mut sum = vec![0.0; scores[0][q].len()];
        for (network, weight) in scores.iter().zip(weights) {
            sum.iter_mut()
                .zip(standardised(&network[q]))
                .for_each(|(sum, score)| *sum += weight * score);
        }
        sum.into_iter().map(|score| score as f32).collect()
    };
    (0..scores[0].len()).map(sum).collect()
}

/// Weights of `n` networks that sum to 1, in steps of a tenth for two and of a fifth for more, the most equal first; equal ones
/// are always among them.
fn grid(n: usize) -> Vec<Vec<f64>> {
    fn split(n: usize, left: usize) -> Vec<Vec<usize>> {
        if n == 1 {
            return vec![vec![left]];
        }
        let with = |first: usize| {
            split(n - 1, left - first)
                .into_iter()
                .map(move |rest| [vec![first], rest].concat())
        };
        (0..=left).flat_map(with).collect()
    }
    let steps = if n == 2 { 10 } else { 5 };
    let mut all = split(n, steps);
    all.sort_by_key(|parts| parts.iter().map(|part| part * part).sum::<usize>());
    let equal = (steps % n != 0).then(|| vec![1.0 / n as f64; n]);
    let share = |part: usize| part as f64 / steps as f64;
    equal
        .into_iter()
        .chain(all.into_iter().map(|parts| parts.into_iter().map(share).collect()))
        .collect()
}

impl std::fmt::Display for Fused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let how = match self.fusion {
            Fusion::Early => "embeddings joined",
            Fusion::Late => "scores summed",
        };
        match &self.tuned_on {
            Some(split) => writeln!(f, "  {how}, weights chosen on {split}:")?,
            None => writeln!(f, "  {how}, weights equal")?,
        }
        for (category, weights) in &self.weights {
            let of = |(network, weight): (&String, &f64)| format!("{network} {weight:.1}");
            let weights: Vec<String> = self.networks.iter().zip(weights).map(of).collect();
            writeln!(
                f,
                "    {:<18} {}",
                if category.is_empty() { "(no category)" } else { category },
                weights.join(", ")
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_of_a_grid_sum_to_one_and_begin_with_the_most_equal() {
        for (n, count, first) in [
            (2, 11, vec![0.5; 2]),
            (3, 22, vec![1.0 / 3.0; 3]),
            (5, 126, vec![0.2; 5]),
        ] {
            let grid = grid(n);
            assert_eq!((grid.len(), &grid[0]), (count, &first));
            assert!(
                grid.iter()
                    .all(|weights| (weights.iter().sum::<f64>() - 1.0).abs() < 1e-12)
            );
            assert!(
                (0..n).all(|only| grid.iter().any(|weights| weights[only] == 1.0)),
                "each alone, too"
            );
        }
    }

    #[test]
    fn late_fusion_is_blind_to_the_scale_of_scores() {
        let scores = |scale: f32| vec![vec![vec![0.1, 0.5, 0.3]], vec![vec![3.0 * scale, scale, 2.0 * scale]]];
        let fused = |scale| standardised_sum(&scores(scale), &[0.7, 0.3]);
        for (a, b) in fused(1.0)[0].iter().zip(&fused(1000.0)[0]) {
            assert!((a - b).abs() < 1e-5, "{a} {b}");
        }
        assert!(fused(1.0)[0][1] > fused(1.0)[0][0], "the heavier network decides");
        assert_eq!(
            standardised_sum(&[vec![vec![1.0; 3]], vec![vec![2.0; 3]]], &[0.5, 0.5]),
            [vec![0.0; 3]]
        );
    }
}
