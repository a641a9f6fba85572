//! When a server starts, serves and ends: the signals that ask it to end, and the phase that tells load balancers.

use std::sync::atomic::{AtomicU8, Ordering};

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Where a server is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    /// The model is being loaded and warmed up.
    Starting = 0,
    /// Requests are welcome.
    Ready = 1,
    /// Requests in flight are finished, new ones should go elsewhere.
    Draining = 2,
}

/// The current [`Phase`], shared between threads. It only moves forward.
#[derive(Debug, Default)]
pub struct Lifecycle(AtomicU8);

impl Lifecycle {
    /// The current phase.
    pub fn phase(&self) -> Phase {
        match self.0.load(Ordering::Acquire) {
            0 => Phase::Starting,
            1 => Phase::Ready,
            _ => Phase::Draining,
        }
    }

    /// Moves on to `phase`, unless it is there or further already.
    pub fn advance(&self, phase: Phase) {
        self.0.fetch_max(phase as u8, Ordering::AcqRel);
    }
}

/// The signals that a server takes over: SIGTERM and SIGINT, which end it, and SIGHUP, which it ignores.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    /// Takes over the signals; from here on they no longer end the process by themselves.
    ///
    /// # Errors
    /// When the system refuses, or outside a Tokio runtime.
    pub fn install() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next signal that ends the server and names it.
    pub async fn next(&mut self) -> &'static str {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return "SIGTERM",
                _ = self.interrupt.recv() => return "SIGINT",
                _ = self.hangup.recv() => {
                    tracing::warn!("SIGHUP is ignored: a new catalogue, bundle or flag needs a restart");
                }
            }
        }
    }
}
