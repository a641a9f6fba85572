//! A bundle that browsers run, in memory as it is sent.

use std::fs;
use std::path::Path;

use anyhow::{Context, bail};
use axum::body::Bytes;
use shared::bundle::{MANIFEST_FILE, Manifest};

use super::coding::gzip;
use super::entity::{Caching, Entity};

/// What browsers do with a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Recognise styles.
    Tagger,
    /// Embed queries into the catalogue's space.
    QueryEncoder,
}

impl Role {
    /// The task of such a bundle, and what people call it.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Tagger => ("style", "tagger"),
            Self::QueryEncoder => ("query", "query encoder"),
        }
    }
}

/// A bundle's manifest and weights.
#[derive(Debug)]
pub(super) struct BrowserBundle {
    /// The manifest as read.
    pub(super) about: Manifest,
    manifest: Entity,
    weights: Entity,
}

impl BrowserBundle {
    /// Reads the bundle folder `dir` and checks the weights against the manifest.
    ///
    /// # Errors
    /// When a file is missing or damaged, or the bundle is for another role.
    pub(super) fn load(dir: &Path, role: Role) -> anyhow::Result<Self> {
        let (task, name) = role.names();
        let read = |file: &str| {
            let path = dir.join(file);
            fs::read(&path).with_context(|| format!("cannot read {}; is it a bundle folder?", path.display()))
        };
        let json = read(MANIFEST_FILE)?;
        let unusable = || format!("the {name}'s bundle in {} cannot be used", dir.display());
        let manifest = Manifest::from_json(&json).with_context(unusable)?;
        if manifest.task() != task {
            bail!(
                "{} holds a {} bundle; name the folder of a {task} bundle as the {name}",
                dir.display(),
                manifest.task()
            );
        }
        let weights = read(&manifest.weights.file)?;
        manifest.check_weights(&weights).with_context(unusable)?;
        let json = serde_json::to_vec(&manifest.public()).context("cannot write the manifest")?;
        let tag = format!("\"{}\"", shared::bundle::sha256_hex(&json));
        let weights_tag = format!("\"{}\"", manifest.weights.sha256);
        let forms = gzip(&weights)?.into_iter().collect();
        Ok(Self {
            about: manifest,
            manifest: Entity::plain(Bytes::from(json), "application/json", tag, Caching::Revalidate),
            weights: Entity {
                forms,
                ..Entity::plain(
                    Bytes::from(weights),
                    "application/octet-stream",
                    weights_tag,
                    Caching::Immutable,
                )
            },
        })
    }

    /// The manifest without what only its makers need; see [`Manifest::public`].
    pub(super) fn manifest(&self) -> Entity {
        self.manifest.clone()
    }

    /// The weights, if `sha256` is theirs.
    pub(super) fn weights(&self, sha256: &str) -> Option<Entity> {
        (sha256 == self.about.weights.sha256).then(|| self.weights.clone())
    }
}
