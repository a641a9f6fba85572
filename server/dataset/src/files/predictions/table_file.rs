//! Reading and writing of predictions tables as Parquet.

use super::table::{Row, Table};
use crate::files::atomic;
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
use std::path::Path;
use std::sync::Arc;

/// Prefix of the columns with labels.
const TRUTH: &str = "truth:";
/// Prefix of the columns with probabilities.
const PROB: &str = "prob:";
/// Number of rows per row group.
pub(super) const ROW_GROUP: usize = 1 << 16;

impl Table {
    /// Writes the table atomically.
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
    /// If the file cannot be read, lacks a column, or has a column of another type or with unexpected nulls.
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

/// Returns one shared copy of equal texts. Tables name the same images once per network and epoch.
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

/// Writes rows by column, in the order of [`schema`].
fn write_group(
    group: &mut SerializedRowGroupWriter<'_, &mut File>,
    rows: &[Row],
    n_labels: usize,
) -> anyhow::Result<()> {
    let text =
        |cell: fn(&Row) -> &str| -> Vec<ByteArray> { rows.iter().map(|row| ByteArray::from(cell(row))).collect() };
    write_column::<ByteArrayType>(group, &text(|row| &row.run), None)?;
    // Folds and epochs are below 2^31.
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

/// Columns of a file by name.
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

    /// Reads all values of a column, `None` for nulls.
    fn read<T: DataType>(&self, name: &str) -> anyhow::Result<Vec<Option<T::T>>> {
        let at = self.names.iter().position(|known| known == name).with_context(|| {
            format!(
                "it has no column '{name}'\nhint: `selvedge train` with folds and `selvedge ensemble` write such tables"
            )
        })?;
        let column = self.reader.metadata().file_metadata().schema_descr().column(at);
        anyhow::ensure!(
            column.physical_type() == T::get_physical_type() && column.max_rep_level() == 0,
            "its column '{name}' has the type {}, not {}",
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
                anyhow::ensure!(read > 0, "its column '{name}' ends early");
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

    /// Reads all values of a column without nulls.
    fn required<T: DataType>(&self, name: &str) -> anyhow::Result<Vec<T::T>> {
        let values: Option<Vec<T::T>> = self.read::<T>(name)?.into_iter().collect();
        values.with_context(|| format!("its column '{name}' has empty places"))
    }
}
