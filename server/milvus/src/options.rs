//! Options of the engine.

use std::time::Duration;

/// Address and limits of a Milvus server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MilvusOptions {
    /// Address such as `http://127.0.0.1:19530`.
    pub url: String,
    /// User and password, if the server requires them.
    pub login: Option<(String, String)>,
    /// Beginning of the names of all collections: letters, digits and `_`. Shops that share a server have different ones.
    pub prefix: String,
    /// Maximum time of a request with its repetitions.
    pub timeout: Duration,
    /// Maximum time to create and load a collection.
    pub setup_timeout: Duration,
    /// Maximum number of tries of a request.
    pub tries: u32,
    /// Time before the second try. It doubles with each try.
    pub backoff: Duration,
    /// Number of failures in a row after which requests fail at once.
    pub failures: u32,
    /// Time for which requests fail at once.
    pub pause: Duration,
}

impl MilvusOptions {
    /// Options for the server at `url`, with the prefix `selvedge`.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            login: None,
            prefix: "selvedge".into(),
            timeout: Duration::from_secs(5),
            setup_timeout: Duration::from_secs(120),
            tries: 5,
            backoff: Duration::from_millis(100),
            failures: 3,
            pause: Duration::from_secs(5),
        }
    }
}
