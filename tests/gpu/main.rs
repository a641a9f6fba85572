//! The device that SELVEDGE_DEVICE names against the CPU: the same outputs, the same training steps, and how fast.
//!
//! `./dev gpu` sets it. Without it, or with `cpu`, there is nothing to compare: every test says so and passes.

use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::{Device, Tensor, TensorData};
use device::{self, DeviceChoice};
use shared::model::{HeadConfig, RetrievalConfig, StyleConfig, StyleNet};
use shared::weights::{Precision, Scope, load, save};
use std::time::Instant;
use training::loss::bce;

/// The device to compare, or `None` with a line that says why nothing is compared.
fn other_device() -> Option<Device> {
    let name = std::env::var("SELVEDGE_DEVICE").unwrap_or_default();
    let choice: DeviceChoice = if name.is_empty() {
        DeviceChoice::Cpu
    } else {
        name.parse().expect("a device")
    };
    if choice == DeviceChoice::Cpu {
        eprintln!("skipped: SELVEDGE_DEVICE names no GPU to compare with the CPU");
        return None;
    }
    let device = choice.open().expect("SELVEDGE_DEVICE can be had");
    eprintln!("comparing {} with the CPU", device::name(&device));
    Some(device)
}

/// A picture-like batch, the same on every device.
fn batch(n: usize, side: usize, device: &Device) -> Tensor<4> {
    let values: Vec<f32> = (0..n * 3 * side * side)
        .map(|i| ((i * 7919 % 1009) as f32 / 504.5 - 1.0) * 2.0)
        .collect();
    Tensor::from_data(TensorData::new(values, [n, 3, side, side]), device)
}

fn style(backbone: &str) -> StyleConfig {
    StyleConfig {
        backbone: backbone.to_owned(),
        head: HeadConfig::default(),
        dense: None,
        per_label: false,
        n_labels: 13,
    }
}

fn largest_difference(a: Tensor<2>, b: Tensor<2>) -> f32 {
    let (a, b) = (a.into_data(), b.into_data());
    a.iter::<f32>()
        .zip(b.iter::<f32>())
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f32::max)
}

#[test]
fn outputs_agree_with_the_cpu() {
    let Some(gpu) = other_device() else { return };
    let cpu = DeviceChoice::Cpu.open().expect("there is always a CPU");
    for backbone in ["resnet18", "resnet50", "mobilenet_v3_small", "mobilenet_v3_large"] {
        let here = style(backbone).init(&cpu).expect("the registry has it");
        let weights = save(&here, Precision::F32).expect("saves");
        let there = load(
            style(backbone).init(&gpu).expect("the registry has it"),
            &weights,
            Scope::Whole,
        )
        .expect("fits");
        // 224 and an odd size: wide inputs have had kernels of their own.
        for side in [97, 224] {
            let off = largest_difference(here.forward(batch(2, side, &cpu)), there.forward(batch(2, side, &gpu)));
            eprintln!("{backbone} at {side}: largest difference {off:.1e}");
            assert!(off < 2e-3, "{backbone} at {side}: {off}");
        }
    }
    let config = RetrievalConfig {
        part_dim: 32,
        ..RetrievalConfig::published("resnet18")
    };
    let here = config.init(&cpu).expect("valid");
    let weights = save(&here, Precision::F32).expect("saves");
    let there = load(config.init(&gpu).expect("valid"), &weights, Scope::Whole).expect("fits");
    let off = largest_difference(here.forward(batch(2, 128, &cpu)), there.forward(batch(2, 128, &gpu)));
    assert!(off < 2e-3, "retrieval: {off}");
}

/// Losses of `steps` steps of Adam from the same weights, and images a second over them.
fn train(weights: &[u8], steps: usize, n: usize, device: &Device) -> (Vec<f32>, f64) {
    let training = device.clone().autodiff();
    let mut net: StyleNet = load(
        style("resnet18").init(&training).expect("the registry has it"),
        weights,
        Scope::Whole,
    )
    .expect("fits");
    let mut optimiser = AdamConfig::new().init();
    let targets: Vec<f32> = (0..n * 13).map(|i| f32::from(u8::from(i % 3 == 0))).collect();
    let targets = Tensor::<2>::from_data(TensorData::new(targets, [n, 13]), &training);
    let begun = Instant::now();
    let losses = (0..steps)
        .map(|_| {
            let loss = bce(net.forward(batch(n, 64, &training)), targets.clone());
            let value = loss.clone().into_scalar::<f32>();
            let gradients = GradientsParams::from_grads(loss.backward(), &net);
            net = optimiser.step(1e-3, net.clone(), gradients);
            value
        })
        .collect();
    (losses, (steps * n) as f64 / begun.elapsed().as_secs_f64())
}

#[test]
fn training_steps_agree_with_the_cpu() {
    let Some(gpu) = other_device() else { return };
    let cpu = DeviceChoice::Cpu.open().expect("there is always a CPU");
    let start = style("resnet18").init(&cpu).expect("the registry has it");
    let weights = save(&start, Precision::F32).expect("saves");
    let (here, slow) = train(&weights, 4, 8, &cpu);
    let (there, _) = train(&weights, 4, 8, &gpu);
    for (step, (a, b)) in here.iter().zip(&there).enumerate() {
        assert!(
            (a - b).abs() < 2e-2 * a.abs(),
            "step {step}: {a} on the CPU, {b} on the GPU"
        );
    }
    assert!(here[3] < here[0], "the loss does not fall: {here:?}");
    let (_, fast) = train(&weights, 20, 64, &gpu);
    eprintln!(
        "ResNet-18 at 64×64: {slow:.0} images/s on the CPU, {fast:.0} on {}",
        device::name(&gpu)
    );
}
