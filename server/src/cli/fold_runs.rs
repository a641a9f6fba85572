//! Runs of the folds of a cross-validation of retrieval.

use super::bundles::read_bundles;
use anyhow::{Context, ensure};
use dataset::bundle;
use dataset::run::{BUNDLE, RECIPE};
use dataset::{Dataset, ItemFold};
use evaluation::retrieval::FoldNetworks;
use report::Record;
use shared::bundle::{Manifest, Weights};
use shared::model::Architecture;
use std::path::{Path, PathBuf};
use training::Recipe;

/// Reads the bundles of runs and groups them by fold. Runs of one fold search together. A query encoder searches the gallery
/// of one of the bundles `galleries`.
///
/// # Errors
/// If a run has no fold of items or no bundle, or was trained on another manifest than `dataset`'s, or a query encoder has no
/// gallery.
pub(crate) fn read_folds(
    runs: &[PathBuf],
    galleries: &[PathBuf],
    dataset: &Dataset,
) -> anyhow::Result<Vec<FoldNetworks>> {
    let galleries = read_bundles(galleries)?;
    let mut folds: Vec<FoldNetworks> = Vec::new();
    for run in runs {
        let fold = fold_of(run, dataset)?;
        let bundle = bundle::read(&run.join(BUNDLE))?;
        match folds.iter_mut().find(|known| known.fold == fold) {
            Some(known) => known.bundles.push(bundle),
            None => folds.push(FoldNetworks {
                fold,
                gallery: gallery_of(&bundle.0, &galleries)?,
                bundles: vec![bundle],
            }),
        }
    }
    folds.sort_by_key(|one| one.fold.fold);
    let (found, all) = (folds.len(), folds.first().map_or(0, |one| one.fold.folds));
    if found < all {
        eprintln!("remark: these are {found} of {all} folds, so the other folds' items are not measured");
    }
    Ok(folds)
}

/// Returns the gallery of a query encoder: the bundle whose space it embeds into. `None` for other networks.
///
/// # Errors
/// If no bundle has that space.
fn gallery_of(manifest: &Manifest, galleries: &[(Manifest, Weights)]) -> anyhow::Result<Option<(Manifest, Weights)>> {
    if !matches!(manifest.architecture, Architecture::Query(_)) {
        return Ok(None);
    }
    let space = manifest.space();
    let has_space = |large: &&(Manifest, Weights)| space == large.0.space() || space == large.0.network_id();
    let found = galleries.iter().find(has_space).with_context(|| {
        format!(
            "{} searches the gallery of {space}; name the bundle of that network, and those of the other folds, with \
             --gallery-bundle",
            manifest.model_id()
        )
    })?;
    Ok(Some(found.clone()))
}

/// Returns the fold that a run's recipe names.
///
/// # Errors
/// As [`read_folds`].
fn fold_of(run: &Path, dataset: &Dataset) -> anyhow::Result<ItemFold> {
    let recipe = Recipe::read(&run.join(RECIPE), &[])?;
    let fold = recipe.data.item_fold().filter(|_| recipe.task.folds_items());
    let fold = fold.with_context(|| {
        format!(
            "{} was not trained on folds of items; train a retrieval recipe with --set data.folds=5 --each-fold",
            run.display()
        )
    })?;
    let trained_on = Record::read(run).provenance.map(|provenance| provenance.data_sha256);
    ensure!(
        trained_on.is_none_or(|sha256| sha256 == dataset.sha256),
        "{} was trained on another manifest than that of {}, so its fold is unknown there",
        run.display(),
        dataset.dir.display()
    );
    Ok(fold)
}
