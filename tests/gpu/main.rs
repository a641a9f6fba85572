//! Comparison of the device in `SELVEDGE_DEVICE` with the CPU: network outputs, training losses, searches and throughput.
//!
//! `./dev gpu` sets the variable to `cuda`. If it is unset or `cpu`, every test prints that it was skipped, and passes.

mod search;

use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::{Device, Tensor, TensorData};
use device::{self, DeviceChoice};
use shared::model::{HeadConfig, RetrievalConfig, StyleConfig, StyleNet};
use shared::weights::{Precision, load, save};
use std::time::Instant;
use training::loss::bce;

/// Opens the device in `SELVEDGE_DEVICE`. Returns `None` and prints the reason if the variable names no GPU.
fn device_to_compare() -> Option<Device> {
    let name = std::env::var("SELVEDGE_DEVICE").unwrap_or_default();
    let choice: DeviceChoice = if name.is_empty() {
        DeviceChoice::Cpu
    } else {
        name.parse().expect("SELVEDGE_DEVICE is the name of a device")
    };
    if choice == DeviceChoice::Cpu {
        eprintln!("skipped: SELVEDGE_DEVICE names no GPU to compare with the CPU");
        return None;
    }
    let device = choice.open().expect("the device in SELVEDGE_DEVICE is available");
    eprintln!("comparing {} with the CPU", device::name(&device));
    Some(device)
}

/// Batch of images `[n, 3, side, side]` with values from -2 to 2. The values are the same on every device.
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

/// Returns the largest absolute difference between two tensors of the same shape, divided by the largest magnitude in the first.
fn largest_difference(a: Tensor<2>, b: Tensor<2>) -> f32 {
    let (a, b) = (a.into_data(), b.into_data());
    let largest = |numbers: &mut dyn Iterator<Item = f32>| numbers.map(f32::abs).fold(0.0, f32::max);
    let differences = &mut a.iter::<f32>().zip(b.iter::<f32>()).map(|(a, b)| a - b);
    largest(differences) / largest(&mut a.iter::<f32>())
}

/// Maximum of [`largest_difference`]. GPUs multiply matrices as TF32, which has 11 bits of precision.
const TOLERANCE: f32 = 2e-2;

#[test]
fn gpu_outputs_agree_with_cpu_outputs() {
    let Some(gpu) = device_to_compare() else { return };
    let cpu = DeviceChoice::Cpu.open().expect("the CPU is available");
    for backbone in [
        "resnet18",
        "resnet50",
        "mobilenet_v3_small",
        "mobilenet_v3_large",
        "efficientnet_lite0",
    ] {
        let on_cpu = style(backbone).init(&cpu).expect("the backbone is registered");
        let weights = save(&on_cpu, Precision::F32).expect("the weights are finite");
        let on_gpu = load(
            style(backbone).init(&gpu).expect("the backbone is registered"),
            &weights,
        )
        .expect("the weights have the network's layout");
        // An odd size, and a size that is large enough for other kernels.
        for side in [97, 224] {
            let difference = largest_difference(
                on_cpu.forward(batch(2, side, &cpu)),
                on_gpu.forward(batch(2, side, &gpu)),
            );
            eprintln!("{backbone} at {side}×{side}: largest difference {difference:.1e}");
            assert!(difference < TOLERANCE, "{backbone} at {side}×{side}: {difference}");
        }
    }
    let config = RetrievalConfig {
        part_dim: 32,
        ..RetrievalConfig::published("resnet18")
    };
    let on_cpu = config.init(&cpu).expect("the configuration is valid");
    let weights = save(&on_cpu, Precision::F32).expect("the weights are finite");
    let on_gpu = load(config.init(&gpu).expect("the configuration is valid"), &weights)
        .expect("the weights have the network's layout");
    let difference = largest_difference(on_cpu.forward(batch(2, 128, &cpu)), on_gpu.forward(batch(2, 128, &gpu)));
    assert!(difference < TOLERANCE, "retrieval network: {difference}");
}

/// Trains a ResNet-18 from `weights` for `steps` steps of Adam. Returns the loss of every step, and images per second.
fn train(weights: &[u8], steps: usize, n: usize, device: &Device) -> (Vec<f32>, f64) {
    let training = device.clone().autodiff();
    let mut net: StyleNet = load(
        style("resnet18").init(&training).expect("the backbone is registered"),
        weights,
    )
    .expect("the weights have the network's layout");
    let mut optimiser = AdamConfig::new().init();
    let targets: Vec<f32> = (0..n * 13).map(|i| f32::from(u8::from(i % 3 == 0))).collect();
    let targets = Tensor::<2>::from_data(TensorData::new(targets, [n, 13]), &training);
    let started = Instant::now();
    let losses = (0..steps)
        .map(|_| {
            let loss = bce(net.forward(batch(n, 64, &training)), targets.clone());
            let value = loss.clone().into_scalar::<f32>();
            let gradients = GradientsParams::from_grads(loss.backward(), &net);
            net = optimiser.step(1e-3, net.clone(), gradients);
            value
        })
        .collect();
    (losses, (steps * n) as f64 / started.elapsed().as_secs_f64())
}

#[test]
fn gpu_losses_agree_with_cpu_losses() {
    let Some(gpu) = device_to_compare() else { return };
    let cpu = DeviceChoice::Cpu.open().expect("the CPU is available");
    let start = style("resnet18").init(&cpu).expect("the backbone is registered");
    let weights = save(&start, Precision::F32).expect("the weights are finite");
    let (losses_on_cpu, cpu_rate) = train(&weights, 4, 8, &cpu);
    let (losses_on_gpu, _) = train(&weights, 4, 8, &gpu);
    for (step, (on_cpu, on_gpu)) in losses_on_cpu.iter().zip(&losses_on_gpu).enumerate() {
        assert!(
            (on_cpu - on_gpu).abs() < 2e-2 * on_cpu.abs(),
            "step {step}: the loss is {on_cpu} on the CPU and {on_gpu} on the GPU"
        );
    }
    assert!(
        losses_on_cpu[3] < losses_on_cpu[0],
        "the loss does not decrease: {losses_on_cpu:?}"
    );
    let (_, gpu_rate) = train(&weights, 20, 64, &gpu);
    eprintln!(
        "ResNet-18 at 64×64: {cpu_rate:.0} images/s on the CPU, {gpu_rate:.0} images/s on {}",
        device::name(&gpu)
    );
}
