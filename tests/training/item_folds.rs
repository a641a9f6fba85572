//! Cross-validation of retrieval: every item is a query of the one network that has not seen it.

use anyhow::Result;
use clap::Parser;
use dataset::FOLD;
use evaluation::retrieval::{Direction, FoldNetworks, RetrievalOptions, Search, evaluate, evaluate_folds};
use evaluation::statistics::{PerImage, compare_paired};
use search::whitening::Whitening;
use server::cli::{Cli, run};
use std::collections::BTreeSet;
use tests::tiny::{RETRIEVAL, TrainedRun, Trainings, assert_error};

/// Settings of two folds over all drawn items.
const FOLDS: [&str; 6] = [
    "epochs=1",
    "input.width=32",
    "input.height=32",
    "data.folds=2",
    "data.fold_splits=['train', 'val', 'test']",
    "data.holdout=0.1",
];

fn networks(trainings: &Trainings) -> Result<Vec<(TrainedRun, FoldNetworks)>> {
    (0..2)
        .map(|fold| {
            let number = format!("data.fold={fold}");
            let settings = [&FOLDS[..], &[&number]].concat();
            let trained = trainings.train(&format!("fold{fold}"), RETRIEVAL, &settings)?;
            let fold = trainings.recipe(RETRIEVAL, &settings)?.data.item_fold();
            let networks = FoldNetworks {
                fold: fold.expect("the recipe has folds"),
                bundles: vec![trained.read()?],
                gallery: None,
            };
            Ok((trained, networks))
        })
        .collect()
}

#[test]
fn the_folds_together_search_every_item_once_in_both_directions() -> Result<()> {
    let trainings = Trainings::on_shop()?;
    let folds: Vec<FoldNetworks> = networks(&trainings)?
        .into_iter()
        .map(|(_, networks)| networks)
        .collect();
    let dataset = trainings.dataset()?;
    let both = [Direction::WornToShop, Direction::ShopToWorn];
    let options = RetrievalOptions {
        search: Search {
            whiten: Some(Whitening::to(8)),
            ..Search::default()
        },
        ..RetrievalOptions::default()
    };
    let report = evaluate_folds(&folds, &dataset, &both, &options, &trainings.device)?;
    let summary = &report.summary;
    let seen: BTreeSet<&String> = summary.per_image.paths().iter().collect();
    let all: BTreeSet<&String> = dataset.rows.iter().map(|row| &row.path).collect();
    assert_eq!((seen, summary.n), (all, dataset.rows.len()));

    // The pooled metric is the mean over the queries of the folds.
    let alone = |direction: Direction| -> Result<f64> {
        let mut found = Vec::new();
        for FoldNetworks { fold, bundles, .. } in &folds {
            let search = Search {
                direction,
                ..options.search.clone()
            };
            let options = RetrievalOptions {
                search,
                ..options.clone()
            };
            let divided = dataset.clone().with_fold(fold)?;
            let report = evaluate(bundles, divided, FOLD, &options, &trainings.device)?;
            found.extend(vec![report.summary.metrics["recall_at_5"].value; report.summary.n]);
        }
        Ok(found.iter().sum::<f64>() / found.len() as f64)
    };
    for (name, direction) in [
        ("recall_at_5", Direction::WornToShop),
        ("shop_to_worn_recall_at_5", Direction::ShopToWorn),
    ] {
        let pooled = summary.metrics[name].value;
        assert!((pooled - alone(direction)?).abs() < 1e-9, "{name}: {pooled}");
    }
    let same = compare_paired(&summary.per_image, &summary.per_image)?;
    assert_eq!(same.groups, 96, "the photos of an item are drawn together");
    assert_eq!(same.metrics["shop_to_worn_recall_at_5"].difference.high, 0.0);

    let twice = [folds[0].clone(), folds[0].clone()];
    assert_error(
        evaluate_folds(&twice, &dataset, &both, &options, &trainings.device),
        "fold 0 is given twice",
    );
    Ok(())
}

#[test]
fn folds_that_do_not_fit_a_task_are_refused() -> Result<()> {
    let trainings = Trainings::without_shop()?;
    for (recipe, settings, expected) in [
        (
            tests::tiny::STYLE,
            &["data.folds=2", "data.holdout=0.1"][..],
            "exclude each other",
        ),
        (
            tests::tiny::STYLE,
            &["data.folds=2", "data.fold_splits=['val']"],
            "retrieval only",
        ),
        (tests::tiny::SEGMENT, &["data.folds=2"], "use data.holdout"),
        (
            RETRIEVAL,
            &["data.folds=2", "data.near_duplicates=4"],
            "for classifiers only",
        ),
        (
            RETRIEVAL,
            &["data.folds=2", "data.fold_splits=['val', 'val']"],
            "different splits",
        ),
    ] {
        assert_error(trainings.recipe(recipe, settings), expected);
    }
    Ok(())
}

/// Runs a command line in which `DIR` stands for the folder of the trainings.
fn selvedge(trainings: &Trainings, line: &str) -> Result<()> {
    let dir = trainings.dir().display().to_string();
    let words = line.split_whitespace().map(|word| word.replace("DIR", &dir));
    let words: Vec<String> = ["selvedge".to_owned(), "--device=cpu".to_owned()]
        .into_iter()
        .chain(words)
        .collect();
    run(Cli::try_parse_from(words)?)
}

#[test]
fn commands_train_evaluate_and_compare_the_folds_of_networks_and_query_encoders() -> Result<()> {
    let trainings = Trainings::on_shop()?;
    let head = RETRIEVAL.split("[task]").next().expect("the recipe has a task");
    let student = "[task]\nkind = \"query\"\nbackbone = \"resnet10_w16\"\n";
    std::fs::write(trainings.path("large.toml"), RETRIEVAL)?;
    std::fs::write(trainings.path("small.toml"), format!("{head}{student}"))?;
    let settings = FOLDS
        .map(|setting| format!("--set {}", setting.replace(' ', "")))
        .join(" ");
    let common = format!("--data DIR/shop --each-fold {settings}");
    selvedge(&trainings, &format!("train DIR/large.toml {common} --out DIR/large"))?;
    // A finished fold is not trained again.
    selvedge(
        &trainings,
        &format!("train DIR/large.toml {common} --out DIR/large --resume"),
    )?;
    let teachers = "DIR/large/fold0/bundle DIR/large/fold1/bundle";
    selvedge(
        &trainings,
        &format!("distill DIR/small.toml {common} --out DIR/small --teacher {teachers}"),
    )?;
    let evaluate = "evaluate --data DIR/shop --direction worn-to-shop,shop-to-worn";
    selvedge(
        &trainings,
        &format!("{evaluate} --fold-runs DIR/large/fold0 DIR/large/fold1 --outcomes DIR/large.json"),
    )?;
    selvedge(
        &trainings,
        &format!(
            "{evaluate} --fold-runs DIR/small/fold1 DIR/small/fold0 --gallery-bundle {teachers} --views flip --whiten 8 \
             --outcomes DIR/small.json"
        ),
    )?;
    selvedge(&trainings, "compare DIR/large.json DIR/small.json")?;
    let read = |name: &str| -> Result<PerImage> { Ok(serde_json::from_slice(&std::fs::read(trainings.path(name))?)?) };
    let report = compare_paired(&read("large.json")?, &read("small.json")?)?;
    assert_eq!((report.n, report.groups), (2 * 96, 96));
    let names = read("small.json")?.metric_names();
    assert!(
        names.iter().any(|name| name == "shop_to_worn_large_recall_at_1"),
        "{names:?}"
    );
    assert_error(
        selvedge(&trainings, &format!("{evaluate} --fold-runs DIR/small/fold0")),
        "--gallery-bundle",
    );
    Ok(())
}
