//! Learning from the exact masks of a drawn shop.

use anyhow::Result;
use evaluation::classifier::ClassifierOptions;
use evaluation::inference::Views;
use evaluation::{Options, evaluate, evaluate_with};
use safetensors::SafeTensors;
use std::collections::BTreeMap;
use std::fs;
use tests::tiny::{SEGMENT, STYLE, Trainings, assert_error};

/// Parameters of a network, as little-endian bytes, by their names.
type Parameters = BTreeMap<String, Vec<u8>>;

#[test]
fn a_stage_on_masks_alone_trains_the_backbone_and_not_the_head_of_the_labels() -> Result<()> {
    let trainings = Trainings::on_shop()?;
    // Both runs start with the same weights, so different weights were trained.
    let trained = |run: &str, rate: &str| -> Result<(Parameters, Vec<f64>)> {
        let stages = format!("stages=[{{ rate = {rate}, learn = 'masks' }}]");
        let settings = [
            "epochs=2",
            "task.dense={ classes = 3, weight = 1.0 }",
            &stages,
            "average={kind=\"ema\", decay=0.0}",
        ];
        let run = trainings.train(run, STYLE, &settings)?;
        let bytes = fs::read(run.best())?;
        let parameters = SafeTensors::deserialize(&bytes)?
            .iter()
            .map(|(key, tensor)| (key.to_owned(), tensor.data().to_vec()))
            .collect();
        Ok((parameters, run.losses()))
    };
    let (slow, _) = trained("slow", "0.001")?;
    let (fast, losses) = trained("fast", "0.01")?;
    assert!(losses[1] < losses[0], "{losses:?}");
    let is_trained = |key: &str| slow[key] != fast[key];
    let last = |key: &&String| key.starts_with("layer3.") && key.ends_with("conv1.weight");
    assert!(
        slow.keys().filter(last).all(|key| is_trained(key)),
        "the backbone learns from masks"
    );
    for key in ["head.hidden.weight", "head.output.weight", "head.output.bias"] {
        assert!(!is_trained(key), "{key} was trained without labels");
    }
    Ok(())
}

#[test]
fn a_stage_on_masks_needs_dense_supervision() -> Result<()> {
    let trainings = Trainings::without_shop()?;
    assert_error(
        trainings.recipe(STYLE, &["stages=[{ learn = 'masks' }]"]),
        "[task.dense]",
    );
    Ok(())
}

#[test]
fn a_segmentation_network_is_better_than_the_usual_mask() -> Result<()> {
    let trainings = Trainings::on_shop()?;
    let (manifest, weights) = trainings.train("run", SEGMENT, &[])?.read()?;
    let report = evaluate(&manifest, &weights, trainings.dataset()?, "test", &trainings.device)?;
    let (iou, guess) = (
        report.summary().metrics["mean_iou"].value,
        report.summary().guesses["mean_iou usual mask of train"],
    );
    assert!(iou > guess + 0.05, "{report}");
    assert!(
        report.summary().metrics.contains_key("iou garment") && report.summary().metrics.contains_key("iou person"),
        "{report}"
    );
    let views = Options::Classifier(ClassifierOptions {
        views: Views::Flip,
        ..ClassifierOptions::default()
    });
    let bundle = [(manifest, weights)];
    assert_error(
        evaluate_with(&bundle, trainings.dataset()?, "test", &views, &trainings.device),
        "these options are for a classifier",
    );
    Ok(())
}

#[test]
fn a_segmentation_into_groups_needs_the_ids_of_the_person() -> Result<()> {
    let trainings = Trainings::on_shop()?;
    assert_error(trainings.train("run", SEGMENT, &["task.person=[]"]), "task.person");
    Ok(())
}
