//! Operating points of a bundle: precise thresholds of a classifier, or the score floor of a retrieval network.
//!
//! Points are chosen on one split and measured on others.

use crate::classifier::{CONFIDENCE, Predictions, ShownTags, precise_thresholds, shown_tags};
use crate::inference::{Views, forward_all, probabilities};
use crate::retrieval::{FloorEffect, Search, Searched, choose_floor, floor_effect, projection_into};
use anyhow::Context;
use burn::tensor::Device;
use dataset::{Dataset, Images, Limit};
use shared::bundle::{ChosenOn, Manifest, PreciseThreshold, PreciseThresholds, ScoreFloor, Weights, load_query};
use shared::model::Architecture;
use shared::model::block::unit_norm;
use shared::server_models::{load_classifier, load_retrieval};
use std::collections::HashSet;
use std::sync::Arc;

/// Rules for the choice of points.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Precision of every style's threshold, 0–1.
    pub precision: f64,
    /// Maximum share, 0–1, of the queries that find their product and have a best match below the floor.
    pub lost: f64,
}

/// A bundle's operating points and their effect.
#[derive(Debug)]
pub struct Chosen {
    /// Manifest with the points.
    pub manifest: Manifest,
    /// Effect by split, first on the split that they were chosen on.
    pub effects: Vec<(String, Effect)>,
}

/// Effect of operating points on a split.
#[derive(Debug)]
pub enum Effect {
    /// Effect of a style bundle's precise thresholds.
    Tags(ShownTags),
    /// Effect of a score floor.
    Floor(FloorEffect),
}

impl std::fmt::Display for Effect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tags(shown) => shown.fmt(f),
            Self::Floor(effect) => effect.fmt(f),
        }
    }
}

impl std::fmt::Display for Chosen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Manifest {
            labels, precise, floor, ..
        } = &self.manifest;
        writeln!(f, "{}", self.manifest.model_id())?;
        if let Some(precise) = precise {
            for (label, point) in labels.iter().zip(&precise.labels) {
                match point {
                    Some(PreciseThreshold {
                        threshold,
                        precision,
                        bound,
                        items,
                        recall,
                        base_rate,
                    }) => writeln!(
                        f,
                        "  {label:<20} from {threshold:.3} on: precision {precision:.3}, at least {bound:.3}, on {items} items; \
                         recall {recall:.3}; base rate {base_rate:.3}"
                    )?,
                    None => writeln!(f, "  {label:<20} no threshold is precise enough")?,
                }
            }
        }
        if let Some(ScoreFloor { score, gallery, .. }) = floor {
            writeln!(f, "  floor {score:.4} in galleries of {gallery}")?;
        }
        for (split, effect) in &self.effects {
            write!(f, "{split}\n{effect}")?;
        }
        Ok(())
    }
}

/// Chooses a bundle's operating points on the split `splits[0]` and measures them on all `splits`.
///
/// A style bundle gets precise thresholds. A retrieval network gets a score floor. A query encoder gets a score floor for the
/// gallery of the network `gallery`. `command` is recorded as the command that chose the points.
///
/// # Errors
/// If a bundle does not load or has no operating points, `gallery` is missing, superfluous or of another space, a split is
/// empty or too small, the first split shares an item with 'train', or an image cannot be read.
pub fn choose_points(
    bundle: &(Manifest, Weights),
    gallery: Option<&(Manifest, Weights)>,
    mut dataset: Dataset,
    splits: &[String],
    rules: Rules,
    command: String,
    device: &Device,
) -> anyhow::Result<Chosen> {
    let split = splits.first().context("name a split to choose on")?;
    anyhow::ensure!(
        split != "train" && dataset.shared_item("train", split).is_none(),
        "points that are chosen on training images are too optimistic; choose them on a split that shares no item with 'train'"
    );
    dataset.leave_out_corrupt(|row| splits.contains(&row.split), false, Limit::Fixed)?;
    let chosen_on = chosen_on(&dataset, split, command)?;
    let manifest = &bundle.0;
    // Queries are cropped like the gallery.
    let input = gallery.map_or(&manifest.input, |(large, _)| &large.input);
    let images = Arc::new(Images::new(Arc::new(dataset)).with_margin_of(input));
    match (&manifest.architecture, gallery) {
        (Architecture::Style(_), None) => style(bundle, &images, splits, rules, chosen_on, device),
        (Architecture::Retrieval(_), None) => {
            let network = load_retrieval(manifest, &bundle.1, device)?;
            let embed = |rows: &[usize]| forward_all(&images, rows, &manifest.input, device, |x| network.forward(x));
            let searched = searched(images.dataset(), splits, embed, embed)?;
            with_floor(manifest, manifest.model_id(), splits, &searched, rules, chosen_on)
        }
        (Architecture::Query(_), Some((large, weights))) => {
            let encoder = load_query(manifest, &bundle.1.network, device)?;
            let network = load_retrieval(large, weights, device)?;
            let projection = projection_into(manifest, large, &network)?;
            let small = |x| {
                let embedding = unit_norm(encoder.forward(x));
                projection.map_or(embedding.clone(), |projection| projection.forward(embedding))
            };
            let queries = |rows: &[usize]| forward_all(&images, rows, &manifest.input, device, small);
            let shop = |rows: &[usize]| forward_all(&images, rows, &large.input, device, |x| network.forward(x));
            let searched = searched(images.dataset(), splits, queries, shop)?;
            with_floor(manifest, large.model_id(), splits, &searched, rules, chosen_on)
        }
        (Architecture::Query(_), None) => anyhow::bail!(
            "{} is a query encoder, which searches a larger network's gallery; name that network's bundle ({}) with \
             --gallery-bundle",
            manifest.model_id(),
            manifest.space()
        ),
        (Architecture::Segment(_), _) => anyhow::bail!(
            "{} is a segmentation network, which has no operating points",
            manifest.model_id()
        ),
        (_, Some(_)) => {
            anyhow::bail!(
                "--gallery-bundle is for a query encoder; {} is not one",
                manifest.model_id()
            )
        }
    }
}

/// Describes the split that points are chosen on.
fn chosen_on(dataset: &Dataset, split: &str, command: String) -> anyhow::Result<ChosenOn> {
    let rows = dataset.split(split, |_| true, "")?;
    let items: HashSet<usize> = dataset.groups(&rows).into_iter().collect();
    Ok(ChosenOn {
        command,
        data: dataset
            .dir
            .file_name()
            .map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
        data_sha256: dataset.sha256.clone(),
        split: split.to_owned(),
        photos: rows.len(),
        items: items.len(),
    })
}

/// Chooses the precise thresholds of a style bundle.
fn style(
    (manifest, weights): &(Manifest, Weights),
    images: &Arc<Images>,
    splits: &[String],
    rules: Rules,
    chosen_on: ChosenOn,
    device: &Device,
) -> anyhow::Result<Chosen> {
    let net = load_classifier(manifest, &weights.network, device)?;
    let dataset = images.dataset();
    let predict = |split: &String| {
        let rows = dataset.split(split, |_| true, "")?;
        let views = Views::None.list();
        let truth = dataset.targets(&rows, &manifest.labels)?;
        let probs = probabilities(images, &rows, &manifest.input, &views, device, |x| net.forward(x))?;
        Ok((
            Predictions {
                labels: manifest.labels.clone(),
                probs,
                truth,
            },
            dataset.groups(&rows),
        ))
    };
    let predicted = splits.iter().map(predict).collect::<anyhow::Result<Vec<_>>>()?;
    let (predictions, groups) = predicted.first().context("name a split to choose on")?;
    let labels = precise_thresholds(predictions, groups, rules.precision);
    let effects = predicted
        .iter()
        .map(|(predictions, _)| Effect::Tags(shown_tags(predictions, &labels)));
    let effects = splits.iter().cloned().zip(effects).collect();
    let precise = PreciseThresholds {
        target: rules.precision,
        confidence: CONFIDENCE,
        chosen_on,
        labels,
    };
    Ok(Chosen {
        manifest: Manifest {
            precise: Some(precise),
            ..manifest.clone()
        },
        effects,
    })
}

/// Searches with users' photos in the shop's photos of every split.
fn searched(
    dataset: &Dataset,
    splits: &[String],
    query: impl Fn(&[usize]) -> anyhow::Result<Vec<Vec<f32>>>,
    gallery: impl Fn(&[usize]) -> anyhow::Result<Vec<Vec<f32>>>,
) -> anyhow::Result<Vec<Vec<Searched>>> {
    let plain = Search::default();
    let search = |split: &String| {
        let (user, shop) = plain.sides(dataset, split)?;
        let groups = dataset.groups(&[&user[..], &shop[..]].concat());
        let (own, products) = groups.split_at(user.len());
        let scores = plain.scores(&query(&user)?, &plain.gallery(gallery(&shop)?, None), None);
        Ok(scores
            .iter()
            .zip(own)
            .filter_map(|(scores, own)| Searched::new(scores, products, *own))
            .collect())
    };
    splits.iter().map(search).collect()
}

/// Chooses a score floor for galleries of the model `gallery`.
fn with_floor(
    manifest: &Manifest,
    gallery: String,
    splits: &[String],
    searched: &[Vec<Searched>],
    rules: Rules,
    chosen_on: ChosenOn,
) -> anyhow::Result<Chosen> {
    let queries = searched.first().context("name a split to choose on")?;
    let score = choose_floor(queries, rules.lost)?;
    let FloorEffect {
        found,
        lost,
        unmatched,
        caught,
    } = floor_effect(queries, score);
    let floor = ScoreFloor {
        score,
        gallery,
        allowed: rules.lost,
        found,
        lost,
        unmatched,
        caught,
        chosen_on,
    };
    let effects = searched
        .iter()
        .map(|queries| Effect::Floor(floor_effect(queries, score)));
    let effects = splits.iter().cloned().zip(effects).collect();
    Ok(Chosen {
        manifest: Manifest {
            floor: Some(floor),
            ..manifest.clone()
        },
        effects,
    })
}
