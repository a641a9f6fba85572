//! Search with two networks of one embedding space: the small network embeds the queries, the large one the gallery.
//!
//! The baselines use one network for both (the protocol of Budnik & Avrithis 2021, <https://arxiv.org/abs/2006.16331>, §4).

use super::metrics::{MEAN_AP, Ranked, rank_scores_to, recalls_by_chance, values};
use super::options::DEPTHS;
use super::search::Search;
use crate::inference::forward_all;
use crate::statistics::{Interval, Metric, PerImage, differences, groups, metrics_with_intervals};
use crate::summary::paths;
use burn::tensor::Device;
use dataset::{Dataset, Images, Limit};
use serde::Serialize;
use shared::bundle::{Manifest, Weights, load_query};
use shared::model::block::unit_norm;
use shared::server_models::{Embedder, Projection, load_retrieval};
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

/// Evaluates a query encoder and compares it with the network of its embedding space.
///
/// # Errors
/// If a bundle does not load, the encoder embeds into another space, the split is empty or an image cannot be read.
pub fn asymmetric(
    (small, small_weights): &(Manifest, Weights),
    (large, large_weights): &(Manifest, Weights),
    mut dataset: Dataset,
    split: &str,
    device: &Device,
) -> anyhow::Result<AsymmetricReport> {
    let encoder = load_query(small, &small_weights.network, device)?;
    let network = load_retrieval(large, large_weights, device)?;
    let projection = projection_into(small, large, &network)?;
    dataset.leave_out_corrupt(|row| row.split == split, false, Limit::Fixed)?;
    let plain = Search::default();
    let (user, shop) = plain.sides(&dataset, split)?;
    let images = Arc::new(Images::new(Arc::new(dataset)).with_margin_of(&large.input));
    let small_forward = |x| {
        let embedding = unit_norm(encoder.forward(x));
        projection.map_or(embedding.clone(), |projection| projection.forward(embedding))
    };
    let embed_small = |rows: &[usize]| forward_all(&images, rows, &small.input, device, small_forward);
    let embed_large = |rows: &[usize]| forward_all(&images, rows, &large.input, device, |x| network.forward(x));
    let item = |row: usize| &images.dataset().rows[row].item_id;
    let depth = DEPTHS[DEPTHS.len() - 1];
    let search = |queries: &[Vec<f32>], gallery: &[Vec<f32>]| -> Vec<Ranked> {
        let scores = plain.scores(queries, &plain.gallery(gallery.to_vec(), None), None);
        let ranked =
            |(q, scores): (usize, &Vec<f32>)| rank_scores_to(depth, scores, |g| Some(item(user[q]) == item(shop[g])));
        scores.iter().enumerate().map(ranked).collect()
    };
    let (small_queries, large_gallery) = (embed_small(&user)?, embed_large(&shop)?);
    let reference = search(&embed_large(&user)?, &large_gallery);
    let across = search(&small_queries, &large_gallery);
    let alone = search(&small_queries, &embed_small(&shop)?);
    let items: Vec<String> = user.iter().map(|row| item(*row).clone()).collect();
    let groups = groups(&items);
    let found = values(&across, &DEPTHS);
    Ok(AsymmetricReport {
        metrics: metrics_with_intervals(&found, &groups),
        guesses: recalls_by_chance(&DEPTHS, shop.len(), &across),
        per_image: PerImage::Queries {
            paths: paths(images.dataset(), &user),
            items,
            metrics: found,
        },
        query_model_id: small.model_id(),
        gallery_model_id: large.model_id(),
        split: split.to_owned(),
        queries: user.len(),
        gallery: shop.len(),
        pairings: vec![
            Pairing::measure("large–large", &reference, &reference, &groups),
            Pairing::measure("small–large", &across, &reference, &groups),
            Pairing::measure("small–small", &alone, &reference, &groups),
        ],
    })
}

impl Pairing {
    /// Measures rankings, and their gain over the rankings `reference`.
    fn measure(name: &'static str, ranked: &[Ranked], reference: &[Ranked], groups: &[usize]) -> Self {
        let precision = |ranked: &[Ranked]| Metric::Queries(values(ranked, &[]).remove(MEAN_AP).unwrap_or_default());
        let metrics = [precision(ranked), precision(reference)];
        Self {
            name,
            metrics: metrics_with_intervals(&values(ranked, &DEPTHS), groups),
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
