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
