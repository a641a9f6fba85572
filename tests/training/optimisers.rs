//! Keys of `[optimiser]`, checked against the step of plain SGD, which is the rate times the gradient.

use crate::techniques::{Weights, weights};
use anyhow::Result;
use tests::tiny::{STYLE, Trainings, assert_error};

/// Trains the tiny style recipe for one epoch of one step.
fn one_step(trainings: &Trainings, run: &str, settings: &[&str]) -> Result<Weights> {
    let fixed = ["epochs=1", "optimiser.batch=1000", "optimiser.schedule=constant"];
    weights(&trainings.train(run, STYLE, &[&fixed[..], settings].concat())?)
}

const SGD: [&str; 2] = ["optimiser.kind=sgd", "optimiser.momentum=0.0"];

/// Learned values of a network by key, without running statistics.
fn learned(weights: &Weights) -> impl Iterator<Item = (&str, &[f32])> {
    let all = weights.iter().map(|(key, values)| (key.as_str(), values.as_slice()));
    all.filter(|(key, _)| !key.contains("running_") && !key.contains("num_batches"))
}

/// Norm of the difference of two slices.
fn distance(one: &[f32], other: &[f32]) -> f64 {
    let squares = one.iter().zip(other).map(|(a, b)| f64::from(a - b).powi(2));
    squares.sum::<f64>().sqrt()
}

#[test]
fn a_group_learns_at_its_share_of_the_rate() -> Result<()> {
    let trainings = Trainings::on_shop()?;
    let stage = "stages=[{from=0, rate=0.1}]";
    let before = one_step(&trainings, "before", &[&SGD[..], &["optimiser.rate=1e-60"]].concat())?;
    let whole = one_step(&trainings, "whole", &[&SGD[..], &[stage]].concat())?;
    for (name, factor) in [("still", 0.0), ("tenth", 0.1)] {
        let groups =
            format!("optimiser.groups=[{{of=[\"backbone\"], rate={factor}}}, {{of=[\"backbone.layer4\"], rate=1.0}}]");
        let after = one_step(&trainings, name, &[&SGD[..], &[stage, &groups]].concat())?;
        for (key, values) in learned(&after) {
            // The last group of a parameter counts.
            let slow = !key.starts_with("head.") && !key.starts_with("layer4.");
            let (moved, full) = (distance(values, &before[key]), distance(&whole[key], &before[key]));
            let expected = if slow { factor * full } else { full };
            let rounding = if expected > 0.0 { 0.01 * expected + 1e-6 } else { 0.0 };
            assert!(
                (moved - expected).abs() <= rounding,
                "{name}: {key} moved by {moved}, not {expected}"
            );
        }
    }
    Ok(())
}

#[test]
fn a_group_of_unknown_parts_is_refused_with_the_known_ones() -> Result<()> {
    let trainings = Trainings::on_shop()?;
    let run = |groups: &str| trainings.train("run", STYLE, &[groups]);
    for (groups, expected) in [
        (
            "optimiser.groups=[{of=[\"backbone.layer9\"], rate=0.1}]",
            "'backbone.layer9'",
        ),
        (
            "optimiser.groups=[{of=[\"backbone.layer9\"], rate=0.1}]",
            "backbone.layer4",
        ),
        ("optimiser.groups=[{of=[], rate=0.1}]", "names no part"),
        (
            "optimiser.groups=[{of=[\"backbone\"], rate=-1.0}]",
            "0 or a positive number",
        ),
    ] {
        assert_error(run(groups), expected);
    }
    Ok(())
}

#[test]
fn without_decay_all_only_weights_of_layers_decay() -> Result<()> {
    let trainings = Trainings::on_shop()?;
    for kind in ["adamw", "adam", "sgd"] {
        let kind_of = format!("optimiser.kind={kind}");
        let run = |name: &str, settings: &[&str]| {
            one_step(
                &trainings,
                &format!("{kind}-{name}"),
                &[&[kind_of.as_str()], settings].concat(),
            )
        };
        let plain = run("plain", &[])?;
        let decayed = run("decayed", &["optimiser.weight_decay=0.5", "optimiser.decay_all=false"])?;
        for (key, values) in learned(&decayed) {
            let is_norm = ["bn", "downsample.1", "norm"].iter().any(|part| key.contains(part));
            let is_spared = is_norm || key.ends_with(".bias");
            assert_eq!(values == plain[key].as_slice(), is_spared, "{kind}: {key}");
        }
    }
    Ok(())
}

#[test]
fn clip_all_limits_the_norm_of_all_gradients_together() -> Result<()> {
    let trainings = Trainings::on_shop()?;
    for (name, batch, accumulate) in [("whole", "1000", "1"), ("parts", "40", "1000")] {
        let batch = format!("optimiser.batch={batch}");
        let accumulate = format!("optimiser.accumulate={accumulate}");
        let run = |part: &str, rate: &str, clip: f64| {
            let (rate, clip) = (format!("optimiser.rate={rate}"), format!("optimiser.clip_all={clip}"));
            let settings = [&SGD[..], &[&batch, &accumulate, &rate, &clip]].concat();
            one_step(&trainings, &format!("{name}-{part}"), &settings)
        };
        let (before, free) = (run("before", "1e-60", 0.0)?, run("free", "0.1", 0.0)?);
        let squares = learned(&free).map(|(key, values)| distance(values, &before[key]).powi(2));
        let norm = squares.sum::<f64>().sqrt() / 0.1;
        for (part, limit) in [("clipped", norm / 5.0), ("loose", norm * 2.0)] {
            let factor = (limit / (norm + 1e-6)).min(1.0);
            let clipped = run(part, "0.1", limit)?;
            for (key, values) in learned(&clipped) {
                for ((after, free), before) in values.iter().zip(&free[key]).zip(&before[key]) {
                    let expected = f64::from(*before) + factor * f64::from(free - before);
                    assert!(
                        (f64::from(*after) - expected).abs() < 1e-6,
                        "{name}, {part}: {key} is {after}, not {expected}"
                    );
                }
            }
        }
    }
    Ok(())
}

#[test]
fn norm_momentum_is_the_share_of_a_batch_in_the_running_statistics() -> Result<()> {
    let trainings = Trainings::on_shop()?;
    // Running means begin at 0, so one batch leaves its mean times the momentum, of which 0.1 is the usual one.
    let usual = one_step(&trainings, "usual", &[])?;
    let half = one_step(&trainings, "half", &["optimiser.norm_momentum=0.5"])?;
    let means: Vec<&String> = half.keys().filter(|key| key.ends_with("running_mean")).collect();
    assert!(means.len() > 5, "{means:?}");
    for key in means {
        for (half, usual) in half[key].iter().zip(&usual[key]) {
            assert!(
                (half - 5.0 * usual).abs() < 1e-4 * (1.0 + half.abs()),
                "{key}: {half}, {usual}"
            );
        }
    }
    Ok(())
}
