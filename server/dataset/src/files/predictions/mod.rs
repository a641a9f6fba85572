//! Predictions tables: Parquet files with the predictions of networks per image.
//!
//! | column | type | meaning |
//! |---|---|---|
//! | `run` | string | name of the model, shared by the runs of its folds |
//! | `fold` | int32 | fold that the network was not trained on, or -1 |
//! | `epoch` | int32 | number of trained epochs |
//! | `part` | string | `oof` for rows of the held-out fold, or a split that no network was trained on, such as `val` |
//! | `path`, `item_id` | string | image and item; images of one item belong to one fold |
//! | `truth:LABEL` | bool, may be null | true if the image has the label, null if unknown |
//! | `prob:LABEL` | float32 | predicted probability |
//!
//! `pandas.read_parquet` reads such tables, and tables written by pandas can be read here.

mod table;
mod table_file;

use anyhow::Context;
use std::path::{Path, PathBuf};

pub use table::{Header, Part, Row, Table};

/// Part name of rows that were predicted by a network trained without their fold.
pub const OOF: &str = "oof";
/// Folder of predictions tables within a run directory, one table per epoch.
pub const FOLDER: &str = "predictions";

/// Path of the predictions table of an epoch of a run.
pub fn epoch_table(run_dir: &Path, epoch: u32) -> PathBuf {
    run_dir.join(FOLDER).join(format!("epoch{epoch:04}.parquet"))
}

/// Writes the predictions after an epoch to a file such as `RUN/predictions/epoch0003.parquet`, atomically.
///
/// Replaces the table of an epoch that a resumed run trains again.
///
/// # Errors
/// If parts have inconsistent lengths, or the file cannot be written.
pub fn write_epoch(run_dir: &Path, header: &Header, labels: &[String], parts: &[Part]) -> anyhow::Result<PathBuf> {
    let folder = run_dir.join(FOLDER);
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let path = epoch_table(run_dir, header.epoch);
    Table::new(header, labels, parts)?.write(&path)?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::table_file::ROW_GROUP;
    use super::*;

    fn table() -> Table {
        let texts = |n: usize, folder: &str| -> Vec<String> { (0..n).map(|i| format!("{folder}/{i}.jpg")).collect() };
        let part = |name: &str, n: usize, folder: &str| Part {
            name: name.to_owned(),
            paths: texts(n, folder),
            item_ids: texts(n, "item"),
            truth: (0..n).map(|i| vec![Some(i % 2 == 0), Some(i % 3 == 0)]).collect(),
            probs: (0..n)
                .map(|i| vec![i as f32 / n as f32, 1.0 / (1 + i) as f32])
                .collect(),
        };
        let header = Header {
            run: "resnet".to_owned(),
            fold: Some(2),
            epoch: 3,
        };
        let labels = ["a".to_owned(), "ü b".to_owned()];
        Table::new(&header, &labels, &[part(OOF, 5, "train"), part("val", 3, "val")]).expect("the parts are consistent")
    }

    #[test]
    fn a_written_table_reads_back_unchanged() {
        let dir = tempfile::tempdir().expect("a temporary folder can be created");
        let mut table = table();
        table.rows[1].truth[0] = None;
        table.rows[4].fold = None;
        let path = dir.path().join("t.parquet");
        for rows in [0, 1, table.rows.len()] {
            let table = Table {
                labels: table.labels.clone(),
                rows: table.rows[..rows].to_vec(),
            };
            table.write(&path).expect("the file can be written");
            assert_eq!(Table::read(&path).expect("the file can be read"), table, "{rows} rows");
        }
    }

    #[test]
    fn rows_keep_their_order_across_row_groups() {
        let dir = tempfile::tempdir().expect("a temporary folder can be created");
        let one = table();
        let n = ROW_GROUP / one.rows.len() + 2;
        let whole = Table::concat(std::iter::repeat_n(one, n)).expect("the labels are equal");
        let path = dir.path().join("t.parquet");
        whole.write(&path).expect("the file can be written");
        assert!(Table::read(&path).expect("the file can be read") == whole);
    }

    #[test]
    fn other_files_and_other_labels_are_refused() {
        let dir = tempfile::tempdir().expect("a temporary folder can be created");
        let path = dir.path().join("t.parquet");
        std::fs::write(&path, "not Parquet").expect("the file can be written");
        let error = format!("{:#}", Table::read(&path).expect_err("not Parquet"));
        assert!(error.contains("t.parquet"), "{error}");
        let mut other = table();
        other.labels[0] = "c".to_owned();
        let error = Table::concat([table(), other]).expect_err("other labels").to_string();
        assert!(error.contains("differ in their labels"), "{error}");
    }
}
