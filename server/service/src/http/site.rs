//! The built page in memory. Nothing outside it can be reached. Files that the build did not compress are compressed at the
//! start.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use axum::body::Bytes;
use axum::http::header::CONTENT_SECURITY_POLICY;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use base64::Engine;
use flate2::Crc;
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::coding::{Coding, gzip};
use super::entity::{Caching, Entity, media_type};
use super::observe::{POLICY, SCRIPT_POLICY};

/// Maximum size of a page in bytes. A larger folder is not a built page.
const MAX_BYTES: u64 = 256 << 20;

/// Files of the page by path, without the leading slash.
#[derive(Debug, Default)]
pub(super) struct Site {
    assets: HashMap<String, Asset>,
}

#[derive(Debug)]
struct Asset {
    entity: Entity,
    policy: Option<HeaderValue>,
}

impl Site {
    /// Reads the folder of the built page.
    ///
    /// # Errors
    /// If it has no `index.html`, is too large, or cannot be read.
    pub(super) fn load(dir: &Path) -> anyhow::Result<Self> {
        let hint = "build the page first, or name the folder it was built into";
        ensure!(
            dir.join("index.html").is_file(),
            "{} has no index.html; {hint}",
            dir.display()
        );
        let mut files = Vec::new();
        list(dir, "", &mut files)?;
        let total: u64 = files
            .iter()
            .filter_map(|(_, path)| path.metadata().ok())
            .map(|data| data.len())
            .sum();
        ensure!(
            total <= MAX_BYTES,
            "{} holds {total} bytes, too many for a page; {hint}",
            dir.display()
        );
        let read: anyhow::Result<HashMap<_, _>> = files
            .into_par_iter()
            .map(|(name, path)| {
                let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
                Ok((name, Bytes::from(bytes)))
            })
            .collect();
        let read = read?;
        let assets: anyhow::Result<HashMap<_, _>> = read
            .par_iter()
            .filter(|(name, _)| !is_form(name, &read))
            .map(|(name, bytes)| {
                Ok((
                    name.clone(),
                    Asset::new(name, bytes.clone(), built_forms(name, bytes, &read))?,
                ))
            })
            .collect();
        Ok(Self { assets: assets? })
    }

    /// Answers a GET of `path`; `None` if the page has no such file.
    pub(super) fn get(&self, path: &str, request: &HeaderMap) -> Option<Response> {
        let name = path.trim_start_matches('/');
        let asset = match name.is_empty() || name.ends_with('/') {
            true => self.assets.get(&format!("{name}index.html"))?,
            false => self.assets.get(name)?,
        };
        Some(asset.respond(request))
    }
}

impl Asset {
    /// A file with its compressed forms. Without any, it is compressed here.
    fn new(name: &str, bytes: Bytes, mut forms: Vec<(Coding, Bytes)>) -> anyhow::Result<Self> {
        let media_type = media_type(name);
        let compressible = !media_type.starts_with("image/") || media_type == "image/svg+xml";
        if compressible && forms.is_empty() {
            forms.extend(gzip(&bytes)?);
        }
        let policy = media_type
            .starts_with("text/html")
            .then(|| policy(&bytes))
            .transpose()?;
        let caching = if is_hashed(name) {
            Caching::Immutable
        } else {
            Caching::Revalidate
        };
        let etag = format!("\"{}\"", &format!("{:x}", Sha256::digest(&bytes))[..32]);
        Ok(Self {
            entity: Entity {
                bytes,
                media_type,
                etag,
                caching,
                forms,
            },
            policy,
        })
    }

    fn respond(&self, request: &HeaderMap) -> Response {
        let mut response = self.entity.clone().respond(request);
        if let Some(policy) = &self.policy {
            response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy.clone());
        }
        response
    }
}

/// Lists all files below `dir` except hidden ones, with their paths relative to the page's folder.
fn list(dir: &Path, prefix: &str, files: &mut Vec<(String, PathBuf)>) -> anyhow::Result<()> {
    let entries = fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))?;
    for entry in entries {
        let entry = entry.with_context(|| format!("cannot read {}", dir.display()))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') {
            continue;
        }
        let (name, path) = (format!("{prefix}{name}"), entry.path());
        if entry.file_type()?.is_dir() {
            list(&path, &format!("{name}/"), files)?;
        } else {
            files.push((name, path));
        }
    }
    Ok(())
}

/// True if `name` is a compressed form of another file of the page.
fn is_form(name: &str, files: &HashMap<String, Bytes>) -> bool {
    Coding::ALL.iter().any(|coding| {
        name.strip_suffix(coding.ending())
            .and_then(|name| name.strip_suffix('.'))
            .is_some_and(|plain| files.contains_key(plain))
    })
}

/// Compressed forms of a file that the build made. The gzip form contains the length and CRC of its content. If they differ
/// from the file's, the file was changed after the build and all forms are ignored.
fn built_forms(name: &str, bytes: &Bytes, files: &HashMap<String, Bytes>) -> Vec<(Coding, Bytes)> {
    let form = |coding: Coding| files.get(&format!("{name}.{}", coding.ending()));
    let Some(gzip) = form(Coding::Gzip) else {
        return Vec::new();
    };
    let mut crc = Crc::new();
    crc.update(bytes);
    let expected = [crc.sum().to_le_bytes(), crc.amount().to_le_bytes()].concat();
    if !gzip.ends_with(&expected) {
        tracing::warn!(
            file = name,
            "the compressed forms do not belong to this file; build the page again"
        );
        return Vec::new();
    }
    Coding::ALL
        .into_iter()
        .filter_map(|coding| Some((coding, form(coding)?.clone())))
        .collect()
}

/// True if the path contains a hash of the content: as a folder, as in `wasm/0123456789ab/web.js`, or in the file's name, as
/// in `web-0123456789abcdef_bg.wasm`.
fn is_hashed(name: &str) -> bool {
    let hash = |part: &str| {
        (12..=64).contains(&part.len()) && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let (folders, file) = name.rsplit_once('/').unwrap_or(("", name));
    folders.split('/').any(hash) || file.split(['-', '_', '.']).skip(1).any(hash)
}

/// Content security policy of an HTML file. Its inline scripts are allowed by their hashes.
fn policy(html: &[u8]) -> anyhow::Result<HeaderValue> {
    let mut policy = format!("{POLICY}; {SCRIPT_POLICY}");
    for script in inline_scripts(&String::from_utf8_lossy(html)) {
        let hash = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(script.as_bytes()));
        policy.push_str(&format!(" 'sha256-{hash}'"));
    }
    HeaderValue::from_str(&policy).context("the content security policy is not a valid header")
}

/// Texts between `<script ...>` and `</script>`.
fn inline_scripts(html: &str) -> Vec<&str> {
    let mut scripts = Vec::new();
    let mut rest = html;
    while let Some((_, after)) = rest.split_once("<script") {
        let Some((_, body)) = after.split_once('>') else {
            break;
        };
        let Some((script, after)) = body.split_once("</script") else {
            break;
        };
        if !script.is_empty() {
            scripts.push(script);
        }
        rest = after;
    }
    scripts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_with_a_hash_are_recognised() {
        for (name, expected) in [
            ("web-0123456789abcdef.js", true),
            ("cpu/web-0123456789abcdef_bg.wasm", true),
            ("style-0123456789abcdef.css", true),
            ("assets/0123456789ab/app/main.js", true),
            ("assets/app/main.js", false),
            ("index.html", false),
            ("worker.js", false),
            ("0123456789abcdef.js", false),
            ("page-deadbeef.js", false),
        ] {
            assert_eq!(is_hashed(name), expected, "{name}");
        }
    }

    #[test]
    fn inline_scripts_are_allowed_by_their_hash() {
        let html = br#"<script src="a.js"></script><script type="module">go()</script><script>"#;
        let policy = policy(html).expect("the policy is a header");
        let policy = policy.to_str().expect("the policy is ASCII");
        assert!(
            policy.ends_with("'wasm-unsafe-eval' 'sha256-5KYv+PUboo5h+0+YAtGRPbwv5d/QxzHslP4YGnUaxRw='"),
            "{policy}"
        );
    }
}
