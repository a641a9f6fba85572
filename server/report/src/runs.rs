//! Runs side by side: a list of all under a folder, and what differs between some of them.

use super::record::{Record, Status};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Depth of the search for runs; those of an ablation lie three deep.
const DEPTH: usize = 4;

/// One run in a line.
#[derive(Debug, Clone, Serialize)]
pub struct Line {
    /// The folder.
    pub dir: PathBuf,
    /// The recipe's name.
    pub name: String,
    /// `style`, `distill` or `retrieval`.
    pub task: Option<String>,
    /// The backbone's name.
    pub backbone: Option<String>,
    /// Epochs that are done.
    pub epochs_done: usize,
    /// Epochs that the recipe asks for.
    pub epochs_planned: Option<u64>,
    /// The highest score on the tuning part.
    pub best_score: Option<f64>,
    /// The epoch it came from, counted from 1.
    pub best_epoch: Option<usize>,
    /// Time of all epochs.
    pub seconds: f64,
    /// Device of the training.
    pub device: Option<String>,
    /// The program's commit.
    pub commit: Option<String>,
    /// State of the run.
    pub status: Status,
    /// Files that could not be read.
    pub notes: Vec<String>,
}

impl Line {
    fn of(record: &Record) -> Self {
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

/// All runs in `dir` or below it, by path.
///
/// # Errors
/// If `dir` is no folder that can be read.
pub fn list(dir: &Path) -> anyhow::Result<Vec<Line>> {
    anyhow::ensure!(
        dir.is_dir(),
        "there is no folder {}\nhint: `selvedge train` leaves runs in runs/ unless --out says otherwise",
        dir.display()
    );
    let mut found = Vec::new();
    find(dir, DEPTH, &mut found)?;
    found.sort();
    Ok(found.iter().map(|dir| Line::of(&Record::read(dir))).collect())
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
        // Symbolic links are not followed: they could lead in circles.
        if entry.file_type()?.is_dir() {
            // A folder that this user may not read holds no run for them.
            let _ = find(&entry.path(), depth - 1, found);
        }
    }
    Ok(())
}

/// The list as text.
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
    /// The folders, in the order asked for.
    pub runs: Vec<PathBuf>,
    /// Recipe keys whose values are not all the same, with each run's value.
    pub recipe: BTreeMap<String, Vec<Option<String>>>,
    /// Figures of each run's best epoch.
    pub figures: BTreeMap<String, Vec<Option<f64>>>,
    /// Files that could not be read.
    pub notes: Vec<String>,
}

/// Compares runs.
///
/// # Errors
/// If one of them is no run.
pub fn compare(dirs: &[PathBuf]) -> anyhow::Result<Comparison> {
    for dir in dirs {
        anyhow::ensure!(
            Record::is_run(dir),
            "{} is no run\nhint: `selvedge runs DIR` lists the runs of a folder",
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

    let mut figures: BTreeMap<String, Vec<Option<f64>>> = BTreeMap::new();
    let mut put = |name: &str, at: usize, value: Option<f64>| {
        figures
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
        for (name, value) in best.iter().flat_map(|epoch| &epoch.figures) {
            put(name, at, Some(*value));
        }
    }
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
        figures,
        notes,
    })
}

/// Every key of a table with its path, `optimiser.rate` for example.
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
        for (name, values) in &self.figures {
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

/// Columns as wide as their widest text, two spaces apart.
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

/// Seconds as people say them.
pub fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0..60 => format!("{seconds:.1} s"),
        60..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole / 60 % 60),
    }
}
