//! The commands around a shop: draw one, look at it, index it, serve it.

use super::print;
use anyhow::Context;
use clap::Args;
use dataset::MaxErrors;
use device::DeviceChoice;
use indicatif::{ProgressBar, ProgressStyle};
use render::{RenderOptions, StyleMix, render_dataset};
use search::rerank::Rerank;
use search::storage::Storage;
use service::catalog::{self, Failures, IndexOptions};
use service::embed::QueueOptions;
use service::http::{Limits, ServeConfig, default_decode_memory, serve as serve_http};
use service::telemetry::{self, LogFormat};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// `selvedge dataset render`
#[derive(Debug, Args)]
pub struct RenderArgs {
    /// Number of products.
    #[arg(long, default_value_t = 240)]
    items: usize,
    /// Everything follows from it: the same seed draws the same shop on every machine.
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// Side of every photo in pixels, 32 to 2048.
    #[arg(long, default_value_t = 256)]
    size: u32,
    /// Users' photos of each product.
    #[arg(long, default_value_t = 2)]
    user_photos: usize,
    /// Raise the frequency of every style set to this power: 1 for the real imbalance, less for more rare styles.
    #[arg(long, default_value_t = 1.0)]
    temper: f32,
    /// The folder to make.
    #[arg(long)]
    out: PathBuf,
}

/// `selvedge index`
#[derive(Debug, Args)]
pub struct IndexArgs {
    /// Folder of the dataset; its shop photos become the catalog.
    #[arg(long, env = "SELVEDGE_DATA")]
    dataset: PathBuf,
    /// Folder of the retrieval bundle.
    #[arg(long, env = "SELVEDGE_BUNDLE")]
    bundle: PathBuf,
    /// Folder of the catalog; one that is there is replaced at the very end.
    #[arg(long, env = "SELVEDGE_INDEX")]
    out: PathBuf,
    /// Keep the embeddings as f32, f16 or int8 (one byte a number, and a scale an embedding), on disk and in memory.
    #[arg(long, default_value = "f32", env = "SELVEDGE_STORAGE", hide_possible_values = true)]
    storage: Storage,
    /// Photos embedded at once.
    #[arg(long, default_value_t = 32)]
    batch: usize,
    /// The most pictures that may be unreadable, and the most products that no readable photo may show: a count, or a part
    /// of all such as 0.5%. With more, the catalog that is there stays.
    #[arg(long, default_value_t, env = "SELVEDGE_MAX_ERRORS")]
    max_errors: MaxErrors,
}

/// `selvedge serve`
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Address and port to listen on.
    #[arg(long, env = "SELVEDGE_LISTEN", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Folder of the built page; without it there is only the API.
    #[arg(long, env = "SELVEDGE_SITE")]
    site: Option<PathBuf>,
    /// Folder of the catalog that `selvedge index` made.
    #[arg(long, env = "SELVEDGE_INDEX")]
    index: PathBuf,
    /// Folder of the retrieval bundle that the catalog was indexed with.
    #[arg(long, env = "SELVEDGE_BUNDLE")]
    bundle: PathBuf,
    /// Folder of a bundle that tells categories; where it is sure of a photo, the search looks among its like.
    #[arg(long, value_name = "DIR", env = "SELVEDGE_CATEGORY_BUNDLE")]
    category_bundle: Option<PathBuf>,
    /// Folder of the style bundle that browsers run.
    #[arg(long, env = "SELVEDGE_TAGGER")]
    tagger: PathBuf,
    /// Folder of the bundle with which browsers embed photos themselves, distilled from --bundle or from the bundle that
    /// was whitened to it; without it they upload photos to search.
    #[arg(long, env = "SELVEDGE_QUERY_BUNDLE")]
    query_bundle: Option<PathBuf>,
    /// Folder of the dataset's photos, if it has moved since it was indexed.
    #[arg(long, env = "SELVEDGE_IMAGES")]
    images: Option<PathBuf>,
    /// Rank what is found again: none, hop, alpha-qe or k-reciprocal (among the 100 nearest photos). None is the best on
    /// identities that training has not seen; measure with `selvedge evaluate --rerank` before you choose another.
    #[arg(long, env = "SELVEDGE_RERANK", default_value = "none", hide_possible_values = true)]
    rerank: Rerank,
    /// Queries embedded at once, at most.
    #[arg(long, env = "SELVEDGE_MAX_BATCH", default_value_t = QueueOptions::default().max_batch)]
    max_batch: usize,
    /// Queries that may wait; one more is told to come back later.
    #[arg(long, env = "SELVEDGE_QUEUE", default_value_t = QueueOptions::default().capacity)]
    queue: usize,
    /// Milliseconds a query waits for others to be embedded with.
    #[arg(long, env = "SELVEDGE_MAX_WAIT_MS", default_value_t = 5)]
    max_wait_ms: u64,
    /// Megabytes that decoding photos may take at once; photos wait for it in turn, and one that alone needs more is refused.
    /// A quarter of the memory of the machine or container, at least 128 and at most 4096, unless given.
    #[arg(long, value_name = "MB", env = "SELVEDGE_DECODE_MEMORY_MB", value_parser = clap::value_parser!(u64).range(16..=1 << 20))]
    decode_memory: Option<u64>,
    /// Connections at once, at most; fewer where the process may not open as many files (`ulimit -n`, less 128).
    #[arg(long, env = "SELVEDGE_MAX_CONNECTIONS", default_value_t = Limits::default().connections)]
    max_connections: usize,
    /// Seconds that a search may take after its photo has arrived; a longer one is answered with 504.
    #[arg(long, env = "SELVEDGE_DEADLINE_SECONDS", default_value_t = Limits::default().deadline.as_secs_f64())]
    deadline_seconds: f64,
    /// Seconds between SIGTERM and closing the door, for load balancers to notice.
    #[arg(long, env = "SELVEDGE_DRAIN_SECONDS", default_value_t = 0.0)]
    drain_seconds: f64,
    /// Seconds that requests in flight may take after that.
    #[arg(long, env = "SELVEDGE_GRACE_SECONDS", default_value_t = 20.0)]
    grace_seconds: f64,
    /// What to log, such as info or warn,server=debug.
    #[arg(long, env = "SELVEDGE_LOG", default_value = "info")]
    log: String,
    /// Log one JSON object a line.
    #[arg(long, env = "SELVEDGE_LOG_JSON")]
    log_json: bool,
}

pub(super) fn bar(total: usize, what: &str) -> ProgressBar {
    let bar = ProgressBar::new(total as u64);
    if let Ok(style) = ProgressStyle::with_template("{msg} {bar:30} {pos}/{len}  {elapsed} elapsed, {eta} left") {
        bar.set_style(style);
    }
    bar.with_message(what.to_owned())
}

pub(super) fn render(args: &RenderArgs) -> anyhow::Result<()> {
    anyhow::ensure!(
        args.temper > 0.0 && args.temper <= 1.0,
        "--temper must lie above 0 and at most at 1"
    );
    let options = RenderOptions {
        items: args.items,
        seed: args.seed,
        size: args.size,
        user_photos: args.user_photos,
        style_mix: if args.temper < 1.0 {
            StyleMix::Tempered(args.temper)
        } else {
            StyleMix::Real
        },
        out: args.out.clone(),
    };
    let bar = bar(args.items, "rendering");
    let summary = render_dataset(&options, &|done| bar.inc(done as u64))?;
    bar.finish_and_clear();
    eprintln!("rendered {} products, {} photos", summary.items, summary.images);
    print(&summary.out.display().to_string())
}

pub(super) fn index(args: &IndexArgs, device: DeviceChoice) -> anyhow::Result<()> {
    let options = IndexOptions {
        dataset: args.dataset.clone(),
        bundle: args.bundle.clone(),
        out: args.out.clone(),
        storage: args.storage,
        batch: args.batch.max(1),
        max_errors: args.max_errors,
    };
    let bar = bar(0, "indexing");
    let summary = catalog::index(&options, &device.open()?, |progress| {
        bar.set_length(progress.total as u64);
        bar.set_position(progress.done as u64);
    });
    bar.finish_and_clear();
    let summary = summary?;
    for (what, named) in [
        ("images were left out", summary.skipped),
        ("products have no photo", summary.without_photo),
    ] {
        if !named.is_empty() {
            eprintln!("{} {what}\n{}", named.len(), Failures(named));
        }
    }
    summary.remarks.iter().for_each(|remark| eprintln!("note: {remark}"));
    eprintln!(
        "indexed {} products, {} photos, with {} ({} values each, kept as {})",
        summary.products,
        summary.photos,
        summary.model_id,
        summary.dim,
        args.storage.name()
    );
    print(&args.out.display().to_string())
}

pub(super) fn serve(args: &ServeArgs, device: DeviceChoice) -> anyhow::Result<()> {
    telemetry::init(
        if args.log_json {
            LogFormat::Json
        } else {
            LogFormat::Text
        },
        &args.log,
    )?;
    let seconds = |value: f64, name: &str| {
        Duration::try_from_secs_f64(value).with_context(|| format!("--{name} must be a number of seconds"))
    };
    let config = ServeConfig {
        addr: args.listen,
        site_dir: args.site.clone(),
        tagger_dir: args.tagger.clone(),
        query_dir: args.query_bundle.clone(),
        retrieval_dir: args.bundle.clone(),
        category_dir: args.category_bundle.clone(),
        catalog_dir: args.index.clone(),
        images_dir: args.images.clone(),
        rerank: args.rerank,
        decode_memory: args
            .decode_memory
            .map_or_else(default_decode_memory, |megabytes| megabytes << 20),
        queue: QueueOptions {
            max_batch: args.max_batch.max(1),
            max_wait: Duration::from_millis(args.max_wait_ms),
            capacity: args.queue.max(1),
            ..QueueOptions::default()
        },
        limits: Limits {
            connections: args.max_connections.max(1),
            deadline: seconds(args.deadline_seconds, "deadline-seconds")?,
            ..Limits::default()
        },
        drain_delay: seconds(args.drain_seconds, "drain-seconds")?,
        grace: seconds(args.grace_seconds, "grace-seconds")?,
    };
    serve_http(&config, &device.open()?, |addr| eprintln!("ready: open http://{addr}/"))
}
