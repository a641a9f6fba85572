//! Teacher of a query encoder, and the configuration of its student.

use crate::recipe::{QueryRecipe, Recipe};
use crate::teacher::rendered;
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use dataset::bundle;
use shared::bundle::Manifest;
use shared::input::InputSpec;
use shared::model::{Architecture, PartsConfig, QueryConfig};
use shared::server_models::{Embedder, load_retrieval};
use std::path::PathBuf;

/// Teacher of a query encoder.
#[derive(Debug)]
pub(crate) struct QueryTeacher {
    pub(super) manifest: Manifest,
    /// Network, without autodiff.
    pub(super) net: Embedder,
    /// Configuration of the student, whose embeddings have the teacher's length.
    pub(super) student: QueryConfig,
    /// Input of the training images: the student's in the teacher's size.
    pub(super) rendered: InputSpec,
}

impl QueryTeacher {
    /// Reads the bundle of the one teacher.
    ///
    /// # Errors
    /// If there is not exactly one, it cannot be read, its input and the student's do not fit together, or the student would be too large.
    pub(super) fn read(
        bundles: &[PathBuf],
        recipe: &Recipe,
        task: &QueryRecipe,
        device: &Device,
    ) -> anyhow::Result<Self> {
        let [bundle] = bundles else {
            anyhow::bail!(
                "a query encoder learns the space of one teacher; name its bundle's folder with --teacher, once"
            )
        };
        let (manifest, weights) = bundle::read(bundle)?;
        // The normalisation may differ, because it is converted.
        let geometry = InputSpec {
            mean: manifest.input.mean,
            std: manifest.input.std,
            ..recipe.input.clone()
        };
        let rendered = InputSpec {
            mean: recipe.input.mean,
            std: recipe.input.std,
            ..rendered(&manifest, &geometry)?
        };
        let net = load_retrieval(&manifest, &weights, device)?;
        Ok(Self {
            student: student(task, &manifest)?,
            manifest,
            net,
            rendered,
        })
    }

    /// Converts images, `[batch, 3, h, w]`, from the normalisation `from` to that of the teacher.
    pub(super) fn renormalise(&self, images: Tensor<4>, from: &InputSpec) -> Tensor<4> {
        let to = &self.manifest.input;
        if (from.mean, from.std) == (to.mean, to.std) {
            return images;
        }
        let device = images.device();
        let channels = |value: &dyn Fn(usize) -> f32| {
            Tensor::<1>::from_floats([value(0), value(1), value(2)], &device).reshape([1, 3, 1, 1])
        };
        let factor = channels(&|c| from.std[c] / to.std[c]);
        let offset = channels(&|c| (from.mean[c] - to.mean[c]) / to.std[c]);
        images * factor + offset
    }
}

/// Returns the configuration of the student.
///
/// # Errors
/// If the backbone is unknown, the teacher's parts cannot be learnt, or the f16 weights take more than `task.max_megabytes`
/// (10⁶ bytes).
pub(super) fn student(task: &QueryRecipe, teacher: &Manifest) -> anyhow::Result<QueryConfig> {
    let embedding_dim = teacher.embedding_dim;
    let parts = match &teacher.architecture {
        Architecture::Retrieval(config) if task.parts => {
            anyhow::ensure!(
                config.joined.is_empty(),
                "the teacher joins several networks, and task.parts learns the parts of one; set task.parts = false"
            );
            Some(PartsConfig::of(config))
        }
        _ => None,
    };
    let config = QueryConfig {
        backbone: task.backbone.clone(),
        embedding_dim,
        parts,
    };
    let megabytes = |values: usize| values as f64 * 2e-6;
    let whole = megabytes(config.init(&Device::default())?.fold_batch_norm().num_params());
    let without = QueryConfig {
        embedding_dim: 1,
        parts: None,
        ..config.clone()
    };
    let backbone = megabytes(without.init(&Device::default())?.fold_batch_norm().num_params());
    anyhow::ensure!(
        whole <= task.max_megabytes,
        "the query encoder would take {whole:.2} MB of f16 weights, and task.max_megabytes allows {:.2}: {} takes {backbone:.2}, \
         and its projection to the teacher's {embedding_dim} values {:.2}\nhint: distil from a teacher with shorter \
         embeddings (a smaller part_dim, or whitened to 256 values), or choose a smaller backbone",
        task.max_megabytes,
        task.backbone,
        whole - backbone
    );
    Ok(config)
}
