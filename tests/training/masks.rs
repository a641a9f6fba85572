//! Learning from the renderer's exact masks: a stage on masks alone leaves the labels' head as it was, and a segmentation
//! network beats guesses that look at no picture.

use super::*;
use evaluation::classifier::ClassifierOptions;
use evaluation::{Options, evaluate_with};
use std::collections::BTreeMap;

/// Parameters by name, as bytes.
type Parameters = BTreeMap<String, Vec<u8>>;

pub(crate) const SEGMENT: &str = r#"
name = "tiny-segment"
seed = 3
epochs = 6
[data]
dir = "unset"
[input]
width = 48
height = 48
fit = "pad"
[optimiser]
batch = 8
rate = 0.005
[augment]
flip = true
[task]
kind = "segment"
backbone = "resnet10_w16"
widths = [32, 16, 16, 8]
person = [2]
"#;

#[test]
fn a_stage_on_masks_alone_leaves_the_head_of_the_labels_alone() -> Result<()> {
    let _alone = alone();
    let dir = tempfile::tempdir()?;
    let data = dir.path().join("shop");
    shop(&data)?;
    let trained = |name: &str, stages: &str| -> Result<(Parameters, Vec<f64>)> {
        let out = dir.path().join(name);
        let settings = [
            "epochs=2",
            "task.dense={ classes = 3, weight = 1.0 }",
            stages,
            "average={kind=\"ema\", decay=0.0}",
        ];
        train(
            &recipe(STYLE, &data, &settings)?,
            &order(&out, Start::New),
            &Device::flex(),
        )?;
        let bytes = fs::read(out.join("best.safetensors"))?;
        let file = safetensors::SafeTensors::deserialize(&bytes)?;
        let losses = lines(&out)
            .iter()
            .map(|line| line["train_loss"].as_f64().expect("a number"))
            .collect();
        Ok((
            file.iter()
                .map(|(key, tensor)| (key.to_owned(), tensor.data().to_vec()))
                .collect(),
            losses,
        ))
    };
    // The same beginning, by the seed: what differs has learnt.
    let (slow, _) = trained("slow", "stages=[{ rate = 0.001, learn = 'masks' }]")?;
    let (fast, losses) = trained("fast", "stages=[{ rate = 0.01, learn = 'masks' }]")?;
    assert!(losses[1] < losses[0], "{losses:?}");
    let learnt = |key: &str| slow[key] != fast[key];
    let last = |key: &&String| key.starts_with("layer3.") && key.ends_with("conv1.weight");
    assert!(
        slow.keys().filter(last).all(|key| learnt(key)),
        "the backbone learns from masks"
    );
    for key in ["head.hidden.weight", "head.output.weight", "head.output.bias"] {
        assert!(!learnt(key), "{key} learnt, and there was no label to learn from");
    }

    let without = recipe(STYLE, &data, &["stages=[{ learn = 'masks' }]"]).expect_err("nothing to learn masks with");
    assert!(format!("{without:#}").contains("[task.dense]"), "{without:#}");
    Ok(())
}

#[test]
fn a_segmentation_beats_guesses_that_look_at_no_picture() -> Result<()> {
    let _alone = alone();
    let dir = tempfile::tempdir()?;
    let data = dir.path().join("shop");
    shop(&data)?;
    let device = Device::flex();
    let bundle = train(
        &recipe(SEGMENT, &data, &[])?,
        &order(&dir.path().join("run"), Start::New),
        &device,
    )?;
    let (manifest, weights) = bundle::read(&bundle)?;
    let report = evaluate(&manifest, &weights, Dataset::open(&data)?, "test", &device)?;
    let (found, guess) = (
        report.summary().metrics["mean_iou"].value,
        report.summary().guesses["mean_iou usual mask of train"],
    );
    assert!(found > guess + 0.05, "{report}");
    assert!(
        report.summary().metrics.contains_key("iou garment") && report.summary().metrics.contains_key("iou person"),
        "{report}"
    );

    let views = Options::Classifier(ClassifierOptions {
        views: Views::Flip,
        ..ClassifierOptions::default()
    });
    let refused = evaluate_with(&[(manifest, weights)], Dataset::open(&data)?, "test", &views, &device);
    assert!(
        refused
            .expect_err("no classifier")
            .to_string()
            .contains("these options are for a classifier")
    );
    let nobody = recipe(SEGMENT, &data, &["task.person=[]"])?;
    let error = train(&nobody, &order(&dir.path().join("nobody"), Start::New), &device).expect_err("no ids of persons");
    assert!(error.to_string().contains("task.person"), "{error}");
    Ok(())
}
