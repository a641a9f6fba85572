//! One classifier with groups of labels from several datasets.

use anyhow::Result;
use dataset::Dataset;
use evaluation::classifier::{FitRule, LabelRules, Method};
use evaluation::{Rules, choose_points, evaluate};
use image::{Rgb, RgbImage};
use shared::bundle::GroupKind;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use tests::tiny::{STYLE, Trainings, assert_error};

/// Writes a dataset of red and blue images, 16 to train on and 48 to tune on.
fn colours(dir: &Path) -> Result<()> {
    fs::create_dir_all(dir)?;
    let mut manifest = String::from("path,split,labels\n");
    for at in 0..64_u8 {
        let (label, colour) = if at % 2 == 0 {
            ("red", Rgb([200, 2 * at, 10]))
        } else {
            ("blue", Rgb([10, 2 * at, 200]))
        };
        RgbImage::from_pixel(40, 40, colour).save(dir.join(format!("{at}.png")))?;
        let split = if at < 16 { "train" } else { "val" };
        writeln!(manifest, "{at}.png,{split},{label}")?;
    }
    fs::write(dir.join("manifest.csv"), manifest)?;
    Ok(())
}

/// Setting that adds the colours to a recipe.
fn colour_group(trainings: &Trainings) -> String {
    let dir = trainings.path("colours");
    format!(
        "data.groups=[{{ name = 'colour', kind = 'one', dir = '{}', labels = 'dataset', share = 0.5 }}]",
        dir.display()
    )
}

#[test]
fn one_network_learns_styles_and_colours_from_two_datasets() -> Result<()> {
    let trainings = Trainings::on_shop()?;
    colours(&trainings.path("colours"))?;
    let group = colour_group(&trainings);
    let run = trainings.train("run", STYLE, &[&group, "epochs=3"])?;
    for record in run.log() {
        let figure = |name: &str| record["figures"][name].as_f64().expect("the log has the metric");
        let mean = (figure("tune_style_macro_f2") + figure("tune_colour_accuracy")) / 2.0;
        assert_eq!(record["score"], mean, "the mean over groups chooses the epoch");
    }
    let (manifest, _) = run.read()?;
    let groups: Vec<_> = manifest
        .groups
        .iter()
        .map(|group| (group.name.as_str(), group.kind, group.labels))
        .collect();
    assert_eq!(
        groups,
        [("style", GroupKind::Several, 13), ("colour", GroupKind::One, 2)]
    );
    assert_eq!(manifest.labels[13..], ["blue", "red"]);
    assert!(manifest.metrics["tune_colour_accuracy"] > 0.9, "{:?}", manifest.metrics);
    assert!(manifest.thresholds[..13].iter().any(|threshold| *threshold > 0.0));
    assert_eq!(
        manifest.thresholds[13..],
        [0.0, 0.0],
        "the most probable label is predicted"
    );
    Ok(())
}

#[test]
fn a_group_is_calibrated_and_measured_on_its_dataset() -> Result<()> {
    let trainings = Trainings::on_shop()?;
    let dir = trainings.path("colours");
    colours(&dir)?;
    let bundle = trainings
        .train("run", STYLE, &[&colour_group(&trainings), "epochs=3"])?
        .read()?;
    let labels = LabelRules {
        precision: 0.8,
        group: None,
        fit: Some(FitRule {
            method: Method::Temperature,
            split: None,
        }),
    };
    let rules = Rules { labels, lost: 0.05 };
    let splits = ["val".to_owned()];
    let chosen = choose_points(
        &bundle,
        None,
        Dataset::open(&dir)?,
        &splits,
        rules,
        String::new(),
        &trainings.device,
    )?;
    assert_eq!(chosen.effects[0].0, "val (calibration)");
    let (styles, colours) = (&chosen.manifest.groups[0], &chosen.manifest.groups[1]);
    assert_eq!(
        (styles.calibration.is_some(), colours.calibration.is_some()),
        (false, true)
    );
    assert_eq!(colours.curves.len(), 2, "each label has its precision and recall");
    let point = colours.precise.as_ref().and_then(|precise| precise.labels[0]);
    assert!(
        point.is_some_and(|point| point.precision >= 0.8 && point.items >= 10),
        "{point:?}"
    );

    let report = evaluate(
        &chosen.manifest,
        &bundle.1,
        Dataset::open(&dir)?,
        "val",
        &trainings.device,
    )?;
    let text = report.to_string();
    assert!(
        text.starts_with("group colour") && text.contains("calibration error"),
        "{text}"
    );
    assert!(report.summary().metrics["accuracy"].value > 0.9, "{text}");
    assert!(report.summary().metrics["confident_accuracy"].value >= 0.8, "{text}");
    let styles = evaluate(
        &chosen.manifest,
        &bundle.1,
        trainings.dataset()?,
        "val",
        &trainings.device,
    )?;
    assert!(styles.summary().metrics.contains_key("macro_f2_13"), "{styles}");
    Ok(())
}

#[test]
fn a_student_learns_a_group_from_the_truth_if_no_teacher_knows_it() -> Result<()> {
    let trainings = Trainings::on_shop()?;
    colours(&trainings.path("colours"))?;
    let teacher = trainings.train("teacher", STYLE, &["epochs=1"])?;
    let group = colour_group(&trainings);
    let options = training::TrainOptions {
        teachers: vec![teacher.bundle],
        ..trainings.options("student")
    };
    let settings = [&group, "epochs=3", "task.kind=distill", "task.truth=0.5"];
    let student = trainings.train_with(options, STYLE, &settings)?;
    let (manifest, _) = student.read()?;
    assert!(manifest.metrics["tune_colour_accuracy"] > 0.9, "{:?}", manifest.metrics);
    Ok(())
}

#[test]
fn groups_that_cannot_be_learnt_are_refused() -> Result<()> {
    let trainings = Trainings::on_shop()?;
    let dir = trainings.path("colours");
    colours(&dir)?;
    let group = |name: &str, more: &str| {
        format!(
            "data.groups=[{{ name = '{name}', kind = 'one', dir = '{}', labels = 'dataset'{more} }}]",
            dir.display()
        )
    };
    for (setting, expected) in [
        (group("style", ""), "two groups have the name 'style'"),
        (group("colour", ", share = 1.0"), "nothing is left for the others"),
        (group("colour", ", weight = 0.0"), "the weight of the group 'colour'"),
    ] {
        assert_error(trainings.recipe(STYLE, &[&setting]), expected);
    }
    let manifest = fs::read_to_string(dir.join("manifest.csv"))?;
    fs::write(dir.join("manifest.csv"), manifest.replacen("red", "red;blue", 1))?;
    assert_error(
        trainings.train("run", STYLE, &[&group("colour", "")]),
        "has 2 labels of the group 'colour'",
    );
    Ok(())
}
