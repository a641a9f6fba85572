//! The images of a catalog, sent from their folder in pieces. Nothing else of the disk can be reached.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use anyhow::Context;
use axum::body::{Body, Bytes};
use axum::http::header::CONTENT_LENGTH;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::Response;
use futures::stream::try_unfold;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::entity::{Caching, Entity, client_has};
use super::error::ApiError;

/// Bytes of every piece but the first. The server buffers some pieces per client.
const PIECE: usize = 16 << 10;

/// Bytes that are read when a file is opened; most photos of a shop are smaller.
const FIRST: usize = 64 << 10;

/// Bytes that are needed to recognise an image format.
const SIGNATURE: usize = 32;

/// Maximum number of concurrent reads, so that other blocking work has threads, too.
const READERS: usize = 8;

/// A folder of images.
#[derive(Debug)]
pub(super) struct PhotoFolder {
    root: PathBuf,
    readers: Arc<Semaphore>,
}

/// An open file of the folder.
struct Opened {
    etag: String,
    bytes: u64,
    /// Media type and first bytes; `None` if the client has the file.
    begin: Option<(&'static str, Vec<u8>)>,
    file: File,
}

impl PhotoFolder {
    /// A folder at `root`.
    ///
    /// # Errors
    /// If there is no such folder.
    pub(super) fn open(root: &Path) -> anyhow::Result<Self> {
        let root = fs::canonicalize(root).with_context(|| {
            format!(
                "cannot open {}; name the folder that holds the catalog's photos",
                root.display()
            )
        })?;
        Ok(Self {
            root,
            readers: Arc::new(Semaphore::new(READERS)),
        })
    }

    /// Answers a GET or HEAD of the image at `path`, which the catalog contains. Memory is only used for a few pieces,
    /// however large the file is.
    pub(super) async fn get(&self, path: &str, method: &Method, request: &HeaderMap) -> Result<Response, ApiError> {
        let head = method == Method::HEAD;
        let (root, path, headers) = (self.root.clone(), path.to_owned(), request.clone());
        let opened = read(&self.readers, move || {
            open(&root, &path, if head { SIGNATURE } else { FIRST }, &headers)
        });
        let Opened {
            etag,
            bytes,
            begin,
            file,
        } = match opened.await {
            Ok(Some(opened)) => opened,
            Ok(None) => return Err(ApiError::NotFound("image")),
            Err(error) => {
                return Err(ApiError::Internal(
                    anyhow::Error::new(error).context("cannot read an image"),
                ));
            }
        };
        let (media_type, begin) = begin.unwrap_or_default();
        let mut response = Entity::plain(Bytes::new(), media_type, etag, Caching::Revalidate).respond(request);
        if response.status() == StatusCode::OK {
            response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(bytes));
            if !head {
                let left = bytes - begin.len() as u64;
                let rest = Rest {
                    file,
                    left,
                    readers: Arc::clone(&self.readers),
                };
                *response.body_mut() = match left {
                    0 => Body::from(begin),
                    _ => Body::from_stream(try_unfold((Some(begin), rest), |(begin, rest)| async move {
                        match begin {
                            Some(begin) => Ok::<_, io::Error>(Some((Bytes::from(begin), (None, rest)))),
                            None => Ok(rest.next().await?.map(|(piece, rest)| (piece, (None, rest)))),
                        }
                    })),
                };
            }
        }
        Ok(response)
    }
}

/// Rest of a file that is still to be sent.
struct Rest {
    file: File,
    left: u64,
    readers: Arc<Semaphore>,
}

impl Rest {
    /// Reads the next piece.
    ///
    /// # Errors
    /// If the file has become shorter; the answer then ends early.
    async fn next(mut self) -> io::Result<Option<(Bytes, Self)>> {
        if self.left == 0 {
            return Ok(None);
        }
        let readers = Arc::clone(&self.readers);
        read(&readers, move || {
            let mut piece = vec![0; usize::try_from(self.left).map_or(PIECE, |left| left.min(PIECE))];
            self.file.read_exact(&mut piece)?;
            self.left -= piece.len() as u64;
            Ok(Some((Bytes::from(piece), self)))
        })
        .await
    }
}

/// Runs `work`, which reads a file, off the async threads when fewer than [`READERS`] others run.
async fn read<T: Send + 'static>(
    readers: &Arc<Semaphore>,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let permit = Arc::clone(readers).acquire_owned().await.map_err(io::Error::other)?;
    let work = spawn_blocking(move || {
        let _permit = permit;
        work()
    });
    work.await.map_err(io::Error::other)?
}

/// Opens the image at `path` below `root` and reads its first `first` bytes, unless the client has it. `None` if there is no
/// such image.
fn open(root: &Path, path: &str, first: usize, request: &HeaderMap) -> io::Result<Option<Opened>> {
    let gone = |error: &io::Error| matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory);
    let file = match fs::canonicalize(root.join(path)) {
        // A link must not lead out of the folder.
        Ok(file) if file.starts_with(root) && file.is_file() => file,
        Ok(_) => return Ok(None),
        Err(error) if gone(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut file = match File::open(&file) {
        Err(error) if gone(&error) => return Ok(None),
        other => other?,
    };
    let data = file.metadata()?;
    let modified = data
        .modified()
        .ok()
        .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
        .unwrap_or_default();
    let (etag, bytes) = (format!("\"{:x}-{:x}\"", data.len(), modified.as_nanos()), data.len());
    if client_has(request, &etag) {
        return Ok(Some(Opened {
            etag,
            bytes,
            begin: None,
            file,
        }));
    }
    let mut begin = vec![0; usize::try_from(bytes).map_or(first, |bytes| bytes.min(first))];
    file.read_exact(&mut begin)?;
    Ok(dataset::media_type(&begin).map(|media_type| Opened {
        etag,
        bytes,
        begin: Some((media_type, begin)),
        file,
    }))
}
