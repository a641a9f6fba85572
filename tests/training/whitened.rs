//! Bundles that are made from other bundles: whitened embeddings and joined networks.

use super::folds::mirror;
use anyhow::Result;
use burn::tensor::Device;
use clap::Parser;
use dataset::Dataset;
use dataset::MaxErrors;
use dataset::bundle;
use evaluation::retrieval::{self, RetrievalOptions, Search, asymmetric};
use search::whitening::Whitening;
use server::cli::{Cli, run};
use service::catalog::{self, IndexOptions};
use service::embed::PhotoViews;
use shared::bundle::load_query;
use std::path::Path;
use store::{Element, Store};
use tests::fixture;
use tests::tiny::{Trainings, assert_error};
use training::TrainOptions;

const QUERY: &str = r#"
name = "tiny-query"
seed = 3
epochs = 1
[data]
dir = "unset"
holdout = 0.3
[input]
width = 48
height = 48
fit = "pad"
[optimiser]
batch = 16
rate = 0.01
[task]
kind = "query"
backbone = "resnet10_w16"
"#;

/// Runs a command; `DIR` stands for the folder `dir`.
fn selvedge(dir: &Path, args: &str) -> Result<()> {
    let args = args.split(' ').map(|arg| arg.replace("DIR", &dir.to_string_lossy()));
    run(Cli::try_parse_from(
        ["selvedge", "--device", "cpu"]
            .map(str::to_owned)
            .into_iter()
            .chain(args),
    )?)
}

#[test]
fn a_whitened_bundle_has_the_metrics_of_evaluation_with_whitening() -> Result<()> {
    let trainings = Trainings::without_shop()?;
    let path = |name: &str| trainings.path(name);
    let device = Device::flex();
    fixture::write_search(trainings.dir(), &["plain"])?;
    selvedge(
        trainings.dir(),
        "whiten --dims 8 --bundle DIR/plain --data DIR/shop --out DIR/white",
    )?;

    let (plain, white) = (bundle::read(&path("plain"))?, bundle::read(&path("white"))?);
    assert_eq!(plain.1.network, white.1.network, "the network is the same");
    let measure = |bundle: &(_, _), whiten: Option<usize>| {
        let options = RetrievalOptions {
            search: Search {
                whiten: whiten.map(Whitening::to),
                ..Search::default()
            },
            ..RetrievalOptions::default()
        };
        retrieval::evaluate(
            std::slice::from_ref(bundle),
            Dataset::open(&path("shop"))?,
            "test",
            &options,
            &device,
        )
    };
    let (option, bundle, before) = (
        measure(&plain, Some(8))?,
        measure(&white, None)?,
        measure(&plain, None)?,
    );
    for (name, metric) in &option.summary.metrics {
        let found = bundle.summary.metrics[name];
        for (a, b) in [
            (metric.value, found.value),
            (metric.low, found.low),
            (metric.high, found.high),
        ] {
            assert!((a - b).abs() < 1e-6, "{name}: {found} instead of {metric}");
        }
    }
    assert_ne!(
        before.summary.metrics, bundle.summary.metrics,
        "whitening changes the metrics"
    );

    // Query encoders of the space before whitening search it too.
    fixture::write_query_bundle(&path("query"), &plain.0.space(), fixture::DIM)?;
    let query = bundle::read(&path("query"))?;
    let report = asymmetric(&query, &white, Dataset::open(&path("shop"))?, "test", &device)?;
    assert_eq!(report.pairings[0].metrics, bundle.summary.metrics);
    Ok(())
}

#[test]
fn a_whitened_bundle_is_a_teacher() -> Result<()> {
    let trainings = Trainings::without_shop()?;
    fixture::write_search(trainings.dir(), &["plain"])?;
    selvedge(
        trainings.dir(),
        "whiten --dims 8 --bundle DIR/plain --data DIR/shop --out DIR/white",
    )?;
    let read = |name: &str| bundle::read(&trainings.path(name));
    let (plain, white) = (read("plain")?, read("white")?);
    let options = TrainOptions {
        teachers: vec![trainings.path("white")],
        ..trainings.options("run")
    };
    let student = trainings.train_with(options, QUERY, &[])?.read()?;
    assert_eq!((student.0.space(), student.0.embedding_dim), (white.0.model_id(), 8));
    load_query(&student.0, &student.1.network, &trainings.device)?;
    asymmetric(&student, &white, trainings.dataset()?, "test", &trainings.device)?;
    assert_error(
        asymmetric(&student, &plain, trainings.dataset()?, "test", &trainings.device),
        "embeds into the space of tiny.retrieval@",
    );
    Ok(())
}

#[test]
fn joined_networks_search_as_evaluation_joins_them() -> Result<()> {
    let trainings = Trainings::without_shop()?;
    fixture::write_search(trainings.dir(), &["a", "b", "c"])?;
    selvedge(trainings.dir(), "join --bundle DIR/a DIR/b DIR/c --out DIR/joined")?;
    let read = |name: &str| bundle::read(&trainings.path(name));
    let measure = |bundles: &[_]| {
        retrieval::evaluate(
            bundles,
            trainings.dataset()?,
            "test",
            &RetrievalOptions::default(),
            &trainings.device,
        )
    };
    let joined = read("joined")?;
    assert_eq!(joined.0.embedding_dim, 3 * fixture::DIM);
    let (one, three) = (
        measure(std::slice::from_ref(&joined))?,
        measure(&[read("a")?, read("b")?, read("c")?])?,
    );
    for (name, metric) in &three.summary.metrics {
        assert!(
            (one.summary.metrics[name].value - metric.value).abs() < 1e-6,
            "{name}: {} {metric}",
            one.summary.metrics[name]
        );
    }
    // A network with a share of 1 in 1001 has nearly no effect.
    selvedge(
        trainings.dir(),
        "join --bundle DIR/a DIR/b --share 1000 1 --name mostly-a --out DIR/mostly",
    )?;
    let (mostly, alone) = (measure(&[read("mostly")?])?, measure(&[read("a")?])?);
    assert!(
        (mostly.summary.metrics["mean_ap_at_10"].value - alone.summary.metrics["mean_ap_at_10"].value).abs() < 0.02,
        "{mostly}"
    );
    Ok(())
}

#[test]
fn a_joined_bundle_is_whitened_distilled_and_indexed_like_any_other() -> Result<()> {
    let trainings = Trainings::without_shop()?;
    fixture::write_search(trainings.dir(), &["a", "b"])?;
    selvedge(trainings.dir(), "join --bundle DIR/a DIR/b --out DIR/joined")?;
    selvedge(
        trainings.dir(),
        "whiten --dims 8 --bundle DIR/joined --data DIR/shop --out DIR/white",
    )?;
    let white = bundle::read(&trainings.path("white"))?.0;
    let options = TrainOptions {
        teachers: vec![trainings.path("white")],
        ..trainings.options("run")
    };
    let student = trainings.train_with(options, QUERY, &[])?.read()?;
    assert_eq!((student.0.space(), student.0.embedding_dim), (white.model_id(), 8));
    let options = IndexOptions {
        dataset: trainings.data(),
        bundle: trainings.path("white"),
        out: trainings.path("index"),
        storage: Element::Int8,
        views: PhotoViews::None,
        batch: 8,
        max_errors: MaxErrors::default(),
    };
    let summary = catalog::index(&options, &trainings.device, |_| ())?;
    assert_eq!((summary.model_id, summary.dim), (white.model_id(), 8));
    Ok(())
}

#[test]
fn bundles_that_cannot_be_joined_are_refused_with_the_reason() -> Result<()> {
    let trainings = Trainings::without_shop()?;
    fixture::write_search(trainings.dir(), &["a", "b"])?;
    for command in [
        "join --bundle DIR/a DIR/b --out DIR/joined",
        "whiten --dims 8 --bundle DIR/a --data DIR/shop --out DIR/white",
    ] {
        selvedge(trainings.dir(), command)?;
    }
    fixture::write_style_bundle(&trainings.path("style"))?;
    for (args, expected) in [
        ("--bundle DIR/a DIR/white", "white is whitened"),
        ("--bundle DIR/joined DIR/a", "joined is joined already"),
        ("--bundle DIR/a DIR/style", "is not a retrieval bundle"),
        ("--bundle DIR/a DIR/b --share 1 2 3", "3 shares for 2 bundles"),
    ] {
        assert_error(
            selvedge(trainings.dir(), &format!("join {args} --out DIR/no")),
            expected,
        );
        assert!(!trainings.path("no").exists(), "{args}");
    }
    Ok(())
}

/// Indexes a dataset; returns the values of all embeddings.
fn indexed(trainings: &Trainings, dataset: &str, views: PhotoViews) -> Result<Vec<f32>> {
    let options = IndexOptions {
        dataset: trainings.path(dataset),
        bundle: trainings.path("a"),
        out: trainings.path(&format!("{dataset}-{views:?}")),
        storage: Element::F32,
        views,
        batch: 8,
        max_errors: MaxErrors::default(),
    };
    catalog::index(&options, &trainings.device, |_| ())?;
    let store = Store::open(&options.out)?;
    let live = store.live_generation()?.expect("the catalog is indexed");
    let view = store.view(live.number)?;
    let value = |row: &store::ViewRow| view.segments[row.segment as usize].vector(row.slot as usize);
    Ok(view.rows.iter().flat_map(value).collect())
}

#[test]
fn a_catalog_of_flipped_views_is_the_same_for_mirrored_photos() -> Result<()> {
    let trainings = Trainings::without_shop()?;
    fixture::write_search(trainings.dir(), &["a"])?;
    std::fs::remove_file(trainings.path("shop/products.jsonl"))?;
    mirror(&trainings.data(), &trainings.path("mirrored"))?;
    let difference = |views: PhotoViews| -> Result<f32> {
        let (one, other) = (
            indexed(&trainings, "shop", views)?,
            indexed(&trainings, "mirrored", views)?,
        );
        assert_eq!(one.len(), 80 * fixture::DIM);
        Ok(one.iter().zip(&other).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max))
    };
    let (one, flip) = (difference(PhotoViews::None)?, difference(PhotoViews::Flip)?);
    assert!(
        flip < 1e-4 && one > 10.0 * flip,
        "one view differs by {one}, two by {flip}"
    );
    Ok(())
}
