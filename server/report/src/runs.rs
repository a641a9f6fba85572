//! Lists of the runs under a folder, and differences between runs.

use super::record::{Record, Status};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Maximum depth of folders with runs. The runs of an ablation are three deep.
const DEPTH: usize = 4;

/// One run in a list.
#[derive(Debug, Clone, Serialize)]
pub struct Line {
    /// The folder.
    pub dir: PathBuf,
    /// Name of the recipe.
    pub name: String,
    /// Kind of the task, such as `style` or `retrieval`.
    pub task: Option<String>,
    /// Name of the backbone.
    pub backbone: Option<String>,
    /// Number of finished epochs.
    pub epochs_done: usize,
    /// Number of epochs in the recipe.
    pub epochs_planned: Option<u64>,
    /// Highest score on the tuning part.
    pub best_score: Option<f64>,
    /// Epoch with that score, from 1.
    pub best_epoch: Option<usize>,
    /// Duration of all epochs in seconds.
    pub seconds: f64,
    /// Device of the training.
    pub device: Option<String>,
    /// Commit of the program.
    pub commit: Option<String>,
    /// State of the run.
    pub status: Status,
    /// Files that could not be read.
    pub notes: Vec<String>,
}

impl Line {
    fn from_record(record: &Record) -> Self {
        let best = record.best();
        Self {
            dir: record.dir.clone(),
            name: record.name(),
            task: record.task(),
            backbone: record.backbone(),
            epochs_done: record.epochs.len(),
            epochs_planned: record.epochs_planned(),
            best_score: best.and_then(|epoch| epoch.score),
            best_epoch: best.map(|epoch| epoch.epoch + 1),
            seconds: record.seconds(),
            device: record.provenance.as_ref().map(|provenance| provenance.device.clone()),
            commit: record.provenance.as_ref().map(|provenance| provenance.commit.clone()),
            status: record.status,
            notes: record.notes.clone(),
        }
    }
}

/// Lists all runs in `dir` or below it, by path.
///
/// # Errors
/// If `dir` is not a readable folder.
pub fn list(dir: &Path) -> anyhow::Result<Vec<Line>> {
    anyhow::ensure!(
        dir.is_dir(),
        "there is no folder {}\nhint: `selvedge train` leaves runs in runs/ unless --out says otherwise",
        dir.display()
    );
    let mut found = Vec::new();
    find(dir, DEPTH, &mut found)?;
    found.sort();
    Ok(found.iter().map(|dir| Line::from_record(&Record::read(dir))).collect())
}

fn find(dir: &Path, depth: usize, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    if Record::is_run(dir) {
        found.push(dir.to_owned());
    }
    if depth == 0 {
        return Ok(());
    }
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        // Symbolic links are not followed, because they can form circles.
        if entry.file_type()?.is_dir() {
            // A folder that the user cannot read is skipped.
            let _ = find(&entry.path(), depth - 1, found);
        }
    }
    Ok(())
}

/// Formats the list as text.
pub fn listed(lines: &[Line], below: &Path) -> String {
    let header = [
        "run", "name", "task", "backbone", "epochs", "best", "at", "time", "device", "commit", "status",
    ];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for line in lines {
        let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        let dir = line.dir.strip_prefix(below).unwrap_or(&line.dir).display().to_string();
        let planned = line
            .epochs_planned
            .map_or_else(|| "?".to_owned(), |planned| planned.to_string());
        rows.push(vec![
            if dir.is_empty() { ".".to_owned() } else { dir },
            line.name.clone(),
            or_dash(&line.task),
            or_dash(&line.backbone),
            format!("{}/{planned}", line.epochs_done),
            line.best_score
                .map_or_else(|| "-".to_owned(), |score| format!("{score:.4}")),
            line.best_epoch
                .map_or_else(|| "-".to_owned(), |epoch| epoch.to_string()),
            duration(line.seconds),
            or_dash(&line.device),
            line.commit
                .as_ref()
                .map_or_else(|| "-".to_owned(), |commit| commit.chars().take(8).collect()),
            line.status.name().to_owned(),
        ]);
    }
    let mut text = aligned(&rows);
    for line in lines {
        for note in &line.notes {
            let _ = writeln!(
                text,
                "note: {}: {note}",
                line.dir.strip_prefix(below).unwrap_or(&line.dir).display()
            );
        }
    }
    text
}

/// Differences between runs.
#[derive(Debug, Clone, Serialize)]
pub struct Comparison {
    /// Folders of the runs, in the requested order.
    pub runs: Vec<PathBuf>,
    /// Recipe keys with different values, with the value per run.
    pub recipe: BTreeMap<String, Vec<Option<String>>>,
    /// Metrics of the best epoch per run, by name.
    #[serde(rename = "figures")]
    pub metrics: BTreeMap<String, Vec<Option<f64>>>,
    /// Files that could not be read.
    pub notes: Vec<String>,
}

/// Compares runs.
///
/// # Errors
/// If a folder is not a run.
pub fn compare(dirs: &[PathBuf]) -> anyhow::Result<Comparison> {
    for dir in dirs {
        anyhow::ensure!(
            Record::is_run(dir),
            "{} is not a run\nhint: `selvedge runs DIR` lists the runs of a folder",
            dir.display()
        );
    }
    let records: Vec<Record> = dirs.iter().map(|dir| Record::read(dir)).collect();
    let recipes: Vec<BTreeMap<String, String>> = records
        .iter()
        .map(|record| {
            let mut keys = BTreeMap::new();
            flatten("", &record.recipe, &mut keys);
            keys
        })
        .collect();
    let keys: BTreeSet<&String> = recipes.iter().flat_map(BTreeMap::keys).collect();
    let recipe = keys
        .into_iter()
        .map(|key| {
            (
                key.clone(),
                recipes
                    .iter()
                    .map(|recipe| recipe.get(key).cloned())
                    .collect::<Vec<_>>(),
            )
        })
        .filter(|(_, values)| values.windows(2).any(|pair| pair[0] != pair[1]))
        .collect();
    let notes = records
        .iter()
        .flat_map(|record| {
            record
                .notes
                .iter()
                .map(|note| format!("{}: {note}", record.dir.display()))
        })
        .collect();
    Ok(Comparison {
        runs: dirs.to_vec(),
        recipe,
        metrics: best_metrics(&records),
        notes,
    })
}

/// Returns the metrics of the best epoch per run, by name.
fn best_metrics(records: &[Record]) -> BTreeMap<String, Vec<Option<f64>>> {
    let mut metrics: BTreeMap<String, Vec<Option<f64>>> = BTreeMap::new();
    let mut put = |name: &str, at: usize, value: Option<f64>| {
        metrics
            .entry(name.to_owned())
            .or_insert_with(|| vec![None; records.len()])[at] = value;
    };
    for (at, record) in records.iter().enumerate() {
        let best = record.best();
        put("best epoch", at, best.map(|epoch| (epoch.epoch + 1) as f64));
        put("epochs", at, Some(record.epochs.len() as f64));
        put("score", at, best.and_then(|epoch| epoch.score));
        put("seconds", at, Some(record.seconds()));
        put("train_loss", at, best.and_then(|epoch| epoch.train_loss));
        for (name, value) in best.iter().flat_map(|epoch| &epoch.metrics) {
            put(name, at, Some(*value));
        }
    }
    metrics
}

/// Collects every key of a table with its path, such as `optimiser.rate`.
fn flatten(path: &str, table: &toml::Table, keys: &mut BTreeMap<String, String>) {
    for (key, value) in table {
        let path = if path.is_empty() {
            key.clone()
        } else {
            format!("{path}.{key}")
        };
        match value {
            toml::Value::Table(table) => flatten(&path, table, keys),
            value => {
                keys.insert(path, value.to_string());
            }
        }
    }
}

impl std::fmt::Display for Comparison {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = || self.runs.iter().map(|run| run.display().to_string());
        let mut rows: Vec<Vec<String>> = vec![std::iter::once(String::new()).chain(names()).collect()];
        for (key, values) in &self.recipe {
            let values = values
                .iter()
                .map(|value| value.clone().unwrap_or_else(|| "-".to_owned()));
            rows.push(std::iter::once(key.clone()).chain(values).collect());
        }
        if self.recipe.is_empty() {
            writeln!(f, "the recipes are the same")?;
        }
        for (name, values) in &self.metrics {
            let number = |value: f64| {
                if value.fract() == 0.0 {
                    format!("{value:.0}")
                } else {
                    format!("{value:.4}")
                }
            };
            let values = values.iter().map(|value| value.map_or_else(|| "-".to_owned(), number));
            rows.push(std::iter::once(name.clone()).chain(values).collect());
        }
        f.write_str(&aligned(&rows))?;
        self.notes.iter().try_for_each(|note| writeln!(f, "note: {note}"))
    }
}

/// Formats columns as wide as their widest text, two spaces apart.
fn aligned(rows: &[Vec<String>]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..rows.first().map_or(0, Vec::len)).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// Formats a duration in seconds with seconds, minutes and hours.
pub(crate) fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0..60 => format!("{seconds:.1} s"),
        60..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole / 60 % 60),
    }
}
