//! Compressed forms of content, and the choice of the form for a client.

use std::io::Write;

use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::http::header::ACCEPT_ENCODING;
use flate2::{Compression, write::GzEncoder};

/// A content coding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    /// Brotli, RFC 7932.
    Brotli,
    /// Gzip, RFC 1952.
    Gzip,
}

impl Coding {
    /// All codings; the one with the smallest content first.
    pub(super) const ALL: [Self; 2] = [Self::Brotli, Self::Gzip];

    /// The name in `Accept-Encoding` and `Content-Encoding`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        }
    }

    /// Extension that the build appends to the name of the plain file.
    pub(super) fn ending(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Gzip => "gz",
        }
    }
}

/// Compresses content by gzip; `None` if that saves next to nothing.
///
/// # Errors
/// Never in practice, because writing to memory does not fail.
pub(super) fn gzip(bytes: &[u8]) -> std::io::Result<Option<(Coding, Bytes)>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(8));
    encoder.write_all(bytes)?;
    let gzip = encoder.finish()?;
    Ok((gzip.len() + 64 < bytes.len()).then(|| (Coding::Gzip, Bytes::from(gzip))))
}

/// Chooses the form with the greatest weight in `Accept-Encoding`, and the first among equals. `None` stands for the plain
/// content, which is also sent to clients that refuse all forms.
pub(super) fn choose<'a>(forms: &'a [(Coding, Bytes)], request: &HeaderMap) -> Option<&'a (Coding, Bytes)> {
    let weights = Weights::parse(request);
    let mut best = None;
    let mut most = weights.plain();
    for form in forms {
        let weight = weights.named(form.0.name()).or(weights.any).unwrap_or(0.0);
        if weight > 0.0 && (weight > most || (best.is_none() && weight == most)) {
            (best, most) = (Some(form), weight);
        }
    }
    best
}

/// Weights in `Accept-Encoding`, 0 to 1.
struct Weights {
    named: Vec<(String, f32)>,
    any: Option<f32>,
}

impl Weights {
    fn parse(request: &HeaderMap) -> Self {
        let values = request
            .get_all(ACCEPT_ENCODING)
            .iter()
            .filter_map(|value| value.to_str().ok());
        let mut weights = Self {
            named: Vec::new(),
            any: None,
        };
        for coding in values.flat_map(|value| value.split(',')) {
            let mut parts = coding.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default().to_ascii_lowercase();
            let weight = parts
                .find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")))
                .map_or(1.0, |weight| {
                    weight
                        .trim()
                        .parse::<f32>()
                        .ok()
                        .filter(|q| (0.0..=1.0).contains(q))
                        .unwrap_or(0.0)
                });
            match name.as_str() {
                "*" => weights.any = Some(weight),
                "x-gzip" => weights.named.push(("gzip".to_owned(), weight)),
                _ => weights.named.push((name, weight)),
            }
        }
        weights
    }

    fn named(&self, coding: &str) -> Option<f32> {
        self.named
            .iter()
            .find(|(name, _)| name == coding)
            .map(|(_, weight)| *weight)
    }

    /// Weight of the plain content. Without an explicit weight it is the last choice.
    fn plain(&self) -> f32 {
        self.named("identity").unwrap_or(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn the_coding_with_the_greatest_weight_is_chosen() {
        let both = [(Coding::Brotli, Bytes::new()), (Coding::Gzip, Bytes::new())];
        for (value, from_both, from_gzip) in [
            ("gzip, deflate, br, zstd", "br", "gzip"),
            ("gzip", "gzip", "gzip"),
            ("GZIP;q=0.5, br;q=0.4", "gzip", "gzip"),
            ("br ; q=1.0 , gzip;q=0.8", "br", "gzip"),
            ("gzip;q=0", "", ""),
            ("br;q=0, *", "gzip", "gzip"),
            ("*;q=0.1", "br", "gzip"),
            ("*;q=0", "", ""),
            ("identity, gzip;q=0.5", "", ""),
            ("identity;q=0.5, gzip;q=0.5", "gzip", "gzip"),
            ("identity;q=0", "", ""),
            ("x-gzip", "gzip", "gzip"),
            ("br;q=2, gzip;q=x", "", ""),
            ("deflate", "", ""),
            ("", "", ""),
        ] {
            let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static(value))]);
            let name = |forms: &[(Coding, Bytes)]| choose(forms, &headers).map_or("", |(coding, _)| coding.name());
            assert_eq!((name(&both), name(&both[1..])), (from_both, from_gzip), "{value}");
        }
        assert!(choose(&both, &HeaderMap::new()).is_none());
    }
}
