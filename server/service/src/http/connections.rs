//! Connections: accepts them within limits, serves each over HTTP/1.1, and ends all of them.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::http::header::CONNECTION;
use axum::http::{HeaderValue, Request};
use futures::FutureExt;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tower::ServiceExt;

use super::front::Front;
use super::limits::Limits;
use super::socket::{Activity, Busy, Socket, abandoned};

/// Number of open files that are reserved for the rest of the process.
const OTHER_FILES: usize = 128;

/// Pause after the system refused a connection.
const PAUSE: Duration = Duration::from_millis(50);

/// Minimum time between two log lines about refused connections.
const QUIET: Duration = Duration::from_secs(10);

/// Time for which idle connections stay open after the server begins to end, so that arriving requests are answered.
const LAST_CALL: Duration = Duration::from_millis(250);

/// The connections of a server, with their limits.
pub(super) struct Connections {
    front: Arc<Front>,
    limits: Limits,
    /// Maximum number of connections.
    capacity: usize,
    permits: Arc<Semaphore>,
    open: Mutex<HashMap<u64, Arc<Activity>>>,
    count: AtomicU64,
}

impl Connections {
    pub(super) fn new(front: Arc<Front>, limits: Limits) -> Arc<Self> {
        let files = open_files().unwrap_or(usize::MAX);
        let capacity = limits
            .connections
            .min(files.saturating_sub(OTHER_FILES).max(files / 2))
            .max(1);
        if capacity < limits.connections {
            tracing::warn!(
                connections = capacity,
                files,
                "the process may not open as many files as --max-connections needs; raise `ulimit -n`"
            );
        }
        let permits = Arc::new(Semaphore::new(capacity));
        Arc::new(Self {
            front,
            limits,
            capacity,
            permits,
            open: Mutex::default(),
            count: AtomicU64::new(0),
        })
    }

    /// Accepts connections until `ending` is true, then waits until the last connection has ended.
    pub(super) async fn serve(self: Arc<Self>, listener: TcpListener, ending: watch::Receiver<bool>) {
        let mut ended = ending.clone();
        tokio::select! {
            _ = ended.wait_for(|ending| *ending) => {}
            () = self.accept(&listener, &ending) => {}
        }
        // Connections that the system has accepted before the listener closes are also answered.
        while let (Some(Ok((stream, _))), Ok(permit)) = (
            listener.accept().now_or_never(),
            Arc::clone(&self.permits).try_acquire_owned(),
        ) {
            self.spawn(stream, permit, ending.clone());
        }
        drop(listener);
        // Every connection returns its permit when it ends.
        let _ = self
            .permits
            .acquire_many(u32::try_from(self.capacity).unwrap_or(u32::MAX))
            .await;
    }

    async fn accept(self: &Arc<Self>, listener: &TcpListener, ending: &watch::Receiver<bool>) {
        let mut logged: Option<Instant> = None;
        loop {
            let accepted = listener.accept().await;
            let (stream, _) = match accepted {
                Ok(accepted) => accepted,
                // The client closed the connection before it was accepted.
                Err(error) if is_client_error(&error) => continue,
                Err(error) => {
                    if logged.is_none_or(|at| at.elapsed() > QUIET) {
                        logged = Some(Instant::now());
                        tracing::error!(%error, "cannot accept connections; closing the one that has waited longest");
                    }
                    self.evict_one();
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            };
            let permit = match Arc::clone(&self.permits).try_acquire_owned() {
                Ok(permit) => permit,
                Err(_) => {
                    self.evict_one();
                    match Arc::clone(&self.permits).acquire_owned().await {
                        Ok(permit) => permit,
                        Err(_) => return,
                    }
                }
            };
            self.spawn(stream, permit, ending.clone());
        }
    }

    /// Closes the connection that has waited longest for its client.
    fn evict_one(&self) {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = open
            .values()
            .filter_map(|activity| Some((activity.eviction_key()?, activity)));
        if let Some((_, activity)) = waiting.min_by_key(|(order, _)| *order) {
            activity.evict();
        }
    }

    fn spawn(self: &Arc<Self>, stream: TcpStream, permit: OwnedSemaphorePermit, ending: watch::Receiver<bool>) {
        let this = Arc::clone(self);
        tokio::spawn(async move {
            let _permit = permit;
            let number = this.count.fetch_add(1, Ordering::Relaxed);
            let activity = Activity::new();
            let open = || this.open.lock().unwrap_or_else(PoisonError::into_inner);
            open().insert(number, Arc::clone(&activity));
            this.serve_one(stream, &activity, ending).await;
            open().remove(&number);
        });
    }

    async fn serve_one(&self, stream: TcpStream, activity: &Arc<Activity>, mut ending: watch::Receiver<bool>) {
        // Answers are written at once, so Nagle's algorithm would only delay them. If this fails, the socket is closed.
        let _ = stream.set_nodelay(true);
        let stream = Arc::new(stream);
        let socket = Socket::new(Arc::clone(&stream), Arc::clone(activity));
        let service = service_fn(|mut request: Request<Incoming>| {
            request.extensions_mut().insert(Arc::clone(activity));
            let (busy, router) = (activity.begin(), self.front.router());
            async move {
                let answered = router.oneshot(request.map(Body::new)).await;
                let mut response = answered.unwrap_or_else(|never: Infallible| match never {});
                if self.front.is_ending() {
                    response
                        .headers_mut()
                        .insert(CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<_, Infallible>(response.map(|body| Answer { body, _busy: busy }))
            }
        });
        let mut connection = pin!(http1::Builder::new().serve_connection(TokioIo::new(socket), service));
        let mut gone = pin!(abandoned(&stream, activity));
        let mut check = tokio::time::interval(self.check_interval());
        let mut ended = None;
        let mut last_call = pin!(async {
            // Without a sender the server does not end.
            if ending.wait_for(|ending| *ending).await.is_err() {
                std::future::pending::<()>().await;
            }
            tokio::time::sleep(LAST_CALL).await;
        });
        loop {
            tokio::select! {
                biased;
                result = connection.as_mut() => {
                    if let Err(error) = result {
                        tracing::debug!(%error, "a connection failed");
                    }
                    return;
                }
                () = gone.as_mut() => return,
                () = activity.evicted.notified() => return tracing::debug!("closed a connection to make room"),
                () = last_call.as_mut(), if ended.is_none() => {
                    ended = Some(Instant::now());
                    connection.as_mut().graceful_shutdown();
                }
                _ = check.tick() => {
                    if let Some(reason) = activity.overdue(&self.limits, ended) {
                        return tracing::debug!(reason, "closed a connection");
                    }
                }
            }
        }
    }

    /// Time between two checks of a connection's limits.
    fn check_interval(&self) -> Duration {
        let shortest = self.limits.head.min(self.limits.idle).min(self.limits.write);
        (shortest / 4).clamp(Duration::from_millis(10), Duration::from_secs(1))
    }
}

/// Body of an answer. Its request ends when it is dropped.
struct Answer {
    body: Body,
    _busy: Busy,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// True if the client caused the error.
fn is_client_error(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Maximum number of open files of the process, on Linux.
fn open_files() -> Option<usize> {
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}
