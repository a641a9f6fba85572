//! Names of the ids of a dataset's masks.

use crate::manifest::Dataset;
use anyhow::Context;
use serde::Deserialize;

/// File within a dataset's folder that names mask ids, with the columns `id,name`.
pub const LABEL_LIST: &str = "label_list.csv";

/// Reads the mask ids of a dataset and their names.
///
/// # Errors
/// Names the file. If it is missing, or a line is not an id from 0 to 255 and a name.
pub fn label_list(dataset: &Dataset) -> anyhow::Result<Vec<(u8, String)>> {
    #[derive(Deserialize)]
    struct Line {
        id: u8,
        name: String,
    }
    let path = dataset.dir.join(LABEL_LIST);
    let mut reader = csv::Reader::from_path(&path)
        .with_context(|| format!("cannot read {}, which names the mask ids", path.display()))?;
    let lines: Vec<Line> = reader
        .deserialize()
        .collect::<Result<_, _>>()
        .with_context(|| format!("in {}", path.display()))?;
    Ok(lines.into_iter().map(|line| (line.id, line.name)).collect())
}
