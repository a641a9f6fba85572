//! The bundle that browsers tag with, in memory as it is sent.

use std::fs;
use std::path::Path;

use anyhow::{Context, bail};
use axum::body::Bytes;
use shared::bundle::{MANIFEST_FILE, Manifest};
use shared::model::Architecture;

use super::entity::{Caching, Entity};

/// A style bundle's manifest and weights.
#[derive(Debug)]
pub(super) struct Tagger {
    manifest: Entity,
    weights: Entity,
    sha256: String,
}

impl Tagger {
    /// Reads the bundle folder `dir` and checks the weights against the manifest.
    pub(super) fn load(dir: &Path) -> anyhow::Result<Self> {
        let read = |name: &str| {
            let path = dir.join(name);
            fs::read(&path).with_context(|| format!("cannot read {}; is it a bundle folder?", path.display()))
        };
        let json = read(MANIFEST_FILE)?;
        let unusable = || format!("the tagger bundle in {} cannot be used", dir.display());
        let manifest = Manifest::from_json(&json).with_context(unusable)?;
        if !matches!(manifest.architecture, Architecture::Style(_)) {
            bail!(
                "{} holds a {} bundle; name the folder of a style bundle as the tagger",
                dir.display(),
                manifest.task()
            );
        }
        let weights = read(&manifest.weights.file)?;
        manifest.check_weights(&weights).with_context(unusable)?;
        let sha256 = manifest.weights.sha256;
        let tag = format!("\"{}\"", shared::bundle::sha256_hex(&json));
        Ok(Self {
            manifest: Entity::plain(Bytes::from(json), "application/json", tag, Caching::Revalidate),
            weights: Entity::plain(
                Bytes::from(weights),
                "application/octet-stream",
                format!("\"{sha256}\""),
                Caching::Immutable,
            ),
            sha256,
        })
    }

    /// `bundle.json` as it is.
    pub(super) fn manifest(&self) -> Entity {
        self.manifest.clone()
    }

    /// The weights, if `sha256` is theirs.
    pub(super) fn weights(&self, sha256: &str) -> Option<Entity> {
        (sha256 == self.sha256).then(|| self.weights.clone())
    }
}
