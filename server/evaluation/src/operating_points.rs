//! Operating points of a bundle: precise thresholds of a classifier, or the score floor of a retrieval network.
//!
//! Points are chosen on one split and measured on others.

use crate::classifier::{LabelRules, Measured, TagsEffect, choose_label_points, chosen_on};
use crate::inference::forward_all;
use crate::retrieval::{
    FloorEffect, Search, Searched, by_side, choose_floor, choose_same, floor_effect, projected, projection_into,
};
use anyhow::Context;
use burn::tensor::Device;
use dataset::{Dataset, Images, Limit};
use shared::bundle::{ChosenOn, GroupKind, LabelGroup, Manifest, PreciseThreshold, ScoreFloor, Weights, load_query};
use shared::model::Architecture;
use shared::server_models::{Side, load_retrieval};
use std::sync::Arc;

/// Rules for the choice of points.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Rules for the labels of a style bundle.
    pub labels: LabelRules,
    /// Maximum share, 0–1, of the queries that find their product and have a best match below the floor.
    pub lost: f64,
}

/// A bundle's operating points and their effect.
#[derive(Debug)]
pub struct Chosen {
    /// Manifest with the points.
    pub manifest: Manifest,
    /// Name of the group of labels that has the points. `None` for a score floor.
    pub group: Option<String>,
    /// Effect by split, first on the split that they were chosen on.
    pub effects: Vec<(String, Effect)>,
}

/// Effect of operating points on a split.
#[derive(Debug)]
pub enum Effect {
    /// Effect of the calibration and the precise thresholds of a group of labels.
    Tags(TagsEffect),
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
        writeln!(f, "{}", self.manifest.model_id())?;
        for (group, range) in self.manifest.group_ranges() {
            if self.group.as_ref() == Some(&group.name) {
                write_points(f, &group, &self.manifest.labels[range])?;
            }
        }
        let floor = &self.manifest.floor;
        if let Some(ScoreFloor { score, gallery, .. }) = floor {
            writeln!(f, "  floor {score:.4} in galleries of {gallery}")?;
        }
        for (split, effect) in &self.effects {
            write!(f, "{split}\n{effect}")?;
        }
        Ok(())
    }
}

/// Writes a line per label. Labels that exclude each other have one line, because they share a threshold.
fn write_points(f: &mut std::fmt::Formatter<'_>, group: &LabelGroup, labels: &[String]) -> std::fmt::Result {
    let points = group.precise.iter().flat_map(|precise| &precise.labels);
    let lines = if group.kind == GroupKind::One { 1 } else { labels.len() };
    for (label, point) in labels.iter().zip(points).take(lines) {
        let label = if group.kind == GroupKind::One {
            "most probable label"
        } else {
            label
        };
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
    Ok(())
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
    let fit_split = rules.labels.fit.as_ref().and_then(|fit| fit.split.as_ref());
    check_splits(&dataset, split, fit_split)?;
    let is_used = |name: &String| splits.contains(name) || fit_split == Some(name);
    dataset.leave_out_corrupt(|row| is_used(&row.split), false, Limit::Fixed)?;
    let manifest = &bundle.0;
    if let (Architecture::Style(_), None) = (&manifest.architecture, gallery) {
        return style(bundle, dataset, splits, (&rules.labels, &command), device);
    }
    let chosen_on = chosen_on(&dataset, &dataset.split(split, |_| true, "")?, split, &command);
    // Queries are cropped like the gallery.
    let input = gallery.map_or(&manifest.input, |(large, _)| &large.input);
    let images = Arc::new(Images::new(Arc::new(dataset)).with_margin_of(input));
    match (&manifest.architecture, gallery) {
        (Architecture::Retrieval(_), None) => {
            let network = load_retrieval(manifest, &bundle.1, device)?;
            let embed = |rows: &[usize]| {
                by_side(images.dataset(), rows, |rows, side| {
                    forward_all(&images, rows, &manifest.input, device, |x| network.forward_as(x, side))
                })
            };
            let searched = searched(images.dataset(), splits, embed, embed)?;
            with_floor(manifest, manifest.model_id(), splits, &searched, &rules, chosen_on)
        }
        (Architecture::Query(_), Some((large, weights))) => {
            let encoder = load_query(manifest, &bundle.1.network, device)?;
            let network = load_retrieval(large, weights, device)?;
            let projection = projection_into(manifest, large, &network)?;
            let small = |x| projected(encoder.forward(x), projection, Side::Customer);
            let queries = |rows: &[usize]| forward_all(&images, rows, &manifest.input, device, small);
            let shop = |rows: &[usize]| forward_all(&images, rows, &large.input, device, |x| network.forward(x));
            let searched = searched(images.dataset(), splits, queries, shop)?;
            with_floor(manifest, large.model_id(), splits, &searched, &rules, chosen_on)
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
        (Architecture::Style(_), _) | (_, Some(_)) => {
            anyhow::bail!(
                "--gallery-bundle is for a query encoder; {} is not one",
                manifest.model_id()
            )
        }
    }
}

/// Checks that the training images, the images that points are chosen on and the images of calibration share no item.
fn check_splits(dataset: &Dataset, split: &str, fit: Option<&String>) -> anyhow::Result<()> {
    anyhow::ensure!(
        split != "train" && dataset.shared_item("train", split).is_none(),
        "points that are chosen on training images are too optimistic; choose them on a split that shares no item with 'train'"
    );
    let Some(fit) = fit else { return Ok(()) };
    let overlaps = |other: &str| fit == other || dataset.shared_item(other, fit).is_some();
    anyhow::ensure!(
        !overlaps("train") && !overlaps(split),
        "--fit-split {fit} shares items with another split that chose something; name one that shares none with 'train' and '{split}'"
    );
    Ok(())
}

/// Calibrates a group of a style bundle's labels, and chooses its precise thresholds.
fn style(
    bundle: &(Manifest, Weights),
    mut dataset: Dataset,
    splits: &[String],
    (rules, command): (&LabelRules, &str),
    device: &Device,
) -> anyhow::Result<Chosen> {
    let measured = Measured::choose(&bundle.0, &mut dataset, rules.group.as_deref())?;
    let images = Arc::new(Images::new(Arc::new(dataset)).with_margin_of(&bundle.0.input));
    let (manifest, effects) = choose_label_points(bundle, &measured, &images, splits, (rules, command), device)?;
    let effects = effects.into_iter().map(|(split, effect)| (split, Effect::Tags(effect)));
    Ok(Chosen {
        manifest,
        group: Some(measured.group.name),
        effects: effects.collect(),
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
    rules: &Rules,
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
        same: choose_same(queries, rules.labels.precision),
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
        group: None,
        effects,
    })
}
