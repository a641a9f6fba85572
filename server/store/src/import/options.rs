//! Options of an import.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::image::hex;

/// Format of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// One JSON object per line, as [`Store::export`](crate::Store::export) writes it.
    #[default]
    Ndjson,
    /// A table with a header. The delimiter is `,`, `;` or a tab.
    Csv,
    /// A Google Merchant feed as a table or XML.
    Google,
    /// A product export of Shopify.
    Shopify,
}

/// Encoding of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Encoding {
    /// By the byte order mark, or UTF-8 if the file is valid, or GB18030 if the file looks like Chinese text.
    #[default]
    Auto,
    /// UTF-8.
    Utf8,
    /// GB18030, which contains GBK and GB2312.
    Gb18030,
}

/// Effect of a row on values that it does not give.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// The row is the whole product. Other values are deleted.
    #[default]
    Replace,
    /// Other values stay. So a file of ids and prices changes prices only.
    Merge,
}

/// Options of an import.
#[derive(Debug, Clone, PartialEq)]
pub struct ImportOptions {
    /// The file.
    pub file: PathBuf,
    /// Format.
    pub format: Format,
    /// Encoding.
    pub encoding: Encoding,
    /// Delimiter of a table. It is detected in the header if `None`.
    pub delimiter: Option<u8>,
    /// Fields by the headers of a table, such as `货号` to `id`. Other headers are fields themselves.
    pub mapping: BTreeMap<String, String>,
    /// Language of names that give none.
    pub language: String,
    /// Currency of prices that give none.
    pub currency: Option<String>,
    /// Allowed categories. Every category is allowed if this is empty.
    pub categories: Vec<String>,
    /// Categories by the texts of the file, such as `Apparel > Shoes` to `shoes`.
    pub category_map: BTreeMap<String, String>,
    /// Effect on values that a row does not give.
    pub mode: Mode,
    /// Largest share of rows, and of images, that may fail, 0 to 1.
    pub max_errors: f64,
    /// True to change nothing and report what would change.
    pub dry_run: bool,
    /// Rows per transaction, at least 1.
    pub batch: usize,
}

impl ImportOptions {
    /// Options for a file, with at most 1 % of failures.
    #[must_use]
    pub fn new(file: &Path, format: Format) -> Self {
        Self {
            file: file.to_owned(),
            format,
            encoding: Encoding::Auto,
            delimiter: None,
            mapping: BTreeMap::new(),
            language: "en".into(),
            currency: None,
            categories: Vec::new(),
            category_map: BTreeMap::new(),
            mode: Mode::Replace,
            max_errors: 0.01,
            dry_run: false,
            batch: 1000,
        }
    }

    /// Name of the file in reports.
    pub(crate) fn name(&self) -> String {
        let name = self.file.file_name().unwrap_or(self.file.as_os_str());
        name.to_string_lossy().into_owned()
    }

    /// Hash of the file's content and the options that change its meaning.
    pub(crate) fn fingerprint(&self, content: &str) -> String {
        let meaning = format!(
            "{content} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {}",
            self.format,
            self.encoding,
            self.delimiter,
            self.mapping,
            self.language,
            self.currency,
            self.categories,
            self.category_map,
            self.mode,
            self.dry_run
        );
        hex(&Sha256::digest(meaning.as_bytes()))
    }
}
