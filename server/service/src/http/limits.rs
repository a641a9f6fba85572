//! Bounds on what clients may take of the service, and for how long.

use std::time::Duration;

/// The bounds, each at a value that honest clients do not notice.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The most connections at once; fewer where the process may not open as many files.
    pub connections: usize,
    /// Time that the head of a request may take from its first byte, or from the connection's start.
    pub head: Duration,
    /// Time that a connection may be idle between requests.
    pub idle: Duration,
    /// Time for which a client may take nothing of its answer.
    pub write: Duration,
    /// Time that a body may take at any rate.
    pub body_grace: Duration,
    /// Bytes a second that a body must have on average from then on.
    pub body_rate: u32,
    /// Longest time that a body may take.
    pub body: Duration,
    /// Bytes of bodies in memory at once.
    pub body_bytes: usize,
    /// Time that an answer may take after the body has arrived.
    pub deadline: Duration,
    /// Searches by photo at once, waiting ones included.
    pub photos: usize,
    /// Searches by embedding at once, waiting ones included.
    pub embeddings: usize,
}

impl Default for Limits {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            connections: 1024,
            head: seconds(10),
            idle: seconds(60),
            write: seconds(30),
            body_grace: seconds(5),
            body_rate: 8 << 10,
            body: seconds(60),
            body_bytes: 256 << 20,
            deadline: seconds(15),
            photos: 64,
            embeddings: 256,
        }
    }
}
