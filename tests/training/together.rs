//! Evaluation of searches: several networks together, rotated queries, views, searches among all photos, categories and
//! failures.

use anyhow::Result;
use burn::tensor::Device;
use dataset::bundle;
use dataset::{Dataset, Images};
use evaluation::inference::Views;
use evaluation::retrieval::{self, Direction, Failure, Fusion, RetrievalOptions, RetrievalReport, Search};
use image::DynamicImage;
use report::failures;
use search::rerank::Rerank;
use shared::bundle::{Manifest, Weights};
use shared::taxonomy::Category;
use std::path::PathBuf;
use std::sync::Arc;
use tests::fixture;
use tests::tiny::Trainings;

/// A shop with twenty users' photos and forty shop photos of three categories in the split 'test', and bundles `a` and `b`.
struct Shop {
    trainings: Trainings,
}

impl Shop {
    fn new() -> Result<Self> {
        let trainings = Trainings::without_shop()?;
        fixture::write_search(trainings.dir(), &["a", "b"])?;
        Ok(Self { trainings })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.trainings.path(name)
    }

    fn bundle(&self, name: &str) -> Result<(Manifest, Weights)> {
        bundle::read(&self.path(name))
    }

    fn dataset(&self) -> Result<Dataset> {
        Dataset::open(&self.path("shop"))
    }

    fn evaluate(&self, bundles: &[(Manifest, Weights)], options: &RetrievalOptions) -> Result<RetrievalReport> {
        retrieval::evaluate(bundles, self.dataset()?, "test", options, &Device::flex())
    }

    /// Evaluates the bundle `a`.
    fn evaluate_a(&self, options: &RetrievalOptions) -> Result<RetrievalReport> {
        self.evaluate(&[self.bundle("a")?], options)
    }
}

fn value(report: &RetrievalReport, name: &str) -> f64 {
    report.summary.metrics[name].value
}

#[test]
fn metrics_per_category_average_to_the_metrics_over_all_queries() -> Result<()> {
    let shop = Shop::new()?;
    let report = shop.evaluate_a(&RetrievalOptions::default())?;
    assert_eq!(report.summary.n, 20);
    let counts: Vec<(&str, usize)> = report.categories.iter().map(|one| (one.id.as_str(), one.n)).collect();
    assert_eq!(counts, [("bags", 7), ("shoes", 6), ("tops", 7)]);
    let sum: f64 = report
        .categories
        .iter()
        .map(|one| one.n as f64 * one.metrics["mean_ap_at_10"].value)
        .sum();
    assert!((sum / 20.0 - value(&report, "mean_ap_at_10")).abs() < 1e-12, "{report}");
    Ok(())
}

#[test]
fn a_network_together_with_itself_equals_the_network_alone() -> Result<()> {
    let shop = Shop::new()?;
    let a = shop.bundle("a")?;
    let plain = shop.evaluate_a(&RetrievalOptions::default())?;
    for fusion in [Fusion::Early, Fusion::Late] {
        let options = RetrievalOptions {
            fusion,
            ..RetrievalOptions::default()
        };
        let report = shop.evaluate(&[a.clone(), a.clone()], &options)?;
        assert_eq!(report.summary.metrics, plain.summary.metrics, "{fusion:?}");
    }
    Ok(())
}

#[test]
fn fusion_weights_are_tuned_per_category_on_other_items() -> Result<()> {
    let shop = Shop::new()?;
    let (a, b) = (shop.bundle("a")?, shop.bundle("b")?);
    assert_ne!(a.0.model_id(), b.0.model_id());
    let plain = shop.evaluate_a(&RetrievalOptions::default())?;
    for fusion in [Fusion::Early, Fusion::Late] {
        let tuned_on = |split: &str| RetrievalOptions {
            fusion,
            tune_split: Some(split.to_owned()),
            ..RetrievalOptions::default()
        };
        let report = shop.evaluate(&[a.clone(), b.clone()], &tuned_on("train"))?;
        let fused = report.fused.as_ref().expect("two networks are combined");
        assert_eq!(fused.weights.keys().collect::<Vec<_>>(), ["bags", "shoes", "tops"]);
        assert!(
            fused
                .weights
                .values()
                .all(|weights| (weights.iter().sum::<f64>() - 1.0).abs() < 1e-12),
            "{report}"
        );
        assert_eq!(fused.alone[&a.0.model_id()], value(&plain, "mean_ap_at_10"));
        let error = shop
            .evaluate(&[a.clone(), b.clone()], &tuned_on("test"))
            .expect_err("weights are not tuned on measured items");
        assert!(format!("{error:#}").contains("split of other items"), "{error:#}");
    }
    Ok(())
}

#[test]
fn a_query_with_a_confident_category_finds_only_that_category() -> Result<()> {
    let shop = Shop::new()?;
    let plain = shop.evaluate_a(&RetrievalOptions::default())?;
    // This classifier predicts shoes for every photo.
    fixture::write_category_bundle(&shop.path("shoes"), Category::Shoes)?;
    let shoes = shop.bundle("shoes")?;
    let within = |category: (Manifest, Weights)| RetrievalOptions {
        category: Some(category),
        failures: 20,
        ..RetrievalOptions::default()
    };
    let report = shop.evaluate_a(&within(shoes.clone()))?;
    let dataset = shop.dataset()?;
    for failure in &report.failures {
        let mut found = failure.found.iter().map(|(row, _)| dataset.rows[*row].category());
        assert!(found.all(|category| category == Category::Shoes), "{failure}");
        let is_shoes = dataset.rows[failure.row].category() == Category::Shoes;
        assert!(is_shoes || failure.average_precision == 0.0, "{failure}");
    }
    let recall = |id: &str| {
        report
            .categories
            .iter()
            .find(|one| one.id == id)
            .map(|one| one.metrics["recall_at_20"].value)
    };
    assert_eq!(
        (recall("shoes"), recall("bags"), recall("tops")),
        (Some(1.0), Some(0.0), Some(0.0))
    );
    let never = Manifest {
        thresholds: vec![1.0; 4],
        ..shoes.0.clone()
    };
    let unfiltered = shop.evaluate_a(&within((never, shoes.1)))?;
    assert_eq!(unfiltered.summary.metrics, plain.summary.metrics);
    let error = shop
        .evaluate_a(&within(shop.bundle("b")?))
        .expect_err("a retrieval bundle predicts no categories")
        .to_string();
    assert!(error.contains("are not the categories"), "{error}");
    Ok(())
}

#[test]
fn views_in_all_rotations_make_the_metrics_independent_of_the_rotation_of_queries() -> Result<()> {
    let shop = Shop::new()?;
    let precision = |views: &Views, turn_queries: u8| -> Result<f64> {
        let options = RetrievalOptions {
            views: views.clone(),
            turn_queries,
            ..RetrievalOptions::default()
        };
        Ok(value(&shop.evaluate_a(&options)?, "mean_ap_at_10"))
    };
    assert!((precision(&Views::Turns, 0)? - precision(&Views::Turns, 1)?).abs() < 1e-9);
    assert_ne!(precision(&Views::None, 0)?, precision(&Views::None, 1)?);
    // Views of several sizes have inputs of several sizes and one embedding.
    assert!(precision(&Views::Sizes, 0)?.is_finite());
    Ok(())
}

#[test]
fn every_photo_searches_all_others() -> Result<()> {
    let shop = Shop::new()?;
    // Two of the 59 other photos show the item of the query.
    let all = Search {
        direction: Direction::All,
        ..Search::default()
    };
    let report = shop.evaluate_a(&RetrievalOptions {
        search: all.clone(),
        recall_at: vec![1, 59],
        ..RetrievalOptions::default()
    })?;
    assert_eq!((report.summary.n, value(&report, "recall_at_59")), (60, 1.0));
    let guesses = &report.summary.guesses;
    assert!((guesses["recall_at_1 by chance"] - 2.0 / 59.0).abs() < 1e-12);
    assert_eq!(guesses["recall_at_59 by chance"], 1.0);
    let search = Search {
        rerank: Rerank::Hop.into(),
        ..all
    };
    let error = shop
        .evaluate_a(&RetrievalOptions {
            search,
            ..RetrievalOptions::default()
        })
        .expect_err("the nearest photo is the query itself");
    assert!(error.to_string().contains("the photo itself"), "{error}");
    Ok(())
}

#[test]
fn failures_are_listed_worst_first() -> Result<()> {
    let shop = Shop::new()?;
    let worst = worst(&shop)?;
    assert_eq!(worst.len(), 3);
    assert!(
        worst
            .windows(2)
            .all(|pair| pair[0].average_precision <= pair[1].average_precision)
    );
    let dataset = shop.dataset()?;
    for failure in &worst {
        assert_eq!(dataset.rows[failure.truth].item_id, dataset.rows[failure.row].item_id);
        let first = failure.found.iter().position(|(_, right)| *right).map(|at| at + 1);
        assert_eq!(first.is_some(), failure.truth_rank <= 10);
        assert!(first.is_none_or(|rank| rank == failure.truth_rank));
    }
    Ok(())
}

#[test]
fn the_sheet_of_failures_shows_rotated_queries_rotated() -> Result<()> {
    let shop = Shop::new()?;
    let worst = worst(&shop)?;
    let images = Images::new(Arc::new(shop.dataset()?));
    let sheet = |failures: &[Failure]| -> Result<DynamicImage> {
        Ok(image::load_from_memory(&failures::sheet(failures, &images)?)?)
    };
    let upright = sheet(&worst)?;
    assert_eq!(
        upright.height() * 14,
        upright.width() * 3,
        "there is one line per failure"
    );
    let rotated: Vec<Failure> = worst
        .iter()
        .map(|failure| Failure {
            turns: 1,
            ..failure.clone()
        })
        .collect();
    let cell = upright.width() / 14;
    let query = |sheet: &DynamicImage| sheet.crop_imm(0, 0, cell, cell).to_rgb8();
    let (expected, found) = (image::imageops::rotate90(&query(&upright)), query(&sheet(&rotated)?));
    let difference = expected
        .iter()
        .zip(found.iter())
        .map(|(a, b)| f64::from(a.abs_diff(*b)))
        .sum::<f64>()
        / expected.len() as f64;
    assert!(
        difference < 8.0,
        "the difference is larger than that of JPEG: {difference}"
    );
    Ok(())
}

/// The three worst queries of the bundle `a`.
fn worst(shop: &Shop) -> Result<Vec<Failure>> {
    let options = RetrievalOptions {
        failures: 3,
        ..RetrievalOptions::default()
    };
    Ok(shop.evaluate_a(&options)?.failures)
}
