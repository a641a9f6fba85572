//! Whether a JPEG file is complete.
//!
//! Decoders fill what is missing with grey and report success, so a half-uploaded photo would be searched for as if it
//! were whole. This walks the file's segments to its end marker instead; it touches no pixel and allocates nothing.

const SOI: u8 = 0xD8;
const EOI: u8 = 0xD9;
const SOS: u8 = 0xDA;

/// True when the segments of `bytes` lead to an end-of-image marker after at least one scan.
///
/// Bytes after the end marker are allowed, since cameras append previews and notes there.
pub(super) fn is_complete(bytes: &[u8]) -> bool {
    if !bytes.starts_with(&[0xFF, SOI]) {
        return false;
    }
    let mut at = 2;
    let mut scanned = false;
    while let Some((marker, after)) = next_marker(bytes, at) {
        match marker {
            EOI => return scanned,
            // Markers without a length: restarts, TEM and a repeated start of image.
            0x01 | 0xD0..=SOI => at = after,
            _ => {
                let Some(length) = bytes.get(after..after + 2) else {
                    return false;
                };
                at = after + usize::from(u16::from_be_bytes([length[0], length[1]])).max(2);
                scanned |= marker == SOS;
            }
        }
    }
    false
}

/// The next marker at or after `at`, and the position behind it. Inside a scan, `FF 00` is a stuffed data byte.
fn next_marker(bytes: &[u8], mut at: usize) -> Option<(u8, usize)> {
    loop {
        at += bytes.get(at..)?.iter().position(|&byte| byte == 0xFF)?;
        // Any number of FF may pad a marker.
        let filler = bytes[at..].iter().take_while(|&&byte| byte == 0xFF).count();
        let marker = *bytes.get(at + filler)?;
        at += filler + 1;
        if marker != 0 {
            return Some((marker, at));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_end_of_complete_files_only() {
        let head = [0xFF, SOI, 0xFF, 0xE1, 0, 6, 0xFF, EOI, 1, 2, 0xFF, SOS, 0, 3, 9];
        let scan = [1, 0xFF, 0, 2, 0xFF, 0xD0, 3];
        let whole = [&head[..], &scan, &[0xFF, 0xFF, EOI]].concat();
        let cases: [(&str, Vec<u8>, bool); 6] = [
            ("whole", whole.clone(), true),
            ("with a note behind it", [&whole[..], b"note"].concat(), true),
            ("without its end", [&head[..], &scan].concat(), false),
            ("an end marker inside a segment does not count", head.to_vec(), false),
            ("no scan at all", vec![0xFF, SOI, 0xFF, EOI], false),
            ("nothing", Vec::new(), false),
        ];
        for (name, bytes, expected) in cases {
            assert_eq!(is_complete(&bytes), expected, "{name}");
        }
        for cut in 0..whole.len() {
            assert!(!is_complete(&whole[..cut]), "cut after {cut} bytes");
        }
    }
}
