//! Ranking of a dataset's gallery by one or several retrieval networks.

use super::categories::categorise;
use super::fusion::{Fused, standardised_sum, weight_grid};
use super::metrics::{Ranked, Rankings, mean_ap_at_10, rank_products_to, rank_scores_to};
use super::options::{Fusion, RetrievalOptions};
use super::search::Search;
use super::sides::by_side;
use crate::inference::{View, embeddings};
use anyhow::Context;
use burn::tensor::Device;
use dataset::{Dataset, Images};
use search::storage::Stored;
use search::{Rerank, unit};
use shared::bundle::{Manifest, Weights};
use shared::server_models::{Embedder, Projection, load_retrieval};
use shared::taxonomy::Category;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// Maximum number of photos for k-reciprocal re-ranking, which compares all of them: three tables of f64 with 5 GB together.
const K_RECIPROCAL_PHOTOS: usize = 15_000;
/// Queries whose scores are held in memory at once.
const CHUNK: usize = 512;

/// A network with the embeddings that it computed so far.
struct Network {
    manifest: Manifest,
    net: Embedder,
    images: Arc<Images>,
    /// Embeddings by row, and true for queries whose views differ from those of the gallery.
    known: RefCell<HashMap<(usize, bool), Vec<f32>>>,
}

/// Networks that rank a dataset's gallery for its queries.
pub struct Ranker<'a> {
    networks: Vec<Network>,
    /// Confident category by row of a query; `None` if there is none.
    confident: RefCell<HashMap<usize, Option<Category>>>,
    dataset: &'a Arc<Dataset>,
    /// The measured split.
    split: &'a str,
    options: &'a RetrievalOptions,
    search: &'a Search,
    depth: usize,
    device: &'a Device,
}

/// Embedding space of one network, or of several joined networks, with its queries and gallery.
struct Space {
    queries: Vec<Vec<f32>>,
    gallery: Stored,
    projection: Option<Projection>,
}

impl<'a> Ranker<'a> {
    /// Loads networks. Rankings are `depth` deep.
    ///
    /// # Errors
    /// If a bundle does not load or is not for retrieval, or weights would be tuned for a single network.
    pub fn new(
        bundles: &[(Manifest, Weights)],
        dataset: &'a Arc<Dataset>,
        split: &'a str,
        options: &'a RetrievalOptions,
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
            networks.len() > 1 || options.tune_split.is_none(),
            "weights are tuned for several networks; name them all with --bundle"
        );
        Ok(Self {
            networks,
            confident: RefCell::default(),
            dataset,
            split,
            options,
            search: &options.search,
            depth,
            device,
        })
    }

    /// Describes the combination of the networks; `None` for one network.
    ///
    /// # Errors
    /// If weights would be tuned on the measured items, or an image cannot be read.
    pub fn fuse(&self, queries: &[usize], gallery: &[usize]) -> anyhow::Result<Option<Fused>> {
        if self.networks.len() < 2 {
            return Ok(None);
        }
        let n = self.networks.len();
        let mut alone = BTreeMap::new();
        for (at, network) in self.networks.iter().enumerate() {
            let only: Vec<f64> = (0..n).map(|other| f64::from(u8::from(other == at))).collect();
            let ranked = self.rank_weighted(queries, gallery, &only)?.photos;
            alone.insert(
                network.manifest.model_id(),
                mean_ap_at_10(&ranked, &(0..ranked.len()).collect::<Vec<_>>()),
            );
        }
        let tuned_on = self.options.tune_split.clone();
        Ok(Some(Fused {
            fusion: self.options.fusion,
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

    /// Chooses weights by category on the tuning split; empty without one.
    ///
    /// # Errors
    /// As [`fuse`](Self::fuse).
    pub fn weights(&self) -> anyhow::Result<BTreeMap<String, Vec<f64>>> {
        self.options
            .tune_split
            .as_deref()
            .map_or_else(|| Ok(BTreeMap::new()), |split| self.tune(split))
    }

    /// Chooses per category the weights of a grid with the highest mAP@10 on a split; of ties the most equal weights.
    fn tune(&self, split: &str) -> anyhow::Result<BTreeMap<String, Vec<f64>>> {
        anyhow::ensure!(
            split != self.split && self.dataset.shared_item(self.split, split).is_none(),
            "weights tuned on '{split}' would have seen items of '{}', which is measured; tune on a split of other items",
            self.split
        );
        let (queries, gallery) = self.search.sides(self.dataset, split)?;
        let mut members: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (q, row) in queries.iter().enumerate() {
            members.entry(&self.dataset.rows[*row].category).or_default().push(q);
        }
        let mut best: BTreeMap<String, (f64, Vec<f64>)> = BTreeMap::new();
        for weights in weight_grid(self.networks.len()) {
            let ranked = self.rank_weighted(&queries, &gallery, &weights)?.photos;
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

    /// Ranks the gallery for every query with the weights of its category, or equal weights if it has none.
    ///
    /// # Errors
    /// If an image cannot be read, or whitening has too few embeddings to be fitted on.
    pub fn rank(
        &self,
        queries: &[usize],
        gallery: &[usize],
        by_category: &BTreeMap<String, Vec<f64>>,
    ) -> anyhow::Result<Rankings> {
        let equal = vec![1.0 / self.networks.len() as f64; self.networks.len()];
        let weights = |row: usize| by_category.get(&self.dataset.rows[row].category).unwrap_or(&equal);
        // Queries with the same weights search together.
        let mut groups: Vec<(&Vec<f64>, Vec<usize>)> = Vec::new();
        for (place, row) in queries.iter().enumerate() {
            match groups.iter_mut().find(|(known, _)| *known == weights(*row)) {
                Some((_, places)) => places.push(place),
                None => groups.push((weights(*row), vec![place])),
            }
        }
        let (mut photos, mut products) = (vec![None; queries.len()], vec![None; queries.len()]);
        for (weights, places) in groups {
            let rows: Vec<usize> = places.iter().map(|place| queries[*place]).collect();
            let found = self.rank_weighted(&rows, gallery, weights)?;
            for (place, ranked) in places.iter().zip(found.photos) {
                photos[*place] = Some(ranked);
            }
            for (place, ranked) in places.iter().zip(found.products.unwrap_or_default()) {
                products[*place] = Some(ranked);
            }
        }
        let products: Vec<Ranked> = products.into_iter().flatten().collect();
        Ok(Rankings {
            photos: photos.into_iter().flatten().collect(),
            products: (!products.is_empty()).then_some(products),
        })
    }

    fn rank_weighted(&self, queries: &[usize], gallery: &[usize], weights: &[f64]) -> anyhow::Result<Rankings> {
        // A network with weight 0 does not search.
        let active: Vec<(&Network, f64)> = self
            .networks
            .iter()
            .zip(weights.iter().copied())
            .filter(|(_, weight)| *weight > 0.0)
            .collect();
        let (spaces, weights): (Vec<Space>, Vec<f64>) = match self.options.fusion {
            Fusion::Early => (vec![self.space(&active, queries, gallery)?], vec![1.0]),
            Fusion::Late => {
                let space = |one: &(&Network, f64)| Ok((self.space(&[(one.0, 1.0)], queries, gallery)?, one.1));
                active
                    .iter()
                    .map(space)
                    .collect::<anyhow::Result<Vec<_>>>()?
                    .into_iter()
                    .unzip()
            }
        };
        let chunk = self.chunk(queries, gallery)?;
        let rows = &self.dataset.rows;
        let categories = self.confident_categories(queries, gallery)?;
        let owners = self.search.products(self.dataset, gallery);
        let mut photos = Vec::with_capacity(queries.len());
        let mut products = Vec::new();
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
            for (line, category) in sum.iter_mut().zip(&categories[start..end]) {
                let other = |g: &usize| category.is_some_and(|category| rows[gallery[*g]].category() != category);
                (0..line.len()).filter(other).for_each(|g| line[g] = f32::NEG_INFINITY);
            }
            for (line, query) in sum.iter().zip(&queries[start..end]) {
                let is_match = |g: usize| (gallery[g] != *query).then(|| rows[*query].is_same_item(&rows[gallery[g]]));
                photos.push(rank_scores_to(self.depth, line, is_match));
                if let Some(owners) = &owners {
                    products.push(rank_products_to(self.depth, line, owners, is_match));
                }
            }
        }
        Ok(Rankings {
            photos,
            products: owners.map(|_| products),
        })
    }

    /// Returns the number of queries whose scores are computed at once.
    ///
    /// # Errors
    /// If k-reciprocal re-ranking would compare too many photos.
    fn chunk(&self, queries: &[usize], gallery: &[usize]) -> anyhow::Result<usize> {
        if self.search.rerank.method != Rerank::KReciprocal {
            return Ok(CHUNK);
        }
        let photos = queries.len() + gallery.len();
        anyhow::ensure!(
            photos <= K_RECIPROCAL_PHOTOS,
            "k-reciprocal re-ranking compares all {photos} photos with each other, which takes {} GB of memory; measure it on \
             fewer, at most {K_RECIPROCAL_PHOTOS}, or choose another --rerank",
            24 * photos * photos / 1_000_000_000
        );
        // It uses neighbours among the queries, so it needs all queries in one chunk.
        Ok(queries.len())
    }

    /// Predicts the category per query; `None` unless it is confident and in the gallery.
    fn confident_categories(&self, queries: &[usize], gallery: &[usize]) -> anyhow::Result<Vec<Option<Category>>> {
        let Some(bundle) = &self.options.category else {
            return Ok(vec![None; queries.len()]);
        };
        let mut known = self.confident.borrow_mut();
        let missing: Vec<usize> = queries.iter().copied().filter(|row| !known.contains_key(row)).collect();
        let found = categorise(bundle, self.dataset, &missing, self.device)?;
        known.extend(
            missing.into_iter().zip(
                found
                    .into_iter()
                    .map(|(category, is_confident)| is_confident.then_some(category)),
            ),
        );
        let in_gallery: HashSet<Category> = gallery.iter().map(|row| self.dataset.rows[*row].category()).collect();
        Ok(queries
            .iter()
            .map(|row| known[row].filter(|category| in_gallery.contains(category)))
            .collect())
    }

    /// Embeds queries and gallery into the joined space of networks with weights.
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
        let fit = |whitening| {
            self.search.fit(
                self.split,
                whitening,
                self.dataset,
                |rows| joined(rows, false),
                self.device,
            )
        };
        let projection = self.search.whiten.map(fit).transpose()?;
        Ok(Space {
            queries: joined(queries, true)?,
            gallery: self.search.gallery(joined(gallery, false)?, projection.as_ref()),
            projection,
        })
    }

    /// Returns a network's embeddings of rows. Each is computed once.
    fn embed(&self, network: &Network, rows: &[usize], as_query: bool) -> anyhow::Result<Vec<Vec<f32>>> {
        let quarters = if as_query { self.options.turn_queries } else { 0 };
        let views = match (&self.options.gallery_views, as_query) {
            (Some(views), false) => views,
            _ => &self.options.views,
        };
        let differs = as_query && (quarters > 0 || self.options.gallery_views.is_some());
        let mut known = network.known.borrow_mut();
        let missing: Vec<usize> = rows
            .iter()
            .copied()
            .filter(|row| !known.contains_key(&(*row, differs)))
            .collect();
        let rotate = |view: View| View {
            turns: (view.turns + quarters) % 4,
            ..view
        };
        let views: Vec<View> = views.list().into_iter().map(rotate).collect();
        let spec = &network.manifest.input;
        let found = by_side(self.dataset, &missing, |rows, side| {
            let forward = |x| network.net.forward_as(x, side);
            embeddings(&network.images, rows, spec, &views, self.device, forward)
        })?;
        known.extend(missing.into_iter().map(|row| (row, differs)).zip(found));
        Ok(rows.iter().map(|row| known[&(*row, differs)].clone()).collect())
    }
}
