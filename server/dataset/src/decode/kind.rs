//! Detection of a file's kind by its first bytes: a supported image format, or a foreign kind that errors name.

use std::io::Read;
use std::path::Path;

use image::ImageFormat;

use super::error::PhotoError;

/// Supported image formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Jpeg,
    Png,
    WebP,
    Gif,
    Bmp,
}

/// Number of bytes in which text is searched.
const PREFIX: usize = 1024;

/// Number of bytes by which [`format_of`] and [`is_image`] detect a file's kind.
const HEAD: u64 = 64;

const SAVE_AS_IMAGE: &str = "save it as a JPEG, PNG or WebP image and use that";
const USE_THE_IMAGE: &str = "use the image itself";

/// First bytes and names of image formats that are not supported.
const IMAGES: &[(&[u8], &str)] = &[
    (b"\xFF\x0A", "a JPEG XL image"),
    (b"\0\0\0\x0CJXL \r\n\x87\n", "a JPEG XL image"),
    (b"\0\0\0\x0CjP  \r\n\x87\n", "a JPEG 2000 image"),
    (b"\xFF\x4F\xFF\x51", "a JPEG 2000 image"),
    (b"II\xBC", "a JPEG XR image"),
    (b"II*\0", "a TIFF image or a camera's raw file"),
    (b"MM\0*", "a TIFF image or a camera's raw file"),
    (b"II+\0", "a BigTIFF image"),
    (b"MM\0+", "a BigTIFF image"),
    (b"IIU\0", "a camera's raw file"),
    (b"IIRO", "a camera's raw file"),
    (b"FUJIFILMCCD-RAW", "a camera's raw file"),
    (b"8BPS", "a Photoshop document"),
    (b"\0\0\x01\0", "an icon file (ICO)"),
    (b"DDS ", "a DDS texture"),
    (b"qoif", "a QOI image"),
    (b"\x76\x2F\x31\x01", "an OpenEXR image"),
    (b"#?RADIANCE", "a Radiance HDR image"),
    (b"\x8AMNG", "an MNG animation"),
    (b"\x8BJNG", "a JNG image"),
    (b"BPG\xFB", "a BPG image"),
    (b"FLIF", "a FLIF image"),
    (b"P1\n", "a PNM image"),
    (b"P2\n", "a PNM image"),
    (b"P3\n", "a PNM image"),
    (b"P4\n", "a PNM image"),
    (b"P5\n", "a PNM image"),
    (b"P6\n", "a PNM image"),
    (b"P7\n", "a PAM image"),
    (b"gimp xcf", "a GIMP document"),
];

/// First bytes, names and advice for files that are not images.
const OTHERS: &[(&[u8], &str, &str)] = &[
    (b"%!PS", "a PostScript document", SAVE_AS_IMAGE),
    (
        b"PK\x03\x04",
        "a ZIP archive or an office document",
        "unpack it and use the image in it",
    ),
    (b"\x1F\x8B", "a gzip archive", "unpack it and use the image in it"),
    (
        b"\x28\xB5\x2F\xFD",
        "a Zstandard archive",
        "unpack it and use the image in it",
    ),
    (
        b"7z\xBC\xAF\x27\x1C",
        "a 7z archive",
        "unpack it and use the image in it",
    ),
    (b"Rar!\x1A\x07", "a RAR archive", "unpack it and use the image in it"),
    (b"\x1A\x45\xDF\xA3", "a video (Matroska or WebM)", "use a still image"),
    (b"FLV\x01", "a video (FLV)", "use a still image"),
    (b"\0\0\x01\xBA", "a video (MPEG)", "use a still image"),
    (b"\0\0\x01\xB3", "a video (MPEG)", "use a still image"),
    (b"OggS", "an Ogg audio or video file", "use a still image"),
    (b"ID3", "an audio file (MP3)", "use an image"),
    (
        b"version https://git-lfs",
        "a Git LFS pointer, not the image it stands for",
        "fetch the image with `git lfs pull` and use that",
    ),
    (
        b"data:",
        "a data URL, which is text",
        "decode it and use the bytes of the image",
    ),
    (
        b"/9j/",
        "an image written as Base64 text",
        "decode it and use the bytes of the image",
    ),
    (
        b"iVBORw0KGgo",
        "an image written as Base64 text",
        "decode it and use the bytes of the image",
    ),
    (
        b"UklGR",
        "an image written as Base64 text",
        "decode it and use the bytes of the image",
    ),
];

impl Kind {
    /// Detects the format of a file.
    ///
    /// # Errors
    /// [`PhotoError::Empty`] for no bytes, [`PhotoError::Damaged`] for a damaged signature, and otherwise
    /// [`PhotoError::NotAnImage`] or [`PhotoError::Unsupported`] with the file's kind.
    pub(super) fn detect(bytes: &[u8]) -> Result<Self, PhotoError> {
        const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";
        match bytes {
            [] => Err(PhotoError::Empty),
            [0xFF, 0xD8, 0xFF, ..] => Ok(Self::Jpeg),
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Ok(Self::Gif),
            [b'B', b'M', ..] => Ok(Self::Bmp),
            _ if bytes.starts_with(PNG) => Ok(Self::Png),
            _ if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") => Ok(Self::WebP),
            _ if [PNG, b"\xFF\xD8\xFF", b"GIF89a", b"RIFF"]
                .iter()
                .any(|signature| signature.starts_with(bytes)) =>
            {
                Err(PhotoError::truncated())
            }
            _ if bytes.get(1..4) == Some(b"PNG") => Err(PhotoError::Damaged(
                "its first bytes were altered, as by a transfer in text mode".into(),
            )),
            _ => Err(foreign(bytes)),
        }
    }

    fn format(self) -> ImageFormat {
        match self {
            Self::Jpeg => ImageFormat::Jpeg,
            Self::Png => ImageFormat::Png,
            Self::WebP => ImageFormat::WebP,
            Self::Gif => ImageFormat::Gif,
            Self::Bmp => ImageFormat::Bmp,
        }
    }
}

fn detect_file(path: &Path) -> Result<Kind, PhotoError> {
    let mut head = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(HEAD).read_to_end(&mut head));
    // A file that cannot be read counts as empty.
    Kind::detect(if read.is_ok() { &head } else { &[] })
}

/// Format of an image file by its first bytes, whatever its name. `None` if the format is not supported or the file
/// cannot be read.
pub fn format_of(path: &Path) -> Option<ImageFormat> {
    detect_file(path).ok().map(Kind::format)
}

/// Media type of an image by its first bytes; at least 12 are needed. `None` if the format is not supported.
pub fn media_type(head: &[u8]) -> Option<&'static str> {
    Kind::detect(head).ok().map(|kind| kind.format().to_mime_type())
}

/// True if the first bytes of a file are those of an image, in a supported format or another one.
pub fn is_image(path: &Path) -> bool {
    !matches!(
        detect_file(path),
        Err(PhotoError::Empty | PhotoError::NotAnImage { .. })
    )
}

/// Names the kind of a file that is not supported.
fn foreign(bytes: &[u8]) -> PhotoError {
    let unsupported = |what: &str| PhotoError::Unsupported {
        what: what.into(),
        instead: SAVE_AS_IMAGE,
    };
    let other = |what, instead| PhotoError::NotAnImage { what, instead };
    if let Some((_, what)) = IMAGES.iter().find(|(start, _)| bytes.starts_with(start)) {
        return unsupported(what);
    }
    if let Some((_, what, instead)) = OTHERS.iter().find(|(start, ..)| bytes.starts_with(start)) {
        return other(what, instead);
    }
    if bytes.get(4..8) == Some(b"ftyp") {
        return media(bytes);
    }
    let prefix = &bytes[..bytes.len().min(PREFIX)];
    if prefix.windows(5).any(|part| part == b"%PDF-") {
        return other("a PDF document", SAVE_AS_IMAGE);
    }
    match (bytes.get(..4), bytes.get(8..12)) {
        (Some(b"RIFF"), Some(b"AVI ")) => return other("a video (AVI)", "use a still image"),
        (Some(b"RIFF"), Some(b"WAVE")) => return other("an audio file (WAV)", "use an image"),
        _ => {}
    }
    if bytes.iter().all(|&byte| byte == 0) {
        return other(
            "a file of zeros, whose content was lost",
            "copy it again from its source",
        );
    }
    match text(prefix) {
        Some(text) => text_kind(&text),
        None => other("of an unknown kind", "use a JPEG, PNG, WebP, GIF or BMP image"),
    }
}

/// Names the kind of a file in the ISO base media format by its brands.
fn media(bytes: &[u8]) -> PhotoError {
    let length = bytes.get(..4).map_or(0, |four| {
        u32::from_be_bytes([four[0], four[1], four[2], four[3]]) as usize
    });
    let brands = &bytes[8..length.clamp(8, 256).min(bytes.len())];
    // The minor version between the major and the compatible brands matches no brand.
    let has = |wanted: &[&[u8; 4]]| {
        brands
            .chunks_exact(4)
            .any(|brand| wanted.iter().any(|name| brand == &name[..]))
    };
    if has(&[b"avif", b"avis"]) {
        return PhotoError::Unsupported {
            what: "an AVIF image".into(),
            instead: SAVE_AS_IMAGE,
        };
    }
    if has(&[
        b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1", b"mif2",
    ]) {
        return PhotoError::Unsupported {
            what: "a HEIC photo".into(),
            instead: "save it as JPEG and use that; an iPhone takes JPEG photos with Settings, Camera, Formats, Most \
                      Compatible",
        };
    }
    if has(&[b"crx "]) {
        return PhotoError::Unsupported {
            what: "a camera's raw file".into(),
            instead: SAVE_AS_IMAGE,
        };
    }
    PhotoError::NotAnImage {
        what: "a video or audio file (MP4 or QuickTime)",
        instead: "use a still image",
    }
}

/// Returns the beginning of a text file in lower case, without leading white space. `None` for binary data.
fn text(prefix: &[u8]) -> Option<String> {
    if prefix.starts_with(b"\xFF\xFE") || prefix.starts_with(b"\xFE\xFF") {
        let ascii: Vec<u8> = prefix[2..].iter().copied().filter(|&byte| byte != 0).collect();
        return text(&ascii);
    }
    let prefix = prefix.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(prefix);
    let binary = |byte: &u8| *byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r' | 0x0C | 0x1B);
    if prefix.iter().any(binary) {
        return None;
    }
    let valid = match str::from_utf8(prefix) {
        Ok(valid) => valid,
        // The prefix may end within a character.
        Err(error) if error.error_len().is_none() => str::from_utf8(&prefix[..error.valid_up_to()]).ok()?,
        Err(_) => return None,
    };
    Some(valid.trim_start().to_lowercase())
}

/// Names the kind of a text file by its beginning in lower case.
fn text_kind(text: &str) -> PhotoError {
    let begins = |starts: &[&str]| starts.iter().any(|start| text.starts_with(start));
    let (what, instead) =
        if text.starts_with("<svg") || (begins(&["<?xml", "<!--", "<!doctype svg"]) && text.contains("<svg")) {
            ("an SVG drawing", SAVE_AS_IMAGE)
        } else if begins(&[
            "<!doctype html",
            "<html",
            "<head",
            "<body",
            "<script",
            "<meta",
            "<title",
            "<div",
            "<p>",
        ]) || (text.starts_with('<') && text.contains("<html"))
        {
            ("a web page (HTML), perhaps an error or a login page", USE_THE_IMAGE)
        } else if text.starts_with('<') {
            ("an XML document", USE_THE_IMAGE)
        } else if begins(&["{", "["]) {
            ("a JSON text", USE_THE_IMAGE)
        } else if begins(&["http://", "https://"]) {
            (
                "the address of a file, not the file itself",
                "fetch the image and use that",
            )
        } else {
            ("a text", USE_THE_IMAGE)
        };
    PhotoError::NotAnImage { what, instead }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_files_are_refused_by_name() {
        let utf16: Vec<u8> = b"\xFF\xFE"
            .iter()
            .copied()
            .chain("<html>".bytes().flat_map(|byte| [byte, 0]))
            .collect();
        let cases: &[(&[u8], &str)] = &[
            (b"\n<!DOCTYPE html><p>login", "web page"),
            (b"\xEF\xBB\xBF<HTML>", "web page"),
            (&utf16, "web page"),
            (b"<?xml version='1.0'?><svg/>", "SVG"),
            (b"<svg xmlns='x'/>", "SVG"),
            (b"<?xml version='1.0'?><feed/>", "XML"),
            (b"{\"error\":1}", "JSON"),
            (
                b"version https://git-lfs.github.com/spec/v1\noid sha256:1",
                "git lfs pull",
            ),
            (b"data:image/png;base64,iVBO", "data URL"),
            (b"/9j/4AAQSkZJRg", "Base64"),
            (b"https://shop.example/a.jpg", "address"),
            ("schöne Grüße".as_bytes(), "text"),
            (b"junk %PDF-1.7", "PDF"),
            (b"PK\x03\x04word", "ZIP"),
            (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
            (b"\0\0\0\x18ftypmif1\0\0\0\0mif1avif", "AVIF"),
            (b"\0\0\0\x18ftypisom\0\0\0\0isommp42", "video"),
            (b"RIFF\x10\0\0\0AVI LIST", "video"),
            (b"\x1A\x45\xDF\xA3webm", "video"),
            (b"\xFF\x0A\xFA", "JPEG XL"),
            (b"\0\0\0\x0CjP  \r\n\x87\n", "JPEG 2000"),
            (b"II*\0\x08", "TIFF"),
            (b"8BPS\0\x01", "Photoshop"),
            (b"\0\0\0\0\0", "zeros"),
            (b"\x01\x02\xFE\x99", "an unknown kind"),
            (b"\x89PNG\n\x1a\n", "text mode"),
        ];
        for (bytes, expected) in cases {
            let error = Kind::detect(bytes).expect_err(expected).to_string();
            assert!(error.contains(expected), "'{error}' does not say '{expected}'");
        }
        assert_eq!(Kind::detect(b""), Err(PhotoError::Empty));
    }
}
