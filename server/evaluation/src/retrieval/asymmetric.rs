//! Search with two networks of one embedding space: the small network embeds the queries, the large one the gallery.
//!
//! The baselines use one network for both (the protocol of Budnik & Avrithis 2021, <https://arxiv.org/abs/2006.16331>, §4).

use super::metrics::{DEPTH, MEAN_AP, Rankings, rank_products_to, rank_scores_to, recalls_by_chance};
use super::options::RetrievalOptions;
use super::search::Search;
use super::sides::by_side;
use crate::inference::{View, embeddings};
use crate::statistics::{Interval, Metric, PerImage, differences, groups, metrics_with_intervals};
use crate::summary::paths;
use burn::tensor::{Device, Tensor};
use dataset::{Dataset, Images, Limit};
use serde::Serialize;
use shared::bundle::{Manifest, Weights, load_query};
use shared::model::block::unit_norm;
use shared::server_models::{Embedder, Projection, Side, load_retrieval};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Results of the small network's queries in the large network's gallery.
#[derive(Debug, Clone, Serialize)]
pub struct AsymmetricReport {
    /// The query encoder and its weights.
    pub query_model_id: String,
    /// The network that embedded the gallery, and its weights.
    pub gallery_model_id: String,
    /// The split.
    pub split: String,
    /// Number of queries.
    pub queries: usize,
    /// Number of gallery photos.
    pub gallery: usize,
    /// Results of large–large, small–large and small–small.
    pub pairings: Vec<Pairing>,
    /// Metrics of small–large by name.
    #[serde(rename = "figures")]
    pub metrics: BTreeMap<String, Interval>,
    /// Metrics of a random ranking.
    pub guesses: BTreeMap<String, f64>,
    /// Results of small–large per query.
    #[serde(skip)]
    pub per_image: PerImage,
}

/// Results of one pair of networks: one embeds the queries, one the gallery.
#[derive(Debug, Clone, Serialize)]
pub struct Pairing {
    /// Network of the queries and network of the gallery, as `queries–gallery`.
    pub name: &'static str,
    /// Metrics by name.
    #[serde(rename = "figures")]
    pub metrics: BTreeMap<String, Interval>,
    /// mAP@10 minus that of large–large, over paired resamples of the queries.
    pub gain: Interval,
}

/// Returns the projection of an encoder's embeddings into the space of `network`, whose bundle is `large`; `None` if the
/// encoder embeds into that space already.
///
/// # Errors
/// If the encoder embeds into another space.
pub(crate) fn projection_into<'a>(
    small: &Manifest,
    large: &Manifest,
    network: &'a Embedder,
) -> anyhow::Result<Option<&'a Projection>> {
    // An encoder distilled before the network was whitened has its embeddings projected with the gallery's.
    let projection = network.projection().filter(|_| small.space() == large.network_id());
    let dim = projection.map_or(large.embedding_dim, Projection::from_dim);
    anyhow::ensure!(
        (projection.is_some() || small.space() == large.space()) && small.embedding_dim == dim,
        "{} embeds into the space of {}, and the gallery's bundle is {}; name the bundle it was distilled from",
        small.model_id(),
        small.space(),
        large.model_id()
    );
    Ok(projection)
}

/// Scales an encoder's embeddings of one side, `[batch, dim]`, to unit norm, and projects them if there is a projection.
pub(crate) fn projected(embeddings: Tensor<2>, projection: Option<&Projection>, side: Side) -> Tensor<2> {
    let embeddings = unit_norm(embeddings);
    match projection {
        Some(projection) => projection.forward(embeddings, side),
        None => embeddings,
    }
}

/// A query encoder and the network of its embedding space, with their weights.
#[derive(Debug, Clone, Copy)]
pub struct AsymmetricPair<'a> {
    /// The query encoder.
    pub small: &'a (Manifest, Weights),
    /// The network that embeds the gallery.
    pub large: &'a (Manifest, Weights),
}

/// Evaluates a query encoder and compares it with the network of its embedding space, with the default options.
///
/// # Errors
/// As [`asymmetric_with`].
pub fn asymmetric(
    small: &(Manifest, Weights),
    large: &(Manifest, Weights),
    dataset: Dataset,
    split: &str,
    device: &Device,
) -> anyhow::Result<AsymmetricReport> {
    let options = RetrievalOptions::default();
    asymmetric_with(AsymmetricPair { small, large }, dataset, split, &options, device)
}

/// Evaluates a query encoder and compares it with the network of its embedding space. Of the options, the views, the search
/// and the ranks of recall apply. A whitening is fitted on the large network's embeddings.
///
/// # Errors
/// If a bundle does not load, the encoder embeds into another space, the split is empty, an image cannot be read, or a
/// whitening cannot be fitted.
pub fn asymmetric_with(
    pair: AsymmetricPair<'_>,
    mut dataset: Dataset,
    split: &str,
    options: &RetrievalOptions,
    device: &Device,
) -> anyhow::Result<AsymmetricReport> {
    options.check()?;
    let AsymmetricPair {
        small: (small, small_weights),
        large: (large, large_weights),
    } = pair;
    let encoder = load_query(small, &small_weights.network, device)?;
    let network = load_retrieval(large, large_weights, device)?;
    let projection = projection_into(small, large, &network)?;
    let steps = &options.search;
    let is_used = |name: &str| name == split || (steps.whiten.is_some() && name == "train");
    dataset.leave_out_corrupt(|row| is_used(&row.split), false, Limit::Fixed)?;
    let (queries, gallery) = steps.sides(&dataset, split)?;
    let images = Arc::new(Images::new(Arc::new(dataset)).with_margin_of(&large.input));
    let views = options.views.list();
    let gallery_views = options.gallery_views.as_ref().unwrap_or(&options.views).list();
    let embed_small = |rows: &[usize], views: &[View]| {
        by_side(images.dataset(), rows, |rows, side| {
            let forward = |x| projected(encoder.forward(x), projection, side);
            embeddings(&images, rows, &small.input, views, device, forward)
        })
    };
    let embed_large = |rows: &[usize], views: &[View]| {
        by_side(images.dataset(), rows, |rows, side| {
            let forward = |x| network.forward_as(x, side);
            embeddings(&images, rows, &large.input, views, device, forward)
        })
    };
    let fit = |whitening| {
        let embed = |rows: &[usize]| embed_large(rows, &gallery_views);
        steps.fit(split, whitening, images.dataset(), embed, device)
    };
    let whitening = steps.whiten.map(fit).transpose()?;
    let depth = options.recall_at.iter().copied().fold(DEPTH, usize::max);
    let search = |asked: &[Vec<f32>], searched: &[Vec<f32>]| {
        let searched = steps.gallery(searched.to_vec(), whitening.as_ref());
        let scores = steps.scores(asked, &searched, whitening.as_ref());
        rankings(&scores, steps, images.dataset(), (&queries, &gallery), depth)
    };
    let (small_queries, large_gallery) = (embed_small(&queries, &views)?, embed_large(&gallery, &gallery_views)?);
    let reference = search(&embed_large(&queries, &views)?, &large_gallery);
    let across = search(&small_queries, &large_gallery);
    let alone = search(&small_queries, &embed_small(&gallery, &gallery_views)?);
    let ids = [small.model_id(), large.model_id(), split.to_owned()];
    let searches = Searches {
        reference,
        across,
        alone,
    };
    Ok(searches.report(images.dataset(), (&queries, &gallery), &options.recall_at, ids))
}

/// Rankings of the three pairs of networks.
struct Searches {
    /// The large network's queries in its own gallery.
    reference: Rankings,
    /// The small network's queries in the large network's gallery.
    across: Rankings,
    /// The small network's queries in its own gallery.
    alone: Rankings,
}

impl Searches {
    /// Measures the rankings of the gallery rows for the query rows. The texts are both model ids and the split.
    fn report(
        &self,
        dataset: &Dataset,
        (queries, gallery): (&[usize], &[usize]),
        recall_at: &[usize],
        [query_model_id, gallery_model_id, split]: [String; 3],
    ) -> AsymmetricReport {
        let items: Vec<String> = queries.iter().map(|row| dataset.rows[*row].item_id.clone()).collect();
        let groups = groups(&items);
        let found = self.across.values(recall_at);
        let of_large = self.reference.values(recall_at).into_iter();
        let of_large = of_large.map(|(name, values)| (format!("large_{name}"), values));
        let pairing = |name, rankings: &Rankings| Pairing::measure(name, rankings, &self.reference, recall_at, &groups);
        AsymmetricReport {
            query_model_id,
            gallery_model_id,
            split,
            queries: queries.len(),
            gallery: gallery.len(),
            pairings: vec![
                pairing("large–large", &self.reference),
                pairing("small–large", &self.across),
                pairing("small–small", &self.alone),
            ],
            metrics: metrics_with_intervals(&found, &groups),
            guesses: recalls_by_chance(recall_at, gallery.len(), &self.across.photos),
            per_image: PerImage::Queries {
                paths: paths(dataset, queries),
                items,
                metrics: found.into_iter().chain(of_large).collect(),
            },
        }
    }
}

/// Ranks the gallery rows for the query rows by scores `[query][gallery]`.
fn rankings(
    scores: &[Vec<f32>],
    search: &Search,
    dataset: &Dataset,
    (queries, gallery): (&[usize], &[usize]),
    depth: usize,
) -> Rankings {
    let rows = &dataset.rows;
    let is_match =
        |q: usize, g: usize| (queries[q] != gallery[g]).then(|| rows[queries[q]].is_same_item(&rows[gallery[g]]));
    let lines = || scores.iter().enumerate();
    let owners = search.products(dataset, gallery);
    Rankings {
        photos: lines()
            .map(|(q, line)| rank_scores_to(depth, line, |g| is_match(q, g)))
            .collect(),
        products: owners.map(|owners| {
            lines()
                .map(|(q, line)| rank_products_to(depth, line, &owners, |g| is_match(q, g)))
                .collect()
        }),
    }
}

impl Pairing {
    /// Measures rankings, and their gain over the rankings `reference`.
    fn measure(
        name: &'static str,
        rankings: &Rankings,
        reference: &Rankings,
        recall_at: &[usize],
        groups: &[usize],
    ) -> Self {
        let precision = |of: &Rankings| Metric::Queries(of.values(&[]).remove(MEAN_AP).unwrap_or_default());
        let metrics = [precision(rankings), precision(reference)];
        Self {
            name,
            metrics: metrics_with_intervals(&rankings.values(recall_at), groups),
            gain: differences(&metrics, groups, &[(vec![0], vec![1])])[0],
        }
    }
}

impl std::fmt::Display for AsymmetricReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            query_model_id,
            gallery_model_id,
            split,
            queries,
            gallery,
            pairings,
            ..
        } = self;
        writeln!(f, "small {query_model_id}, large {gallery_model_id}")?;
        writeln!(f, "{queries} queries in {gallery} gallery photos of {split}")?;
        let names: Vec<&String> = pairings
            .first()
            .map_or_else(Vec::new, |first| first.metrics.keys().collect());
        write!(f, "  {:<18}", "queries–gallery")?;
        for name in &names {
            write!(f, "{name:>26}")?;
        }
        writeln!(f, "{:>27}", "mAP@10 − large–large")?;
        for Pairing { name, metrics, gain } in pairings {
            write!(f, "  {name:<18}")?;
            for metric in metrics.values() {
                write!(f, "{:>26}", metric.to_string())?;
            }
            writeln!(f, "{:>27}", gain.to_string())?;
        }
        Ok(())
    }
}
