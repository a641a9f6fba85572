//! The server's life: open, listen, warm up, serve, drain, end.

use std::future::IntoFuture;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use burn::tensor::Device;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::{App, router};
use crate::catalog::rerank::Rerank;
use crate::embed::QueueOptions;
use crate::shutdown::{Phase, Signals};

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
    /// How long the server still takes requests after SIGTERM, for load balancers to notice `/readyz`.
    pub drain_delay: Duration,
    /// How long requests in flight may take after that.
    pub grace: Duration,
}

/// Serves until SIGTERM or SIGINT, then drains. `on_ready` is told the address once the model is warm.
///
/// The first signal turns `/readyz` to 503, lets requests come for `drain_delay` and finish within `grace`; a second
/// one ends at once.
///
/// # Errors
/// When something named in `config` cannot be opened, the address is taken, or the model cannot be loaded.
pub fn serve(config: &ServeConfig, device: &Device, on_ready: impl FnOnce(SocketAddr)) -> anyhow::Result<()> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start the runtime")?;
    let served = runtime.block_on(run(config, device, on_ready));
    // Work that outlives the grace period must not keep the process.
    runtime.shutdown_timeout(Duration::from_millis(100));
    served
}

async fn run(config: &ServeConfig, device: &Device, on_ready: impl FnOnce(SocketAddr)) -> anyhow::Result<()> {
    let mut signals = Signals::install().context("cannot listen for signals")?;
    let (app, warm) = App::open(config, device)?;
    let app = Arc::new(app);
    let listener = TcpListener::bind(config.addr)
        .await
        .with_context(|| format!("cannot listen on {}; is another server using it?", config.addr))?;
    let addr = listener.local_addr().context("the listener has no address")?;
    tracing::info!(
        %addr, model = app.catalog.model_id(), products = app.catalog.products().len(), photos = app.catalog.photos(),
        "listening, warming up"
    );

    let (stop, stopped) = oneshot::channel::<()>();
    let server = axum::serve(listener, router(Arc::clone(&app)))
        .with_graceful_shutdown(async move {
            let _ = stopped.await;
        })
        .into_future();
    let mut server = tokio::spawn(server);

    let signal = tokio::select! {
        warm = warm => {
            warm.context("the embedding worker ended while it started")??;
            app.lifecycle.advance(Phase::Ready);
            tracing::info!(%addr, "ready");
            on_ready(addr);
            tokio::select! {
                signal = signals.next() => signal,
                ended = &mut server => return ended.context("the server panicked")?.context("the server failed"),
            }
        }
        signal = signals.next() => signal,
    };

    app.lifecycle.advance(Phase::Draining);
    tracing::info!(signal, "draining; a second signal ends at once");
    let drained = async {
        tokio::time::sleep(config.drain_delay).await;
        let _ = stop.send(());
        tokio::time::timeout(config.grace, &mut server).await
    };
    tokio::select! {
        drained = drained => match drained {
            Ok(ended) => {
                ended.context("the server panicked")?.context("the server failed")?;
                tracing::info!("all requests have ended");
            }
            Err(_) => tracing::warn!(grace_s = config.grace.as_secs(), "some requests outlived the grace period"),
        },
        signal = signals.next() => tracing::warn!(signal, "ending at once"),
    }
    Ok(())
}
