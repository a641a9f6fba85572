//! A whitened bundle is what `evaluate --whiten` measures, for its own queries and those of encoders distilled before it,
//! and a teacher as any other.

use super::{alone, order, recipe};
use anyhow::Result;
use burn::tensor::Device;
use clap::Parser;
use server::bundle_io;
use server::cli::{Cli, run};
use server::data::Dataset;
use server::evaluate::asymmetric::asymmetric;
use server::evaluate::instances::Instances;
use server::evaluate::run::{Options, evaluate_with};
use server::evaluate::search::Search;
use server::train::Start;
use server::train::export::{Order, train};
use shared::bundle::load_query;
use tests::fixture;

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

#[test]
fn a_whitened_bundle_is_what_evaluation_with_whitening_measures() -> Result<()> {
    let _alone = alone();
    let dir = tempfile::tempdir()?;
    let path = |name: &str| dir.path().join(name);
    let device = Device::flex();
    fixture::write_dataset(&path("shop"), 40, 0)?;
    fixture::train_on_first(&path("shop"), 20)?;
    fixture::write_retrieval_bundle(&path("plain"))?;
    let args = ["selvedge", "--device", "cpu", "whiten", "--dims", "8", "--bundle"].map(str::to_owned);
    let text = |name: &str| path(name).to_string_lossy().into_owned();
    let rest = [text("plain"), "--data".to_owned(), text("shop"), "--out".to_owned(), text("white")];
    run(Cli::try_parse_from(args.into_iter().chain(rest))?)?;

    let (plain, white) = (bundle_io::read(&path("plain"))?, bundle_io::read(&path("white"))?);
    assert_eq!(plain.1.network, white.1.network, "the network is the same");
    let measure = |bundle: &(_, _), whiten: Option<usize>| {
        let instances = Instances { search: Search { whiten, ..Search::default() }, ..Instances::default() };
        let options = Options { instances, ..Options::default() };
        evaluate_with(std::slice::from_ref(bundle), Dataset::open(&path("shop"))?, "test", &options, &device)
    };
    let (option, bundle, before) = (measure(&plain, Some(8))?, measure(&white, None)?, measure(&plain, None)?);
    for (name, figure) in &option.figures {
        let found = bundle.figures[name];
        for (a, b) in [(figure.value, found.value), (figure.low, found.low), (figure.high, found.high)] {
            assert!((a - b).abs() < 1e-6, "{name}: {found} instead of {figure}");
        }
    }
    assert_ne!(before.figures, bundle.figures, "whitening changes something");

    fixture::write_query_bundle(&path("query"), &plain.0.space(), fixture::DIM)?;
    let query = bundle_io::read(&path("query"))?;
    let report = asymmetric(&query, &white, Dataset::open(&path("shop"))?, "test", &device)?;
    assert_eq!(report.pairings[0].figures, bundle.figures);

    let recipe = recipe(QUERY, &path("shop"), &[])?;
    let student = train(&recipe, &Order { teachers: vec![path("white")], ..order(&path("run"), Start::New) }, &device)?;
    let student = bundle_io::read(&student)?;
    assert_eq!((student.0.space(), student.0.embedding_dim), (white.0.model_id(), 8));
    load_query(&student.0, &student.1, &device)?;
    asymmetric(&student, &white, Dataset::open(&path("shop"))?, "test", &device)?;
    let error =
        asymmetric(&student, &plain, Dataset::open(&path("shop"))?, "test", &device).expect_err("another space");
    assert!(format!("{error:#}").contains("embeds into the space of tiny.retrieval@"), "{error:#}");
    Ok(())
}
