//! `selvedge serve`: the page, the tagger and catalog search over HTTP.

use anyhow::Context;
use clap::Args;
use device::DeviceChoice;
use engine::Engine;
use milvus::{MilvusEngine, MilvusOptions};
use search::rerank::{Parameters, Rerank, Reranking};
use service::embed::{PhotoViews, QueueOptions};
use service::http::{self, AllowedOrigin, Limits, ServeConfig, default_decode_memory};
use service::telemetry::{self, LogFormat};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Arguments of `selvedge serve`.
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Address and port to listen on
    #[arg(long, env = "SELVEDGE_LISTEN", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Folder of the built page; without it the service is only the API
    #[arg(long, env = "SELVEDGE_SITE")]
    site: Option<PathBuf>,
    /// Folder of the catalog that `selvedge index` or `selvedge catalog import` made. The service embeds photos that wait
    #[arg(long, env = "SELVEDGE_INDEX")]
    index: PathBuf,
    /// Folder of the retrieval bundle that embeds the catalog's photos and the visitors'
    #[arg(long, env = "SELVEDGE_BUNDLE")]
    bundle: PathBuf,
    /// Folder of the next retrieval bundle. The service embeds the catalog with it in the background, compares it, and makes it
    /// live. Then restart the service with it as --bundle
    #[arg(long, value_name = "DIR", env = "SELVEDGE_NEXT_BUNDLE")]
    next_bundle: Option<PathBuf>,
    /// Folder of the retrieval bundle before this one, while the catalog keeps its embeddings. Embeddings of its query encoder, which
    /// open pages still send, are then answered
    #[arg(long, value_name = "DIR", env = "SELVEDGE_PREVIOUS_BUNDLE")]
    previous_bundle: Option<PathBuf>,
    /// Folder of the query encoder that was served with --previous-bundle
    #[arg(
        long,
        value_name = "DIR",
        env = "SELVEDGE_PREVIOUS_QUERY_BUNDLE",
        requires = "previous_bundle"
    )]
    previous_query_bundle: Option<PathBuf>,
    /// Folder of a category classifier's bundle; if it is confident about a photo, only that category is searched
    #[arg(long, value_name = "DIR", env = "SELVEDGE_CATEGORY_BUNDLE")]
    category_bundle: Option<PathBuf>,
    /// Folder of the style bundle for browsers
    #[arg(long, env = "SELVEDGE_TAGGER")]
    tagger: PathBuf,
    /// Folder of the query encoder's bundle, with which browsers embed photos themselves. It is distilled from --bundle or from
    /// the bundle that --bundle was whitened from, or it is one of these two. Without it browsers upload photos
    #[arg(long, env = "SELVEDGE_QUERY_BUNDLE")]
    query_bundle: Option<PathBuf>,
    /// Folder of a segmentation bundle for outfits (recipe outfit.toml). It finds the pieces of a photo, so that clients can search
    /// for one of them
    #[arg(long, value_name = "DIR", env = "SELVEDGE_PIECES_BUNDLE")]
    pieces: Option<PathBuf>,
    /// Views of every photo that the server embeds, whose embeddings are averaged: none or flip. It helps with `index --views
    /// flip`. The server's network runs twice per photo
    #[arg(long, value_name = "VIEWS", env = "SELVEDGE_VIEWS", default_value = "none")]
    views: PhotoViews,
    /// Folder of the dataset's photos, if it has moved since indexing
    #[arg(long, env = "SELVEDGE_IMAGES")]
    images: Option<PathBuf>,
    /// Origin whose pages may use the public API, such as https://shop.example; several times for several, or * for all. The
    /// page of --site needs none
    #[arg(
        long = "allow-origin",
        value_name = "ORIGIN",
        env = "SELVEDGE_ALLOW_ORIGINS",
        value_delimiter = ','
    )]
    allow_origins: Vec<AllowedOrigin>,
    /// Key of the admin API, with which a shop changes its catalog; without it there is no admin API. Prefer the environment
    /// variable, because other users of the machine see command lines
    #[arg(long, value_name = "KEY", env = "SELVEDGE_ADMIN_KEY", hide_env_values = true)]
    admin_key: Option<String>,
    #[command(flatten)]
    milvus: MilvusArgs,
    /// Folder in which the admin API writes snapshots; without it there are none
    #[arg(long, value_name = "DIR", env = "SELVEDGE_SNAPSHOTS")]
    snapshots: Option<PathBuf>,
    /// Re-ranking of the results: none, hop, alpha-qe or k-reciprocal (of the 100 nearest photos). None is best for items that
    /// are not in the training data. Measure with `selvedge evaluate --rerank` before you choose another
    #[arg(long, env = "SELVEDGE_RERANK", default_value = "none", hide_possible_values = true)]
    rerank: Rerank,
    #[command(flatten)]
    parameters: Parameters,
    /// Maximum number of queries per batch
    #[arg(long, env = "SELVEDGE_MAX_BATCH", default_value_t = QueueOptions::default().max_batch)]
    max_batch: usize,
    /// Maximum queue length; further requests get 429
    #[arg(long, env = "SELVEDGE_QUEUE", default_value_t = QueueOptions::default().capacity)]
    queue: usize,
    /// Maximum milliseconds for which a query waits for others of its batch
    #[arg(long, env = "SELVEDGE_MAX_WAIT_MS", default_value_t = 5)]
    max_wait_ms: u64,
    /// Maximum megabytes for decoding photos. Photos wait for free memory, and a photo that alone needs more is refused. By
    /// default this is a quarter of the memory of the machine or container, at least 128 and at most 4096
    #[arg(long, value_name = "MB", env = "SELVEDGE_DECODE_MEMORY_MB", value_parser = clap::value_parser!(u64).range(16..=1 << 20))]
    decode_memory: Option<u64>,
    /// Maximum megabytes of a file to import, of an archive of photos, and of an archive without compression
    #[arg(long, value_name = "MB", env = "SELVEDGE_MAX_UPLOAD_MB", default_value_t = Limits::default().upload_bytes >> 20,
          value_parser = clap::value_parser!(u64).range(1..=1 << 30))]
    max_upload: u64,
    /// Maximum number of connections; fewer if the process may not open as many files (`ulimit -n`, minus 128)
    #[arg(long, env = "SELVEDGE_MAX_CONNECTIONS", default_value_t = Limits::default().connections)]
    max_connections: usize,
    /// Maximum seconds of a search after its photo has arrived; a longer one gets 504
    #[arg(long, env = "SELVEDGE_DEADLINE_SECONDS", default_value_t = Limits::default().deadline.as_secs_f64())]
    deadline_seconds: f64,
    /// Seconds after SIGTERM in which requests are still accepted, so that load balancers notice
    #[arg(long, env = "SELVEDGE_DRAIN_SECONDS", default_value_t = 0.0)]
    drain_seconds: f64,
    /// Maximum seconds for requests in flight after that
    #[arg(long, env = "SELVEDGE_GRACE_SECONDS", default_value_t = 20.0)]
    grace_seconds: f64,
    /// Log filter, such as info or warn,service=debug
    #[arg(long, env = "SELVEDGE_LOG", default_value = "info")]
    log: String,
    /// Write the log as one JSON object per line
    #[arg(long, env = "SELVEDGE_LOG_JSON")]
    log_json: bool,
}

/// Arguments of a Milvus server.
#[derive(Debug, Args)]
struct MilvusArgs {
    /// Address of a Milvus server, such as http://milvus:19530. The service copies the catalog's embeddings to it, and then searches
    /// there instead of in its own memory. Without it the service searches in memory
    #[arg(long = "milvus", value_name = "URL", env = "SELVEDGE_MILVUS_URL")]
    url: Option<String>,
    /// Beginning of the names of the catalog's collections. Catalogs that share a Milvus server need different ones
    #[arg(
        long = "milvus-prefix",
        value_name = "NAME",
        env = "SELVEDGE_MILVUS_PREFIX",
        default_value = "selvedge",
        requires = "url"
    )]
    prefix: String,
    /// User and password of the Milvus server, with a colon between them. Prefer the environment variable, because other users of
    /// the machine see command lines
    #[arg(
        long = "milvus-login",
        value_name = "USER:PASSWORD",
        env = "SELVEDGE_MILVUS_LOGIN",
        hide_env_values = true,
        requires = "url"
    )]
    login: Option<String>,
}

impl MilvusArgs {
    /// The vector engine, which connects with its first request.
    fn engine(&self) -> anyhow::Result<Option<Arc<dyn Engine>>> {
        let Some(url) = &self.url else {
            return Ok(None);
        };
        let login = self.login.as_deref().map(|login| {
            let (user, password) = login.split_once(':').context("--milvus-login must be USER:PASSWORD")?;
            anyhow::Ok((user.to_owned(), password.to_owned()))
        });
        let options = MilvusOptions {
            prefix: self.prefix.clone(),
            login: login.transpose()?,
            ..MilvusOptions::new(url)
        };
        Ok(Some(Arc::new(MilvusEngine::new(options)?)))
    }
}

impl ServeArgs {
    fn config(&self) -> anyhow::Result<ServeConfig> {
        self.parameters.check().map_err(anyhow::Error::msg)?;
        let seconds = |value: f64, name: &str| {
            Duration::try_from_secs_f64(value)
                .with_context(|| format!("--{name} must be a number of seconds of at least 0"))
        };
        Ok(ServeConfig {
            addr: self.listen,
            site_dir: self.site.clone(),
            tagger_dir: self.tagger.clone(),
            query_dir: self.query_bundle.clone(),
            pieces_dir: self.pieces.clone(),
            retrieval_dir: self.bundle.clone(),
            category_dir: self.category_bundle.clone(),
            catalog_dir: self.index.clone(),
            images_dir: self.images.clone(),
            next_dir: self.next_bundle.clone(),
            previous_dir: self.previous_bundle.clone(),
            previous_query_dir: self.previous_query_bundle.clone(),
            allowed_origins: self.allow_origins.clone(),
            admin_key: self.admin_key.clone(),
            snapshots_dir: self.snapshots.clone(),
            engine: self.milvus.engine()?,
            views: self.views,
            rerank: Reranking {
                method: self.rerank,
                parameters: self.parameters,
            },
            decode_memory: self
                .decode_memory
                .map_or_else(default_decode_memory, |megabytes| megabytes << 20),
            queue: QueueOptions {
                max_batch: self.max_batch.max(1),
                max_wait: Duration::from_millis(self.max_wait_ms),
                capacity: self.queue.max(1),
                ..QueueOptions::default()
            },
            limits: Limits {
                connections: self.max_connections.max(1),
                upload_bytes: self.max_upload << 20,
                deadline: seconds(self.deadline_seconds, "deadline-seconds")?,
                ..Limits::default()
            },
            drain_delay: seconds(self.drain_seconds, "drain-seconds")?,
            grace: seconds(self.grace_seconds, "grace-seconds")?,
        })
    }
}

pub(super) fn serve(args: &ServeArgs, device: DeviceChoice) -> anyhow::Result<()> {
    let format = if args.log_json {
        LogFormat::Json
    } else {
        LogFormat::Text
    };
    telemetry::init(format, &args.log)?;
    let config = args.config()?;
    http::serve(&config, &device.open()?, |addr| eprintln!("ready: open http://{addr}/"))
}
