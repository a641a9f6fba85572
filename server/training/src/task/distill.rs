//! Distillation of a classifier: the student learns the mean of its teachers' probabilities per label, on the same crop
//! that the teachers process. A teacher may know some groups of the student alone.

use super::{Setup, Task};
use crate::checkpoint::State;
use crate::classifier::{ClassifierData, ClassifierObjective};
use crate::recipe::{DistillRecipe, FoldKind, Recipe};
use crate::teacher::Teacher;
use burn::tensor::Device;
use dataset::Dataset;
use dataset::run::Run;
use shared::bundle::Manifest;
use shared::model::StyleConfig;
use shared::server_models::Classifier;
use std::path::{Path, PathBuf};

impl Task for DistillRecipe {
    type Data = ClassifierData;
    type Teacher = Teacher;
    type Net = Classifier;
    type Objective<'a> = ClassifierObjective<'a>;
    type Config = StyleConfig;

    const CLASSIFIES: bool = true;
    const FOLDS: FoldKind = FoldKind::Labels;
    const NEEDS_TEACHER: bool = true;

    fn backbone(&self) -> &str {
        &self.backbone
    }

    fn check(&self, _: &Recipe) -> anyhow::Result<()> {
        Ok(())
    }

    fn data(&self, dataset: Dataset, recipe: &Recipe) -> anyhow::Result<ClassifierData> {
        ClassifierData::new(dataset, recipe, None)
    }

    fn teacher(
        &self,
        data: &ClassifierData,
        recipe: &Recipe,
        bundles: &[PathBuf],
        device: &Device,
    ) -> anyhow::Result<Teacher> {
        Teacher::read(bundles, data.groups(), &recipe.input, self.truth, device)
    }

    fn objective<'a>(&'a self, setup: Setup<'a, Self>) -> anyhow::Result<ClassifierObjective<'a>> {
        ClassifierObjective::new(setup.data, setup.recipe, Some(setup.teacher), setup.device, setup.run)
    }

    fn network(
        &self,
        objective: &ClassifierObjective<'_>,
        init: Option<&Path>,
        device: &Device,
    ) -> anyhow::Result<Classifier> {
        objective.network(&self.config(objective), init, device)
    }

    fn config(&self, objective: &ClassifierObjective<'_>) -> StyleConfig {
        objective.data().config(&self.backbone, &self.hidden)
    }

    fn manifest(
        &self,
        manifest: Manifest,
        net: &Classifier,
        objective: &ClassifierObjective<'_>,
        state: &State,
        run: &Run,
    ) -> anyhow::Result<Manifest> {
        objective.manifest(manifest, net, state, run)
    }
}
