//! Predictions tables: who predicted what for which picture, as Parquet, for ensembling and for any other tool.
//!
//! | column | type | meaning |
//! |---|---|---|
//! | `run` | string | name of the model; the runs of its folds share it |
//! | `fold` | int32 | the fold that the network did not train on; -1 for none |
//! | `epoch` | int32 | epochs trained |
//! | `part` | string | `oof`: rows of the fold kept out; any other name is a split that no network saw, such as `val` |
//! | `path`, `item_id` | string | the picture; pictures of one item belong to one fold |
//! | `truth:LABEL` | bool, may be null | whether the picture carries the label; null where nobody knows |
//! | `prob:LABEL` | float32 | predicted probability |
//!
//! `pandas.read_parquet` reads it, and a table that pandas wrote is read here.

use crate::atomic;
use anyhow::Context;
use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical};
use parquet::column::reader::get_typed_column_reader;
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, FloatType, Int32Type};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::{Type, TypePtr};
use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The part of rows predicted by a network that did not train on them because it kept their fold out.
pub const OOF: &str = "oof";
/// Folder of a run's tables, one an epoch.
pub const FOLDER: &str = "predictions";

const TRUTH: &str = "truth:";
const PROB: &str = "prob:";
/// Rows written at once.
const ROW_GROUP: usize = 1 << 16;

/// Network that made the predictions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Name of the model, the same for every fold of it.
    pub run: String,
    /// The fold kept out of its training, if it was trained with folds.
    pub fold: Option<u32>,
    /// Epochs trained.
    pub epoch: u32,
}

/// Pictures that a network predicted.
#[derive(Debug, Clone)]
pub struct Part {
    /// [`OOF`], or the name of a split that no network trained on.
    pub name: String,
    /// Path of each picture within its dataset.
    pub paths: Vec<String>,
    /// Item of each picture; may be empty text.
    pub item_ids: Vec<String>,
    /// Truth of each picture by label; `None` where nobody knows.
    pub truth: Vec<Option<Vec<bool>>>,
    /// Probabilities of each picture by label.
    pub probs: Vec<Vec<f32>>,
}

/// A picture's prediction.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Name of the model.
    pub run: Arc<str>,
    /// The fold kept out of the network's training.
    pub fold: Option<u32>,
    /// Epochs trained.
    pub epoch: u32,
    /// [`OOF`] or a split's name.
    pub part: Arc<str>,
    /// Path of the picture within its dataset.
    pub path: Arc<str>,
    /// Item of the picture.
    pub item_id: Arc<str>,
    /// Truth by label; `None` where nobody knows.
    pub truth: Vec<Option<bool>>,
    /// Probability by label.
    pub probs: Vec<f32>,
}

/// Predictions of one or many networks for the same labels.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Table {
    /// Label identifiers.
    pub labels: Vec<String>,
    /// One row a network and picture.
    pub rows: Vec<Row>,
}

/// Path of the predictions that a run writes after an epoch.
pub fn epoch_table(run_dir: &Path, epoch: u32) -> PathBuf {
    run_dir.join(FOLDER).join(format!("epoch{epoch:04}.parquet"))
}

/// Writes what a network predicts after an epoch to `RUN/predictions/epoch0003.parquet`, whole or not at all.
///
/// An epoch that is there already, because a resumed run trains it again, is replaced.
///
/// # Errors
/// If parts disagree on lengths, or the file cannot be written.
pub fn write_epoch(run_dir: &Path, header: &Header, labels: &[String], parts: &[Part]) -> anyhow::Result<PathBuf> {
    let folder = run_dir.join(FOLDER);
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let path = epoch_table(run_dir, header.epoch);
    Table::new(header, labels, parts)?.write(&path)?;
    Ok(path)
}

impl Table {
    /// One network's predictions.
    ///
    /// # Errors
    /// If parts disagree on lengths.
    pub fn new(header: &Header, labels: &[String], parts: &[Part]) -> anyhow::Result<Self> {
        let run: Arc<str> = header.run.as_str().into();
        let mut table = Self {
            labels: labels.to_vec(),
            rows: vec![],
        };
        for part in parts {
            let n = part.probs.len();
            anyhow::ensure!(
                [part.paths.len(), part.item_ids.len(), part.truth.len()] == [n; 3],
                "part {} has {n} predictions of {} paths, {} items and {} truths",
                part.name,
                part.paths.len(),
                part.item_ids.len(),
                part.truth.len()
            );
            let name: Arc<str> = part.name.as_str().into();
            table.rows.extend((0..n).map(|i| Row {
                run: run.clone(),
                fold: header.fold,
                epoch: header.epoch,
                part: name.clone(),
                path: part.paths[i].as_str().into(),
                item_id: part.item_ids[i].as_str().into(),
                truth: match &part.truth[i] {
                    Some(known) => known.iter().copied().map(Some).collect(),
                    None => vec![None; labels.len()],
                },
                probs: part.probs[i].clone(),
            }));
        }
        Ok(table)
    }

    /// The rows of several tables one after another.
    ///
    /// # Errors
    /// If they do not have the same labels in the same order.
    pub fn concat(tables: impl IntoIterator<Item = Self>) -> anyhow::Result<Self> {
        let mut tables = tables.into_iter();
        let mut whole = tables.next().unwrap_or_default();
        for table in tables {
            anyhow::ensure!(
                table.labels == whole.labels,
                "tables differ in their labels: {:?} and {:?}",
                whole.labels,
                table.labels
            );
            whole.rows.extend(table.rows);
        }
        Ok(whole)
    }

    /// Writes the table, whole or not at all.
    ///
    /// # Errors
    /// If a row has another number of labels, or the file cannot be written.
    pub fn write(&self, path: &Path) -> anyhow::Result<()> {
        for row in &self.rows {
            anyhow::ensure!(
                row.truth.len() == self.labels.len() && row.probs.len() == self.labels.len(),
                "{} has {} truths and {} probabilities for {} labels",
                row.path,
                row.truth.len(),
                row.probs.len(),
                self.labels.len()
            );
        }
        atomic::write_with(path, |file| {
            let properties = WriterProperties::builder()
                .set_compression(Compression::UNCOMPRESSED)
                .set_statistics_enabled(EnabledStatistics::None)
                .set_created_by("selvedge".to_owned());
            let mut file = SerializedFileWriter::new(file, schema(&self.labels)?, Arc::new(properties.build()))?;
            for rows in self.rows.chunks(ROW_GROUP) {
                let mut group = file.next_row_group()?;
                write_group(&mut group, rows, self.labels.len())?;
                group.close()?;
            }
            file.finish()?;
            Ok(())
        })
    }

    /// Reads a table.
    ///
    /// # Errors
    /// If the file cannot be read, lacks a column, or has one of another type or with empty places where none may be.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        Self::read_inner(path).with_context(|| format!("cannot read the predictions table {}", path.display()))
    }

    fn read_inner(path: &Path) -> anyhow::Result<Self> {
        let columns = Columns::open(path)?;
        let labels: Vec<String> = columns
            .names
            .iter()
            .filter_map(|c| c.strip_prefix(PROB))
            .map(str::to_owned)
            .collect();
        let mut texts = HashMap::new();
        let mut text = |name: &str| -> anyhow::Result<Vec<Arc<str>>> {
            let bytes = columns.required::<ByteArrayType>(name)?;
            let text = bytes.iter().map(|bytes| Ok(intern(&mut texts, bytes.as_utf8()?)));
            text.collect()
        };
        let (run, part, path, item_id) = (text("run")?, text("part")?, text("path")?, text("item_id")?);
        let (fold, epoch) = (
            columns.required::<Int32Type>("fold")?,
            columns.required::<Int32Type>("epoch")?,
        );
        let mut rows: Vec<Row> = Vec::with_capacity(run.len());
        for i in 0..run.len() {
            rows.push(Row {
                run: run[i].clone(),
                fold: u32::try_from(fold[i]).ok(),
                epoch: u32::try_from(epoch[i]).with_context(|| format!("row {i} has the epoch {}", epoch[i]))?,
                part: part[i].clone(),
                path: path[i].clone(),
                item_id: item_id[i].clone(),
                truth: Vec::with_capacity(labels.len()),
                probs: Vec::with_capacity(labels.len()),
            });
        }
        for label in &labels {
            let truth = columns.read::<BoolType>(&format!("{TRUTH}{label}"))?;
            let probs = columns.required::<FloatType>(&format!("{PROB}{label}"))?;
            for ((row, truth), prob) in rows.iter_mut().zip(truth).zip(probs) {
                row.truth.push(truth);
                row.probs.push(prob);
            }
        }
        Ok(Self { labels, rows })
    }
}

/// One shared copy of equal texts: a zoo names the same pictures once an epoch.
fn intern(known: &mut HashMap<String, Arc<str>>, text: &str) -> Arc<str> {
    if let Some(shared) = known.get(text) {
        return shared.clone();
    }
    let shared: Arc<str> = text.into();
    known.insert(text.to_owned(), shared.clone());
    shared
}

fn schema(labels: &[String]) -> anyhow::Result<TypePtr> {
    let column = |name: &str, physical, repetition, logical| -> anyhow::Result<TypePtr> {
        let builder = Type::primitive_type_builder(name, physical).with_repetition(repetition);
        Ok(Arc::new(builder.with_logical_type(logical).build()?))
    };
    let text = |name| {
        column(
            name,
            Physical::BYTE_ARRAY,
            Repetition::REQUIRED,
            Some(LogicalType::String),
        )
    };
    let number = |name| column(name, Physical::INT32, Repetition::REQUIRED, None);
    let mut fields = vec![
        text("run")?,
        number("fold")?,
        number("epoch")?,
        text("part")?,
        text("path")?,
        text("item_id")?,
    ];
    for label in labels {
        fields.push(column(
            &format!("{TRUTH}{label}"),
            Physical::BOOLEAN,
            Repetition::OPTIONAL,
            None,
        )?);
    }
    for label in labels {
        fields.push(column(
            &format!("{PROB}{label}"),
            Physical::FLOAT,
            Repetition::REQUIRED,
            None,
        )?);
    }
    Ok(Arc::new(
        Type::group_type_builder("predictions").with_fields(fields).build()?,
    ))
}

/// Writes rows column by column, in the order of [`schema`].
fn write_group(
    group: &mut SerializedRowGroupWriter<'_, &mut File>,
    rows: &[Row],
    n_labels: usize,
) -> anyhow::Result<()> {
    let text = |of: fn(&Row) -> &str| -> Vec<ByteArray> { rows.iter().map(|row| ByteArray::from(of(row))).collect() };
    write_column::<ByteArrayType>(group, &text(|row| &row.run), None)?;
    // A fold or an epoch beyond 2^31 does not exist.
    let fold: Vec<i32> = rows.iter().map(|row| row.fold.map_or(-1, |fold| fold as i32)).collect();
    write_column::<Int32Type>(group, &fold, None)?;
    let epoch: Vec<i32> = rows.iter().map(|row| row.epoch as i32).collect();
    write_column::<Int32Type>(group, &epoch, None)?;
    write_column::<ByteArrayType>(group, &text(|row| &row.part), None)?;
    write_column::<ByteArrayType>(group, &text(|row| &row.path), None)?;
    write_column::<ByteArrayType>(group, &text(|row| &row.item_id), None)?;
    for label in 0..n_labels {
        let known: Vec<bool> = rows.iter().filter_map(|row| row.truth[label]).collect();
        let levels: Vec<i16> = rows.iter().map(|row| i16::from(row.truth[label].is_some())).collect();
        write_column::<BoolType>(group, &known, Some(&levels))?;
    }
    for label in 0..n_labels {
        let probs: Vec<f32> = rows.iter().map(|row| row.probs[label]).collect();
        write_column::<FloatType>(group, &probs, None)?;
    }
    Ok(())
}

fn write_column<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, &mut File>,
    values: &[T::T],
    levels: Option<&[i16]>,
) -> anyhow::Result<()> {
    let mut column = group
        .next_column()?
        .context("the schema has fewer columns than are written")?;
    column.typed::<T>().write_batch(values, levels, None)?;
    Ok(column.close()?)
}

/// A file's columns by name.
struct Columns {
    reader: SerializedFileReader<File>,
    names: Vec<String>,
}

impl Columns {
    fn open(path: &Path) -> anyhow::Result<Self> {
        let reader = SerializedFileReader::new(File::open(path)?)?;
        let schema = reader.metadata().file_metadata().schema_descr();
        let names = schema.columns().iter().map(|column| column.path().string()).collect();
        Ok(Self { reader, names })
    }

    /// All values of a column; `None` in empty places.
    fn read<T: DataType>(&self, name: &str) -> anyhow::Result<Vec<Option<T::T>>> {
        let at = self.names.iter().position(|known| known == name).with_context(|| {
            format!(
                "it has no column {name}\nhint: `selvedge train` with folds and `selvedge ensemble` write such tables"
            )
        })?;
        let column = self.reader.metadata().file_metadata().schema_descr().column(at);
        anyhow::ensure!(
            column.physical_type() == T::get_physical_type() && column.max_rep_level() == 0,
            "its column {name} is {}, not {}",
            column.physical_type(),
            T::get_physical_type()
        );
        let mut all = Vec::new();
        for group in 0..self.reader.num_row_groups() {
            let group = self.reader.get_row_group(group)?;
            let n = usize::try_from(group.metadata().num_rows())?;
            let mut reader = get_typed_column_reader::<T>(group.get_column_reader(at)?);
            let (mut values, mut levels) = (Vec::new(), Vec::new());
            while levels.len().max(values.len()) < n {
                let (read, ..) = reader.read_records(n, Some(&mut levels), None, &mut values)?;
                anyhow::ensure!(read > 0, "its column {name} ends early");
            }
            if column.max_def_level() == 0 {
                all.extend(values.into_iter().map(Some));
            } else {
                let mut values = values.into_iter();
                all.extend(
                    levels
                        .iter()
                        .map(|level| (*level == column.max_def_level()).then(|| values.next()).flatten()),
                );
            }
        }
        Ok(all)
    }

    /// All values of a column that may have no empty place.
    fn required<T: DataType>(&self, name: &str) -> anyhow::Result<Vec<T::T>> {
        let values: Option<Vec<T::T>> = self.read::<T>(name)?.into_iter().collect();
        values.with_context(|| format!("its column {name} has empty places"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let texts = |n: usize, of: &str| -> Vec<String> { (0..n).map(|i| format!("{of}/{i}.jpg")).collect() };
        let part = |name: &str, n: usize, folder: &str| Part {
            name: name.to_owned(),
            paths: texts(n, folder),
            item_ids: texts(n, "item"),
            truth: (0..n).map(|i| Some(vec![i % 2 == 0, i % 3 == 0])).collect(),
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
        Table::new(&header, &labels, &[part(OOF, 5, "train"), part("val", 3, "val")]).expect("consistent parts")
    }

    #[test]
    fn a_table_is_read_as_it_was_written() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut table = table();
        table.rows[1].truth[0] = None;
        table.rows[4].fold = None;
        let path = dir.path().join("t.parquet");
        for rows in [0, 1, table.rows.len()] {
            let table = Table {
                labels: table.labels.clone(),
                rows: table.rows[..rows].to_vec(),
            };
            table.write(&path).expect("writes");
            assert_eq!(Table::read(&path).expect("reads"), table, "{rows} rows");
        }
    }

    #[test]
    fn many_row_groups_keep_their_order() {
        let dir = tempfile::tempdir().expect("a folder");
        let one = table();
        let n = ROW_GROUP / one.rows.len() + 2;
        let whole = Table::concat(std::iter::repeat_n(one, n)).expect("same labels");
        let path = dir.path().join("t.parquet");
        whole.write(&path).expect("writes");
        assert!(Table::read(&path).expect("reads") == whole);
    }

    #[test]
    fn what_is_no_predictions_table_is_refused_by_name() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("t.parquet");
        std::fs::write(&path, "no parquet").expect("writes");
        let error = format!("{:#}", Table::read(&path).expect_err("no parquet"));
        assert!(error.contains("t.parquet"), "{error}");
        let mut other = table();
        other.labels[0] = "c".to_owned();
        let error = Table::concat([table(), other]).expect_err("other labels").to_string();
        assert!(error.contains("differ in their labels"), "{error}");
    }
}
