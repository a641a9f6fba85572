//! Multi-label classification, trained on the dataset's labels and, if wanted, on its masks.

use super::{Setup, Task};
use crate::checkpoint::State;
use crate::classifier::{ClassifierData, ClassifierObjective};
use crate::recipe::{FoldKind, Recipe, StyleRecipe};
use burn::tensor::Device;
use dataset::Dataset;
use dataset::run::Run;
use shared::bundle::Manifest;
use shared::model::{BackboneConfig, StyleConfig};
use shared::server_models::Classifier;
use std::path::{Path, PathBuf};

/// True if the last three resolutions of a backbone are 1/8, 1/16 and 1/32 of its input.
fn has_dense_stages(backbone: &BackboneConfig) -> bool {
    match backbone {
        BackboneConfig::ResNet(_) => true,
        // The resolutions begin at 1/2.
        BackboneConfig::EfficientNetLite(_) => backbone.pyramid_channels().len() == 5,
        _ => false,
    }
}

impl Task for StyleRecipe {
    type Data = ClassifierData;
    type Teacher = ();
    type Net = Classifier;
    type Objective<'a> = ClassifierObjective<'a>;
    type Config = StyleConfig;

    const CLASSIFIES: bool = true;
    const FOLDS: FoldKind = FoldKind::Labels;

    fn backbone(&self) -> &str {
        &self.backbone
    }

    fn is_dense(&self) -> bool {
        self.dense.is_some()
    }

    fn check(&self, recipe: &Recipe) -> anyhow::Result<()> {
        let Some(dense) = &self.dense else { return Ok(()) };
        anyhow::ensure!(
            dense.weight.is_finite() && dense.weight > 0.0,
            "task.dense.weight must be a positive number; leave [task.dense] out to learn from labels alone"
        );
        anyhow::ensure!(
            !self.per_label,
            "task.dense and task.per_label exclude each other; set one of them"
        );
        anyhow::ensure!(
            recipe.mixup == 0.0,
            "task.dense cannot be mixed: masks have no half classes; set mixup = 0"
        );
        anyhow::ensure!(
            has_dense_stages(&BackboneConfig::named(&self.backbone)?),
            "task.dense needs stages at an eighth, a sixteenth and a thirty-second of the input's size; '{}' has none. The ResNets \
             and an EfficientNet-Lite of at least six stages have them",
            self.backbone
        );
        Ok(())
    }

    fn data(&self, dataset: Dataset, recipe: &Recipe) -> anyhow::Result<ClassifierData> {
        ClassifierData::new(dataset, recipe, self.dense.as_ref())
    }

    fn teacher(&self, _: &ClassifierData, _: &Recipe, _: &[PathBuf], _: &Device) -> anyhow::Result<()> {
        Ok(())
    }

    fn objective<'a>(&'a self, setup: Setup<'a, Self>) -> anyhow::Result<ClassifierObjective<'a>> {
        ClassifierObjective::new(setup.data, setup.recipe, None, setup.device, setup.run)
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
        StyleConfig {
            dense: self.dense.map(|dense| dense.head),
            per_label: self.per_label,
            ..objective.data().config(&self.backbone, &self.hidden)
        }
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
