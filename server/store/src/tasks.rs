//! Tasks: long operations with their progress, kept so that a caller can ask later.

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::Value;

use crate::clock::now;
use crate::db::products::{json, parse};
use crate::error::StoreError;
use crate::store::Store;

/// State of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskState {
    /// It waits.
    Queued,
    /// It runs.
    Running,
    /// It ended well.
    Done,
    /// It ended with an error.
    Failed,
    /// A caller ended it.
    Cancelled,
    /// The process ended while it waited or ran.
    Interrupted,
}

const STATES: [(TaskState, &str); 6] = [
    (TaskState::Queued, "queued"),
    (TaskState::Running, "running"),
    (TaskState::Done, "done"),
    (TaskState::Failed, "failed"),
    (TaskState::Cancelled, "cancelled"),
    (TaskState::Interrupted, "interrupted"),
];

impl TaskState {
    /// Name in the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        STATES
            .iter()
            .find(|(state, _)| *state == self)
            .map_or("", |(_, name)| name)
    }

    /// True if the task will not go on.
    #[must_use]
    pub fn is_end(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }
}

/// A task.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// Number.
    pub number: i64,
    /// Kind, such as `import`.
    pub kind: String,
    /// State.
    pub state: TaskState,
    /// Number of units that are done.
    pub done: u64,
    /// Number of all units, if known.
    pub total: Option<u64>,
    /// Options and results as JSON.
    pub detail: Value,
    /// The error of a failed task.
    pub error: Option<String>,
    /// Time of creation in milliseconds since 1970.
    pub created_at: i64,
    /// Time of the end in milliseconds since 1970.
    pub finished_at: Option<i64>,
}

impl Store {
    /// Adds a queued task.
    ///
    /// # Errors
    /// Errors of the database.
    pub fn create_task(&self, kind: &str, detail: &Value) -> Result<Task, StoreError> {
        self.write(|db| {
            let detail = json("detail", detail)?;
            db.execute(
                "INSERT INTO tasks(kind, state, detail, created_at) VALUES (?1, 'queued', ?2, ?3)",
                params![kind, detail, now()],
            )?;
            one(db, db.last_insert_rowid())?.ok_or_else(|| StoreError::column("task", "is missing"))
        })
    }

    /// Writes state, progress, detail and error of a task. Sets the time of its end when it ends.
    ///
    /// # Errors
    /// Errors of the database.
    pub fn update_task(&self, task: &Task) -> Result<(), StoreError> {
        self.write(|db| {
            let finished_at = task.state.is_end().then(|| task.finished_at.unwrap_or_else(now));
            db.execute(
                "UPDATE tasks SET state = ?2, done = ?3, total = ?4, detail = ?5, error = ?6, finished_at = ?7
                 WHERE task = ?1",
                params![
                    task.number,
                    task.state.name(),
                    task.done,
                    task.total,
                    json("detail", &task.detail)?,
                    task.error,
                    finished_at
                ],
            )?;
            Ok(())
        })
    }

    /// The task with this number.
    ///
    /// # Errors
    /// Errors of the database.
    pub fn task(&self, number: i64) -> Result<Option<Task>, StoreError> {
        self.read(|db| one(db, number))
    }

    /// The newest `limit` tasks, newest first.
    ///
    /// # Errors
    /// Errors of the database.
    pub fn tasks(&self, limit: usize) -> Result<Vec<Task>, StoreError> {
        self.read(|db| {
            let mut statement = db.prepare_cached(&format!("{SELECT} ORDER BY task DESC LIMIT ?1"))?;
            let rows = statement.query_map([limit], |row| Ok(of_row(row)))?;
            rows.map(|row| row?).collect()
        })
    }

    /// Deletes ended tasks that were created before `time` in milliseconds since 1970. Returns their number.
    ///
    /// # Errors
    /// Errors of the database.
    pub fn prune_tasks(&self, time: i64) -> Result<usize, StoreError> {
        self.write(|db| {
            let sql = "DELETE FROM tasks WHERE created_at < ?1 AND state NOT IN ('queued', 'running')";
            Ok(db.execute(sql, [time])?)
        })
    }
}

const SELECT: &str = "SELECT task, kind, state, done, total, detail, error, created_at, finished_at FROM tasks";

fn one(db: &Connection, number: i64) -> Result<Option<Task>, StoreError> {
    let mut statement = db.prepare_cached(&format!("{SELECT} WHERE task = ?1"))?;
    statement
        .query_row([number], |row| Ok(of_row(row)))
        .optional()?
        .transpose()
}

fn of_row(row: &Row<'_>) -> Result<Task, StoreError> {
    let name: String = row.get(2)?;
    let state = STATES.iter().find(|(_, known)| *known == name).map(|(state, _)| *state);
    Ok(Task {
        number: row.get(0)?,
        kind: row.get(1)?,
        state: state.ok_or_else(|| StoreError::column("state", &name))?,
        done: row.get(3)?,
        total: row.get(4)?,
        detail: parse("detail", row.get(5)?)?,
        error: row.get(6)?,
        created_at: row.get(7)?,
        finished_at: row.get(8)?,
    })
}
