//! A classifier of categories: trained from the dataset's own column, measured by accuracy, sure at thresholds that keep a
//! promise.

use super::{STYLE, alone, lines, order, recipe, shop};
use anyhow::Result;
use burn::tensor::Device;
use dataset::Dataset;
use dataset::bundle;
use dataset::run::Start;
use evaluation::evaluate;
use service::embed::Categoriser;
use shared::taxonomy::Category;
use training::train;

#[test]
fn categories_are_learnt_and_believed_only_where_sure() -> Result<()> {
    let _alone = alone();
    let dir = tempfile::tempdir()?;
    let data = dir.path().join("shop");
    shop(&data)?;
    let device = Device::flex();
    let run = dir.path().join("run");
    let settings = [
        "data.labels=categories",
        "data.thresholds={ precise = 0.9 }",
        "epochs=10",
    ];
    let bundle = train(&recipe(STYLE, &data, &settings)?, &order(&run, Start::New), &device)?;
    for line in lines(&run) {
        assert_eq!(
            line["score"], line["figures"]["tune_accuracy"],
            "the accuracy chooses the epoch"
        );
    }
    let (manifest, weights) = bundle::read(&bundle)?;
    assert!(Category::are(&manifest.labels));
    let report = evaluate(&manifest, &weights, Dataset::open(&data)?, "val", &device)?;
    let figure = |name: &str| report.summary().metrics[name].value;
    // Twenty pictures prove little; those of the training split say whether it learns at all.
    let seen = evaluate(&manifest, &weights, Dataset::open(&data)?, "train", &device)?;
    let guess = seen.summary().guesses["accuracy of the most frequent category"];
    assert!(seen.summary().metrics["accuracy"].value > guess + 0.05, "{seen}");
    // The bundle's thresholds were chosen on these very pictures, by the same network.
    assert!(
        figure("confident_share") > 0.0 && figure("confident_accuracy") >= 0.9,
        "{report}"
    );

    let categoriser = Categoriser::open(&bundle, &device)?;
    let dataset = Dataset::open(&data)?;
    let (mut sure, mut right) = (0, 0);
    let rows = dataset.split("val", |_| true, "")?;
    for row in &rows {
        let row = &dataset.rows[*row];
        let photo = dataset::Photo::read(&data.join(&row.path))?;
        if let Some(category) = categoriser.category(categoriser.input().to_chw(photo.pixels()?, None)?) {
            sure += 1;
            right += usize::from(category == row.category());
        }
    }
    assert!(
        (sure as f64 / rows.len() as f64 - figure("confident_share")).abs() < 1e-9,
        "{sure}: {report}"
    );
    assert!(
        (right as f64 / sure as f64 - figure("confident_accuracy")).abs() < 1e-9,
        "{right} of {sure}: {report}"
    );
    Ok(())
}
