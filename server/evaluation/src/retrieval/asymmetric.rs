//! Search across two networks of one space: queries by the small one in the gallery of the large one, beside what each
//! finds alone (the protocol of Budnik & Avrithis 2021, <https://arxiv.org/abs/2006.16331>, §4).

use super::bootstrap::Interval;
use super::forward::forward_all;
use super::instances::{DEPTHS, figures};
use super::outcomes::{Figure, Outcomes, differences, groups};
use super::retrieval::{MEAN_AP, Ranked, rank_scores_to, recall_by_chance, values};
use super::run::paths;
use super::search::Search;
use burn::tensor::Device;
use dataset::{Dataset, Images, Limit};
use serde::Serialize;
use shared::bundle::{Manifest, Weights, load_query, load_retrieval};
use shared::model::retrieval::unit_norm;
use shared::model::{Projection, RetrievalNet};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Results of small queries in a large gallery.
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
    /// Figures of small–large by name: what a device's queries find.
    pub figures: BTreeMap<String, Interval>,
    /// Figures of a search by chance.
    pub guesses: BTreeMap<String, f64>,
    /// What small–large found query by query.
    #[serde(skip)]
    pub outcomes: Outcomes,
}

/// Results for one pair of networks: one embeds the queries, one the gallery.
#[derive(Debug, Clone, Serialize)]
pub struct Pairing {
    /// `queries–gallery`.
    pub name: &'static str,
    /// Figures by name.
    pub figures: BTreeMap<String, Interval>,
    /// mAP@10 minus large–large's, the same queries resampled for both.
    pub gain: Interval,
}

/// The projection of an encoder's embeddings into the space of `network`, whose bundle is `large`; nothing where they lie in
/// it already.
///
/// # Errors
/// If the encoder embeds into another space.
pub fn projection_into<'a>(
    small: &Manifest,
    large: &Manifest,
    network: &'a RetrievalNet,
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
    let projection = projection_into(small, large, &network)?;
    dataset.leave_out_corrupt(|row| row.split == split, false, Limit::Fixed)?;
    let plain = Search::default();
    let (user, shop) = plain.sides(&dataset, split)?;
    let images = Arc::new(Images::new(Arc::new(dataset)).with_margin_of(&large.input));
    let small_forward = |x| {
        let embedding = unit_norm(encoder.forward(x));
        projection.map_or(embedding.clone(), |projection| projection.forward(embedding))
    };
    let small_of = |rows: &[usize]| forward_all(&images, rows, &small.input, device, small_forward);
    let large_of = |rows: &[usize]| forward_all(&images, rows, &large.input, device, |x| network.forward(x));
    let item = |row: usize| &images.dataset().rows[row].item_id;
    let depth = DEPTHS[DEPTHS.len() - 1];
    let search = |queries: &[Vec<f32>], gallery: &[Vec<f32>]| -> Vec<Ranked> {
        let scores = plain.scores(queries, &plain.gallery(gallery.to_vec(), None), None);
        let ranked =
            |(q, scores): (usize, &Vec<f32>)| rank_scores_to(depth, scores, |g| Some(item(user[q]) == item(shop[g])));
        scores.iter().enumerate().map(ranked).collect()
    };
    let (small_queries, large_gallery) = (small_of(&user)?, large_of(&shop)?);
    let reference = search(&large_of(&user)?, &large_gallery);
    let across = search(&small_queries, &large_gallery);
    let alone = search(&small_queries, &small_of(&shop)?);
    let items: Vec<String> = user.iter().map(|row| item(*row).clone()).collect();
    let groups = groups(&items);
    let precision = |ranked: &[Ranked]| Figure::Queries(values(ranked, &[]).remove(MEAN_AP).unwrap_or_default());
    let pairing = |name, ranked: &[Ranked]| Pairing {
        name,
        figures: figures(&values(ranked, &DEPTHS), &groups),
        gain: differences(
            &[precision(ranked), precision(&reference)],
            &groups,
            &[(vec![0], vec![1])],
        )[0],
    };
    let found = values(&across, &DEPTHS);
    let chance = |k: &usize| {
        (
            format!("recall_at_{k} by chance"),
            recall_by_chance(*k, shop.len(), &across),
        )
    };
    Ok(AsymmetricReport {
        figures: figures(&found, &groups),
        guesses: DEPTHS.iter().map(chance).collect(),
        outcomes: Outcomes::Queries {
            paths: paths(images.dataset(), &user),
            items,
            figures: found,
        },
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
            .map_or_else(Vec::new, |first| first.figures.keys().collect());
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
