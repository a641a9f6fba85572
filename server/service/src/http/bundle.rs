//! A bundle for browsers, in memory as it is sent.

use std::path::Path;

use anyhow::{Context, ensure};
use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::response::Response;
use dataset::bundle;
use shared::bundle::{Manifest, sha256_hex};
use shared::model::Architecture;

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
    /// Name in messages.
    fn name(self) -> &'static str {
        match self {
            Self::Tagger => "tagger",
            Self::QueryEncoder => "query encoder",
            Self::Segmenter => "segmenter",
        }
    }

    /// True if a browser can use the bundle in this role. Browsers run a retrieval network as their query encoder if it is a
    /// single network without a projection.
    fn accepts(self, manifest: &Manifest) -> bool {
        match (self, &manifest.architecture) {
            (Self::Tagger, Architecture::Style(_))
            | (Self::QueryEncoder, Architecture::Query(_))
            | (Self::Segmenter, Architecture::Segment(_)) => true,
            (Self::QueryEncoder, Architecture::Retrieval(config)) => {
                config.joined.is_empty() && manifest.projection.is_none()
            }
            _ => false,
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
        let (manifest, weights) = bundle::read(dir)?;
        ensure!(
            role.accepts(&manifest),
            "{} holds a {} bundle that browsers cannot run as the {}\nhint: {}",
            dir.display(),
            manifest.task(),
            role.name(),
            match role {
                Role::Tagger => "name the folder of a style bundle",
                Role::QueryEncoder =>
                    "name the folder of a query bundle, or of one retrieval network without a projection",
                Role::Segmenter => "name the folder of a segmentation bundle",
            }
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
