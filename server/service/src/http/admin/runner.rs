//! The thread that runs the tasks of the admin API, one after another.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::{Value, json};
use store::{ImportOptions, ImportReport, Outcome, Phase, Store, Task, TaskState};

use super::keys::{KnownKeys, Repeated, RequestKey, time_before};
use crate::catalog::{self, Catalog};

/// Folder in the store for files that are being received or imported.
pub(crate) const INCOMING: &str = "imports";

/// Time for which ended tasks are kept.
const KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Minimum time between two writes of a task's progress.
const PROGRESS: Duration = Duration::from_millis(200);

/// Work of a task.
#[derive(Debug)]
pub(crate) enum Job {
    /// Imports a file, which is removed at the end.
    Import(Box<ImportOptions>),
    /// Checks everything.
    Verify,
    /// Merges files and removes unused embeddings.
    Compact,
    /// Writes a snapshot into a new folder.
    Snapshot(PathBuf),
}

impl Job {
    /// Kind of the task.
    fn kind(&self) -> &'static str {
        match self {
            Self::Import(_) => "import",
            Self::Verify => "verify",
            Self::Compact => "compact",
            Self::Snapshot(_) => "snapshot",
        }
    }

    /// Options of the task.
    fn detail(&self) -> Value {
        match self {
            Self::Import(options) => json!({
                "format": format!("{:?}", options.format).to_lowercase(),
                "dry_run": options.dry_run,
                "max_errors": options.max_errors,
            }),
            Self::Snapshot(folder) => json!({ "folder": folder }),
            Self::Verify | Self::Compact => json!({}),
        }
    }

    /// Removes the file of a task that will not run or has ended.
    fn remove_file(&self) {
        if let Self::Import(options) = self {
            remove_incoming(&options.file);
        }
    }
}

/// Result of adding a task.
pub(crate) enum Added {
    /// The task, which is new or was made by the same request before.
    Task(Task),
    /// Another request had the key.
    OtherRequest,
}

/// Handle of the thread, which ends after its present task when this is dropped.
pub(crate) struct Runner {
    catalog: Arc<Catalog>,
    jobs: Mutex<Sender<(Task, Job)>>,
    open: Arc<OpenTasks>,
    keys: Mutex<KnownKeys>,
}

/// Tasks that wait or run, by their numbers.
#[derive(Default)]
struct OpenTasks(Mutex<BTreeMap<i64, OpenTask>>);

/// A task that waits or runs.
#[derive(Clone, Copy)]
struct OpenTask {
    /// True if it can be cancelled while it runs.
    can_stop: bool,
    is_running: bool,
    is_cancelled: bool,
}

/// Reason why a task cannot be cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotCancelled {
    /// It has ended.
    Ended,
    /// It runs, and tasks of its kind run to their end.
    Runs,
}

impl OpenTasks {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<i64, OpenTask>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a task runs now. Returns false if it was cancelled before.
    fn begin(&self, number: i64) -> bool {
        let mut open = self.lock();
        let task = open.get_mut(&number);
        task.is_none_or(|task| {
            task.is_running = true;
            !task.is_cancelled
        })
    }

    fn cancel(&self, number: i64) -> Result<(), NotCancelled> {
        let mut open = self.lock();
        let task = open.get_mut(&number).ok_or(NotCancelled::Ended)?;
        if task.is_running && !task.can_stop {
            return Err(NotCancelled::Runs);
        }
        task.is_cancelled = true;
        Ok(())
    }

    fn is_cancelled(&self, number: i64) -> bool {
        self.lock().get(&number).is_some_and(|task| task.is_cancelled)
    }
}

impl Runner {
    /// Starts the thread, forgets tasks that ended 30 days ago, and removes files that a killed process received.
    ///
    /// # Errors
    /// If the store cannot be written, or the system gives no thread.
    pub(crate) fn start(catalog: &Arc<Catalog>) -> anyhow::Result<Self> {
        prune(catalog.store())?;
        let _ = std::fs::remove_dir_all(catalog.store().dir().join(INCOMING));
        let (jobs, waiting) = channel();
        let open = Arc::<OpenTasks>::default();
        let worker = Worker {
            catalog: Arc::clone(catalog),
            open: Arc::clone(&open),
        };
        thread::Builder::new()
            .name("tasks".into())
            .spawn(move || worker.run(&waiting))
            .context("cannot start the thread of tasks")?;
        Ok(Self {
            catalog: Arc::clone(catalog),
            jobs: Mutex::new(jobs),
            open,
            keys: Mutex::new(KnownKeys::read(catalog.store())?),
        })
    }

    /// Adds a task behind the others, and forgets tasks that ended 30 days ago. A request whose key made a task before gets this task.
    ///
    /// # Errors
    /// If the store cannot be written.
    pub(crate) fn add(&self, job: Job, key: Option<RequestKey>) -> anyhow::Result<Added> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        match key.as_ref().map_or(Repeated::New, |key| keys.find(key)) {
            Repeated::New => {}
            Repeated::Task(number) => {
                if let Some(task) = self.catalog.store().task(number)? {
                    job.remove_file();
                    return Ok(Added::Task(task));
                }
            }
            Repeated::Other => {
                job.remove_file();
                return Ok(Added::OtherRequest);
            }
        }
        let task = self.create(job, key.as_ref())?;
        if let Some(key) = key {
            keys.add(key, &task);
        }
        Ok(Added::Task(task))
    }

    fn create(&self, job: Job, key: Option<&RequestKey>) -> anyhow::Result<Task> {
        prune(self.catalog.store())?;
        let can_stop = matches!(job, Job::Import(_));
        let mut detail = job.detail();
        if let Some(key) = key {
            key.write(&mut detail);
        }
        let created = self.catalog.store().create_task(job.kind(), &detail);
        let task = created.inspect_err(|_| job.remove_file())?;
        let open = OpenTask {
            can_stop,
            is_running: false,
            is_cancelled: false,
        };
        self.open.lock().insert(task.number, open);
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.send((task.clone(), job))
            .ok()
            .context("the thread of tasks has ended")?;
        Ok(task)
    }

    /// Cancels a task that waits, or an import that runs, which ends after its present batch.
    ///
    /// # Errors
    /// If the task has ended, or it runs and cannot be cancelled any more.
    pub(crate) fn cancel(&self, number: i64) -> Result<(), NotCancelled> {
        self.open.cancel(number)
    }
}

/// Forgets tasks that ended 30 days ago.
fn prune(store: &Store) -> anyhow::Result<()> {
    store.prune_tasks(time_before(KEPT))?;
    Ok(())
}

/// Removes a received file with its folder.
pub(crate) fn remove_incoming(file: &Path) {
    if let Some(folder) = file.parent() {
        let _ = std::fs::remove_dir_all(folder);
    }
}

struct Worker {
    catalog: Arc<Catalog>,
    open: Arc<OpenTasks>,
}

impl Worker {
    fn run(&self, waiting: &Receiver<(Task, Job)>) {
        while let Ok((mut task, job)) = waiting.recv() {
            let store = self.catalog.store();
            if self.open.begin(task.number) {
                task.state = TaskState::Running;
                let _ = store.update_task(&task);
                match self.work(store, &mut task, &job) {
                    Ok(state) => task.state = state,
                    Err(error) => {
                        task.state = TaskState::Failed;
                        task.error = Some(format!("{error:#}"));
                    }
                }
            } else {
                task.state = TaskState::Cancelled;
            }
            self.open.lock().remove(&task.number);
            if let Err(error) = store.update_task(&task) {
                tracing::error!(%error, task = task.number, "the state of a task cannot be stored");
            }
            job.remove_file();
            self.catalog.wake().ring();
        }
    }

    fn work(&self, store: &Store, task: &mut Task, job: &Job) -> anyhow::Result<TaskState> {
        match job {
            Job::Import(options) => self.import(store, task, options),
            Job::Verify => {
                let report = store.verify()?;
                let findings = report.findings.iter();
                let findings = findings.map(|found| format!("{:?}: {}", found.kind, found.place));
                task.detail["products"] = report.products.into();
                task.detail["embeddings"] = report.embeddings.into();
                task.detail["unused_rows"] = report.unused_rows.into();
                task.detail["is_sound"] = report.is_sound().into();
                task.detail["findings"] = findings.collect::<Vec<_>>().into();
                anyhow::ensure!(
                    report.is_sound(),
                    "the catalog is damaged; the findings are in `detail`"
                );
                Ok(TaskState::Done)
            }
            Job::Compact => {
                let done = catalog::compact(store)?;
                task.detail["files_removed"] = done.removed.into();
                task.detail["files_written"] = done.written.into();
                task.detail["rows"] = done.rows.into();
                task.detail["bytes"] = done.bytes.into();
                Ok(TaskState::Done)
            }
            Job::Snapshot(folder) => {
                let summary = store.snapshot(folder)?;
                task.detail["files"] = summary.files.into();
                task.detail["bytes"] = summary.bytes.into();
                Ok(TaskState::Done)
            }
        }
    }

    fn import(&self, store: &Store, task: &mut Task, options: &ImportOptions) -> anyhow::Result<TaskState> {
        let files = self.catalog.photo_files()?;
        let mut written = Instant::now();
        let report = store.import(options, &files, &mut |progress| {
            task.detail["phase"] = match progress.phase {
                Phase::Staging => "reading",
                Phase::Applying => "applying",
            }
            .into();
            (task.done, task.total) = (progress.done, progress.total);
            if written.elapsed() >= PROGRESS {
                let _ = store.update_task(task);
                written = Instant::now();
                self.catalog.wake().ring();
            }
            if self.open.is_cancelled(task.number) {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })?;
        report_import(task, &report);
        match report.outcome {
            Outcome::Applied | Outcome::DryRun => Ok(TaskState::Done),
            Outcome::Cancelled => Ok(TaskState::Cancelled),
            Outcome::Aborted => {
                anyhow::bail!("too many rows or photos failed, and nothing was changed; the faults are in `detail`")
            }
        }
    }
}

/// Writes the report of an import into its task.
fn report_import(task: &mut Task, report: &ImportReport) {
    task.detail["counts"] = json!(report.counts);
    task.detail["faults"] = json!(report.faults);
    task.detail["ignored_columns"] = json!(report.ignored);
    task.detail["continued"] = report.resumed.into();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_that_wait_and_imports_that_run_can_be_cancelled() {
        let open = OpenTasks::default();
        let task = |can_stop| OpenTask {
            can_stop,
            is_running: false,
            is_cancelled: false,
        };
        open.lock()
            .extend([(1, task(true)), (2, task(true)), (3, task(false)), (4, task(false))]);
        assert!(open.begin(2) && open.begin(4), "they were not cancelled before");
        for (number, expected) in [
            (1, Ok(())),
            (2, Ok(())),
            (3, Ok(())),
            (4, Err(NotCancelled::Runs)),
            (5, Err(NotCancelled::Ended)),
        ] {
            assert_eq!(open.cancel(number), expected, "task {number}");
        }
        assert!(!open.begin(1) && !open.begin(3) && open.is_cancelled(2));
    }
}
