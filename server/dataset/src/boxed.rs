//! Copy of a dataset's manifest with crop boxes.

use crate::files::atomic;
use crate::manifest::{Dataset, MANIFEST, box_cell};
use anyhow::Context;
use shared::input::CropBox;
use std::collections::HashMap;
use std::path::Path;

/// Column of the manifest that holds the box.
const BOX: &str = "box";
/// Columns with paths of files in the dataset's folder.
const PATHS: [&str; 2] = ["path", "mask"];

/// Writes a manifest to the folder `out` with the rows and columns of the dataset's own and with a box for each row in `boxes`.
/// Paths become absolute, so that the new folder needs no copies of the images.
///
/// # Errors
/// If the manifest cannot be read, or the new one cannot be written.
pub fn write_with_boxes(dataset: &Dataset, out: &Path, boxes: &HashMap<usize, CropBox>) -> anyhow::Result<()> {
    let home = dataset.absolute_dir()?;
    let source = home.join(MANIFEST);
    let mut reader = csv::Reader::from_path(&source).with_context(|| format!("cannot read {}", source.display()))?;
    let mut header = reader.headers()?.clone();
    let column = header.iter().position(|name| name.trim() == BOX);
    let paths: Vec<usize> = (0..header.len())
        .filter(|at| PATHS.contains(&header[*at].trim()))
        .collect();
    if column.is_none() {
        header.push_field(BOX);
    }
    let by_line: HashMap<u64, &CropBox> = boxes
        .iter()
        .map(|(row, bounds)| (dataset.rows[*row].line as u64, bounds))
        .collect();
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(&header)?;
    for record in reader.records() {
        let record = record.with_context(|| format!("in {}", source.display()))?;
        let mut fields: Vec<String> = record.iter().map(str::to_owned).collect();
        for at in &paths {
            if !fields[*at].trim().is_empty() {
                fields[*at] = home.join(fields[*at].trim()).display().to_string();
            }
        }
        if column.is_none() {
            fields.push(String::new());
        }
        let found = record.position().and_then(|position| by_line.get(&position.line()));
        if let Some(b) = found {
            fields[column.unwrap_or(header.len() - 1)] = box_cell(**b);
        }
        writer.write_record(&fields)?;
    }
    std::fs::create_dir_all(out).with_context(|| format!("cannot create {}", out.display()))?;
    atomic::write(&out.join(MANIFEST), &writer.into_inner()?)
}
