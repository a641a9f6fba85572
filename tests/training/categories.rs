//! A classifier of categories: trained on the dataset's own column, measured by accuracy, confident above thresholds of a
//! chosen precision.

use anyhow::Result;
use evaluation::evaluate;
use service::embed::Categoriser;
use shared::taxonomy::Category;
use tests::tiny::{STYLE, Trainings};

#[test]
fn categories_are_learnt_and_confident_ones_are_precise() -> Result<()> {
    let trainings = Trainings::on_shop()?;
    let settings = [
        "data.labels=categories",
        "data.thresholds={ precise = 0.9 }",
        "epochs=10",
    ];
    let run = trainings.train("run", STYLE, &settings)?;
    for record in run.log() {
        assert_eq!(
            record["score"], record["figures"]["tune_accuracy"],
            "the accuracy chooses the epoch"
        );
    }
    let (manifest, weights) = run.read()?;
    assert!(Category::are(&manifest.labels));
    let report = evaluate(&manifest, &weights, trainings.dataset()?, "val", &trainings.device)?;
    let metric = |name: &str| report.summary().metrics[name].value;
    // The 20 images of `val` are too few to show that the network learns.
    let seen = evaluate(&manifest, &weights, trainings.dataset()?, "train", &trainings.device)?;
    let guess = seen.summary().guesses["accuracy of the most frequent category"];
    assert!(seen.summary().metrics["accuracy"].value > guess + 0.05, "{seen}");
    // The bundle's thresholds were chosen on the same images with the same network.
    assert!(
        metric("confident_share") > 0.0 && metric("confident_accuracy") >= 0.9,
        "{report}"
    );

    let categoriser = Categoriser::open(&run.bundle, &trainings.device)?;
    let dataset = trainings.dataset()?;
    let (mut confident, mut correct) = (0, 0);
    let rows = dataset.split("val", |_| true, "")?;
    for row in &rows {
        let row = &dataset.rows[*row];
        let photo = dataset::Photo::read(&trainings.data().join(&row.path))?;
        if let Some(category) = categoriser.category(categoriser.input().to_chw(photo.pixels()?, None)?) {
            confident += 1;
            correct += usize::from(category == row.category());
        }
    }
    assert!(
        (confident as f64 / rows.len() as f64 - metric("confident_share")).abs() < 1e-9,
        "{confident}: {report}"
    );
    assert!(
        (correct as f64 / confident as f64 - metric("confident_accuracy")).abs() < 1e-9,
        "{correct} of {confident}: {report}"
    );
    Ok(())
}
