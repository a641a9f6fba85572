//! Recognition of files that are mistaken for weights, for errors that name the kind of the file and give advice.

/// Refuses a file that is neither weights nor part of a bundle, such as a Git LFS pointer or a web page.
///
/// # Errors
/// Names the kind of the file, with advice.
pub fn refuse_foreign(bytes: &[u8]) -> anyhow::Result<()> {
    Foreign::recognise(bytes).map_or(Ok(()), |foreign| Err(foreign.into()))
}

/// Kind of a foreign file, and advice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is {kind}\nhint: {hint}")]
pub struct Foreign {
    kind: &'static str,
    hint: &'static str,
}

const DOWNLOAD: &str = "download the file again, and check its size and checksum";
const UNPACK: &str = "unpack it and name the file of weights in it";
const CONVERT: &str =
    "convert its weights to safetensors under torchvision's names, or take PyTorch's own file of the model";
const SAVE_AGAIN: &str =
    "save it again with a current PyTorch: torch.save(torch.load(\"old.pth\", map_location=\"cpu\"), \"new.pth\")";

/// Signatures: offset, bytes, kind of the file and advice.
const SIGNATURES: [(usize, &[u8], &str, &str); 24] = [
    (
        0,
        b"version https://git-lfs.github.com/spec/",
        "a Git LFS pointer instead of the file itself",
        "run `git lfs pull` in the repository that it comes from, or download the file from there",
    ),
    (0, b"\x1f\x8b\x08", "compressed by gzip", UNPACK),
    (0, b"BZh", "compressed by bzip2", UNPACK),
    (0, b"\xfd7zXZ\0", "compressed by xz", UNPACK),
    (0, b"\x28\xb5\x2f\xfd", "compressed by zstd", UNPACK),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive", UNPACK),
    (0, b"Rar!\x1a\x07", "a RAR archive", UNPACK),
    (
        257,
        b"ustar",
        "a tar archive, such as PyTorch wrote before 2017",
        "unpack it if it contains a file of weights; if PyTorch wrote it, save it again with a current PyTorch: \
         torch.save(torch.load(\"old.tar\", map_location=\"cpu\"), \"new.pth\")",
    ),
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file, such as Keras writes", CONVERT),
    (0, b"\x93NUMPY", "a NumPy array", CONVERT),
    (0, b"GGUF", "a GGUF file of llama.cpp", CONVERT),
    (4, b"TFL3", "a TensorFlow Lite model", CONVERT),
    (
        0,
        b"model_checkpoint_path:",
        "TensorFlow's list of checkpoints, which contains no weights",
        CONVERT,
    ),
    // An ONNX model begins with its version, followed by producer, version, domain or graph.
    (2, b"\x12\x07pytorch", "an ONNX model", CONVERT),
    (2, b"\x12\x0cskl2onnx", "an ONNX model", CONVERT),
    (2, b"\x12\x07tf2onnx", "an ONNX model", CONVERT),
    (
        0,
        b"L119547037146038801333356L\n",
        "a PyTorch file of pickle protocol 0, as text",
        SAVE_AGAIN,
    ),
    (0, b"\x12\x01\0\0", "an MXNet file of parameters", CONVERT),
    (0, b"\x89PNG\r\n", "a PNG image", "name the file of weights"),
    (0, b"\xff\xd8\xff", "a JPEG image", "name the file of weights"),
    (0, b"%PDF", "a PDF document", "name the file of weights"),
    (0, b"\x7fELF", "a program", "name the file of weights"),
    (0, b"{\"error\"", "a server's error message", DOWNLOAD),
    (0, b"PAR1", "a Parquet table", "name the file of weights"),
];

/// Last bytes of TensorFlow's checkpoints, which are LevelDB tables.
const TABLE_END: &[u8] = b"\x57\xfb\x80\x8b\x24\x75\x47\xdb";

impl Foreign {
    /// Recognises files that are neither weights nor a bundle's manifest.
    pub fn recognise(bytes: &[u8]) -> Option<Self> {
        if bytes.is_empty() {
            return Some(Self {
                kind: "empty",
                hint: DOWNLOAD,
            });
        }
        // The header length of a safetensors file may begin like a signature.
        if bytes.get(4..9) == Some(b"\0\0\0\0{") {
            return None;
        }
        let signed = SIGNATURES
            .iter()
            .find(|(at, signature, ..)| bytes.get(*at..).is_some_and(|rest| rest.starts_with(signature)));
        if let Some((_, _, kind, hint)) = signed {
            return Some(Self { kind, hint });
        }
        if bytes.iter().all(|byte| *byte == 0) {
            return Some(Self {
                kind: "a file of zeros, such as an interrupted download leaves",
                hint: DOWNLOAD,
            });
        }
        if bytes.ends_with(TABLE_END) {
            return Some(Self {
                kind: "a TensorFlow checkpoint",
                hint: CONVERT,
            });
        }
        let text = beginning(bytes)?;
        let is_page = ["<!doctype", "<html", "<head", "<body", "<?xml", "<!--"]
            .iter()
            .any(|tag| text.starts_with(tag));
        is_page.then_some(Self {
            kind: "a web page or XML, such as a server sends instead of a file",
            hint: "download the file itself; its link may need a login, or lead to a page with another link",
        })
    }

    /// Guesses the kind of a file that is known not to contain weights. Less certain than [`recognise`](Self::recognise),
    /// since text and protocol buffers have many uses.
    pub fn guess(bytes: &[u8]) -> Option<Self> {
        if beginning(bytes).is_some() {
            return Some(Self {
                kind: "text, such as a configuration, an index of files or a server's message",
                hint: "name the file of weights itself, or download it again",
            });
        }
        let has = |word: &[u8]| bytes[..bytes.len().min(4096)].windows(word.len()).any(|at| at == word);
        match bytes {
            [0x08, version, tag, ..] if (2..=32).contains(version) && [0x12, 0x1a, 0x22, 0x3a, 0x42].contains(tag) => {
                Some(Self {
                    kind: "an ONNX model",
                    hint: CONVERT,
                })
            }
            _ if has(b"Placeholder") || has(b"VarHandleOp") || has(b"saved_model") || has(b"tensorflow") => {
                Some(Self {
                    kind: "a TensorFlow graph",
                    hint: CONVERT,
                })
            }
            _ => None,
        }
    }
}

/// Returns the beginning of a text in lower case, without leading white space. `None` if the file does not begin with text.
fn beginning(bytes: &[u8]) -> Option<String> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let part = &bytes[..bytes.len().min(256)];
    let readable = |byte: &u8| matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~' | 0x80..);
    part.iter()
        .all(readable)
        .then(|| String::from_utf8_lossy(part).trim_start().to_lowercase())
}
