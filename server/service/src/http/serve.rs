//! Life of the server: listen, open, warm up, serve, drain, end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use burn::tensor::Device;
use device::DeviceChoice;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::app::App;
use super::config::ServeConfig;
use super::connections::Connections;
use super::front::Front;
use crate::embed::EmbedFn;
use crate::memory;
use crate::shutdown::{Lifecycle, Phase, Signals};

/// Maximum time of the model's last batch after all requests have ended.
const LAST_BATCH: Duration = Duration::from_secs(1);

/// Serves until SIGTERM or SIGINT, then drains. Calls `on_ready` with the address when the model is warm.
///
/// The port is bound first: while the catalog and the models are read, `/livez` answers 200 and every other path 503. The
/// first signal turns `/readyz` to 503. Requests are still accepted for `drain_delay`, and may take `grace` to end. A second
/// signal ends the server at once, as does the first one before everything was read. SIGHUP is ignored.
///
/// # Errors
/// If a folder in `config` cannot be opened, the address is taken, or the model cannot be loaded.
pub fn serve(config: &ServeConfig, device: &Device, on_ready: impl FnOnce(SocketAddr)) -> anyhow::Result<()> {
    serve_on(config, device, App::model(config, device), on_ready)
}

/// [`serve`] with a model that `make` loads instead of the retrieval bundle's. `make` is called again when the model fails.
///
/// # Errors
/// As [`serve`].
pub fn serve_with(
    config: &ServeConfig,
    make: impl FnMut() -> anyhow::Result<EmbedFn> + Send + 'static,
    on_ready: impl FnOnce(SocketAddr),
) -> anyhow::Result<()> {
    serve_on(config, &DeviceChoice::Cpu.open()?, make, on_ready)
}

fn serve_on(
    config: &ServeConfig,
    device: &Device,
    make: impl FnMut() -> anyhow::Result<EmbedFn> + Send + 'static,
    on_ready: impl FnOnce(SocketAddr),
) -> anyhow::Result<()> {
    memory::return_large_blocks();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let served = runtime.block_on(run(config, device, make, on_ready));
    // Work that outlives the grace period must not keep the process.
    runtime.shutdown_timeout(Duration::from_millis(100));
    served
}

async fn run(
    config: &ServeConfig,
    device: &Device,
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
    let (ending, ended_receiver) = watch::channel(false);
    let mut server = tokio::spawn(Connections::new(Arc::clone(&front), config.limits).serve(listener, ended_receiver));

    let opening = {
        let (config, device) = (config.clone(), device.clone());
        let (lifecycle, front) = (Arc::clone(&lifecycle), Arc::clone(&front));
        tokio::task::spawn_blocking(move || {
            App::open_with(&config, &device, make, lifecycle, |step| front.report(step))
        })
    };
    let (app, warm) = tokio::select! {
        opened = opening => opened.context("opening the catalog and the bundles panicked")??,
        signal = signals.next() => {
            tracing::info!(signal, "ending before everything was read");
            return Ok(());
        }
    };
    let app = Arc::new(app);
    tokio::spawn(memory::return_free_memory());
    tracing::info!(
        catalog = %config.catalog_dir.display(),
        model = app.catalog.space().model_id,
        products = app.catalog.live().products(),
        photos = app.catalog.live().photos(),
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
    drain(config, &app, server, &ending, &mut signals).await
}

/// Lets the requests in flight end within the time of `config`, or until the next signal.
async fn drain(
    config: &ServeConfig,
    app: &App,
    mut server: JoinHandle<()>,
    ending: &watch::Sender<bool>,
    signals: &mut Signals,
) -> anyhow::Result<()> {
    let drained = async {
        tokio::time::sleep(config.drain_delay).await;
        let _ = ending.send(true);
        tokio::time::timeout(config.grace, async {
            let ended = (&mut server).await;
            if !app.embedder.queue.end(LAST_BATCH).await {
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
