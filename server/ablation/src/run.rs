//! Execution of a plan: every training and every evaluation is a process of its own, and existing results are kept.

use crate::options::Options;
use crate::plan::{Measurement, Plan, Training};
use anyhow::Context;
use dataset::atomic;
use dataset::run::{BUNDLE, PROVENANCE, RECIPE, is_locked, remove_unborn};
use dataset::{Dataset, FOLD};
use evaluation::statistics::PerImage;
use report::Record;
use report::record::Status;
use serde::{Deserialize, Serialize};
use shared::bundle::{MANIFEST_FILE, Manifest};
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use training::Recipe;

/// Interval between checks of a run that another process trains.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// File with the options of each run, which its folder does not record.
const OPTIONS: &str = "runs.json";

/// State of a training.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// The run does not exist.
    New,
    /// The run was interrupted and can be resumed.
    Interrupted,
    /// Another process trains the run.
    Running,
    /// The run has a bundle.
    Finished,
}

/// Result of an evaluation with its inputs, as kept on disk.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Measured {
    #[serde(rename = "of")]
    inputs: Inputs,
    /// Metrics by name.
    #[serde(rename = "figures")]
    pub(crate) metrics: BTreeMap<String, f64>,
    /// Metrics of trivial guesses by name.
    pub(crate) guesses: BTreeMap<String, f64>,
    /// Results per image.
    pub(crate) outcomes: PerImage,
}

/// Inputs of an evaluation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Inputs {
    weights_sha256: Vec<String>,
    data_sha256: String,
    split: String,
    arguments: Vec<String>,
    #[serde(default)]
    stacking: Option<Vec<String>>,
}

/// The parts of `selvedge evaluate --json` that are kept.
#[derive(Deserialize)]
struct Printed {
    #[serde(rename = "figures")]
    metrics: BTreeMap<String, Value>,
    guesses: BTreeMap<String, f64>,
}

#[derive(Deserialize)]
struct Value {
    value: f64,
}

/// Runs the trainings and evaluations of a plan in one folder.
#[derive(Debug)]
pub struct Runner<'a> {
    plan: &'a Plan,
    /// Folder of runs, evaluations and logs.
    out: PathBuf,
    program: PathBuf,
    device: String,
    data_sha256: String,
}

impl<'a> Runner<'a> {
    /// Prepares to run a plan in the folder `out`, which need not exist; `device` is the value of `--device`.
    ///
    /// # Errors
    /// If the dataset cannot be read, or an existing run differs from the plan.
    pub fn open(plan: &'a Plan, out: &Path, device: &str) -> anyhow::Result<Self> {
        let base = &plan.trainings.first().context("the plan has no training")?.recipe;
        let runner = Self {
            plan,
            out: out.to_owned(),
            program: std::env::current_exe().context("the path of the program is unknown")?,
            device: device.to_owned(),
            data_sha256: Dataset::open(&base.data.dir)?.sha256,
        };
        for training in &plan.trainings {
            runner.progress(training)?;
        }
        Ok(runner)
    }

    /// Returns the folder of a run.
    pub(crate) fn run_folder(&self, training: &Training) -> PathBuf {
        self.out.join(&training.name)
    }

    fn log(&self, name: &str) -> PathBuf {
        self.out.join("logs").join(format!("{name}.log"))
    }

    /// Returns the state of a training.
    ///
    /// # Errors
    /// If its folder has another run.
    pub fn progress(&self, training: &Training) -> anyhow::Result<Progress> {
        let dir = self.run_folder(training);
        if !dir.exists() {
            return Ok(Progress::New);
        }
        let (recipe, provenance) = (dir.join(RECIPE), dir.join(PROVENANCE));
        // Both are written before any other file.
        if !recipe.exists() || !provenance.exists() {
            return Ok(if is_locked(&dir) {
                Progress::Running
            } else {
                Progress::New
            });
        }
        let other = |what: &str| {
            anyhow::anyhow!(
                "{} was trained with another {what}\nhint: remove it to train it again, or name another folder with --out",
                dir.display()
            )
        };
        let recorded = Recipe::read(&recipe, &[])?;
        anyhow::ensure!(recorded == training.recipe, other("recipe"));
        let options = self.recorded_options()?.remove(&training.name).unwrap_or_default();
        anyhow::ensure!(options == training.options.arguments(), other("set of options"));
        let record = Record::read(&dir);
        let data = record.provenance.as_ref().map(|provenance| &provenance.data_sha256);
        anyhow::ensure!(data.is_none_or(|sha256| *sha256 == self.data_sha256), other("dataset"));
        Ok(match record.status {
            Status::Finished => Progress::Finished,
            Status::Running => Progress::Running,
            Status::Interrupted | Status::Broken => Progress::Interrupted,
        })
    }

    /// Reads the options of all runs.
    fn recorded_options(&self) -> anyhow::Result<BTreeMap<String, Vec<String>>> {
        let path = self.out.join(OPTIONS);
        if !path.exists() {
            return Ok(BTreeMap::new());
        }
        serde_json::from_slice(&std::fs::read(&path)?).with_context(|| format!("{} is damaged", path.display()))
    }

    /// Trains a run from its beginning or from its last checkpoint, unless it is finished. Waits for a run that another
    /// process trains.
    ///
    /// # Errors
    /// If the training fails; the error has its last message.
    pub(crate) fn train(&self, training: &Training) -> anyhow::Result<()> {
        let dir = self.run_folder(training);
        let mut announced = false;
        let progress = loop {
            match self.progress(training)? {
                Progress::Finished => return Ok(()),
                Progress::Running if !announced => {
                    eprintln!("{}: another process trains it; waiting", training.name);
                    announced = true;
                }
                Progress::Running => {}
                progress => break progress,
            }
            std::thread::sleep(POLL_INTERVAL);
        };
        if progress == Progress::New && dir.exists() {
            remove_unborn(&dir)?;
        }
        let mut options = self.recorded_options()?;
        if options
            .get(&training.name)
            .is_some_and(|known| *known != training.options.arguments())
            || !training.options.arguments().is_empty()
        {
            options.insert(training.name.clone(), training.options.arguments());
            std::fs::create_dir_all(&self.out)?;
            atomic::write(&self.out.join(OPTIONS), &serde_json::to_vec_pretty(&options)?)?;
        }
        let mut command = Command::new(&self.program);
        command.args(["--device", &self.device, training.command()]);
        command.arg(&self.plan.ablation.recipe).arg("--out").arg(&dir);
        command.arg("--data").arg(&training.recipe.data.dir);
        command.args(training.settings.iter().flat_map(|setting| ["--set", setting]));
        command.args(training.options.arguments());
        if progress == Progress::Interrupted {
            command.arg("--resume");
        }
        self.wait_for(command, &training.name).map(drop)
    }

    /// Evaluates finished runs, unless a result with the same inputs exists.
    ///
    /// # Errors
    /// If the evaluation fails; the error has its last message.
    pub(crate) fn measure(&self, measurement: &Measurement) -> anyhow::Result<Measured> {
        let runs: Vec<PathBuf> = measurement
            .trainings
            .iter()
            .map(|at| self.run_folder(&self.plan.trainings[*at]))
            .collect();
        let bundles: Vec<PathBuf> = runs.iter().map(|run| run.join(BUNDLE)).collect();
        let weights = |bundle: &PathBuf| -> anyhow::Result<String> {
            let manifest = std::fs::read(bundle.join(MANIFEST_FILE))
                .with_context(|| format!("cannot read the bundle {}", bundle.display()))?;
            Ok(Manifest::from_json(&manifest)?.weights.sha256)
        };
        let inputs = Inputs {
            weights_sha256: bundles.iter().map(weights).collect::<anyhow::Result<_>>()?,
            data_sha256: self.data_sha256.clone(),
            split: if self.plan.measures_folds {
                FOLD.to_owned()
            } else {
                self.plan.ablation.split.clone()
            },
            arguments: measurement.options.arguments(),
            stacking: measurement.stacking.as_ref().map(Options::arguments),
        };
        let folder = self.out.join("evaluations");
        let path = folder.join(format!("{}.json", measurement.name));
        // A result that cannot be read is computed again.
        let kept = std::fs::read(&path)
            .ok()
            .and_then(|bytes| serde_json::from_slice::<Measured>(&bytes).ok());
        if let Some(kept) = kept.filter(|kept| kept.inputs == inputs) {
            return Ok(kept);
        }
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let measured = self.evaluate(measurement, inputs, &runs, &bundles, &folder)?;
        atomic::write(&path, &serde_json::to_vec(&measured)?)?;
        Ok(measured)
    }

    /// Runs the evaluation of a measurement.
    fn evaluate(
        &self,
        measurement: &Measurement,
        inputs: Inputs,
        runs: &[PathBuf],
        bundles: &[PathBuf],
        folder: &Path,
    ) -> anyhow::Result<Measured> {
        let outcomes = folder.join(format!("{}.outcomes", measurement.name));
        let mut command = Command::new(&self.program);
        command.args(["--device", &self.device, "evaluate", "--json", "--outcomes"]);
        command.arg(&outcomes);
        if !self.plan.measures_folds {
            command.args(["--split", &inputs.split]);
        }
        if let Some(options) = &inputs.stacking {
            command
                .arg("--predictions")
                .arg(self.stack(&measurement.name, runs, options)?);
        } else if self.plan.measures_folds {
            command.arg("--fold-runs").args(runs);
        } else {
            command.arg("--bundle").args(bundles);
            if self.plan.ablation.folds > 0 {
                command.arg("--tune-predictions").args(runs);
            }
        }
        command.args(self.gallery(measurement));
        command
            .arg("--data")
            .arg(&self.plan.trainings[measurement.trainings[0]].recipe.data.dir);
        command.args(&inputs.arguments);
        let printed = self.wait_for(command, &measurement.name)?;
        let Printed { metrics, guesses } =
            serde_json::from_slice(&printed).context("the output of `selvedge evaluate --json` is not a report")?;
        let text = std::fs::read(&outcomes).with_context(|| format!("cannot read {}", outcomes.display()))?;
        let measured = Measured {
            inputs,
            metrics: metrics.into_iter().map(|(name, metric)| (name, metric.value)).collect(),
            guesses,
            outcomes: serde_json::from_slice(&text)?,
        };
        std::fs::remove_file(&outcomes)?;
        Ok(measured)
    }

    /// Returns the option for the galleries of query encoders, which are those of their teachers. It is empty for other networks,
    /// and if the recipe names the galleries itself.
    fn gallery(&self, measurement: &Measurement) -> Vec<String> {
        let trainings = measurement.trainings.iter().map(|at| &self.plan.trainings[*at]);
        let encoders = trainings.filter(|training| training.recipe.task.embeds_queries());
        let mut galleries: Vec<String> = Vec::new();
        for teacher in encoders.flat_map(|training| training.options.values("teacher")) {
            if !galleries.contains(teacher) {
                galleries.push(teacher.clone());
            }
        }
        if galleries.is_empty() || !measurement.options.values("gallery-bundle").is_empty() {
            return Vec::new();
        }
        std::iter::once("--gallery-bundle".to_owned())
            .chain(galleries)
            .collect()
    }

    /// Stacks boosters on all predictions of the runs; returns the table of the ensemble's predictions.
    fn stack(&self, name: &str, runs: &[PathBuf], options: &[String]) -> anyhow::Result<PathBuf> {
        let folder = self.out.join("stacking");
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let [zoo, ensemble, table] =
            ["zoo.parquet", "ensemble", "predictions.parquet"].map(|suffix| folder.join(format!("{name}.{suffix}")));
        // An existing ensemble is of other networks.
        if ensemble.exists() {
            std::fs::remove_dir_all(&ensemble).with_context(|| format!("cannot remove {}", ensemble.display()))?;
        }
        let ensemble_command = |subcommand: &str| {
            let mut command = Command::new(&self.program);
            command.args(["ensemble", subcommand]);
            command
        };
        let mut collect = ensemble_command("collect");
        collect.args(runs).arg("--out").arg(&zoo);
        let mut fit = ensemble_command("fit");
        fit.arg(&zoo).arg("--out").arg(&ensemble).args(options);
        let mut predict = ensemble_command("predict");
        predict.args([&ensemble, &zoo]).arg("--out").arg(&table);
        for command in [collect, fit, predict] {
            self.wait_for(command, name)?;
        }
        Ok(table)
    }

    /// Runs a command of this program and appends its stderr to a log; returns its stdout.
    ///
    /// # Errors
    /// If the command fails; the error has its last message.
    fn wait_for(&self, mut command: Command, name: &str) -> anyhow::Result<Vec<u8>> {
        let path = self.log(name);
        let open = || -> std::io::Result<File> {
            std::fs::create_dir_all(self.out.join("logs"))?;
            File::options().create(true).append(true).open(&path)
        };
        let log = open().with_context(|| format!("cannot write {}", path.display()))?;
        let start = log.metadata()?.len();
        let output = command
            .stdin(Stdio::null())
            .stderr(log)
            .output()
            .context("the program cannot start itself")?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        let log = std::fs::read(&path).unwrap_or_default();
        let messages = String::from_utf8_lossy(log.get(start as usize..).unwrap_or_default()).into_owned();
        let reason = messages
            .lines()
            .rev()
            .find(|line| line.starts_with("error: ") || line.contains("panicked at"));
        let reason = reason.map_or_else(
            || output.status.to_string(),
            |line| line.trim_start_matches("error: ").to_owned(),
        );
        Err(anyhow::anyhow!("{reason}").context(format!("{name} failed (see {})", path.display())))
    }
}
