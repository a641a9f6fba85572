//! Faulty requests get a status and a code quickly, and do not harm the service.

mod bodies;
mod embeddings;
mod fields;
mod paths;
mod photos;

use std::time::Duration;

/// Maximum time of a refusal: enough for a busy machine, far too short to decode a bomb.
const PROMPT: Duration = Duration::from_secs(5);

const SEARCH: &str = "/api/v1/search";
