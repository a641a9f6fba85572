//! Bundles that are made from other bundles: whitened and joined ones.
//!
//! A whitened bundle equals `evaluate --whiten`, for its own queries and for query encoders that were distilled before. Joined
//! networks equal early fusion. Both can be teachers.

use super::{alone, order, recipe};
use anyhow::Result;
use burn::tensor::Device;
use clap::Parser;
use dataset::Dataset;
use dataset::MaxErrors;
use dataset::bundle;
use dataset::run::Start;
use evaluation::retrieval::{self, RetrievalOptions, RetrievalReport, Search, asymmetric};
use search::storage::Storage;
use server::cli::{Cli, run};
use service::catalog::{self, IndexOptions};
use shared::bundle::load_query;
use std::path::Path;
use tests::fixture;
use training::{TrainOptions, train};

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

/// Runs a command. `DIR` stands for the folder.
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
fn a_whitened_bundle_equals_evaluation_with_whitening() -> Result<()> {
    let _alone = alone();
    let dir = tempfile::tempdir()?;
    let path = |name: &str| dir.path().join(name);
    let device = Device::flex();
    fixture::write_search(dir.path(), &["plain"])?;
    selvedge(
        dir.path(),
        "whiten --dims 8 --bundle DIR/plain --data DIR/shop --out DIR/white",
    )?;

    let (plain, white) = (bundle::read(&path("plain"))?, bundle::read(&path("white"))?);
    assert_eq!(plain.1.network, white.1.network, "whitening keeps the network");
    let measure = |bundle: &(_, _), whiten: Option<usize>| {
        let options = RetrievalOptions {
            search: Search {
                whiten,
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
    let (expected, found, before) = (
        measure(&plain, Some(8))?,
        measure(&white, None)?,
        measure(&plain, None)?,
    );
    let found = found.summary.metrics;
    for (name, expected) in &expected.summary.metrics {
        let found = found[name];
        for (a, b) in [
            (expected.value, found.value),
            (expected.low, found.low),
            (expected.high, found.high),
        ] {
            assert!((a - b).abs() < 1e-6, "{name}: {found} instead of {expected}");
        }
    }
    assert_ne!(before.summary.metrics, found, "whitening changes the metrics");

    fixture::write_query_bundle(&path("query"), &plain.0.space(), fixture::DIM)?;
    let query = bundle::read(&path("query"))?;
    let report = asymmetric(&query, &white, Dataset::open(&path("shop"))?, "test", &device)?;
    assert_eq!(report.pairings[0].metrics, found);

    let recipe = recipe(QUERY, &path("shop"), &[])?;
    let student = train(
        &recipe,
        &TrainOptions {
            teachers: vec![path("white")],
            ..order(&path("run"), Start::New)
        },
        &device,
    )?;
    let student = bundle::read(&student)?;
    assert_eq!((student.0.space(), student.0.embedding_dim), (white.0.model_id(), 8));
    load_query(&student.0, &student.1.network, &device)?;
    asymmetric(&student, &white, Dataset::open(&path("shop"))?, "test", &device)?;
    let error = asymmetric(&student, &plain, Dataset::open(&path("shop"))?, "test", &device)
        .expect_err("the student embeds into another space");
    assert!(
        format!("{error:#}").contains("embeds into the space of tiny.retrieval@"),
        "{error:#}"
    );
    Ok(())
}

#[test]
fn a_joined_bundle_equals_its_networks_together() -> Result<()> {
    let _alone = alone();
    let dir = tempfile::tempdir()?;
    let path = |name: &str| dir.path().join(name);
    let device = Device::flex();
    fixture::write_search(dir.path(), &["a", "b", "c"])?;
    selvedge(dir.path(), "join --bundle DIR/a DIR/b DIR/c --out DIR/joined")?;
    let read = |name: &str| bundle::read(&path(name));
    let measure = |bundles: &[_]| {
        retrieval::evaluate(
            bundles,
            Dataset::open(&path("shop"))?,
            "test",
            &RetrievalOptions::default(),
            &device,
        )
    };
    let joined = read("joined")?;
    assert_eq!(joined.0.embedding_dim, 3 * fixture::DIM);
    let (one, three) = (
        measure(std::slice::from_ref(&joined))?,
        measure(&[read("a")?, read("b")?, read("c")?])?,
    );
    for (name, expected) in &three.summary.metrics {
        let found = one.summary.metrics[name];
        assert!(
            (found.value - expected.value).abs() < 1e-6,
            "{name}: {found} instead of {expected}"
        );
    }
    // A very small share hardly changes the search.
    selvedge(
        dir.path(),
        "join --bundle DIR/a DIR/b --share 1000 1 --name mostly-a --out DIR/mostly",
    )?;
    let (mostly, alone) = (measure(&[read("mostly")?])?, measure(&[read("a")?])?);
    let precision = |report: &RetrievalReport| report.summary.metrics["mean_ap_at_10"].value;
    assert!((precision(&mostly) - precision(&alone)).abs() < 0.02, "{mostly}");

    // A joined bundle can be whitened, distilled and used for a catalog.
    selvedge(
        dir.path(),
        "whiten --dims 8 --bundle DIR/joined --data DIR/shop --out DIR/white",
    )?;
    let white = read("white")?.0;
    let order = TrainOptions {
        teachers: vec![path("white")],
        ..order(&path("run"), Start::New)
    };
    let student = bundle::read(&train(&recipe(QUERY, &path("shop"), &[])?, &order, &device)?)?;
    assert_eq!((student.0.space(), student.0.embedding_dim), (white.model_id(), 8));
    let options = IndexOptions {
        dataset: path("shop"),
        bundle: path("white"),
        out: path("index"),
        storage: Storage::F16,
        batch: 8,
        max_errors: MaxErrors::default(),
    };
    let summary = catalog::index(&options, &device, |_| ())?;
    assert_eq!((summary.model_id, summary.dim), (white.model_id(), 8));

    for (args, said) in [
        ("--bundle DIR/a DIR/white", "white is whitened"),
        ("--bundle DIR/joined DIR/a", "joined is joined already"),
        ("--bundle DIR/a DIR/run/bundle", "is not a retrieval bundle"),
        ("--bundle DIR/a DIR/b --share 1 2 3", "3 shares for 2 bundles"),
    ] {
        let error = selvedge(dir.path(), &format!("join {args} --out DIR/no"))
            .expect_err(said)
            .to_string();
        assert!(error.contains(said) && !path("no").exists(), "{error}");
    }
    Ok(())
}
