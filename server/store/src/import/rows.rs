//! Products as rows of a table.

use std::collections::BTreeSet;

use super::draft::{Record, Records};
use super::fields::{Field, draft, field};
use super::options::ImportOptions;
use super::table::Table;
use crate::error::StoreError;

/// Rows of a table, each a product.
pub(super) struct TableRows<'a> {
    table: Table,
    fields: Vec<Field>,
    options: &'a ImportOptions,
}

impl<'a> TableRows<'a> {
    /// Finds the meaning of the columns.
    ///
    /// # Errors
    /// If no column or several columns are the id.
    pub(super) fn new(table: Table, options: &'a ImportOptions) -> Result<Self, StoreError> {
        let fields: Vec<Field> = table.headers.iter().map(|header| field(header, options)).collect();
        let ids = fields.iter().filter(|field| **field == Field::Id).count();
        if ids != 1 {
            let message = format!(
                "{ids} columns are the id; name one column `id` or map one to it (the header is {})",
                table.headers.join(", ")
            );
            return Err(table.unusable(Some(1), message));
        }
        Ok(Self { table, fields, options })
    }
}

impl Records for TableRows<'_> {
    fn next(&mut self) -> Result<Option<Record>, StoreError> {
        let Some(row) = self.table.next()? else {
            return Ok(None);
        };
        let draft = row.cells.and_then(|cells| {
            let headers = self.table.headers.iter().map(String::as_str);
            let texts = cells.iter().map(String::as_str);
            let cells = self.fields.iter().zip(headers).zip(texts);
            draft(cells.map(|((field, header), text)| (field, header, text)), self.options)
        });
        Ok(Some(Record { line: row.line, draft }))
    }

    fn ignored(&mut self, ignored: &mut BTreeSet<String>) {
        let unused = self.fields.iter().zip(&self.table.headers);
        ignored.extend(
            unused
                .filter(|(field, _)| **field == Field::Unused)
                .map(|(_, header)| header.clone()),
        );
    }
}
