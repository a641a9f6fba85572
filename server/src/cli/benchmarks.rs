//! Retrieval datasets of other people in, and the challenge's retrieval submission out.

use super::evaluate::AfterArgs;
use super::print;
use clap::Args;
use dataset::atomic;
use dataset::benchmarks::{self, Boxed, Format, boxed, find, inside, one_file_each, submission};
use dataset::bundle;
use dataset::import::{each_photo, none_missing, report_missing, write_manifest};
use dataset::manifest::SHOP;
use dataset::{Dataset, MaxErrors, Row};
use device::DeviceChoice;
use evaluation::inference::Views;
use evaluation::retrieval::{DEPTH, Ranker, RetrievalOptions, categorise};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The split of what is searched for and in.
const SUBMITTED: &str = "test";

/// `selvedge dataset import-retrieval`
#[derive(Debug, Args)]
pub struct ImportRetrievalArgs {
    /// The dataset's folder; of the challenge its file of pairs.
    from: PathBuf,
    /// Whose files they are.
    #[arg(long, value_enum)]
    format: Format,
    /// Folder of the images, if it is not that of the lists.
    #[arg(long)]
    images: Option<PathBuf>,
    /// The new dataset's folder, for its manifest.csv.
    #[arg(long)]
    out: PathBuf,
    /// Images that may be missing; they are counted and left out.
    #[arg(long, default_value_t = 0)]
    max_missing: usize,
    /// Share of the images that may be unreadable, or have a box outside of them; they are named and left out.
    #[arg(long, value_name = "SHARE", default_value_t)]
    max_errors: MaxErrors,
}

/// `selvedge submit-retrieval`
#[derive(Debug, Args)]
pub struct SubmitRetrievalArgs {
    /// Folder of a retrieval bundle, or of several that search together.
    #[arg(long, num_args = 1.., required = true)]
    bundle: Vec<PathBuf>,
    /// The queries: lines of `url x1 y1 x2 y2`.
    #[arg(long, value_name = "FILE")]
    queries: PathBuf,
    /// The gallery: lines of `url x1 y1 x2 y2`.
    #[arg(long, value_name = "FILE")]
    gallery: PathBuf,
    /// Folder of the images, named as in their urls.
    #[arg(long)]
    images: PathBuf,
    /// Average embeddings over views of each picture: none, flip, ten-crop, sizes, turns or a list.
    #[arg(long, default_value = "none")]
    views: Views,
    #[command(flatten)]
    after: AfterArgs,
    /// Folder of a dataset of other items, for --whiten (its split 'train') and --tune-split.
    #[arg(long, env = "SELVEDGE_DATA")]
    data: Option<PathBuf>,
    /// The submission to write; one that is there is not overwritten.
    #[arg(long)]
    out: PathBuf,
}

pub(super) fn import_retrieval(args: &ImportRetrievalArgs) -> anyhow::Result<()> {
    let listed = benchmarks::read(args.format, &args.from)?;
    // Of a file its folder, which is the working one for a bare name.
    let folder = args
        .from
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let lists = if args.from.is_dir() {
        args.from.as_path()
    } else {
        folder
    };
    let images = args.images.as_deref().unwrap_or(lists);
    let (lines, missing) = benchmarks::lines(listed, images, args.max_errors)?;
    report_missing(missing.iter().map(String::as_str), args.max_missing, images)?;
    anyhow::ensure!(
        !lines.is_empty(),
        "none of the images in {} can be used; name their folder with --images",
        images.display()
    );
    for (split, n) in write_manifest(lines, &args.out)? {
        eprintln!("{split}: {n} images");
    }
    print(&args.out.display().to_string())
}

pub(super) fn submit_retrieval(args: &SubmitRetrievalArgs, choice: DeviceChoice) -> anyhow::Result<()> {
    anyhow::ensure!(
        !args.out.exists(),
        "{} is there already; name another file with --out",
        args.out.display()
    );
    anyhow::ensure!(
        args.after.tune_split.is_none() || args.after.category_bundle.is_some(),
        "--tune-split chooses weights for each category, and the lists say nothing of categories; name a bundle that tells them with --category-bundle, or leave out --tune-split"
    );
    let (queries, gallery) = (boxed(&args.queries)?, boxed(&args.gallery)?);
    let mut rows = rows(&queries, &args.images, "user")?;
    rows.extend(self::rows(&gallery, &args.images, SHOP)?);
    let names = queries.iter().chain(&gallery).map(|photo| photo.url.as_str());
    one_file_each(names.zip(rows.iter().map(|row| Path::new(&row.path))))?;
    let n = rows.len();
    anyhow::ensure!(
        args.data.is_some() || (args.after.whiten.is_none() && args.after.tune_split.is_none()),
        "--whiten and --tune-split learn from a dataset; name it with --data"
    );
    if let Some(data) = &args.data {
        let others = Dataset::open(data)?;
        let kept = others.rows.into_iter().filter(|row| row.split != SUBMITTED);
        rows.extend(kept.map(|row| Row {
            path: others.dir.join(&row.path).display().to_string(),
            ..row
        }));
    }
    let mut dataset = Arc::new(Dataset::of(rows));
    let bundles: Vec<_> = args
        .bundle
        .iter()
        .map(|dir| bundle::read(dir))
        .collect::<Result<_, _>>()?;
    let options = RetrievalOptions {
        views: args.views.clone(),
        ..args.after.options()?
    };
    let device = choice.open()?;
    let (asked, searched): (Vec<usize>, Vec<usize>) = (0..n).partition(|row| *row < queries.len());
    if let Some(bundle) = &options.category {
        // The lists say nothing of categories: of each photo the most probable one.
        let all: Vec<usize> = (0..n).collect();
        let found = categorise(bundle, &dataset, &all, &device)?;
        let rows = &mut Arc::make_mut(&mut dataset).rows;
        rows.iter_mut()
            .zip(found)
            .for_each(|(row, (category, _))| category.id().clone_into(&mut row.category));
    }
    let ranker = Ranker::new(&bundles, &dataset, SUBMITTED, &options, DEPTH, &device)?;
    let ranked = ranker.rank(&asked, &searched, &ranker.weights()?)?;
    let answers = queries.iter().zip(&ranked).map(|(query, ranked)| {
        (
            query.url.as_str(),
            ranked.top.iter().map(|g| gallery[*g].url.as_str()).collect(),
        )
    });
    atomic::write(&args.out, submission(answers).as_bytes())?;
    eprintln!("{} queries in a gallery of {}", queries.len(), gallery.len());
    print(&args.out.display().to_string())
}

/// Rows of photos that must all be there and readable.
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
        "a submission must search with all queries in the whole gallery; fetch the images that are missing",
    )?;
    let there: Vec<(&Boxed, PathBuf)> = photos.iter().zip(found.into_iter().flatten()).collect();
    let none: MaxErrors = "0%".parse().map_err(anyhow::Error::msg)?;
    each_photo(
        there,
        |(_, path)| path,
        |(boxed, path), photo| {
            let bounds = inside(boxed.corners, photo);
            if bounds.is_none() {
                eprintln!("the box of {} lies outside; the whole photo is taken", boxed.url);
            }
            let (split, domain) = (SUBMITTED.to_owned(), domain.to_owned());
            Ok(Row {
                path: path.display().to_string(),
                split,
                domain,
                bounds,
                ..Row::default()
            })
        },
        none,
    )
}
