//! Limits on the resources and the time of clients.

use std::time::Duration;

/// Limits on clients. The defaults do not affect ordinary clients.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Maximum number of connections; fewer if the process may not open as many files.
    pub connections: usize,
    /// Maximum time of a request's head, from its first byte or from the start of the connection.
    pub head: Duration,
    /// Maximum idle time of a connection between requests.
    pub idle: Duration,
    /// Maximum time without progress while an answer is written.
    pub write: Duration,
    /// Time that a body may take at any rate.
    pub body_grace: Duration,
    /// Minimum average rate of a body after `body_grace`, in bytes per second.
    pub body_rate: u32,
    /// Maximum time of a body.
    pub body: Duration,
    /// Maximum bytes of all bodies in memory.
    pub body_bytes: usize,
    /// Maximum bytes of a file to import, of an archive of photos, and of an archive without compression.
    pub upload_bytes: u64,
    /// Maximum time of an answer after its body has arrived.
    pub deadline: Duration,
    /// Maximum number of searches by photo, including waiting ones.
    pub photos: usize,
    /// Maximum number of searches by embedding, including waiting ones.
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
            upload_bytes: 8 << 30,
            deadline: seconds(15),
            photos: 64,
            embeddings: 256,
        }
    }
}
