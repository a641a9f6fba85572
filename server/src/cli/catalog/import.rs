//! `selvedge catalog import`: products from a file.

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use dataset::MaxErrors;
use device::DeviceChoice;
use service::catalog::{ArchiveLimits, PhotoFiles, Unpacked, create_store, unpack};
use service::embed::RetrievalModel;
use store::{Encoding, Format, ImportOptions, ImportReport, Mode, Outcome, Phase, Store};

use super::super::output::{print, progress_bar};
use super::embed::ModelArgs;

/// Faults that are printed.
const PRINTED: usize = 20;

/// Format of a product file.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum FormatArg {
    /// One JSON object per line, as `catalog export` writes it
    Ndjson,
    /// A table with a header; the delimiter is a comma, a semicolon or a tab
    Csv,
    /// A Google Merchant feed, as a table or as XML
    Google,
    /// A product export of Shopify
    Shopify,
}

impl From<FormatArg> for Format {
    fn from(format: FormatArg) -> Self {
        match format {
            FormatArg::Ndjson => Self::Ndjson,
            FormatArg::Csv => Self::Csv,
            FormatArg::Google => Self::Google,
            FormatArg::Shopify => Self::Shopify,
        }
    }
}

/// Encoding of a product file.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum EncodingArg {
    /// Detect it
    Auto,
    /// UTF-8
    Utf8,
    /// GB18030, with GBK and GB2312
    Gb18030,
}

impl From<EncodingArg> for Encoding {
    fn from(encoding: EncodingArg) -> Self {
        match encoding {
            EncodingArg::Auto => Self::Auto,
            EncodingArg::Utf8 => Self::Utf8,
            EncodingArg::Gb18030 => Self::Gb18030,
        }
    }
}

/// A text and what it stands for, such as `货号=id`.
#[derive(Debug, Clone)]
struct Pair(String, String);

impl FromStr for Pair {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (from, to) = text.split_once('=').ok_or("write two texts with = between them")?;
        Ok(Self(from.to_owned(), to.to_owned()))
    }
}

/// Arguments of `selvedge catalog import`.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// The file of products
    file: PathBuf,
    /// Folder of the catalog. A new one is made if it does not exist
    #[arg(long, env = "SELVEDGE_INDEX")]
    catalog: PathBuf,
    /// Format of the file, by default by its extension: ndjson for .ndjson and .jsonl, google for .xml, otherwise csv
    #[arg(long)]
    format: Option<FormatArg>,
    /// Folder of the photos, to which the paths in the file are relative; by default that of the last import, or the folder of
    /// the file. Web addresses stand for files of the same name in this folder. A tar archive, also compressed with gzip, is
    /// unpacked into the catalog when the products are imported
    #[arg(long, env = "SELVEDGE_IMAGES")]
    images: Option<PathBuf>,
    /// Encoding of the file
    #[arg(long, default_value = "auto")]
    encoding: EncodingArg,
    /// Delimiter of a table, instead of the detected one
    #[arg(long, value_name = "CHARACTER")]
    delimiter: Option<char>,
    /// Field of a column, such as 货号=id; can be repeated. The fields are id, name, category, price, currency, brand, url,
    /// image, availability, quantity, group and attributes.NAME
    #[arg(long = "column", value_name = "COLUMN=FIELD")]
    columns: Vec<Pair>,
    /// Category of a text in the file, such as "Apparel > Shoes=shoes"; can be repeated
    #[arg(long = "category", value_name = "TEXT=CATEGORY")]
    categories: Vec<Pair>,
    /// Language of names that give none
    #[arg(long, default_value = "en")]
    language: String,
    /// Currency of prices that give none, such as EUR
    #[arg(long)]
    currency: Option<String>,
    /// Keep values that a row does not give. So a file of ids and prices changes only prices
    #[arg(long)]
    merge: bool,
    /// Largest percentage of rows, and of photos, that may fail. With more, nothing is changed
    #[arg(long, default_value = "1%", value_parser = percentage, env = "SELVEDGE_MAX_ERRORS")]
    max_errors: f64,
    /// Change nothing, and print what would change
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    model: ModelArgs,
}

/// Parses a percentage as a share.
fn percentage(text: &str) -> Result<f64, String> {
    let number = text.trim().trim_end_matches('%').trim().parse::<f64>();
    number
        .ok()
        .filter(|percent| (0.0..=100.0).contains(percent))
        .map(|percent| percent / 100.0)
        .ok_or_else(|| "give a percentage from 0% to 100%".to_owned())
}

impl ImportArgs {
    fn options(&self) -> anyhow::Result<ImportOptions> {
        let extension = self.file.extension().map(|extension| extension.to_ascii_lowercase());
        let by_name = match extension.as_ref().and_then(|extension| extension.to_str()) {
            Some("ndjson" | "jsonl" | "json") => FormatArg::Ndjson,
            Some("xml") => FormatArg::Google,
            _ => FormatArg::Csv,
        };
        let delimiter = self.delimiter.map(u8::try_from).transpose();
        let map = |pairs: &[Pair]| -> BTreeMap<String, String> {
            pairs.iter().map(|Pair(from, to)| (from.clone(), to.clone())).collect()
        };
        Ok(ImportOptions {
            encoding: self.encoding.into(),
            delimiter: delimiter.context("--delimiter must be one ASCII character")?,
            mapping: map(&self.columns),
            category_map: map(&self.categories),
            language: self.language.clone(),
            currency: self.currency.clone(),
            mode: if self.merge { Mode::Merge } else { Mode::Replace },
            max_errors: self.max_errors,
            dry_run: self.dry_run,
            ..ImportOptions::new(&self.file, self.format.unwrap_or(by_name).into())
        })
    }
}

pub(super) fn import(args: &ImportArgs, device: DeviceChoice) -> anyhow::Result<()> {
    let options = args.options()?;
    let model = args.model.open(device)?;
    let is_new = !args.catalog.exists();
    let imported = import_into(args, &options, model.as_ref());
    if args.dry_run && is_new {
        // The store in it is closed, and nobody else knew of it.
        let _ = fs::remove_dir_all(&args.catalog);
    }
    imported
}

fn import_into(args: &ImportArgs, options: &ImportOptions, model: Option<&RetrievalModel>) -> anyhow::Result<()> {
    let store = create_store(&args.catalog)?;
    let photos = Photos::find(args, &store)?;
    let bar = progress_bar(0, "reading");
    let report = store.import(options, &photos.files(&store), &mut |progress| {
        if progress.phase == Phase::Applying {
            bar.set_message("applying");
        }
        bar.set_length(progress.total.unwrap_or(progress.done));
        bar.set_position(progress.done);
        ControlFlow::Continue(())
    });
    bar.finish_and_clear();
    let report = report?;
    if report.outcome == Outcome::Applied {
        store.set_image_folder(&photos.folder)?;
        // If the process is killed before this, the next import of the same file does it.
        photos.unpacked.map_or(Ok(()), |unpacked| unpacked.keep(&store))?;
    }
    print_report(&report)?;
    if report.outcome == Outcome::Aborted {
        bail!(
            "too many rows or photos failed; nothing was changed\nhint: correct the file, or allow more with --max-errors"
        );
    }
    match model {
        Some(model) if report.outcome == Outcome::Applied => {
            let files = PhotoFiles::new(Some(&photos.folder), store.dir());
            let limit = MaxErrors::Percent(100.0 * args.max_errors);
            args.model.embed(&store, &files, model, limit)
        }
        _ => Ok(()),
    }
}

/// Photos of an import.
struct Photos {
    /// Folder of the shop's photos.
    folder: PathBuf,
    /// The archive of `--images`.
    unpacked: Option<Unpacked>,
}

impl Photos {
    /// Finds the folder, and unpacks the archive.
    fn find(args: &ImportArgs, store: &Store) -> anyhow::Result<Self> {
        let archive = args.images.as_ref().filter(|images| images.is_file());
        let unpack = |archive: &PathBuf| unpack(archive, store.dir(), ArchiveLimits::default());
        let unpacked = archive.map(unpack).transpose()?;
        if let Some(unpacked) = &unpacked {
            eprintln!("{} photos unpacked", unpacked.photos());
            for (name, reason) in &unpacked.left_out {
                eprintln!("{name} is left out: {reason}");
            }
        }
        let images = args.images.as_ref().filter(|_| archive.is_none());
        let folder = match (images, store.image_folder()?) {
            (Some(images), _) => images
                .canonicalize()
                .with_context(|| format!("cannot open {}", images.display()))?,
            (None, Some(known)) => known,
            (None, None) => {
                let parent = args.file.parent().filter(|parent| !parent.as_os_str().is_empty());
                parent
                    .unwrap_or(".".as_ref())
                    .canonicalize()
                    .context("cannot open the folder of the file")?
            }
        };
        Ok(Self { folder, unpacked })
    }

    /// The files that rows can name.
    fn files(&self, store: &Store) -> PhotoFiles {
        let unpacked = self.unpacked.as_ref().map(Unpacked::folder);
        PhotoFiles::with_unpacked(Some(&self.folder), unpacked, store.dir())
    }
}

/// Prints the faults on stderr and the numbers on stdout.
fn print_report(report: &ImportReport) -> anyhow::Result<()> {
    for fault in report.faults.iter().take(PRINTED) {
        eprintln!("{fault}");
    }
    if report.faults.len() > PRINTED {
        eprintln!("… and {} more", report.faults.len() - PRINTED);
    }
    if !report.ignored.is_empty() {
        let names: Vec<&str> = report.ignored.iter().map(String::as_str).collect();
        eprintln!("note: these columns are not used: {}", names.join(", "));
    }
    let counts = &report.counts;
    let what = match report.outcome {
        Outcome::Applied if report.resumed => "imported (continued)",
        Outcome::Applied => "imported",
        Outcome::DryRun => "would import",
        Outcome::Aborted => "aborted",
        Outcome::Cancelled => "cancelled",
    };
    print(&format!(
        "{what}: {} rows, {} failed; {} photos, {} failed; products: {} new, {} changed, {} unchanged",
        counts.rows,
        counts.failed_rows,
        counts.images,
        counts.failed_images,
        counts.created,
        counts.changed,
        counts.unchanged
    ))
}
