//! Shopify's product export. The rows of one product follow one another and share a handle.
//!
//! Each variant becomes a product of the group that the handle names. Its id is the SKU, or the handle and the options.
//! Rows may add images to the product. A variant has its own image, or all images of the product.

use std::collections::{BTreeSet, VecDeque};

use super::draft::{Draft, DraftImage, Record, Records};
use super::fields::price_of_text;
use super::options::ImportOptions;
use super::report::Fault;
use super::table::{Row, Table};
use crate::error::StoreError;
use crate::product::{Attribute, Stock};

/// Columns that are read.
const COLUMNS: [&str; 19] = [
    "Handle",
    "Title",
    "Vendor",
    "Type",
    "Product Category",
    "Tags",
    "Option1 Name",
    "Option1 Value",
    "Option2 Name",
    "Option2 Value",
    "Option3 Name",
    "Option3 Value",
    "Variant SKU",
    "Variant Price",
    "Variant Inventory Qty",
    "Variant Barcode",
    "Variant Image",
    "Image Src",
    "Image Position",
];

/// Rows of a Shopify export.
pub(super) struct ShopifyRows<'a> {
    table: Table,
    options: &'a ImportOptions,
    /// First row of the next product.
    next: Option<Row>,
    ready: VecDeque<Record>,
}

impl<'a> ShopifyRows<'a> {
    /// Checks the header.
    ///
    /// # Errors
    /// If it has no column `Handle`.
    pub(super) fn new(table: Table, options: &'a ImportOptions) -> Result<Self, StoreError> {
        if !table.headers.iter().any(|header| header == "Handle") {
            return Err(table.unusable(
                Some(1),
                "the header has no column `Handle`; is it a product export of Shopify?",
            ));
        }
        Ok(Self {
            table,
            options,
            next: None,
            ready: VecDeque::new(),
        })
    }

    /// Text of a column; empty if the column is missing.
    fn cell<'b>(&self, cells: &'b [String], column: &str) -> &'b str {
        let at = self.table.headers.iter().position(|header| header == column);
        at.and_then(|at| cells.get(at)).map_or("", |text| text.trim())
    }

    /// Reads the rows of the next handle and makes their products.
    fn read_product(&mut self) -> Result<(), StoreError> {
        let mut rows: Vec<(u64, Vec<String>)> = Vec::new();
        while let Some(row) = self
            .next
            .take()
            .map_or_else(|| self.table.next(), |row| Ok(Some(row)))?
        {
            let cells = match row.cells {
                Ok(cells) => cells,
                Err(fault) => {
                    self.ready.push_back(Record {
                        line: row.line,
                        draft: Err(fault),
                    });
                    continue;
                }
            };
            let first = rows.first().map(|(_, first)| self.cell(first, "Handle"));
            if first.is_some_and(|handle| handle != self.cell(&cells, "Handle")) {
                self.next = Some(Row {
                    line: row.line,
                    cells: Ok(cells),
                });
                break;
            }
            rows.push((row.line, cells));
        }
        self.add_variants(&rows);
        Ok(())
    }

    /// Adds a record per variant. Rows without price, SKU and option only carry images.
    fn add_variants(&mut self, rows: &[(u64, Vec<String>)]) {
        let Some((_, first)) = rows.first() else { return };
        let mut images: Vec<(u32, &str)> = rows
            .iter()
            .filter(|(_, cells)| !self.cell(cells, "Image Src").is_empty())
            .map(|(_, cells)| {
                let position = self.cell(cells, "Image Position").parse().unwrap_or(u32::MAX);
                (position, self.cell(cells, "Image Src"))
            })
            .collect();
        images.sort_by_key(|(position, _)| *position);
        let images: Vec<DraftImage> = images.into_iter().map(|(_, source)| DraftImage::new(source)).collect();
        let is_variant = |cells: &[String]| {
            ["Variant SKU", "Variant Price", "Option1 Value"]
                .iter()
                .any(|column| !self.cell(cells, column).is_empty())
        };
        let variants: Vec<&(u64, Vec<String>)> = rows.iter().filter(|(_, cells)| is_variant(cells)).collect();
        let records: Vec<Record> = if variants.is_empty() {
            let fault = Fault::of(
                "Variant Price",
                "missing_variant",
                "the product has no variant with a price or SKU",
            );
            vec![Record {
                line: rows[0].0,
                draft: Err(fault),
            }]
        } else {
            let record = |(line, cells): &&(u64, Vec<String>)| Record {
                line: *line,
                draft: self.variant(first, cells, &images),
            };
            variants.iter().map(record).collect()
        };
        self.ready.extend(records);
    }

    fn variant(&self, first: &[String], cells: &[String], images: &[DraftImage]) -> Result<Draft, Fault> {
        let text =
            |cells: &[String], column: &str| Some(self.cell(cells, column).to_owned()).filter(|text| !text.is_empty());
        let handle = text(first, "Handle").ok_or_else(|| Fault::of("Handle", "missing_id", "is empty"))?;
        let options = self.options_of(first, cells);
        let id = text(cells, "Variant SKU").unwrap_or_else(|| {
            let values = options.iter().map(|(_, value)| format!("/{value}"));
            values.fold(handle.clone(), |id, value| id + &value)
        });
        let price = text(cells, "Variant Price")
            .map(|price| price_of_text("Variant Price", &price, self.options.currency.as_deref()))
            .transpose()?;
        // Shopify counts sold pieces that are not in stock as negative.
        let quantity = text(cells, "Variant Inventory Qty").and_then(|text| text.parse::<i64>().ok());
        let mut attributes: std::collections::BTreeMap<String, Attribute> = options
            .into_iter()
            .map(|(name, value)| (name, Attribute::Text(value)))
            .collect();
        if let Some(tags) = text(first, "Tags") {
            let tags = tags
                .split(',')
                .map(|tag| tag.trim().to_owned())
                .filter(|tag| !tag.is_empty());
            attributes.insert("tags".into(), Attribute::List(tags.collect()));
        }
        if let Some(barcode) = text(cells, "Variant Barcode") {
            attributes.insert("gtin".into(), Attribute::Text(barcode));
        }
        let own = text(cells, "Variant Image").map(|source| vec![DraftImage::new(source)]);
        Ok(Draft {
            id,
            names: text(first, "Title")
                .map(|title| (self.options.language.clone(), title))
                .into_iter()
                .collect(),
            category: text(first, "Type").or_else(|| text(first, "Product Category")),
            price,
            brand: text(first, "Vendor"),
            url: None,
            attributes: Some(attributes),
            stock: quantity.map(|quantity| Stock::of(quantity.max(0).unsigned_abs())),
            group: Some(handle),
            images: Some(own.unwrap_or_else(|| images.to_vec())),
        })
    }

    /// Names and values of the variant's options. A product without options has `Title` = `Default Title`.
    fn options_of(&self, first: &[String], cells: &[String]) -> Vec<(String, String)> {
        let option = |number: u8| {
            let name = self.cell(first, &format!("Option{number} Name")).to_owned();
            let value = self.cell(cells, &format!("Option{number} Value")).to_owned();
            (name, value)
        };
        let is_real =
            |(name, value): &(String, String)| !name.is_empty() && !value.is_empty() && value != "Default Title";
        (1..=3).map(option).filter(is_real).collect()
    }
}

impl Records for ShopifyRows<'_> {
    fn next(&mut self) -> Result<Option<Record>, StoreError> {
        if self.ready.is_empty() {
            self.read_product()?;
        }
        Ok(self.ready.pop_front())
    }

    fn ignored(&mut self, ignored: &mut BTreeSet<String>) {
        let unused = self
            .table
            .headers
            .iter()
            .filter(|header| !COLUMNS.contains(&header.as_str()));
        ignored.extend(unused.cloned());
    }
}
