//! Text of a file: its encoding, and reading it as UTF-8.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use encoding_rs::{Decoder, DecoderResult, GB18030, UTF_8};
use sha2::{Digest, Sha256};

use super::options::Encoding;
use crate::error::StoreError;
use crate::image::hex;

/// Bytes that are read at a time.
const CHUNK: usize = 1 << 16;
/// Maximum length of a line or a record in bytes.
pub(crate) const LONGEST: usize = 1 << 20;

/// Checksum and encoding of a file.
pub(crate) struct Inspected {
    /// SHA-256 of the bytes in hexadecimal digits.
    pub(crate) sha256: String,
    pub(crate) encoding: &'static encoding_rs::Encoding,
}

/// Reads the whole file once.
///
/// # Errors
/// If the file cannot be read or its encoding is unknown.
pub(crate) fn inspect(path: &Path, wanted: Encoding) -> Result<Inspected, StoreError> {
    let mut file = File::open(path).map_err(StoreError::io("open", path))?;
    let mut chunk = vec![0; CHUNK];
    let mut hash = Sha256::new();
    let mut mark = None;
    let mut utf8 = Some(UTF_8.new_decoder_without_bom_handling());
    let mut pairs = Pairs::default();
    let mut is_first = true;
    loop {
        let length = file.read(&mut chunk).map_err(StoreError::io("read", path))?;
        let bytes = &chunk[..length];
        if is_first {
            mark = encoding_rs::Encoding::for_bom(bytes).map(|(encoding, _)| encoding);
            is_first = false;
        }
        hash.update(bytes);
        pairs.add(bytes);
        if let Some(decoder) = &mut utf8
            && !is_valid(decoder, bytes, length == 0)
        {
            utf8 = None;
        }
        if length == 0 {
            break;
        }
    }
    let encoding = match (wanted, mark) {
        (Encoding::Utf8, _) => UTF_8,
        (Encoding::Gb18030, _) => GB18030,
        (Encoding::Auto, Some(encoding)) => encoding,
        (Encoding::Auto, None) if utf8.is_some() => UTF_8,
        (Encoding::Auto, None) if pairs.are_chinese() => GB18030,
        (Encoding::Auto, None) => {
            return Err(StoreError::Source {
                path: path.to_owned(),
                line: None,
                message: "is neither UTF-8 nor GB18030 text; save it as UTF-8 or name its encoding".into(),
            });
        }
    };
    Ok(Inspected {
        sha256: hex(&hash.finalize()),
        encoding,
    })
}

/// True if the bytes continue valid text.
fn is_valid(decoder: &mut Decoder, bytes: &[u8], is_last: bool) -> bool {
    let mut scratch = [0; 4096];
    let mut rest = bytes;
    loop {
        let (result, read, _) = decoder.decode_to_utf8_without_replacement(rest, &mut scratch, is_last);
        rest = &rest[read..];
        match result {
            DecoderResult::InputEmpty => return true,
            DecoderResult::OutputFull => {}
            DecoderResult::Malformed(..) => return false,
        }
    }
}

/// Statistics of two-byte characters. In GB2312 both bytes are 0xA1 or more. In Latin text a letter with an accent is mostly
/// followed by an ASCII letter.
#[derive(Default)]
struct Pairs {
    lead: bool,
    both_high: u64,
    other: u64,
}

impl Pairs {
    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if self.lead {
                self.lead = false;
                *(if *byte >= 0xa1 {
                    &mut self.both_high
                } else {
                    &mut self.other
                }) += 1;
            } else {
                self.lead = *byte >= 0x80;
            }
        }
    }

    fn are_chinese(&self) -> bool {
        self.both_high > 4 * self.other
    }
}

/// Opens a file as UTF-8 text without its byte order mark.
pub(crate) fn open(path: &Path, encoding: &'static encoding_rs::Encoding) -> Result<Box<dyn BufRead>, StoreError> {
    let file = File::open(path).map_err(StoreError::io("open", path))?;
    let decoded = Decoded {
        input: BufReader::with_capacity(CHUNK, file),
        decoder: encoding.new_decoder_with_bom_removal(),
        output: vec![0; 4 * CHUNK],
        filled: 0,
        taken: 0,
        line: 1,
        is_done: false,
    };
    Ok(Box::new(decoded))
}

/// Decoder of a file. A malformed sequence is an error with the line.
struct Decoded<R> {
    input: R,
    decoder: Decoder,
    output: Vec<u8>,
    filled: usize,
    taken: usize,
    /// Line at the end of the output.
    line: u64,
    is_done: bool,
}

impl<R: BufRead> BufRead for Decoded<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.taken == self.filled && !self.is_done {
            let bytes = self.input.fill_buf()?;
            let is_last = bytes.is_empty();
            let (result, read, written) =
                self.decoder
                    .decode_to_utf8_without_replacement(bytes, &mut self.output, is_last);
            self.input.consume(read);
            (self.taken, self.filled) = (0, written);
            self.line += self.output[..written].iter().filter(|byte| **byte == b'\n').count() as u64;
            if let DecoderResult::Malformed(..) = result {
                let message = format!(
                    "line {} is not valid {} text; save the file as UTF-8",
                    self.line,
                    self.decoder.encoding().name()
                );
                return Err(io::Error::new(io::ErrorKind::InvalidData, message));
            }
            self.is_done = is_last && result == DecoderResult::InputEmpty;
        }
        Ok(&self.output[self.taken..self.filled])
    }

    fn consume(&mut self, amount: usize) {
        self.taken = (self.taken + amount).min(self.filled);
    }
}

impl<R: BufRead> Read for Decoded<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        read_buffered(self, out)
    }
}

/// Reads from the buffer of an input. It is `read` of inputs that only have a buffer.
pub(super) fn read_buffered(input: &mut impl BufRead, out: &mut [u8]) -> io::Result<usize> {
    let available = input.fill_buf()?;
    let length = available.len().min(out.len());
    out[..length].copy_from_slice(&available[..length]);
    input.consume(length);
    Ok(length)
}

/// Reads the next line into `line`, with its line break. Bytes beyond [`LONGEST`] are skipped. Returns the line's length,
/// which is 0 at the end of the file.
pub(crate) fn read_line(input: &mut dyn BufRead, line: &mut Vec<u8>, path: &Path) -> Result<usize, StoreError> {
    line.clear();
    let mut length = 0;
    loop {
        let available = input.fill_buf().map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => StoreError::Source {
                path: path.to_owned(),
                line: None,
                message: error.to_string(),
            },
            _ => StoreError::io("read", path)(error),
        })?;
        let end = available.iter().position(|byte| *byte == b'\n').map(|at| at + 1);
        let taken = end.unwrap_or(available.len());
        let kept = taken.min((LONGEST + 1).saturating_sub(line.len()));
        line.extend_from_slice(&available[..kept]);
        input.consume(taken);
        length += taken;
        if end.is_some() || taken == 0 {
            return Ok(length);
        }
    }
}
