//! Configuration of the service.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use engine::Engine;
use search::rerank::Reranking;

use super::cors::AllowedOrigin;
use super::limits::Limits;
use crate::embed::{PhotoViews, QueueOptions};

/// Folders, address and limits of a service.
#[derive(Clone)]
pub struct ServeConfig {
    /// Address to listen on; port 0 takes a free one.
    pub addr: SocketAddr,
    /// Folder of the built page; without it the service is only the API.
    pub site_dir: Option<PathBuf>,
    /// Folder of the style bundle for browsers.
    pub tagger_dir: PathBuf,
    /// Folder of the query encoder's bundle for browsers; without it browsers send photos.
    pub query_dir: Option<PathBuf>,
    /// Folder of the segmentation bundle that finds the pieces of an outfit; without it there is no search by piece.
    pub pieces_dir: Option<PathBuf>,
    /// Folder of the retrieval bundle.
    pub retrieval_dir: PathBuf,
    /// Folder of a category classifier's bundle; without it only the categories that clients give restrict a search.
    pub category_dir: Option<PathBuf>,
    /// Folder of the catalog. Its embeddings are those of the retrieval bundle.
    pub catalog_dir: PathBuf,
    /// Folder of the photos, if it has moved since indexing.
    pub images_dir: Option<PathBuf>,
    /// Folder of the next retrieval bundle, with which the catalog is embedded while the service runs.
    pub next_dir: Option<PathBuf>,
    /// Folder of the retrieval bundle before, whose embeddings are still answered.
    pub previous_dir: Option<PathBuf>,
    /// Folder of the query encoder before, whose embeddings are still answered.
    pub previous_query_dir: Option<PathBuf>,
    /// Origins whose pages may use the public API and show the catalog's images. The service's own page needs none.
    pub allowed_origins: Vec<AllowedOrigin>,
    /// Key of the admin API; without it there is no admin API.
    pub admin_key: Option<String>,
    /// Vector engine that searches the catalog; without it the service searches in its own memory.
    pub engine: Option<Arc<dyn Engine>>,
    /// Folder of snapshots; without it the admin API writes none.
    pub snapshots_dir: Option<PathBuf>,
    /// Views of every photo that the server embeds.
    pub views: PhotoViews,
    /// Re-ranking of every search.
    pub rerank: Reranking,
    /// Maximum bytes that decoding may take at once; see [`default_decode_memory`](super::default_decode_memory).
    pub decode_memory: u64,
    /// Batching of queries.
    pub queue: QueueOptions,
    /// Limits on clients.
    pub limits: Limits,
    /// Time after SIGTERM in which the server still takes requests, so that load balancers notice `/readyz`.
    pub drain_delay: Duration,
    /// Maximum time for requests in flight after `drain_delay`.
    pub grace: Duration,
}
