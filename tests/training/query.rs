//! Query encoders, distilled into the space of a retrieval network.

use anyhow::Result;
use evaluation::evaluate;
use evaluation::retrieval::{AsymmetricReport, asymmetric};
use image::{Rgb, RgbImage};
use shared::bundle::Manifest;
use std::fmt::Write;
use std::fs;
use tests::tiny::{RETRIEVAL, TrainedRun, Trainings, assert_error};
use training::{TrainOptions, dry_run};

/// A teacher and the recipe of its student.
struct Distillation {
    trainings: Trainings,
    teacher: TrainedRun,
    recipe: String,
}

impl Distillation {
    fn new(epochs: &str) -> Result<Self> {
        let trainings = Trainings::on_shop()?;
        let teacher = trainings.train("large", RETRIEVAL, &[epochs])?;
        let head = RETRIEVAL
            .split("[task]")
            .next()
            .expect("the recipe has a task")
            .replace("tiny-retrieval", "tiny-query");
        let recipe =
            format!("{head}[task]\nkind = \"query\"\nbackbone = \"resnet10_w16\"\nregression = 10.0\ncontrast = 1.0\n");
        Ok(Self {
            trainings,
            teacher,
            recipe,
        })
    }

    /// Trains a student.
    fn distil(&self, run: &str, settings: &[&str]) -> Result<TrainedRun> {
        let options = TrainOptions {
            teachers: vec![self.teacher.bundle.clone()],
            ..self.trainings.options(run)
        };
        self.trainings.train_with(options, &self.recipe, settings)
    }

    /// Measures a student's queries in the teacher's gallery.
    fn measure(&self, student: &TrainedRun) -> Result<AsymmetricReport> {
        let dataset = self.trainings.dataset()?;
        asymmetric(
            &student.read()?,
            &self.teacher.read()?,
            dataset,
            "train",
            &self.trainings.device,
        )
    }
}

#[test]
fn retrieval_learns() -> Result<()> {
    let trainings = Trainings::on_shop()?;
    let (manifest, weights) = trainings.train("run", RETRIEVAL, &[])?.read()?;
    let report = evaluate(&manifest, &weights, trainings.dataset()?, "train", &trainings.device)?;
    // Chance is 10 in 77.
    assert!(
        report.summary().metrics["recall_at_10"].value > 3.0 * report.summary().guesses["recall_at_10 by chance"],
        "{report}"
    );
    Ok(())
}

#[test]
fn a_query_encoder_learns_the_space_of_its_teacher() -> Result<()> {
    let distillation = Distillation::new("epochs=6")?;
    let student = distillation.distil("small", &["epochs=10"])?;
    let (losses, log) = (student.losses(), student.log());
    assert!(losses[9] < 0.7 * losses[0], "{losses:?}");
    let cosine = |epoch: usize| log[epoch]["figures"]["tune_cosine_to_teacher"].as_f64();
    assert!(cosine(9) > cosine(0).map(|first| first + 0.1), "{} {}", log[0], log[9]);
    let (small, large) = (student.read()?.0, distillation.teacher.read()?.0);
    assert_eq!(
        (small.space(), small.embedding_dim),
        (large.model_id(), large.embedding_dim)
    );
    assert_ne!(small.model_id(), large.model_id());

    let report = distillation.measure(&student)?;
    let (manifest, weights) = distillation.teacher.read()?;
    let trainings = &distillation.trainings;
    let alone = evaluate(&manifest, &weights, trainings.dataset()?, "train", &trainings.device)?;
    // Chance is 10 in 77.
    let recall = report.pairings[1].metrics["recall_at_10"].value;
    assert!(
        recall > 2.0 * alone.summary().guesses["recall_at_10 by chance"],
        "{report}"
    );
    Ok(())
}

#[test]
fn a_query_encoder_learns_the_parts_and_the_relations_of_its_teacher() -> Result<()> {
    let distillation = Distillation::new("epochs=1")?;
    let settings = [
        "epochs=5",
        "task.backbone=efficientnet_lite_w8_s5",
        "task.parts=true",
        "task.part_regression=5",
        "task.context=1",
        "task.order=0.1",
    ];
    let student = distillation.distil("small", &settings)?;
    let (losses, log) = (student.losses(), student.log());
    assert!(losses[4] < 0.95 * losses[0], "{losses:?}");
    let cosine = |epoch: usize| log[epoch]["figures"]["tune_cosine_to_teacher"].as_f64();
    assert!(cosine(4) > cosine(0).map(|first| first + 0.05), "{} {}", log[0], log[4]);
    let report = distillation.measure(&student)?;
    assert_eq!(report.pairings.len(), 3, "{report}");
    assert_error(
        distillation.distil("no-parts", &["task.part_regression=5"]),
        "set task.parts = true",
    );
    Ok(())
}

#[test]
fn a_query_encoder_also_learns_photos_without_items() -> Result<()> {
    let distillation = Distillation::new("epochs=1")?;
    let trainings = &distillation.trainings;
    let street = trainings.path("street");
    fs::create_dir_all(&street)?;
    let mut manifest = String::from("path,split\n");
    for (at, split) in (0_u8..).zip(["train", "unlabelled", "test"].iter().cycle().take(90)) {
        RgbImage::from_fn(40, 40, |x, y| Rgb([3 * x as u8, 3 * y as u8, 2 * at]))
            .save(street.join(format!("{at}.png")))?;
        writeln!(manifest, "{at}.png,{split}")?;
    }
    fs::write(street.join("manifest.csv"), manifest)?;

    let folder = format!("task.unlabelled=[{street:?}]");
    let images = |settings: &[&str]| -> Result<usize> {
        let plan = dry_run(&trainings.recipe(&distillation.recipe, settings)?)?;
        Ok(plan.split_once(' ').expect("the plan begins with a number").0.parse()?)
    };
    assert_eq!(images(&[&folder])?, images(&[])? + 60, "the split 'test' is not used");

    let settings = ["epochs=5", &folder, "task.unlabelled_share=0.5"];
    let student = distillation.distil("small", &settings)?;
    let losses = student.losses();
    assert!(losses[4] < 0.8 * losses[0], "{losses:?}");
    assert_ne!(
        student.read()?.0.training.data_sha256,
        trainings.dataset()?.sha256,
        "the hash covers both datasets"
    );

    fs::write(street.join("manifest.csv"), "path,split\n0.png,test\n")?;
    for (settings, expected) in [
        (&[&*folder][..], "no photo in the splits 'train' and 'unlabelled'"),
        (&["task.unlabelled_share=0.5"], "task.unlabelled"),
        (&[&folder, "task.unlabelled_share=1.0"], "between 0 and 1"),
    ] {
        assert_error(distillation.distil("refused", settings), expected);
    }
    Ok(())
}

#[test]
fn a_query_encoder_may_have_a_smaller_input_than_its_teacher() -> Result<()> {
    let distillation = Distillation::new("epochs=1")?;
    let student = distillation.distil("small", &["epochs=5", "input.width=32", "input.height=32"])?;
    let log = student.log();
    let cosine = |epoch: usize| log[epoch]["figures"]["tune_cosine_to_teacher"].as_f64();
    assert!(cosine(4) > cosine(0).map(|first| first + 0.05), "{} {}", log[0], log[4]);
    assert_eq!(student.read()?.0.input.width, 32);
    assert_eq!(distillation.measure(&student)?.pairings.len(), 3);
    Ok(())
}

#[test]
fn a_query_encoder_is_compared_with_its_teacher() -> Result<()> {
    let distillation = Distillation::new("epochs=1")?;
    let report = distillation.measure(&distillation.distil("small", &["epochs=1"])?)?;
    let names: Vec<&str> = report.pairings.iter().map(|pairing| pairing.name).collect();
    assert_eq!(names, ["large–large", "small–large", "small–small"]);
    let (manifest, weights) = distillation.teacher.read()?;
    let trainings = &distillation.trainings;
    let alone = evaluate(&manifest, &weights, trainings.dataset()?, "train", &trainings.device)?;
    let (large, across) = (&report.pairings[0], &report.pairings[1]);
    assert_eq!(large.metrics, alone.summary().metrics);
    assert_eq!((large.gain.low, large.gain.high), (0.0, 0.0));
    let difference = across.metrics["mean_ap_at_10"].value - large.metrics["mean_ap_at_10"].value;
    assert!((across.gain.value - difference).abs() < 1e-12, "{report}");
    Ok(())
}

#[test]
fn a_query_encoder_is_refused_outside_its_space() -> Result<()> {
    let distillation = Distillation::new("epochs=1")?;
    let small = distillation.distil("small", &["epochs=1"])?.read()?;
    let large = distillation.teacher.read()?;
    let trainings = &distillation.trainings;
    let other = Manifest {
        id: "other".to_owned(),
        ..large.0
    };
    assert_error(
        asymmetric(
            &small,
            &(other, large.1),
            trainings.dataset()?,
            "train",
            &trainings.device,
        ),
        "embeds into the space of tiny-retrieval@",
    );
    assert_error(
        evaluate(&small.0, &small.1, trainings.dataset()?, "train", &trainings.device),
        "--gallery-bundle",
    );
    Ok(())
}

#[test]
fn a_student_that_does_not_fit_its_teacher_is_refused() -> Result<()> {
    let distillation = Distillation::new("epochs=1")?;
    for (settings, expected) in [
        (&["task.max_megabytes=0.5"][..], "shorter embeddings"),
        (&["input.width=64"], "the same crop"),
        (&["input.width=32"], "the same proportions"),
        (&["task.regression=0", "task.contrast=0"], "weights of all terms are 0"),
    ] {
        assert_error(distillation.distil("refused", settings), expected);
    }
    Ok(())
}
