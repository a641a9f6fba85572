//! A client's connection and its activity: the current phase and its start.

use std::io;
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::limits::Limits;

/// Maximum bytes per read.
const READ: usize = 64 << 10;

/// Pause between two checks of a client whose next bytes are not read yet.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Maximum time of an incomplete head after the server begins to end.
const LAST_HEAD: Duration = Duration::from_secs(1);

/// State of a connection, shared by its socket, its requests and its supervisor.
pub(super) struct Activity {
    state: Mutex<State>,
    began: Notify,
    /// Notified when the connection must end to make room for another one.
    pub(super) evicted: Notify,
}

struct State {
    phase: Phase,
    since: Instant,
    /// Time since which the client has not accepted any bytes, if bytes wait for it.
    unwritten: Option<Instant>,
    evicted: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The head of a request is arriving.
    Head,
    /// The body of a request is arriving.
    Body,
    /// A request is being answered.
    Busy,
    /// The last request was answered and no other one has begun.
    Idle,
}

impl Activity {
    pub(super) fn new() -> Arc<Self> {
        let state = State {
            phase: Phase::Head,
            since: Instant::now(),
            unwritten: None,
            evicted: false,
        };
        Arc::new(Self {
            state: Mutex::new(state),
            began: Notify::new(),
            evicted: Notify::new(),
        })
    }

    /// Enters the phase of answering until the guard is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> Busy {
        self.enter(Phase::Busy);
        self.began.notify_one();
        Busy(Arc::clone(self))
    }

    /// Returns why the connection must be closed; `None` if it may stay. `ending` is the time at which the server began to
    /// end.
    pub(super) fn overdue(&self, limits: &Limits, ending: Option<Instant>) -> Option<&'static str> {
        let state = self.lock();
        if state.unwritten.is_some_and(|since| since.elapsed() > limits.write) {
            return Some("the client does not read its answer");
        }
        match state.phase {
            // The last answer is still being written.
            _ if state.unwritten.is_some() => None,
            Phase::Head if ending.is_some_and(|ending| ending.max(state.since).elapsed() > LAST_HEAD) => {
                Some("the server ends before the head of a request has arrived")
            }
            Phase::Head if state.since.elapsed() > limits.head => Some("the head of a request did not arrive in time"),
            Phase::Idle if state.since.elapsed() > limits.idle => Some("it was idle for too long"),
            _ => None,
        }
    }

    /// Enters the phase of receiving a body until the guard is dropped.
    pub(super) fn receive(self: &Arc<Self>) -> Receiving {
        self.enter(Phase::Body);
        Receiving(Arc::clone(self))
    }

    /// Key by which connections are closed to make room: first the ones without a request, then the ones with an incomplete
    /// body, the longest wait first. `None` while an answer is computed or written, and after eviction.
    pub(super) fn eviction_key(&self) -> Option<(bool, Instant)> {
        let state = self.lock();
        let waits = state.phase != Phase::Busy && state.unwritten.is_none() && !state.evicted;
        waits.then_some((state.phase == Phase::Body, state.since))
    }

    /// Asks the connection to end.
    pub(super) fn evict(&self) {
        self.lock().evicted = true;
        self.evicted.notify_one();
    }

    fn received(&self) {
        if self.lock().phase == Phase::Idle {
            self.enter(Phase::Head);
        }
    }

    fn wrote(&self) {
        let mut state = self.lock();
        state.unwritten = None;
        if state.phase != Phase::Busy {
            // The answer is written in pieces; the next wait begins after the last one.
            state.since = Instant::now();
        }
    }

    fn cannot_write(&self) {
        self.lock().unwritten.get_or_insert_with(Instant::now);
    }

    fn is_busy(&self) -> bool {
        self.lock().phase == Phase::Busy
    }

    fn enter(&self, phase: Phase) {
        let mut state = self.lock();
        (state.phase, state.since) = (phase, Instant::now());
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Guard of a request that is being answered, until its answer is complete or its client has left.
pub(super) struct Busy(Arc<Activity>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.enter(Phase::Idle);
    }
}

/// Guard of a body that is arriving, until it is complete or refused.
pub(super) struct Receiving(Arc<Activity>);

impl Drop for Receiving {
    fn drop(&mut self) {
        self.0.enter(Phase::Busy);
        self.0.began.notify_one();
    }
}

/// Waits until the client of a request that is being answered has closed its connection. Bytes that it sent in advance do
/// not hide that.
pub(super) async fn abandoned(stream: &TcpStream, activity: &Activity) {
    loop {
        while !activity.is_busy() {
            activity.began.notified().await;
        }
        let closed = stream
            .ready(Interest::READABLE)
            .await
            .is_ok_and(|ready| ready.is_read_closed());
        if closed && activity.is_busy() {
            return;
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// A TCP connection that updates its activity.
pub(super) struct Socket {
    stream: Arc<TcpStream>,
    activity: Arc<Activity>,
}

impl Socket {
    pub(super) fn new(stream: Arc<TcpStream>, activity: Arc<Activity>) -> Self {
        Self { stream, activity }
    }

    fn poll_send(
        &self,
        context: &mut Context<'_>,
        send: impl Fn(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            match self.stream.poll_write_ready(context) {
                Poll::Ready(ready) => ready?,
                Poll::Pending => {
                    self.activity.cannot_write();
                    return Poll::Pending;
                }
            }
            match send(&self.stream) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                sent => {
                    self.activity.wrote();
                    return Poll::Ready(sent);
                }
            }
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.stream.poll_read_ready(context))?;
            let room = buffer.remaining().min(READ);
            match self.stream.try_read(buffer.initialize_unfilled_to(room)) {
                Ok(count) => {
                    buffer.advance(count);
                    if count > 0 {
                        self.activity.received();
                    }
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_send(context, |stream| stream.try_write(bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_send(context, |stream| stream.try_write_vectored(bytes))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A second handle of the same socket, because the stream is shared with `abandoned`.
        let handle = std::net::TcpStream::from(self.stream.as_fd().try_clone_to_owned()?);
        Poll::Ready(handle.shutdown(Shutdown::Write))
    }
}
