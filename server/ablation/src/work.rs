//! Doing what a plan says: every training and every evaluation is a process of its own, and what is there is kept.

use super::options::Options;
use super::plan::{Measurement, Plan, Training};
use anyhow::Context;
use dataset::Dataset;
use dataset::atomic;
use dataset::run::{BUNDLE, PROVENANCE, RECIPE, is_locked, remove_unborn};
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

/// Pause before the next look at a run that another process trains.
const PATIENCE: Duration = Duration::from_secs(1);
/// Options of each run, which its folder does not know.
const OPTIONS: &str = "runs.json";

/// State of a training.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// There is no run yet.
    New,
    /// It was interrupted, and goes on.
    Interrupted,
    /// Another process trains it.
    Running,
    /// It left a bundle.
    Finished,
}

/// An evaluation with what it was made from, as kept on disk.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Measured {
    of: Source,
    /// Figures by name.
    pub figures: BTreeMap<String, f64>,
    /// Figures of trivial guesses by name.
    pub guesses: BTreeMap<String, f64>,
    /// Results per picture.
    pub outcomes: PerImage,
}

/// Inputs of an evaluation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Source {
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
    figures: BTreeMap<String, Value>,
    guesses: BTreeMap<String, f64>,
}

#[derive(Deserialize)]
struct Value {
    value: f64,
}

/// Location of an ablation's runs and the way to make them.
#[derive(Debug)]
pub struct Workshop<'a> {
    plan: &'a Plan,
    /// The folder of everything.
    pub out: PathBuf,
    program: PathBuf,
    device: String,
    data_sha256: String,
}

impl<'a> Workshop<'a> {
    /// Opens `out`, or makes it where it is not there; `device` is that of `--device`.
    ///
    /// # Errors
    /// If the dataset cannot be read, or a run that is there was made in another way.
    pub fn open(plan: &'a Plan, out: &Path, device: &str) -> anyhow::Result<Self> {
        let base = &plan.trainings.first().context("there is nothing to train")?.recipe;
        let workshop = Self {
            plan,
            out: out.to_owned(),
            program: std::env::current_exe().context("the program does not know where it lies")?,
            device: device.to_owned(),
            data_sha256: Dataset::open(&base.data.dir)?.sha256,
        };
        for training in &plan.trainings {
            workshop.progress(training)?;
        }
        Ok(workshop)
    }

    /// The run's folder.
    pub fn run(&self, training: &Training) -> PathBuf {
        self.out.join(&training.name)
    }

    fn log(&self, name: &str) -> PathBuf {
        self.out.join("logs").join(format!("{name}.log"))
    }

    /// State of a training.
    ///
    /// # Errors
    /// If its folder holds something else.
    pub fn progress(&self, training: &Training) -> anyhow::Result<Progress> {
        let dir = self.run(training);
        if !dir.exists() {
            return Ok(Progress::New);
        }
        let (recipe, provenance) = (dir.join(RECIPE), dir.join(PROVENANCE));
        // Both are written before anything else.
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

    fn recorded_options(&self) -> anyhow::Result<BTreeMap<String, Vec<String>>> {
        let path = self.out.join(OPTIONS);
        if !path.exists() {
            return Ok(BTreeMap::new());
        }
        serde_json::from_slice(&std::fs::read(&path)?).with_context(|| format!("{} is damaged", path.display()))
    }

    /// Trains a run from its beginning or from where it stopped, unless it is there; waits for one that another process
    /// trains.
    ///
    /// # Errors
    /// Runs the training; fails with its last messages.
    pub fn train(&self, training: &Training) -> anyhow::Result<()> {
        let dir = self.run(training);
        let mut said = false;
        let progress = loop {
            match self.progress(training)? {
                Progress::Finished => return Ok(()),
                Progress::Running if !said => {
                    eprintln!("{}: another process trains it; waiting", training.name);
                    said = true;
                }
                Progress::Running => {}
                progress => break progress,
            }
            std::thread::sleep(PATIENCE);
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

    /// Evaluates a finished run, unless that has been done.
    ///
    /// # Errors
    /// Runs the evaluation; fails with its last messages.
    pub fn measure(&self, measurement: &Measurement) -> anyhow::Result<Measured> {
        let runs: Vec<PathBuf> = measurement
            .trainings
            .iter()
            .map(|at| self.run(&self.plan.trainings[*at]))
            .collect();
        let bundles: Vec<PathBuf> = runs.iter().map(|run| run.join(BUNDLE)).collect();
        let weights = |bundle: &PathBuf| -> anyhow::Result<String> {
            let manifest = std::fs::read(bundle.join(MANIFEST_FILE))
                .with_context(|| format!("cannot read the bundle {}", bundle.display()))?;
            Ok(Manifest::from_json(&manifest)?.weights.sha256)
        };
        let of = Source {
            weights_sha256: bundles.iter().map(weights).collect::<anyhow::Result<_>>()?,
            data_sha256: self.data_sha256.clone(),
            split: self.plan.ablation.split.clone(),
            arguments: measurement.options.arguments(),
            stacking: measurement.stacking.as_ref().map(Options::arguments),
        };
        let folder = self.out.join("evaluations");
        let path = folder.join(format!("{}.json", measurement.name));
        // What cannot be read is evaluated again.
        let kept = std::fs::read(&path)
            .ok()
            .and_then(|bytes| serde_json::from_slice::<Measured>(&bytes).ok());
        if let Some(kept) = kept.filter(|kept| kept.of == of) {
            return Ok(kept);
        }
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let found = folder.join(format!("{}.outcomes", measurement.name));
        let mut command = Command::new(&self.program);
        command.args([
            "--device",
            &self.device,
            "evaluate",
            "--json",
            "--split",
            &of.split,
            "--outcomes",
        ]);
        command.arg(&found);
        if let Some(options) = &of.stacking {
            command
                .arg("--predictions")
                .arg(self.stack(&measurement.name, &runs, options)?);
        } else {
            command.arg("--bundle").args(&bundles);
            if self.plan.ablation.folds > 0 {
                command.arg("--tune-predictions").args(&runs);
            }
        }
        command
            .arg("--data")
            .arg(&self.plan.trainings[measurement.trainings[0]].recipe.data.dir);
        command.args(&of.arguments);
        let printed = self.wait_for(command, &measurement.name)?;
        let Printed { figures, guesses } =
            serde_json::from_slice(&printed).context("`selvedge evaluate --json` printed something else")?;
        let outcomes = std::fs::read(&found).with_context(|| format!("cannot read {}", found.display()))?;
        let figures = figures.into_iter().map(|(name, figure)| (name, figure.value)).collect();
        let measured = Measured {
            of,
            figures,
            guesses,
            outcomes: serde_json::from_slice(&outcomes)?,
        };
        atomic::write(&path, &serde_json::to_vec(&measured)?)?;
        std::fs::remove_file(&found)?;
        Ok(measured)
    }

    /// Stacks boosters on everything that runs predicted; returns the table of what the ensemble predicts.
    fn stack(&self, name: &str, runs: &[PathBuf], options: &[String]) -> anyhow::Result<PathBuf> {
        let folder = self.out.join("stacking");
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let [zoo, ensemble, table] =
            ["zoo.parquet", "ensemble", "predictions.parquet"].map(|what| folder.join(format!("{name}.{what}")));
        // Of other networks, or it would not be asked for again.
        if ensemble.exists() {
            std::fs::remove_dir_all(&ensemble).with_context(|| format!("cannot remove {}", ensemble.display()))?;
        }
        let ensemble_command = |what: &str| {
            let mut command = Command::new(&self.program);
            command.args(["ensemble", what]);
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

    /// Runs this program once more, its talk appended to a log; returns what it printed.
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
        let said = String::from_utf8_lossy(log.get(start as usize..).unwrap_or_default()).into_owned();
        let reason = said
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
