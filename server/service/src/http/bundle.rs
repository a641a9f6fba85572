//! A bundle for browsers, in memory as it is sent.

use std::path::Path;

use anyhow::{Context, ensure};
use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::response::Response;
use dataset::bundle;
use shared::bundle::{Manifest, sha256_hex};

use super::coding::gzip;
use super::entity::{Caching, Entity};
use super::error::ApiError;

/// Use of a bundle in the browser.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Style recognition.
    Tagger,
    /// Embedding of queries.
    QueryEncoder,
    /// Segmentation of an outfit.
    Segmenter,
}

impl Role {
    /// Task in the manifest, and name in messages.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Tagger => ("style", "tagger"),
            Self::QueryEncoder => ("query", "query encoder"),
            Self::Segmenter => ("segment", "segmenter"),
        }
    }
}

/// Manifest and weights of a bundle.
#[derive(Debug)]
pub(super) struct BrowserBundle {
    /// The complete manifest.
    pub(super) about: Manifest,
    manifest: Entity,
    weights: Entity,
}

impl BrowserBundle {
    /// Reads the bundle folder `dir`.
    ///
    /// # Errors
    /// If a file is missing or damaged, or the bundle is for another task.
    pub(super) fn load(dir: &Path, role: Role) -> anyhow::Result<Self> {
        let (task, name) = role.names();
        let (manifest, weights) = bundle::read(dir)?;
        ensure!(
            manifest.task() == task,
            "{} holds a {} bundle; name the folder of a {task} bundle as the {name}",
            dir.display(),
            manifest.task()
        );
        let json = serde_json::to_vec(&manifest.public()).context("cannot write the manifest")?;
        let tag = format!("\"{}\"", sha256_hex(&json));
        let weights_tag = format!("\"{}\"", manifest.weights.sha256);
        let forms = gzip(&weights.network)?.into_iter().collect();
        Ok(Self {
            about: manifest,
            manifest: Entity::plain(Bytes::from(json), "application/json", tag, Caching::Revalidate),
            weights: Entity {
                forms,
                ..Entity::plain(
                    Bytes::from(weights.network),
                    "application/octet-stream",
                    weights_tag,
                    Caching::Immutable,
                )
            },
        })
    }

    /// Answers a request for the manifest, without its private keys; see [`Manifest::public`].
    pub(super) fn respond_manifest(&self, request: &HeaderMap) -> Response {
        self.manifest.clone().respond(request)
    }

    /// Answers a request for the weights with the checksum `sha256`.
    ///
    /// # Errors
    /// If the weights have another checksum.
    pub(super) fn respond_weights(&self, sha256: &str, request: &HeaderMap) -> Result<Response, ApiError> {
        if sha256 != self.about.weights.sha256 {
            return Err(ApiError::NotFound("weights file"));
        }
        Ok(self.weights.clone().respond(request))
    }
}
