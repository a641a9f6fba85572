//! A retrieval bundle as a function from prepared photos to unit embeddings.

use std::path::Path;

use anyhow::{Context, bail};
use burn::tensor::{Device, Tensor, TensorData};
use dataset::bundle;
use rayon::{ThreadPool, ThreadPoolBuilder};
use shared::bundle::{Manifest, Weights};
use shared::model::Architecture;
use shared::server_models::{Embedder, Projection, Side, load_projection, load_retrieval};

use super::{EmbedError, EmbedInput};

/// A retrieval model on its device, with the manifest of its bundle.
pub struct RetrievalModel {
    net: Embedder,
    manifest: Manifest,
    device: Device,
    /// Pool for computing. Inside it, the CPU backend does not pass every operation to other threads. It never waits for
    /// photos that are decoded on the global pool.
    pool: ThreadPool,
}

impl RetrievalModel {
    /// Reads the manifest of the bundle folder `dir`.
    ///
    /// # Errors
    /// If it is missing, damaged, or the bundle is not for retrieval.
    pub fn read_manifest(dir: &Path) -> Result<Manifest, EmbedError> {
        let manifest = bundle::read_manifest(dir).map_err(EmbedError::Bundle)?;
        check_task(dir, &manifest).map_err(EmbedError::Bundle)?;
        Ok(manifest)
    }

    /// Loads the bundle folder `dir` onto `device`.
    ///
    /// # Errors
    /// If a file is missing or damaged, the bundle is not for retrieval, or the weights do not fit the architecture.
    pub fn open(dir: &Path, device: &Device) -> Result<Self, EmbedError> {
        let (manifest, weights) = bundle::read(dir).map_err(EmbedError::Bundle)?;
        let net = load(dir, &manifest, &weights, device).map_err(EmbedError::Bundle)?;
        let pool = ThreadPoolBuilder::new().build().map_err(EmbedError::Threads)?;
        Ok(Self {
            net,
            manifest,
            device: device.clone(),
            pool,
        })
    }

    /// Loads the projection of the bundle folder `dir` onto `device`; `None` for a bundle without one. `manifest` is that
    /// of the folder.
    ///
    /// # Errors
    /// If the file is missing or damaged.
    pub fn read_projection(dir: &Path, manifest: &Manifest, device: &Device) -> Result<Option<Projection>, EmbedError> {
        let file = bundle::read_projection(dir, manifest).map_err(EmbedError::Bundle)?;
        load_projection(manifest, file.as_deref(), device)
            .with_context(|| format!("in the bundle {}", dir.display()))
            .map_err(EmbedError::Bundle)
    }

    /// The bundle's manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Embeds a batch of photos. Every output has unit norm and the manifest's dimension.
    ///
    /// # Errors
    /// If an input does not have the size of the manifest's input, or the result cannot be read from the device.
    pub fn embed(&self, inputs: Vec<EmbedInput>) -> anyhow::Result<Vec<Vec<f32>>> {
        self.pool.install(|| self.compute(inputs))
    }

    /// Embeds grey inputs, so that kernels are compiled and memory is allocated before the first request.
    ///
    /// # Errors
    /// As [`embed`](Self::embed), and if an embedding has a value that is not finite.
    pub fn warm_up(&self, batch: usize) -> anyhow::Result<()> {
        // A GPU compiles its kernels at first use, and some depend on the size of the batch.
        let powers = (0..usize::BITS).map(|power| 1 << power);
        for size in powers.take_while(|size| *size < batch).chain([batch.max(1)]) {
            let embeddings = self.embed(vec![EmbedInput::query(vec![0.0; self.manifest.input.len()]); size])?;
            anyhow::ensure!(
                embeddings.iter().flatten().all(|value| value.is_finite()),
                "the model {} embeds a grey image into values that are not finite; train or export it again",
                self.manifest.model_id()
            );
        }
        Ok(())
    }

    fn compute(&self, inputs: Vec<EmbedInput>) -> anyhow::Result<Vec<Vec<f32>>> {
        let (batch, spec) = (inputs.len(), &self.manifest.input);
        if batch == 0 {
            return Ok(Vec::new());
        }
        let mut values = Vec::with_capacity(batch * spec.len());
        let sides: Vec<Side> = inputs.iter().map(|input| input.side).collect();
        for input in inputs {
            anyhow::ensure!(
                input.values.len() == spec.len(),
                "an input has {} values instead of {}",
                input.values.len(),
                spec.len()
            );
            values.extend(input.values);
        }
        let data = TensorData::new(values, [batch, 3, spec.height, spec.width]);
        let images = Tensor::<4>::from_data(data, &self.device); // [batch, 3, height, width]
        let embeddings = self.net.forward_each(images, &sides); // [batch, dim]
        let [rows, dim] = embeddings.dims();
        let flat = embeddings.into_data().convert::<f32>().try_into_vec::<f32>();
        let flat = flat
            .map_err(|error| anyhow::anyhow!("{error:?}"))
            .context("cannot read the embeddings from the device")?;
        anyhow::ensure!(
            rows == batch && flat.len() == rows * dim,
            "the model returned {rows} embeddings for {batch} inputs"
        );
        Ok(flat.chunks_exact(dim).map(<[f32]>::to_vec).collect())
    }
}

/// # Errors
/// If the bundle is not for retrieval.
fn check_task(dir: &Path, manifest: &Manifest) -> anyhow::Result<()> {
    let dir = dir.display();
    match manifest.architecture {
        Architecture::Retrieval(_) => Ok(()),
        Architecture::Query(_) => bail!(
            "{dir} holds a query encoder\nhint: name the folder of the retrieval bundle that it was distilled from, {}",
            manifest.space()
        ),
        Architecture::Style(_) | Architecture::Segment(_) => bail!(
            "{dir} holds a {} bundle\nhint: name the folder of a retrieval bundle",
            manifest.task()
        ),
    }
}

fn load(dir: &Path, manifest: &Manifest, weights: &Weights, device: &Device) -> anyhow::Result<Embedder> {
    check_task(dir, manifest)?;
    load_retrieval(manifest, weights, device).with_context(|| format!("in the bundle {}", dir.display()))
}
