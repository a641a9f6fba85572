//! Training steps and embeddings per second of a retrieval network, compared with PyTorch on the same cores or the same GPU.
//!
//! The network is a ResNet-18 or an EfficientNet-Lite0 with one global part of 256 dimensions and 923 identities. Batches have
//! 32 images of 96×128 pixels. Both sides are measured in turn.
//!
//!     RAYON_NUM_THREADS=2 cargo run --example network [PYTHON] [ROUNDS] [BACKBONE]
//!
//! PYTHON is a Python with torch and torchvision. Without it, or with `-`, PyTorch is not measured. BACKBONE is `resnet18` or
//! `efficientnet_lite0`. With `SELVEDGE_DEVICE=cuda` and a build with `--features server/cuda`, both sides use the GPU.

#![allow(clippy::print_stdout)] // the table

use anyhow::{Context, Result};
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Int, Tensor, TensorData};
use shared::model::{Pooling, RetrievalConfig, RetrievalNet};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;
use training::loss::cross_entropy;

const BATCH: usize = 32;
const IDENTITIES: usize = 923;

#[derive(Module, Debug)]
struct Trainee {
    net: RetrievalNet,
    classifier: Linear,
}

/// A PyTorch process, which answers with seconds.
struct Peer {
    process: Child,
    asks: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Peer {
    fn start(python: &str, threads: usize, backbone: &str, device: &str) -> Result<Self> {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/load/network_peer.py");
        let mut process = Command::new(python)
            .args([script, &threads.to_string(), backbone, device])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {python}; name a Python that has torch and torchvision"))?;
        let asks = process.stdin.take().context("a pipe")?;
        let answers = BufReader::new(process.stdout.take().context("a pipe")?);
        Ok(Self { process, asks, answers })
    }

    fn seconds(&mut self, what: &str) -> Result<f64> {
        writeln!(self.asks, "{what}")?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        line.trim()
            .parse()
            .with_context(|| format!("PyTorch answered '{}' and ended", line.trim()))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // The process has no other work.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// The networks of this project, with their inputs.
struct Ours {
    device: Device,
    trainee: Trainee,
    optimiser: ModuleOptimizer,
    /// Network without gradients.
    network: RetrievalNet,
    /// Images `[32, 3, 128, 96]` on the device with gradients, and their identities.
    training: (Tensor<4>, Tensor<1, Int>),
    images: Tensor<4>,
}

impl Ours {
    fn new(backbone: &str, device: Device) -> Result<Self> {
        let training = device.clone().autodiff();
        let config = RetrievalConfig {
            horizontal: Vec::new(),
            vertical: Vec::new(),
            ring: Vec::new(),
            pooling: Pooling::Average,
            last_stride: 2,
            ..RetrievalConfig::published(backbone)
        };
        let net = config.init(&training)?;
        let classifier = LinearConfig::new(config.embedding_dim(), IDENTITIES).init(&training);
        let images = |device: &Device| {
            let values: Vec<f32> = (0..BATCH * 3 * 128 * 96)
                .map(|i| (i * 7919 % 1009) as f32 / 504.5 - 1.0)
                .collect();
            Tensor::<4>::from_data(TensorData::new(values, [BATCH, 3, 128, 96]), device)
        };
        let classes: Vec<i32> = (0..BATCH as i32).collect();
        let classes = Tensor::<1, Int>::from_data(TensorData::new(classes, [BATCH]), &training);
        Ok(Self {
            trainee: Trainee { net, classifier },
            optimiser: AdamWConfig::new().init(),
            network: config.init(&device)?,
            training: (images(&training), classes),
            images: images(&device),
            device,
        })
    }

    /// Seconds of one training step, or of embedding one batch.
    fn seconds(&mut self, what: &str) -> f64 {
        let begun = Instant::now();
        if what == "train" {
            let (images, classes) = self.training.clone();
            let logits = self.trainee.classifier.forward(self.trainee.net.forward(images));
            let loss = cross_entropy(logits, classes, 0.0);
            loss.clone().into_scalar::<f32>();
            let gradients = GradientsParams::from_grads(loss.backward(), &self.trainee);
            self.trainee = self.optimiser.step(1e-3, self.trainee.clone(), gradients);
        } else {
            self.network.forward(self.images.clone()).sum().into_scalar::<f32>();
        }
        self.device.sync().expect("the device works");
        begun.elapsed().as_secs_f64()
    }
}

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let python = args.next().filter(|python| python != "-");
    let rounds: usize = args
        .next()
        .map_or(Ok(9), |rounds| rounds.parse())
        .context("ROUNDS is a number")?;
    let backbone = args.next().unwrap_or_else(|| "resnet18".to_owned());
    let pool = rayon::ThreadPoolBuilder::new().build()?;
    let threads = pool.current_num_threads();
    let choice = std::env::var("SELVEDGE_DEVICE").unwrap_or_else(|_| "cpu".to_owned());
    let device = choice.parse::<device::DeviceChoice>()?.open()?;
    let mut peer = python
        .map(|python| Peer::start(&python, threads, &backbone, &choice))
        .transpose()?;

    let name = device::name(&device);
    let mut ours = Ours::new(&backbone, device)?;
    let mut times: [[Vec<f64>; 2]; 2] = Default::default();
    for round in 0..=rounds {
        for (what, times) in ["train", "embed"].into_iter().zip(&mut times) {
            let seconds = pool.install(|| ours.seconds(what));
            let theirs = peer.as_mut().map(|peer| peer.seconds(what)).transpose()?;
            // The first round warms up.
            if round > 0 {
                times[0].push(seconds);
                times[1].extend(theirs);
            }
        }
    }
    println!("{backbone}, {BATCH} images of 96×128, device {name}, {threads} threads, median of {rounds} rounds");
    for (what, [ours, theirs]) in ["training steps/s", "embeddings/s"].into_iter().zip(times) {
        let units = if what == "embeddings/s" { BATCH as f64 } else { 1.0 };
        let (ours, theirs) = (units / median(ours), units / median(theirs));
        println!(
            "{what:<18} selvedge {ours:>8.2}  PyTorch {theirs:>8.2}  ratio {:.2}",
            ours / theirs
        );
    }
    Ok(())
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}
