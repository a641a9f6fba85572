//! Classifiers of styles learn from labels and from teachers.

use anyhow::Result;
use evaluation::evaluate;
use tests::tiny::{STYLE, Trainings};
use training::TrainOptions;

#[test]
fn a_classifier_learns_more_than_to_predict_all_labels() -> Result<()> {
    let trainings = Trainings::on_shop()?;
    let run = trainings.train("run", STYLE, &[])?;
    let losses = run.losses();
    assert!(losses.len() == 4 && losses[3] < 0.95 * losses[0], "{losses:?}");
    let (manifest, weights) = run.read()?;
    let report = evaluate(&manifest, &weights, trainings.dataset()?, "val", &trainings.device)?;
    let guess = report.summary().guesses["macro_f2_13 all positive"];
    assert!(report.summary().metrics["macro_f2_13"].value > guess, "{report}");
    Ok(())
}

#[test]
fn a_student_learns_from_two_teachers() -> Result<()> {
    let trainings = Trainings::on_shop()?;
    let teacher = trainings.train("teacher", STYLE, &["epochs=2"])?.bundle;
    let student = STYLE.replace("tiny-style", "tiny-student").replace(
        "kind = \"style\"\nbackbone = \"resnet10_w16\"",
        "kind = \"distill\"\nbackbone = \"mobilenet_v3_small\"",
    );
    let options = TrainOptions {
        teachers: vec![teacher.clone(), teacher],
        ..trainings.options("student")
    };
    let losses = trainings.train_with(options, &student, &[])?.losses();
    assert!(losses[3] < losses[0], "{losses:?}");
    Ok(())
}
