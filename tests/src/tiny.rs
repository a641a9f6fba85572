//! Tiny trainings: a drawn shop, and recipes that learn from it in seconds.

use anyhow::Result;
use burn::tensor::Device;
use dataset::bundle;
use dataset::run::{Invocation, Start};
use dataset::{Dataset, run};
use render::{RenderOptions, StyleMix, render_dataset};
use serde_json::Value;
use shared::bundle::{Manifest, Weights};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tempfile::TempDir;
use training::{Recipe, TrainOptions, train};

/// Recipe of a classifier of styles.
pub const STYLE: &str = r#"
name = "tiny-style"
seed = 3
epochs = 4
[data]
dir = "unset"
[input]
width = 32
height = 32
fit = "pad"
[optimiser]
batch = 16
rate = 0.01
[augment]
crop_width = 0.15
crop_height = 0.10
flip = true
[task]
kind = "style"
backbone = "resnet10_w16"
hidden = 32
"#;

/// Recipe of a retrieval network.
pub const RETRIEVAL: &str = r#"
name = "tiny-retrieval"
seed = 3
epochs = 12
[data]
dir = "unset"
[input]
width = 48
height = 48
fit = "pad"
[optimiser]
batch = 32
rate = 0.005
[augment]
crop_width = 0.15
crop_height = 0.10
flip = true
[task]
kind = "retrieval"
identities = 16
photos = 2
[task.model]
backbone = "resnet10_w16"
part_dim = 16
shared_last_stage = true
[[task.losses]]
kind = "softmax"
scale = 16.0
[[task.losses]]
kind = "contrast"
"#;

/// Recipe of a segmentation network for drawn masks.
pub const SEGMENT: &str = r#"
name = "tiny-segment"
seed = 3
epochs = 6
[data]
dir = "unset"
[input]
width = 48
height = 48
fit = "pad"
[optimiser]
batch = 8
rate = 0.005
[augment]
flip = true
[task]
kind = "segment"
backbone = "resnet10_w16"
widths = [32, 16, 16, 8]
person = [2]
"#;

/// Folder of one test with a dataset and the runs that are trained on it.
pub struct Trainings {
    /// Device of the trainings.
    pub device: Device,
    dir: TempDir,
    /// Initial weights come from the backend's generator, which belongs to the process. Only one training at a time is
    /// reproducible.
    _one_at_a_time: MutexGuard<'static, ()>,
}

impl Trainings {
    /// Waits until no other test trains; the dataset's folder `shop` is empty.
    ///
    /// # Errors
    /// If the folder cannot be created.
    pub fn without_shop() -> Result<Self> {
        static TRAINING: Mutex<()> = Mutex::new(());
        Ok(Self {
            _one_at_a_time: TRAINING.lock().unwrap_or_else(PoisonError::into_inner),
            device: Device::flex(),
            dir: tempfile::tempdir()?,
        })
    }

    /// Waits until no other test trains, and draws a shop of 96 items.
    ///
    /// # Errors
    /// If the shop cannot be written.
    pub fn on_shop() -> Result<Self> {
        let trainings = Self::without_shop()?;
        let options = RenderOptions {
            items: 96,
            seed: 5,
            size: 64,
            shop_photos: 1,
            user_photos: 1,
            style_mix: StyleMix::Tempered(0.5),
            out: trainings.data(),
        };
        render_dataset(&options, &|_| {})?;
        Ok(trainings)
    }

    /// Folder of all files.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Returns the path of a file or folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Folder of the dataset.
    pub fn data(&self) -> PathBuf {
        self.path("shop")
    }

    /// Opens the dataset.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn dataset(&self) -> Result<Dataset> {
        Dataset::open(&self.data())
    }

    /// Parses a recipe for the dataset, with settings applied.
    ///
    /// # Errors
    /// If the recipe is invalid.
    pub fn recipe(&self, text: &str, settings: &[&str]) -> Result<Recipe> {
        let settings: Vec<String> = settings.iter().map(|setting| (*setting).to_owned()).collect();
        let mut recipe = Recipe::parse(text, &settings)?;
        recipe.data.dir = self.data();
        Ok(recipe)
    }

    /// Returns the options of a new run.
    pub fn options(&self, run: &str) -> TrainOptions {
        TrainOptions {
            out: self.path(run),
            start: Start::New,
            teachers: Vec::new(),
            init: None,
            invocation: Invocation::default(),
        }
    }

    /// Trains a new run.
    ///
    /// # Errors
    /// If the recipe is invalid or the training fails.
    pub fn train(&self, run: &str, text: &str, settings: &[&str]) -> Result<TrainedRun> {
        self.train_with(self.options(run), text, settings)
    }

    /// Trains a run with options.
    ///
    /// # Errors
    /// If the recipe is invalid or the training fails.
    pub fn train_with(&self, options: TrainOptions, text: &str, settings: &[&str]) -> Result<TrainedRun> {
        let bundle = train(&self.recipe(text, settings)?, &options, &self.device)?;
        Ok(TrainedRun {
            dir: options.out,
            bundle,
        })
    }

    /// Interrupts a training after fewer epochs, as the settings `short` say, and resumes it up to the end of `whole`.
    ///
    /// # Errors
    /// If the recipe is invalid or a training fails.
    pub fn train_in_parts(
        &self,
        run: &str,
        text: &str,
        short: &[&str],
        whole: &TrainedRun,
        settings: &[&str],
    ) -> Result<TrainedRun> {
        let part = self.train(run, text, short)?;
        // An interrupted run has the recipe of the whole training and the checkpoint of the shorter one.
        fs::copy(whole.dir.join(run::RECIPE), part.dir.join(run::RECIPE))?;
        let options = TrainOptions {
            start: Start::Resume,
            ..self.options(run)
        };
        self.train_with(options, text, settings)
    }
}

/// A finished run.
#[derive(Debug, Clone)]
pub struct TrainedRun {
    /// Folder of the run.
    pub dir: PathBuf,
    /// Folder of its bundle.
    pub bundle: PathBuf,
}

impl TrainedRun {
    /// Reads the bundle.
    ///
    /// # Errors
    /// If it is damaged.
    pub fn read(&self) -> Result<(Manifest, Weights)> {
        bundle::read(&self.bundle)
    }

    /// Path of the best weights before export.
    pub fn best(&self) -> PathBuf {
        self.dir.join(run::BEST)
    }

    /// Bytes of the bundle's weights.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn weights(&self) -> Result<Vec<u8>> {
        Ok(fs::read(self.bundle.join(shared::bundle::WEIGHTS_FILE))?)
    }

    /// Reads the log, one record per epoch.
    ///
    /// # Panics
    /// If the log is missing or damaged.
    pub fn log(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.dir.join("metrics.jsonl")).expect("the run has a log");
        text.lines()
            .map(|line| serde_json::from_str(line).expect("a record is JSON"))
            .collect()
    }

    /// Returns a number of every epoch's record.
    ///
    /// # Panics
    /// If a record lacks the number.
    pub fn column(&self, name: &str) -> Vec<f64> {
        self.log()
            .iter()
            .map(|record| record[name].as_f64().expect("the record has the number"))
            .collect()
    }

    /// Training losses of all epochs.
    ///
    /// # Panics
    /// If the log is damaged.
    pub fn losses(&self) -> Vec<f64> {
        self.column("train_loss")
    }
}

/// Checks that an error contains a text.
///
/// # Panics
/// If there is no error, or it lacks the text.
pub fn assert_error<T>(result: Result<T>, expected: &str) {
    let Err(error) = result else {
        panic!("there is no error that contains '{expected}'")
    };
    let error = format!("{error:#}");
    assert!(error.contains(expected), "'{error}' does not contain '{expected}'");
}
