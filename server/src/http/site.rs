//! The built page, read into memory once: nothing outside it can be reached, and every file is compressed already.

use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use axum::body::Bytes;
use axum::http::header::{ACCEPT_ENCODING, CONTENT_SECURITY_POLICY};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use base64::Engine;
use flate2::{Compression, write::GzEncoder};
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::entity::{Caching, Entity, media_type};
use super::observe::{POLICY, SCRIPT_POLICY};

/// A page is some megabytes; more means that the wrong folder was named.
const MAX_BYTES: u64 = 256 << 20;

/// The files of the page by path, without the leading slash.
#[derive(Debug, Default)]
pub(super) struct Site {
    assets: HashMap<String, Asset>,
}

#[derive(Debug)]
struct Asset {
    bytes: Bytes,
    gzip: Option<Bytes>,
    media_type: &'static str,
    tag: String,
    caching: Caching,
    policy: Option<HeaderValue>,
}

impl Site {
    /// Reads the folder the page was built into.
    pub(super) fn load(dir: &Path) -> anyhow::Result<Self> {
        let hint = "build the page first, or name the folder it was built into";
        ensure!(dir.join("index.html").is_file(), "{} has no index.html; {hint}", dir.display());
        let mut files = Vec::new();
        list(dir, "", &mut files)?;
        let total: u64 = files.iter().filter_map(|(_, path)| path.metadata().ok()).map(|data| data.len()).sum();
        ensure!(total <= MAX_BYTES, "{} holds {total} bytes, which is no page; {hint}", dir.display());
        let assets: anyhow::Result<HashMap<_, _>> = files
            .into_par_iter()
            .map(|(name, path)| {
                let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
                let asset = Asset::new(&name, bytes)?;
                Ok((name, asset))
            })
            .collect();
        Ok(Self { assets: assets? })
    }

    /// The answer to a GET of `path`, or nothing when the page has no such file.
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
    fn new(name: &str, bytes: Vec<u8>) -> anyhow::Result<Self> {
        let media_type = media_type(name);
        let compressible = !media_type.starts_with("image/") || media_type == "image/svg+xml";
        let gzip = if compressible { smaller(&bytes)? } else { None };
        let policy = media_type.starts_with("text/html").then(|| policy(&bytes)).transpose()?;
        let caching = if is_hashed(name) { Caching::Immutable } else { Caching::Revalidate };
        let tag = format!("{:x}", Sha256::digest(&bytes))[..32].to_owned();
        Ok(Self { bytes: bytes.into(), gzip: gzip.map(Bytes::from), media_type, tag, caching, policy })
    }

    fn respond(&self, request: &HeaderMap) -> Response {
        let chosen = self.gzip.as_ref().filter(|_| accepts_gzip(request));
        let mut response = Entity {
            bytes: chosen.unwrap_or(&self.bytes).clone(),
            media_type: self.media_type,
            etag: format!("\"{}{}\"", self.tag, if chosen.is_some() { "-gz" } else { "" }),
            caching: self.caching,
            encoding: chosen.map(|_| "gzip"),
            varies: self.gzip.is_some(),
        }
        .respond(request);
        if let Some(policy) = &self.policy {
            response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy.clone());
        }
        response
    }
}

/// All files below `dir` but hidden ones, with their names relative to the top.
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

/// The gzip form, if it is worth sending.
fn smaller(bytes: &[u8]) -> anyhow::Result<Option<Vec<u8>>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(8));
    encoder.write_all(bytes)?;
    let gzip = encoder.finish()?;
    Ok((gzip.len() + 64 < bytes.len()).then_some(gzip))
}

/// Whether the build put a hash of the content into the path: into a folder's name, as in `wasm/0123456789ab/web.js`, or
/// behind a file's, as in `web-0123456789abcdef_bg.wasm`.
fn is_hashed(name: &str) -> bool {
    let hash = |part: &str| {
        (12..=64).contains(&part.len()) && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let (folders, file) = name.rsplit_once('/').unwrap_or(("", name));
    folders.split('/').any(hash) || file.split(['-', '_', '.']).skip(1).any(hash)
}

/// The content security policy of an HTML file: the scripts it holds inline are allowed by their hash, and no others.
fn policy(html: &[u8]) -> anyhow::Result<HeaderValue> {
    let mut policy = format!("{POLICY}; {SCRIPT_POLICY}");
    for script in inline_scripts(&String::from_utf8_lossy(html)) {
        let hash = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(script.as_bytes()));
        policy.push_str(&format!(" 'sha256-{hash}'"));
    }
    HeaderValue::from_str(&policy).context("the content security policy is no header")
}

/// What stands between `<script ...>` and `</script>`.
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

/// Whether `Accept-Encoding` names gzip, and not with a weight of zero.
fn accepts_gzip(request: &HeaderMap) -> bool {
    let values = request.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, "q=1"));
        let weight = weight.trim().trim_start_matches("q=").parse::<f32>().unwrap_or(0.0);
        name.trim().eq_ignore_ascii_case("gzip") && weight > 0.0
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashed_names() {
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
    fn gzip_is_negotiated() {
        for (value, expected) in
            [("gzip, br", true), ("br;q=1, GZIP;q=0.5", true), ("gzip;q=0", false), ("br", false), ("", false)]
        {
            let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static(value))]);
            assert_eq!(accepts_gzip(&headers), expected, "{value}");
        }
    }

    #[test]
    fn inline_scripts_are_allowed_by_hash() {
        let html = br#"<script src="a.js"></script><script type="module">go()</script><script>"#;
        let policy = policy(html).expect("a header");
        let policy = policy.to_str().expect("ascii");
        assert!(
            policy.ends_with("'wasm-unsafe-eval' 'sha256-5KYv+PUboo5h+0+YAtGRPbwv5d/QxzHslP4YGnUaxRw='"),
            "{policy}"
        );
    }
}
