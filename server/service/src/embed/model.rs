//! A retrieval bundle as a function from preprocessed photos to unit-norm embeddings.

use std::fs;
use std::path::Path;

use anyhow::Context;
use burn::tensor::{Device, Tensor, TensorData};
use rayon::{ThreadPool, ThreadPoolBuilder};
use shared::bundle::{self, MANIFEST_FILE, Manifest, Weights};
use shared::model::{Architecture, Projection, RetrievalNet};

use super::EmbedError;

/// A retrieval model on its device, with the manifest it came with.
pub struct RetrievalModel {
    net: RetrievalNet,
    manifest: Manifest,
    device: Device,
    /// A pool of its own: the CPU backend then splits work without handing every operation over to other threads, and
    /// never waits behind photos being decoded on the global pool.
    pool: ThreadPool,
}

impl RetrievalModel {
    /// Reads the manifest of the bundle folder `dir`.
    ///
    /// # Errors
    /// When it is missing, damaged or not a retrieval bundle's.
    pub fn read_manifest(dir: &Path) -> Result<Manifest, EmbedError> {
        let refuse = |message: String| EmbedError::Bundle {
            path: dir.to_owned(),
            message,
        };
        let manifest =
            Manifest::from_json(&read(&dir.join(MANIFEST_FILE))?).map_err(|error| refuse(error.to_string()))?;
        let instead = |what: &str| Err(refuse(format!("it {what}; name the folder of a retrieval bundle")));
        match manifest.architecture {
            Architecture::Retrieval(_) => Ok(manifest),
            Architecture::Style(_) => instead("recognises styles"),
            Architecture::Segment(_) => instead("segments pictures"),
            Architecture::Query(_) => Err(refuse(format!(
                "it is a query encoder; name the folder of the retrieval bundle that it was distilled from, {}",
                manifest.space()
            ))),
        }
    }

    /// Loads the bundle folder `dir` onto `device`, its weights checked against the manifest.
    ///
    /// # Errors
    /// When a file is missing or damaged, or the weights do not fit the architecture.
    pub fn open(dir: &Path, device: &Device) -> Result<Self, EmbedError> {
        let manifest = Self::read_manifest(dir)?;
        let network = read(&dir.join(&manifest.weights.file))?;
        let weights = Weights {
            network,
            projection: read_projection(dir, &manifest)?,
        };
        let net = bundle::load_retrieval(&manifest, &weights, device).map_err(|error| EmbedError::Bundle {
            path: dir.to_owned(),
            message: error.to_string(),
        })?;
        let pool = ThreadPoolBuilder::new().build().map_err(EmbedError::Threads)?;
        Ok(Self {
            net,
            manifest,
            device: device.clone(),
            pool,
        })
    }

    /// What the bundle folder `dir` projects its network's embeddings by, on `device`; nothing if it does not. `manifest` is
    /// the folder's own.
    ///
    /// # Errors
    /// When a file is missing or damaged.
    pub fn read_projection(dir: &Path, manifest: &Manifest, device: &Device) -> Result<Option<Projection>, EmbedError> {
        bundle::load_projection(manifest, read_projection(dir, manifest)?.as_deref(), device).map_err(|error| {
            EmbedError::Bundle {
                path: dir.to_owned(),
                message: error.to_string(),
            }
        })
    }

    /// The bundle's manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Embeds one batch of `[3, height, width]` inputs; each output has unit norm and the manifest's dimension.
    ///
    /// # Errors
    /// When an input has another size than the manifest says, or the device cannot give the result back.
    pub fn embed(&self, inputs: Vec<Vec<f32>>) -> anyhow::Result<Vec<Vec<f32>>> {
        self.pool.install(|| self.compute(inputs))
    }

    /// Runs a batch of grey inputs, so that kernels are compiled and memory is there before the first request.
    ///
    /// # Errors
    /// As [`embed`](Self::embed), and when an embedding has a value that is not finite.
    pub fn warm_up(&self, batch: usize) -> anyhow::Result<()> {
        for size in [1, batch.max(1)] {
            let embeddings = self.embed(vec![vec![0.0; self.manifest.input.len()]; size])?;
            anyhow::ensure!(
                embeddings.iter().flatten().all(|value| value.is_finite()),
                "the model {} embeds a grey picture into values that are not finite; train or export it again",
                self.manifest.model_id()
            );
        }
        Ok(())
    }

    fn compute(&self, inputs: Vec<Vec<f32>>) -> anyhow::Result<Vec<Vec<f32>>> {
        let (batch, spec) = (inputs.len(), &self.manifest.input);
        if batch == 0 {
            return Ok(Vec::new());
        }
        let mut values = Vec::with_capacity(batch * spec.len());
        for input in inputs {
            anyhow::ensure!(
                input.len() == spec.len(),
                "an input has {} values instead of {}",
                input.len(),
                spec.len()
            );
            values.extend(input);
        }
        let data = TensorData::new(values, [batch, 3, spec.height, spec.width]);
        let images = Tensor::<4>::from_data(data, &self.device); // [batch, 3, height, width]
        let embeddings = self.net.forward(images); // [batch, dim]
        let [rows, dim] = embeddings.dims();
        let flat = embeddings.into_data().convert::<f32>().try_into_vec::<f32>();
        let flat = flat
            .map_err(|error| anyhow::anyhow!("{error:?}"))
            .context("cannot read the embeddings back")?;
        anyhow::ensure!(
            rows == batch && flat.len() == rows * dim,
            "the model gave {rows} embeddings for {batch} inputs"
        );
        Ok(flat.chunks_exact(dim).map(<[f32]>::to_vec).collect())
    }
}

fn read_projection(dir: &Path, manifest: &Manifest) -> Result<Option<Vec<u8>>, EmbedError> {
    manifest
        .projection
        .as_ref()
        .map(|info| read(&dir.join(&info.file)))
        .transpose()
}

pub(super) fn read(path: &Path) -> Result<Vec<u8>, EmbedError> {
    fs::read(path).map_err(|source| EmbedError::Read {
        path: path.to_owned(),
        source,
    })
}
