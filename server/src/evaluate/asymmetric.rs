//! Search across two networks of one space: queries by the small one in the gallery of the large one, beside what each
//! finds alone (the protocol of Budnik & Avrithis 2021, <https://arxiv.org/abs/2006.16331>, §4).

use super::bootstrap::{Interval, interval};
use super::forward::forward_all;
use super::retrieval::{Ranked, mean_ap_at_10, rank};
use super::run::{SEED, search_figures, sides};
use crate::data::{Dataset, Images, MAX_CORRUPT};
use burn::tensor::Device;
use serde::Serialize;
use shared::bundle::{Manifest, Weights, load_query, load_retrieval};
use shared::model::Projection;
use shared::model::retrieval::unit_norm;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What small queries find in a large gallery.
#[derive(Debug, Clone, Serialize)]
pub struct AsymmetricReport {
    /// The query encoder and its weights.
    pub query_model_id: String,
    /// The network that embedded the gallery, and its weights.
    pub gallery_model_id: String,
    /// The split.
    pub split: String,
    /// Photos searched with.
    pub queries: usize,
    /// Photos searched.
    pub gallery: usize,
    /// Large–large, small–large, small–small.
    pub pairings: Vec<Pairing>,
}

/// Which network embeds the queries, which the gallery, and how well it goes.
#[derive(Debug, Clone, Serialize)]
pub struct Pairing {
    /// `queries–gallery`.
    pub name: &'static str,
    /// Figures by name.
    pub figures: BTreeMap<String, Interval>,
    /// mAP@10 minus large–large's, the same queries resampled for both.
    pub gain: Interval,
}

/// Evaluates a query encoder beside the network into whose space it embeds.
///
/// # Errors
/// If a bundle does not load, the encoder embeds into another space, the split is empty or a picture cannot be read.
pub fn asymmetric(
    (small, small_weights): &(Manifest, Weights),
    (large, large_weights): &(Manifest, Weights),
    mut dataset: Dataset,
    split: &str,
    device: &Device,
) -> anyhow::Result<AsymmetricReport> {
    let encoder = load_query(small, small_weights, device)?;
    let network = load_retrieval(large, large_weights, device)?;
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
    dataset.leave_out_corrupt(|row| row.split == split, false, MAX_CORRUPT)?;
    let rows = dataset.split(split, |_| true, "")?;
    let (shop, user) = sides(&dataset, &rows, split)?;
    let images = Arc::new(Images::new(Arc::new(dataset)).with_margin_of(&large.input));
    let small_forward = |x| {
        let embedding = unit_norm(encoder.forward(x));
        projection.map_or(embedding.clone(), |projection| projection.forward(embedding))
    };
    let small_of = |rows: &[usize]| forward_all(&images, rows, &small.input, device, small_forward);
    let large_of = |rows: &[usize]| forward_all(&images, rows, &large.input, device, |x| network.forward(x));
    let item = |row: usize| &images.dataset().rows[row].item_id;
    let search = |queries: &[Vec<f32>], gallery: &[Vec<f32>]| -> Vec<Ranked> {
        rank(queries, gallery, |q, g| item(user[q]) == item(shop[g]))
    };
    let (small_queries, large_gallery) = (small_of(&user)?, large_of(&shop)?);
    let reference = search(&large_of(&user)?, &large_gallery);
    let across = search(&small_queries, &large_gallery);
    let alone = search(&small_queries, &small_of(&shop)?);
    let pairing = |name, ranked: &[Ranked]| Pairing {
        name,
        figures: search_figures(ranked),
        gain: interval(ranked.len(), SEED, |queries| {
            mean_ap_at_10(ranked, queries) - mean_ap_at_10(&reference, queries)
        }),
    };
    Ok(AsymmetricReport {
        query_model_id: small.model_id(),
        gallery_model_id: large.model_id(),
        split: split.to_owned(),
        queries: user.len(),
        gallery: shop.len(),
        pairings: vec![
            pairing("large–large", &reference),
            pairing("small–large", &across),
            pairing("small–small", &alone),
        ],
    })
}

impl std::fmt::Display for AsymmetricReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { query_model_id, gallery_model_id, split, queries, gallery, pairings } = self;
        writeln!(f, "small {query_model_id}, large {gallery_model_id}")?;
        writeln!(f, "{queries} queries in {gallery} gallery photos of {split}")?;
        let names: Vec<&String> = pairings.first().map_or_else(Vec::new, |first| first.figures.keys().collect());
        write!(f, "  {:<18}", "queries–gallery")?;
        for name in &names {
            write!(f, "{name:>26}")?;
        }
        writeln!(f, "{:>27}", "mAP@10 − large–large")?;
        for Pairing { name, figures, gain } in pairings {
            write!(f, "  {name:<18}")?;
            for figure in figures.values() {
                write!(f, "{:>26}", figure.to_string())?;
            }
            writeln!(f, "{:>27}", gain.to_string())?;
        }
        Ok(())
    }
}
