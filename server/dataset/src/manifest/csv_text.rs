//! Text of a CSV file. Other encodings and other kinds of files are refused by name.

/// First bytes of files that are not CSV, with their kind and advice.
const OTHERS: [(&[u8], &str); 7] = [
    (
        b"PK\x03\x04",
        "it is a workbook or another zip archive, not CSV; save the sheet as 'CSV UTF-8' (comma delimited)",
    ),
    (
        b"\xd0\xcf\x11\xe0",
        "it is an old Excel workbook, not CSV; save the sheet as 'CSV UTF-8' (comma delimited)",
    ),
    (b"\x1f\x8b", "it is compressed with gzip; unpack it with `gunzip`"),
    (b"PAR1", "it is a Parquet file, not CSV; export it as CSV in UTF-8"),
    (
        b"version https://git-lfs",
        "it is a Git LFS pointer; fetch the file itself with `git lfs pull`",
    ),
    (b"<!DOCTYPE", "it is a web page, not CSV; download the file itself"),
    (b"<html", "it is a web page, not CSV; download the file itself"),
];
/// Advice for a wrong encoding.
const SAVE: &str = "save it as 'CSV UTF-8' (comma delimited)";
/// Separators that spreadsheets write instead of commas, and their names.
const SEPARATORS: [(char, &str); 6] = [
    (';', "semicolons"),
    ('\t', "tabs"),
    ('|', "vertical bars"),
    ('，', "full-width commas"),
    ('；', "full-width semicolons"),
    (':', "colons"),
];
/// Byte-order mark of UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// Decodes a file, without a byte-order mark and without a final Ctrl-Z.
///
/// # Errors
/// Line number, if known, and the kind or encoding of the file.
pub(crate) fn text(bytes: &[u8]) -> Result<&str, (Option<usize>, String)> {
    let starts = |start: &[u8]| {
        bytes
            .get(..start.len())
            .is_some_and(|begin| begin.eq_ignore_ascii_case(start))
    };
    if let Some((_, what)) = OTHERS.iter().find(|(start, _)| starts(start)) {
        return Err((None, (*what).to_owned()));
    }
    if let Some(name) = wide(bytes) {
        return Err((
            None,
            format!("it is written in {name}; {SAVE}, or convert it with `iconv -f {name} -t UTF-8`"),
        ));
    }
    let bytes = bytes.strip_prefix(MARK).unwrap_or(bytes);
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let line = 1 + line_breaks(&bytes[..error.valid_up_to()]);
            let (name, iconv) = if is_double_byte(bytes) {
                (
                    "it looks like GB18030 (GBK) or another Chinese, Japanese or Korean encoding",
                    "GB18030",
                )
            } else {
                (
                    "it looks like Windows-1252 or another encoding of one byte per character",
                    "WINDOWS-1252",
                )
            };
            return Err((
                Some(line),
                format!("the file is not UTF-8; {name}; {SAVE}, or convert it with `iconv -f {iconv} -t UTF-8`"),
            ));
        }
    };
    let text = text.strip_suffix('\u{1a}').unwrap_or(text);
    if text.trim().is_empty() {
        return Err((None, "it is empty; fill it in, or name another file".to_owned()));
    }
    Ok(text)
}

/// Counter of lines up to the start of each record. A record begins after blank lines and may span several lines.
pub(crate) struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
    line: usize,
}

impl<'a> Lines<'a> {
    /// Starts at the beginning of a text.
    pub(crate) fn new(text: &'a str) -> Self {
        Self {
            bytes: text.as_bytes(),
            at: 0,
            line: 1,
        }
    }

    /// Returns the line, from 1, on which a record begins. Must be called for records in their order.
    pub(crate) fn number(&mut self, record: &csv::StringRecord) -> usize {
        let byte = record.position().map_or(0, |position| position.byte() as usize);
        let mut start = byte.clamp(self.at, self.bytes.len());
        while matches!(self.bytes.get(start), Some(b'\n' | b'\r')) {
            start += 1;
        }
        self.line += line_breaks(&self.bytes[self.at..start]);
        self.at = start;
        self.line
    }
}

/// Returns the first line that is not blank, untrimmed.
pub(crate) fn first_line(text: &str) -> &str {
    text.split(['\r', '\n'])
        .find(|line| !line.trim().is_empty())
        .unwrap_or_default()
}

/// Trims white space and invisible marks from a cell.
pub(crate) fn trimmed(cell: &str) -> &str {
    cell.trim_matches(|c: char| c.is_whitespace() || matches!(c, '\u{200b}' | '\u{2060}' | '\u{feff}'))
}

/// Error message for a header that contains `column` and separates columns by another character than a comma.
pub(crate) fn separator(first: &str, column: &str) -> Option<String> {
    let named = |c: char| {
        first
            .split(c)
            .any(|name| trimmed(trimmed(name).trim_matches('"')).eq_ignore_ascii_case(column))
    };
    let (_, name) = SEPARATORS.iter().find(|(c, _)| first.contains(*c) && named(*c))?;
    Some(format!("the columns are separated by {name}; {SAVE}"))
}

/// Error message for a first line without commas that contains another separator.
pub(crate) fn no_comma(first: &str) -> Option<String> {
    let (_, name) = SEPARATORS
        .iter()
        .find(|(c, _)| *c != ':' && first.contains(*c))
        .filter(|_| !first.contains(','))?;
    Some(format!("the columns are separated by {name}; {SAVE}"))
}

/// Number of line breaks: LF, CR LF or CR alone.
fn line_breaks(bytes: &[u8]) -> usize {
    let alone = |(at, byte): (usize, &u8)| *byte == b'\r' && bytes.get(at + 1) != Some(&b'\n');
    bytes.iter().filter(|byte| **byte == b'\n').count() + bytes.iter().enumerate().filter(|pair| alone(*pair)).count()
}

/// Detects an encoding of two or four bytes per character by its byte-order mark or by the zeros of ASCII letters.
fn wide(bytes: &[u8]) -> Option<&'static str> {
    let zeros = |places: &[usize], width: usize| {
        let head = &bytes[..bytes.len().min(64) / width * width];
        !head.is_empty()
            && head
                .chunks_exact(width)
                .filter(|unit| places.iter().all(|at| unit[*at] == 0))
                .count()
                * 4
                >= head.len() / width * 3
    };
    match bytes {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => Some("UTF-32"),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Some("UTF-16"),
        _ if zeros(&[1, 2, 3], 4) || zeros(&[0, 1, 2], 4) => Some("UTF-32"),
        _ if zeros(&[1], 2) || zeros(&[0], 2) => Some("UTF-16"),
        _ => None,
    }
}

/// True if all bytes beyond ASCII are valid GB18030, mostly as pairs of two high bytes. Accented Latin text is not.
fn is_double_byte(bytes: &[u8]) -> bool {
    let (mut at, mut pairs, mut high) = (0, 0, 0);
    while at < bytes.len() {
        match (bytes[at], bytes.get(at + 1), bytes.get(at + 2), bytes.get(at + 3)) {
            (0..=0x7f, ..) => at += 1,
            (0x81..=0xfe, Some(0x30..=0x39), Some(0x81..=0xfe), Some(0x30..=0x39)) => at += 4,
            (0x81..=0xfe, Some(second @ (0x40..=0x7e | 0x80..=0xfe)), ..) => {
                pairs += 1;
                high += usize::from(*second >= 0x80);
                at += 2;
            }
            _ => return false,
        }
    }
    high * 2 > pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_other_than_utf_8_csv_are_refused_by_name() {
        let wide = |unit: fn(u16) -> [u8; 2]| {
            "path,split\na,train\n"
                .encode_utf16()
                .flat_map(unit)
                .collect::<Vec<u8>>()
        };
        let marked = |mark: &[u8], rest: Vec<u8>| [mark, &rest].concat();
        let chinese = b"path,split,labels\na.jpg,train,\xd0\xdd\xcf\xd0\n".to_vec();
        for (bytes, line, said) in [
            (marked(b"\xff\xfe", wide(u16::to_le_bytes)), None, "UTF-16"),
            (marked(b"\xfe\xff", wide(u16::to_be_bytes)), None, "UTF-16"),
            (wide(u16::to_le_bytes), None, "UTF-16"),
            (wide(u16::to_be_bytes), None, "UTF-16"),
            (
                "path".chars().flat_map(|c| (c as u32).to_le_bytes()).collect(),
                None,
                "UTF-32",
            ),
            (chinese, Some(2), "GB18030"),
            (b"path,split\r\ncaf\xe9.jpg,train\r\n".to_vec(), Some(2), "Windows-1252"),
            (b"path,split\r\r\xe9l\xe8ve.jpg,train".to_vec(), Some(3), "Windows-1252"),
            (b"PK\x03\x04....".to_vec(), None, "workbook"),
            (b"\xd0\xcf\x11\xe0\xa1\xb1".to_vec(), None, "old Excel workbook"),
            (b"\x1f\x8b\x08".to_vec(), None, "gunzip"),
            (
                b"version https://git-lfs.github.com/spec/v1\n".to_vec(),
                None,
                "git lfs pull",
            ),
            (b"<!doctype html><html>".to_vec(), None, "web page"),
            (b"".to_vec(), None, "empty"),
            (b"\xef\xbb\xbf\r\n \n\x1a".to_vec(), None, "empty"),
        ] {
            let (found, message) = text(&bytes).expect_err(said);
            assert!(
                found == line && message.contains(said),
                "{said}: line {found:?}, {message}"
            );
        }
        assert_eq!(text("\u{feff}a,b\r\n休闲,é\u{1a}".as_bytes()), Ok("a,b\r\n休闲,é"));
    }
}
