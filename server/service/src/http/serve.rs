//! The server's life: listen, open, warm up, serve, drain, end.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use burn::tensor::Device;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::App;
use super::connections::Connections;
use super::front::Front;
use super::limits::Limits;
use crate::embed::{EmbedFn, QueueOptions};
use crate::memory;
use crate::shutdown::{Lifecycle, Phase, Signals};
use search::rerank::Rerank;

/// How long the model may still work when all requests have ended.
const LAST_BATCH: Duration = Duration::from_secs(1);

/// What to serve, and where.
#[derive(Debug, Clone)]
pub struct ServeConfig {
    /// Where to listen; port 0 takes a free one.
    pub addr: SocketAddr,
    /// The folder the page was built into; without it there is only the API.
    pub site_dir: Option<PathBuf>,
    /// The folder of the style bundle for browsers.
    pub tagger_dir: PathBuf,
    /// The folder of the query encoder's bundle for browsers; without it they send photos.
    pub query_dir: Option<PathBuf>,
    /// The folder of the retrieval bundle.
    pub retrieval_dir: PathBuf,
    /// The folder of a bundle that tells categories; without it only the categories that clients name narrow a search.
    pub category_dir: Option<PathBuf>,
    /// The catalogue folder, indexed with that retrieval bundle.
    pub catalog_dir: PathBuf,
    /// The folder of the photos, when it is no longer where it was indexed.
    pub images_dir: Option<PathBuf>,
    /// How every search ranks a second time.
    pub rerank: Rerank,
    /// Bytes that decoding photos may take at once; see [`default_decode_memory`](super::default_decode_memory).
    pub decode_memory: u64,
    /// How queries are gathered into batches.
    pub queue: QueueOptions,
    /// What clients may take of the service.
    pub limits: Limits,
    /// How long the server still takes requests after SIGTERM, for load balancers to notice `/readyz`.
    pub drain_delay: Duration,
    /// How long requests in flight may take after that.
    pub grace: Duration,
}

/// Serves until SIGTERM or SIGINT, then drains. `on_ready` is told the address once the model is warm.
///
/// The port is bound first: while catalogue and models are being read, `/livez` answers 200 and all else 503. The first
/// signal turns `/readyz` to 503, lets requests come for `drain_delay` and finish within `grace`; a second one ends at
/// once, as does a first one before everything was read. SIGHUP is ignored.
///
/// # Errors
/// When something named in `config` cannot be opened, the address is taken, or the model cannot be loaded.
pub fn serve(config: &ServeConfig, device: &Device, on_ready: impl FnOnce(SocketAddr)) -> anyhow::Result<()> {
    serve_with(config, App::model(config, device), on_ready)
}

/// [`serve`] with a model that `make` loads instead of the retrieval bundle's; it is called again when the model fails.
///
/// # Errors
/// As [`serve`].
pub fn serve_with(
    config: &ServeConfig,
    make: impl FnMut() -> anyhow::Result<EmbedFn> + Send + 'static,
    on_ready: impl FnOnce(SocketAddr),
) -> anyhow::Result<()> {
    memory::return_large_blocks();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let served = runtime.block_on(run(config, make, on_ready));
    // Work that outlives the grace period must not keep the process.
    runtime.shutdown_timeout(Duration::from_millis(100));
    served
}

async fn run(
    config: &ServeConfig,
    make: impl FnMut() -> anyhow::Result<EmbedFn> + Send + 'static,
    on_ready: impl FnOnce(SocketAddr),
) -> anyhow::Result<()> {
    let mut signals = Signals::install().context("cannot listen for signals")?;
    let listener = TcpListener::bind(config.addr)
        .await
        .with_context(|| format!("cannot listen on {}; is another server using it?", config.addr))?;
    let addr = listener.local_addr().context("the listener has no address")?;
    tracing::info!(%addr, "listening");

    let lifecycle = Arc::new(Lifecycle::default());
    let front = Arc::new(Front::new(Arc::clone(&lifecycle)));
    let (ending, told) = watch::channel(false);
    let mut server = tokio::spawn(Connections::new(Arc::clone(&front), config.limits).serve(listener, told));

    let opening = {
        let (config, lifecycle, front) = (config.clone(), Arc::clone(&lifecycle), Arc::clone(&front));
        tokio::task::spawn_blocking(move || App::open_with(&config, make, lifecycle, |doing| front.says(doing)))
    };
    let (app, warm) = tokio::select! {
        opened = opening => opened.context("opening the catalogue and the bundles panicked")??,
        signal = signals.next() => {
            tracing::info!(signal, "ending before everything was read");
            return Ok(());
        }
    };
    let app = Arc::new(app);
    tracing::info!(
        index = %config.catalog_dir.display(),
        model = app.catalog.model_id(),
        products = app.catalog.products().len(),
        photos = app.catalog.photos(),
        "opened, warming up"
    );
    front.open(&app);

    let signal = tokio::select! {
        warm = warm => {
            warm.context("the embedding worker ended while it started")??;
            lifecycle.advance(Phase::Ready);
            tracing::info!(%addr, "ready");
            on_ready(addr);
            tokio::select! {
                signal = signals.next() => signal,
                ended = &mut server => return ended.context("the server panicked"),
            }
        }
        signal = signals.next() => signal,
    };

    lifecycle.advance(Phase::Draining);
    tracing::info!(signal, "draining; a second signal ends at once");
    let drained = async {
        tokio::time::sleep(config.drain_delay).await;
        let _ = ending.send(true);
        tokio::time::timeout(config.grace, async {
            let ended = (&mut server).await;
            if !app.queue.end(LAST_BATCH).await {
                tracing::warn!("the model does not end its batch; ending without it");
            }
            ended
        })
        .await
    };
    tokio::select! {
        drained = drained => match drained {
            Ok(ended) => {
                ended.context("the server panicked")?;
                tracing::info!("all requests have ended");
            }
            Err(_) => tracing::warn!(grace_s = config.grace.as_secs(), "some requests outlived the grace period"),
        },
        signal = signals.next() => tracing::warn!(signal, "ending at once"),
    }
    Ok(())
}
