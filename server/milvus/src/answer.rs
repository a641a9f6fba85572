//! Answers of a server.

/// Error of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The server does not answer, or is not ready.
    Away(String),
    /// The collection or the alias does not exist.
    Missing,
    /// The server refused the request.
    Refused(String),
}

/// A collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Described {
    /// Its name. It differs from the name of the request if that was an alias.
    pub(crate) name: String,
    /// Dimension of its vectors.
    pub(crate) dim: usize,
}
