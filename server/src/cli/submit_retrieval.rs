//! `selvedge submit-retrieval`: the submission file for the challenge's retrieval task.

use super::bundles::read_bundles;
use super::output::print_path;
use super::search_args::SearchArgs;
use anyhow::ensure;
use burn::tensor::Device;
use clap::Args;
use dataset::atomic;
use dataset::benchmarks::{Boxed, crop_box, find, one_file_each, read_boxed, submission};
use dataset::import::{each_photo, none_missing};
use dataset::manifest::SHOP;
use dataset::{Dataset, MaxErrors, Row};
use device::DeviceChoice;
use evaluation::inference::Views;
use evaluation::retrieval::{DEPTH, Ranker, RetrievalOptions, categorise};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Split of the queries and the gallery.
const SUBMITTED: &str = "test";

/// Arguments of `selvedge submit-retrieval`.
#[derive(Debug, Args)]
pub(crate) struct SubmitRetrievalArgs {
    /// Folder of a retrieval bundle, or of several that search together
    #[arg(long, num_args = 1.., required = true)]
    bundle: Vec<PathBuf>,
    /// Queries: lines of `url x1 y1 x2 y2`
    #[arg(long, value_name = "FILE")]
    queries: PathBuf,
    /// Gallery: lines of `url x1 y1 x2 y2`
    #[arg(long, value_name = "FILE")]
    gallery: PathBuf,
    /// Folder of the images, named as in their urls
    #[arg(long)]
    images: PathBuf,
    /// Average embeddings over views of each image: none, flip, ten-crop, sizes, turns or a list
    #[arg(long, default_value = "none")]
    views: Views,
    #[command(flatten)]
    search: SearchArgs,
    /// Folder of a dataset of other items, for --whiten (on its split 'train') and --tune-split
    #[arg(long, env = "SELVEDGE_DATA")]
    data: Option<PathBuf>,
    /// Submission file to write; it must not exist
    #[arg(long)]
    out: PathBuf,
}

pub(super) fn submit_retrieval(args: &SubmitRetrievalArgs, choice: DeviceChoice) -> anyhow::Result<()> {
    check(args)?;
    let (queries, gallery) = (read_boxed(&args.queries)?, read_boxed(&args.gallery)?);
    let mut rows = rows(&queries, &args.images, "user")?;
    rows.extend(self::rows(&gallery, &args.images, SHOP)?);
    let urls = queries.iter().chain(&gallery).map(|photo| photo.url.as_str());
    one_file_each(urls.zip(rows.iter().map(|row| Path::new(&row.path))))?;
    let submitted = rows.len();
    if let Some(data) = &args.data {
        rows.extend(other_rows(data)?);
    }
    let mut dataset = Arc::new(Dataset::from_rows(rows));
    let bundles = read_bundles(&args.bundle)?;
    let options = RetrievalOptions {
        views: args.views.clone(),
        ..args.search.options()?
    };
    let device = choice.open()?;
    set_categories(&options, &mut dataset, submitted, &device)?;
    let ranker = Ranker::new(&bundles, &dataset, SUBMITTED, &options, DEPTH, &device)?;
    let (asked, searched): (Vec<usize>, Vec<usize>) = (0..submitted).partition(|row| *row < queries.len());
    let ranked = ranker.rank(&asked, &searched, &ranker.weights()?)?.photos;
    let answers = queries.iter().zip(&ranked).map(|(query, ranked)| {
        let urls = ranked.top.iter().map(|at| gallery[*at].url.as_str());
        (query.url.as_str(), urls.collect())
    });
    atomic::write(&args.out, submission(answers).as_bytes())?;
    eprintln!("{} queries in a gallery of {}", queries.len(), gallery.len());
    print_path(&args.out)
}

/// # Errors
/// If options contradict each other or the submission exists.
fn check(args: &SubmitRetrievalArgs) -> anyhow::Result<()> {
    ensure!(
        !args.out.exists(),
        "{} exists already; name another file with --out",
        args.out.display()
    );
    let SearchArgs {
        tune_split,
        whiten,
        category_bundle,
        ..
    } = &args.search;
    ensure!(
        tune_split.is_none() || category_bundle.is_some(),
        "--tune-split chooses weights per category, and the lists have no categories; name a category classifier with \
         --category-bundle, or omit --tune-split"
    );
    ensure!(
        args.data.is_some() || (whiten.is_none() && tune_split.is_none()),
        "--whiten and --tune-split need a dataset; name it with --data"
    );
    Ok(())
}

/// Rows of another dataset, with absolute paths and without the split of the submission.
fn other_rows(dir: &Path) -> anyhow::Result<impl Iterator<Item = Row>> {
    let others = Dataset::open(dir)?;
    let kept = others.rows.into_iter().filter(|row| row.split != SUBMITTED);
    Ok(kept.map(move |row| Row {
        path: others.dir.join(&row.path).display().to_string(),
        ..row
    }))
}

/// Sets the category of the first `submitted` rows to the most probable one, if there is a category classifier. The lists
/// have no categories.
fn set_categories(
    options: &RetrievalOptions,
    dataset: &mut Arc<Dataset>,
    submitted: usize,
    device: &Device,
) -> anyhow::Result<()> {
    let Some(bundle) = &options.category else {
        return Ok(());
    };
    let all: Vec<usize> = (0..submitted).collect();
    let found = categorise(bundle, dataset, &all, device)?;
    for (row, (category, _)) in Arc::make_mut(dataset).rows.iter_mut().zip(found) {
        category.id().clone_into(&mut row.category);
    }
    Ok(())
}

/// Rows of the photos of a list.
///
/// # Errors
/// If a photo is missing or cannot be read.
fn rows(photos: &[Boxed], folder: &Path, domain: &str) -> anyhow::Result<Vec<Row>> {
    let found: Vec<Option<PathBuf>> = photos.iter().map(|photo| find(folder, &photo.url)).collect();
    let missing = photos
        .iter()
        .zip(&found)
        .filter(|(_, path)| path.is_none())
        .map(|(photo, _)| photo.url.as_str());
    none_missing(
        missing,
        folder,
        "a submission must search with all queries in the whole gallery; fetch the missing images",
    )?;
    let found: Vec<(&Boxed, PathBuf)> = photos.iter().zip(found.into_iter().flatten()).collect();
    let none: MaxErrors = "0%".parse().map_err(anyhow::Error::msg)?;
    each_photo(
        found,
        |(_, path)| path,
        |(boxed, path), photo| {
            let bounds = crop_box(boxed.corners, photo);
            if bounds.is_none() {
                eprintln!(
                    "the box of {} lies outside of the photo; using the whole photo",
                    boxed.url
                );
            }
            Ok(Row {
                path: path.display().to_string(),
                split: SUBMITTED.to_owned(),
                domain: domain.to_owned(),
                bounds,
                ..Row::default()
            })
        },
        none,
    )
}
