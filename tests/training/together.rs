//! What an evaluation of searches offers: several networks together, turned queries, views, photos that search each other,
//! categories and failures.

use super::alone;
use anyhow::Result;
use burn::tensor::Device;
use dataset::bundle;
use dataset::{Dataset, Images};
use evaluation::fusion::Fusion;
use evaluation::instances::{Failure, Instances};
use evaluation::run::{Options, Report, evaluate_with};
use evaluation::search::{Direction, Search};
use evaluation::views::Views;
use image::DynamicImage;
use report::failures;
use search::rerank::Rerank;
use shared::bundle::Manifest;
use shared::taxonomy::Category;
use std::sync::Arc;
use tests::fixture;

#[test]
fn searches_are_measured_in_every_way() -> Result<()> {
    let _alone = alone();
    let dir = tempfile::tempdir()?;
    let path = |name: &str| dir.path().join(name);
    let device = Device::flex();
    fixture::write_search(dir.path(), &["a", "b"])?;
    let (a, b) = (bundle::read(&path("a"))?, bundle::read(&path("b"))?);
    assert_ne!(a.0.model_id(), b.0.model_id());
    let measure = |bundles: &[_], options: &Options| {
        evaluate_with(bundles, Dataset::open(&path("shop"))?, "test", options, &device)
    };
    let with = |instances: Instances| Options {
        instances,
        ..Options::default()
    };
    let found = |report: &Report, name: &str| report.figures[name].value;
    let plain = measure(std::slice::from_ref(&a), &Options::default())?;

    // Twenty users' photos of three categories, in a gallery of forty.
    assert_eq!(plain.n, 20);
    let counts: Vec<(&str, usize)> = plain.categories.iter().map(|one| (one.id.as_str(), one.n)).collect();
    assert_eq!(counts, [("bags", 7), ("shoes", 6), ("tops", 7)]);
    let sum: f64 = plain
        .categories
        .iter()
        .map(|one| one.n as f64 * one.figures["mean_ap_at_10"].value)
        .sum();
    assert!((sum / 20.0 - found(&plain, "mean_ap_at_10")).abs() < 1e-12, "{plain}");

    // A network with itself finds what it finds alone, wherever they meet.
    for fusion in [Fusion::Early, Fusion::Late] {
        let report = measure(
            &[a.clone(), a.clone()],
            &with(Instances {
                fusion,
                ..Instances::default()
            }),
        )?;
        assert_eq!(report.figures, plain.figures, "{fusion:?}");
    }
    // Weights come from the split that is named, one set a category, and never from items that are measured.
    for fusion in [Fusion::Early, Fusion::Late] {
        let tuned = |split: &str| Instances {
            fusion,
            tune_split: Some(split.to_owned()),
            ..Instances::default()
        };
        let report = measure(&[a.clone(), b.clone()], &with(tuned("train")))?;
        let fused = report.fused.as_ref().expect("two networks");
        assert_eq!(fused.weights.keys().collect::<Vec<_>>(), ["bags", "shoes", "tops"]);
        assert!(
            fused
                .weights
                .values()
                .all(|weights| (weights.iter().sum::<f64>() - 1.0).abs() < 1e-12),
            "{report}"
        );
        assert_eq!(fused.alone[&a.0.model_id()], found(&plain, "mean_ap_at_10"));
        let error = measure(&[a.clone(), b.clone()], &with(tuned("test"))).expect_err("tuned on what is measured");
        assert!(format!("{error:#}").contains("split of other items"), "{error:#}");
    }

    // A photo that surely shows shoes is looked up among shoes; where nothing is sure, everywhere.
    fixture::write_category_bundle(&path("shoes"), Category::Shoes)?;
    let shoes = bundle::read(&path("shoes"))?;
    let among = |category: (_, _)| {
        with(Instances {
            category: Some(category),
            failures: 20,
            ..Instances::default()
        })
    };
    let report = measure(std::slice::from_ref(&a), &among(shoes.clone()))?;
    let dataset = Dataset::open(&path("shop"))?;
    for failure in &report.failures {
        let shown = failure.found.iter().map(|(row, _)| dataset.rows[*row].category());
        assert!(
            shown.into_iter().all(|category| category == Category::Shoes),
            "{failure}"
        );
        // What is not shoes cannot be found.
        let is_shoes = dataset.rows[failure.row].category() == Category::Shoes;
        assert!(is_shoes || failure.average_precision == 0.0, "{failure}");
    }
    let recall = |id: &str| {
        report
            .categories
            .iter()
            .find(|one| one.id == id)
            .map(|one| one.figures["recall_at_20"].value)
    };
    assert_eq!(
        (recall("shoes"), recall("bags"), recall("tops")),
        (Some(1.0), Some(0.0), Some(0.0))
    );
    let never = Manifest {
        thresholds: vec![1.0; 4],
        ..shoes.0.clone()
    };
    assert_eq!(
        measure(std::slice::from_ref(&a), &among((never, shoes.1)))?.figures,
        plain.figures
    );
    let error = measure(std::slice::from_ref(&a), &among(b.clone()))
        .expect_err("no categories")
        .to_string();
    assert!(error.contains("are not the categories"), "{error}");

    // Square inputs in all four turns look alike whichever way the query lies; in one they do not.
    let turned = |views: &Views, turn_queries: u8| -> Result<f64> {
        let instances = Instances {
            turn_queries,
            ..Instances::default()
        };
        let report = measure(
            std::slice::from_ref(&a),
            &Options {
                views: views.clone(),
                instances,
                ..Options::default()
            },
        )?;
        Ok(found(&report, "mean_ap_at_10"))
    };
    assert!((turned(&Views::Turns, 0)? - turned(&Views::Turns, 1)?).abs() < 1e-9);
    assert_ne!(turned(&Views::None, 0)?, turned(&Views::None, 1)?);
    // Other sizes are other inputs, of one embedding.
    assert!(turned(&Views::Sizes, 0)?.is_finite());

    // Each of 60 photos among the 59 others, two of them of its item.
    let all = Search {
        direction: Direction::All,
        ..Search::default()
    };
    let among = measure(
        std::slice::from_ref(&a),
        &with(Instances {
            search: all.clone(),
            recall_at: vec![1, 59],
            ..Instances::default()
        }),
    )?;
    assert_eq!((among.n, found(&among, "recall_at_59")), (60, 1.0));
    assert!((among.guesses["recall_at_1 by chance"] - 2.0 / 59.0).abs() < 1e-12);
    assert_eq!(among.guesses["recall_at_59 by chance"], 1.0);
    let search = Search {
        rerank: Rerank::Hop,
        ..all
    };
    let error = measure(
        std::slice::from_ref(&a),
        &with(Instances {
            search,
            ..Instances::default()
        }),
    )
    .expect_err("itself first");
    assert!(error.to_string().contains("the photo itself"), "{error}");

    // The worst come first, and the sheet has a line for each.
    let worst = measure(
        &[a],
        &with(Instances {
            failures: 3,
            ..Instances::default()
        }),
    )?
    .failures;
    assert_eq!(worst.len(), 3);
    assert!(
        worst
            .windows(2)
            .all(|pair| pair[0].average_precision <= pair[1].average_precision)
    );
    let dataset = Dataset::open(&path("shop"))?;
    for failure in &worst {
        assert_eq!(dataset.rows[failure.truth].item_id, dataset.rows[failure.row].item_id);
        let right = failure.found.iter().position(|(_, right)| *right).map(|at| at + 1);
        assert_eq!(right.is_some(), failure.truth_rank <= 10);
        assert!(right.is_none_or(|rank| rank == failure.truth_rank));
    }
    let images = Images::new(Arc::new(dataset));
    let sheet = image::load_from_memory(&failures::sheet(&worst, &images)?)?;
    assert_eq!(sheet.height() * 14, sheet.width() * 3);
    // A query that was turned is shown turned.
    let turned: Vec<Failure> = worst
        .iter()
        .map(|failure| Failure {
            turns: 1,
            ..failure.clone()
        })
        .collect();
    let cell = sheet.width() / 14;
    let corner = |sheet: &DynamicImage| sheet.crop_imm(0, 0, cell, cell).to_rgb8();
    let turned = image::load_from_memory(&failures::sheet(&turned, &images)?)?;
    let (upright, turned) = (image::imageops::rotate90(&corner(&sheet)), corner(&turned));
    let off = upright
        .iter()
        .zip(turned.iter())
        .map(|(a, b)| f64::from(a.abs_diff(*b)))
        .sum::<f64>();
    assert!(
        off / (upright.len() as f64) < 8.0,
        "more than what JPEG loses: {}",
        off / upright.len() as f64
    );
    Ok(())
}
