//! Families of backbones whose norms fold in part or not at all, and heads of several layers.

use anyhow::Result;
use burn::tensor::{Distribution, Tensor, Tolerance};
use shared::model::Architecture;
use shared::server_models::load_classifier;
use shared::weights::load;
use std::fs;
use tests::tiny::{STYLE, Trainings, assert_error};
use training::TrainOptions;

/// Backbone, side of the input, hidden layers.
const FAMILIES: [(&str, usize, &str); 4] = [
    ("densenet37_w16", 32, "[24, 16]"),
    ("resnext14_w16", 32, "[]"),
    ("xception_w8", 32, "16"),
    ("inception_v3_w8", 75, "16"),
];

fn settings(backbone: &str, side: usize, hidden: &str) -> Vec<String> {
    vec![
        format!("task.backbone={backbone}"),
        format!("task.hidden={hidden}"),
        format!("input.width={side}"),
        format!("input.height={side}"),
        "epochs=1".to_owned(),
    ]
}

#[test]
fn bundles_of_every_family_predict_as_the_trained_network() -> Result<()> {
    let trainings = Trainings::on_shop()?;
    for (backbone, side, hidden) in FAMILIES {
        let settings = settings(backbone, side, hidden);
        let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
        let run = trainings.train(backbone, STYLE, &settings)?;
        let (manifest, weights) = run.read()?;
        let net = load_classifier(&manifest, &weights.network, &trainings.device)?;
        let Architecture::Style(config) = &manifest.architecture else {
            panic!("{backbone} is a classifier")
        };
        let trained = load(config.init(&trainings.device)?, &fs::read(run.best())?)?;
        let x = Tensor::<4>::random([2, 3, side, side], Distribution::Normal(0.0, 1.0), &trainings.device);
        let expected = trained.forward(x.clone()).into_data();
        // The bundle's weights are f16.
        net.forward(x)
            .into_data()
            .assert_approx_eq::<f32>(&expected, Tolerance::absolute(3e-2));
    }
    Ok(())
}

#[test]
fn weights_of_a_run_initialise_another_run_and_folded_weights_do_not() -> Result<()> {
    let trainings = Trainings::on_shop()?;
    for (backbone, side, hidden) in FAMILIES {
        let settings = settings(backbone, side, hidden);
        let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
        let run = trainings.train(backbone, STYLE, &settings)?;
        let again = TrainOptions {
            init: Some(run.best().display().to_string()),
            ..trainings.options(&format!("again-{backbone}"))
        };
        trainings.train_with(again, STYLE, &settings)?;
        let folded = TrainOptions {
            init: Some(run.bundle.join("weights.safetensors").display().to_string()),
            ..trainings.options("folded")
        };
        assert_error(
            trainings.train_with(folded, STYLE, &settings),
            &format!("{backbone}'s weights from a bundle"),
        );
        assert!(
            !trainings.path("folded").exists(),
            "a training that never started leaves no folder"
        );
    }
    Ok(())
}
