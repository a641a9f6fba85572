//! The kind of a file, told from its first bytes alone: a picture that is read here, or something that has a name.

use super::photo::PhotoError;

/// The formats that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Jpeg,
    Png,
    WebP,
    Gif,
    Bmp,
}

/// How far into a file text is looked at.
const PREFIX: usize = 1024;

const SAVE_AS_PICTURE: &str = "save it as a JPEG, PNG or WebP picture and send that";
const SEND_THE_PICTURE: &str = "send the picture itself";

/// Kinds of pictures that are not read, by their first bytes.
const PICTURES: &[(&[u8], &str)] = &[
    (b"\xFF\x0A", "a JPEG XL picture"),
    (b"\0\0\0\x0CJXL \r\n\x87\n", "a JPEG XL picture"),
    (b"\0\0\0\x0CjP  \r\n\x87\n", "a JPEG 2000 picture"),
    (b"\xFF\x4F\xFF\x51", "a JPEG 2000 picture"),
    (b"II\xBC", "a JPEG XR picture"),
    (b"II*\0", "a TIFF picture or a camera's raw file"),
    (b"MM\0*", "a TIFF picture or a camera's raw file"),
    (b"II+\0", "a BigTIFF picture"),
    (b"MM\0+", "a BigTIFF picture"),
    (b"IIU\0", "a camera's raw file"),
    (b"IIRO", "a camera's raw file"),
    (b"FUJIFILMCCD-RAW", "a camera's raw file"),
    (b"8BPS", "a Photoshop document"),
    (b"\0\0\x01\0", "an icon file (ICO)"),
    (b"DDS ", "a DDS texture"),
    (b"qoif", "a QOI picture"),
    (b"\x76\x2F\x31\x01", "an OpenEXR picture"),
    (b"#?RADIANCE", "a Radiance HDR picture"),
    (b"\x8AMNG", "an MNG animation"),
    (b"\x8BJNG", "a JNG picture"),
    (b"BPG\xFB", "a BPG picture"),
    (b"FLIF", "a FLIF picture"),
    (b"P1\n", "a PNM picture"),
    (b"P2\n", "a PNM picture"),
    (b"P3\n", "a PNM picture"),
    (b"P4\n", "a PNM picture"),
    (b"P5\n", "a PNM picture"),
    (b"P6\n", "a PNM picture"),
    (b"P7\n", "a PAM picture"),
    (b"gimp xcf", "a GIMP document"),
];

/// Kinds of files that are no pictures, by their first bytes, and what to do.
const OTHERS: &[(&[u8], &str, &str)] = &[
    (b"%!PS", "a PostScript document", SAVE_AS_PICTURE),
    (
        b"PK\x03\x04",
        "a ZIP archive or an office document",
        "unpack it and send the picture in it",
    ),
    (b"\x1F\x8B", "a gzip archive", "unpack it and send the picture in it"),
    (
        b"\x28\xB5\x2F\xFD",
        "a Zstandard archive",
        "unpack it and send the picture in it",
    ),
    (
        b"7z\xBC\xAF\x27\x1C",
        "a 7z archive",
        "unpack it and send the picture in it",
    ),
    (b"Rar!\x1A\x07", "a RAR archive", "unpack it and send the picture in it"),
    (
        b"\x1A\x45\xDF\xA3",
        "a video (Matroska or WebM)",
        "send a still picture",
    ),
    (b"FLV\x01", "a video (FLV)", "send a still picture"),
    (b"\0\0\x01\xBA", "a video (MPEG)", "send a still picture"),
    (b"\0\0\x01\xB3", "a video (MPEG)", "send a still picture"),
    (b"OggS", "an Ogg audio or video file", "send a still picture"),
    (b"ID3", "an audio file (MP3)", "send a picture"),
    (
        b"version https://git-lfs",
        "a Git LFS pointer, not the picture it stands for",
        "fetch the picture with `git lfs pull` and send that",
    ),
    (
        b"data:",
        "a data URL, which is text",
        "decode it and send the picture's own bytes",
    ),
    (
        b"/9j/",
        "a picture written as Base64 text",
        "decode it and send the picture's own bytes",
    ),
    (
        b"iVBORw0KGgo",
        "a picture written as Base64 text",
        "decode it and send the picture's own bytes",
    ),
    (
        b"UklGR",
        "a picture written as Base64 text",
        "decode it and send the picture's own bytes",
    ),
];

impl Kind {
    /// The kind of a file that is read.
    ///
    /// # Errors
    /// [`PhotoError::Empty`], or what the file is instead; [`PhotoError::Damaged`] where only a signature is damaged.
    pub(super) fn of(bytes: &[u8]) -> Result<Self, PhotoError> {
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
                Err(PhotoError::Damaged("its end is missing".into()))
            }
            _ if bytes.get(1..4) == Some(b"PNG") => Err(PhotoError::Damaged(
                "its first bytes were altered, as by a transfer in text mode".into(),
            )),
            _ => Err(named(bytes)),
        }
    }
}

/// Kind of a file that is not read.
fn named(bytes: &[u8]) -> PhotoError {
    let unsupported = |what: &str| PhotoError::Unsupported {
        what: what.into(),
        instead: SAVE_AS_PICTURE,
    };
    let other = |what, instead| PhotoError::NotAnImage { what, instead };
    if let Some((_, what)) = PICTURES.iter().find(|(start, _)| bytes.starts_with(start)) {
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
        return other("a PDF document", SAVE_AS_PICTURE);
    }
    match (bytes.get(..4), bytes.get(8..12)) {
        (Some(b"RIFF"), Some(b"AVI ")) => return other("a video (AVI)", "send a still picture"),
        (Some(b"RIFF"), Some(b"WAVE")) => return other("an audio file (WAV)", "send a picture"),
        _ => {}
    }
    if bytes.iter().all(|&byte| byte == 0) {
        return other(
            "a file of zeros, whose content was lost",
            "send it again from its source",
        );
    }
    match text(prefix) {
        Some(text) => written(&text),
        None => other(
            "of no kind that is known here",
            "send a JPEG, PNG, WebP, GIF or BMP picture",
        ),
    }
}

/// What a file in the ISO base media format is, by its brands.
fn media(bytes: &[u8]) -> PhotoError {
    let length = bytes.get(..4).map_or(0, |four| {
        u32::from_be_bytes([four[0], four[1], four[2], four[3]]) as usize
    });
    let brands = &bytes[8..length.clamp(8, 256).min(bytes.len())];
    // The minor version stands between the major brand and the compatible ones.
    let has = |wanted: &[&[u8; 4]]| {
        brands
            .chunks_exact(4)
            .any(|brand| wanted.iter().any(|name| brand == &name[..]))
    };
    if has(&[b"avif", b"avis"]) {
        return PhotoError::Unsupported {
            what: "an AVIF picture".into(),
            instead: SAVE_AS_PICTURE,
        };
    }
    if has(&[
        b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1", b"mif2",
    ]) {
        return PhotoError::Unsupported {
            what: "a HEIC photo".into(),
            instead: "save it as JPEG and send that; an iPhone takes JPEG photos with Settings, Camera, Formats, Most \
                      Compatible",
        };
    }
    if has(&[b"crx "]) {
        return PhotoError::Unsupported {
            what: "a camera's raw file".into(),
            instead: SAVE_AS_PICTURE,
        };
    }
    PhotoError::NotAnImage {
        what: "a video or audio file (MP4 or QuickTime)",
        instead: "send a still picture",
    }
}

/// The beginning of a text file in lower case, without blanks before it; `None` for anything else.
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
        // The last character may be cut off.
        Err(error) if error.error_len().is_none() => str::from_utf8(&prefix[..error.valid_up_to()]).ok()?,
        Err(_) => return None,
    };
    Some(valid.trim_start().to_lowercase())
}

fn written(text: &str) -> PhotoError {
    let begins = |starts: &[&str]| starts.iter().any(|start| text.starts_with(start));
    let (what, instead) =
        if text.starts_with("<svg") || (begins(&["<?xml", "<!--", "<!doctype svg"]) && text.contains("<svg")) {
            ("an SVG drawing", SAVE_AS_PICTURE)
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
            ("a web page (HTML), perhaps an error or a login page", SEND_THE_PICTURE)
        } else if text.starts_with('<') {
            ("an XML document", SEND_THE_PICTURE)
        } else if begins(&["{", "["]) {
            ("a JSON text", SEND_THE_PICTURE)
        } else if begins(&["http://", "https://"]) {
            (
                "the address of something, not the picture there",
                "fetch the picture and send that",
            )
        } else {
            ("a text", SEND_THE_PICTURE)
        };
    PhotoError::NotAnImage { what, instead }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_foreign_file_is_named() {
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
            (b"\x01\x02\xFE\x99", "no kind"),
            (b"\x89PNG\n\x1a\n", "text mode"),
        ];
        for (bytes, expected) in cases {
            let error = Kind::of(bytes).expect_err(expected).to_string();
            assert!(error.contains(expected), "'{error}' does not say '{expected}'");
        }
        assert_eq!(Kind::of(b""), Err(PhotoError::Empty));
    }
}
