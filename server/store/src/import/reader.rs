//! Choice of the reader of a file.

use std::io::BufRead;

use super::draft::Records;
use super::json::JsonLines;
use super::options::{Format, ImportOptions};
use super::rows::TableRows;
use super::shopify::ShopifyRows;
use super::table::Table;
use super::text;
use super::xml::XmlItems;
use crate::error::StoreError;

/// Opens the rows of a file.
pub(super) fn open<'a>(
    options: &'a ImportOptions,
    encoding: &'static encoding_rs::Encoding,
) -> Result<Box<dyn Records + 'a>, StoreError> {
    let mut input = text::open(&options.file, encoding)?;
    let table = |input| Table::open(input, &options.file, options.delimiter);
    Ok(match options.format {
        Format::Ndjson => Box::new(JsonLines::new(input, options)),
        Format::Google if is_xml(&mut *input, options)? => Box::new(XmlItems::new(input, options)),
        Format::Csv | Format::Google => Box::new(TableRows::new(table(input)?, options)?),
        Format::Shopify => Box::new(ShopifyRows::new(table(input)?, options)?),
    })
}

/// True if the first character that is not blank is `<`.
fn is_xml(input: &mut dyn BufRead, options: &ImportOptions) -> Result<bool, StoreError> {
    loop {
        let buffer = input.fill_buf().map_err(StoreError::io("read", &options.file))?;
        let (length, first) = (
            buffer.len(),
            buffer.iter().find(|byte| !byte.is_ascii_whitespace()).copied(),
        );
        match first {
            Some(first) => return Ok(first == b'<'),
            None if length == 0 => return Ok(false),
            None => input.consume(length),
        }
    }
}
