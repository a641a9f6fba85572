//! Training through its public face, on a shop small enough to learn in seconds: it learns, goes on exactly where it
//! stopped, leaves a bundle that answers as the trained network did, and says what is wrong.

mod bundles;
mod categories;
mod identities;
mod masks;
mod small;
mod techniques;
mod together;
mod whitened;

use anyhow::Result;
use burn::tensor::{Device, Distribution, Tensor, Tolerance};
use dataset::Dataset;
use dataset::bundle;
use dataset::run::{BUNDLE, Invocation, Start};
use evaluation::classifier::{self, ClassifierOptions, Predictions, ThresholdRule, Tuning};
use evaluation::evaluate;
use evaluation::inference::Views;
use evaluation::retrieval::asymmetric;
use render::{RenderOptions, StyleMix, render_dataset};
use report::record::Record;
use shared::bundle::Manifest;
use shared::weights::load;
use std::fs;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use training::Recipe;
use training::{TrainOptions, train};

const STYLE: &str = r#"
name = "tiny-style"
seed = 3
epochs = 4
[data]
dir = "unset"
[input]
width = 32
height = 32
fit = "pad"
[optimiser]
batch = 16
rate = 0.01
[augment]
crop_width = 0.15
crop_height = 0.10
flip = true
[task]
kind = "style"
backbone = "resnet10_w16"
hidden = 32
"#;

const RETRIEVAL: &str = r#"
name = "tiny-retrieval"
seed = 3
epochs = 12
[data]
dir = "unset"
[input]
width = 48
height = 48
fit = "pad"
[optimiser]
batch = 32
rate = 0.005
[augment]
crop_width = 0.15
crop_height = 0.10
flip = true
[task]
kind = "retrieval"
identities = 16
photos = 2
[task.model]
backbone = "resnet10_w16"
part_dim = 16
shared_last_stage = true
[[task.losses]]
kind = "softmax"
scale = 16.0
[[task.losses]]
kind = "contrast"
"#;

/// Weights start from the backend's generator, which belongs to the process: one training at a time repeats exactly.
fn alone() -> MutexGuard<'static, ()> {
    static TRAINING: Mutex<()> = Mutex::new(());
    TRAINING.lock().unwrap_or_else(PoisonError::into_inner)
}

fn shop(dir: &Path) -> Result<()> {
    let options = RenderOptions {
        items: 96,
        seed: 5,
        size: 64,
        user_photos: 1,
        style_mix: StyleMix::Tempered(0.5),
        out: dir.to_owned(),
    };
    render_dataset(&options, &|_| {})?;
    Ok(())
}

fn recipe(text: &str, data: &Path, settings: &[&str]) -> Result<Recipe> {
    let settings: Vec<String> = settings.iter().map(|setting| (*setting).to_owned()).collect();
    let mut recipe = Recipe::parse(text, &settings)?;
    recipe.data.dir = data.to_owned();
    Ok(recipe)
}

fn order(out: &Path, start: Start) -> TrainOptions {
    TrainOptions {
        out: out.to_owned(),
        start,
        teachers: Vec::new(),
        init: None,
        invocation: Invocation::default(),
    }
}

fn lines(run: &Path) -> Vec<serde_json::Value> {
    let text = fs::read_to_string(run.join("metrics.jsonl")).expect("the run has metrics");
    text.lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

#[test]
fn style_learns_and_its_student_too() -> Result<()> {
    let _alone = alone();
    let dir = tempfile::tempdir()?;
    let data = dir.path().join("shop");
    shop(&data)?;
    let device = Device::flex();
    let run = dir.path().join("run");
    let bundle = train(&recipe(STYLE, &data, &[])?, &order(&run, Start::New), &device)?;

    let losses: Vec<f64> = lines(&run)
        .iter()
        .map(|line| line["train_loss"].as_f64().expect("a number"))
        .collect();
    assert!(losses.len() == 4 && losses[3] < 0.95 * losses[0], "{losses:?}");
    let (manifest, weights) = bundle::read(&bundle)?;
    let report = evaluate(&manifest, &weights, Dataset::open(&data)?, "val", &device)?;
    let guess = report.summary().guesses["macro_f2_13 all positive"];
    assert!(report.summary().metrics["macro_f2_13"].value > guess, "{report}");

    let student = STYLE.replace("tiny-style", "tiny-student").replace(
        "kind = \"style\"\nbackbone = \"resnet10_w16\"",
        "kind = \"distill\"\nbackbone = \"mobilenet_v3_small\"",
    );
    let run = dir.path().join("student");
    let order = TrainOptions {
        teachers: vec![bundle.clone(), bundle],
        ..order(&run, Start::New)
    };
    train(&recipe(&student, &data, &[])?, &order, &device)?;
    let losses: Vec<f64> = lines(&run)
        .iter()
        .map(|line| line["train_loss"].as_f64().expect("a number"))
        .collect();
    assert!(losses[3] < losses[0], "{losses:?}");
    Ok(())
}

#[test]
fn folds_are_predicted_out_of_fold_and_their_thresholds_measured_elsewhere() -> Result<()> {
    let _alone = alone();
    let dir = tempfile::tempdir()?;
    let data = dir.path().join("shop");
    shop(&data)?;
    let device = Device::flex();
    let (mut bundles, mut tables) = (Vec::new(), Vec::new());
    for fold in 0..2 {
        let run = dir.path().join(format!("fold{fold}"));
        let settings = [
            "epochs=1",
            "data.folds=2",
            &format!("data.fold={fold}"),
            "evaluate.views=flip",
        ];
        bundles.push(bundle::read(&train(
            &recipe(STYLE, &data, &settings)?,
            &order(&run, Start::New),
            &device,
        )?)?);
        tables.push(Record::read(&run).best_predictions()?);
    }
    let tune = Predictions::out_of_fold(&tables)?;
    assert_eq!(
        tune.truth.len(),
        Dataset::open(&data)?.split("train", |_| true, "")?.len(),
        "every picture once"
    );

    let evaluate = |dataset: &Path, bundles: &[_], options: &ClassifierOptions| {
        classifier::evaluate(bundles, Dataset::open(dataset)?, "val", options, &device)
    };
    let measure = |dataset: &Path, options: &ClassifierOptions| evaluate(dataset, &bundles[1..], options);
    let rule = Some(ThresholdRule::Greedy);
    let report = measure(
        &data,
        &ClassifierOptions {
            tuning: Tuning {
                on: Some(tune.clone()),
                rule,
            },
            ..ClassifierOptions::default()
        },
    )?;
    let gap = report.transfer.expect("predictions to tune on");
    assert_eq!(gap.unseen_macro_f2, report.summary.metrics["macro_f2_13"].value);
    assert_eq!(
        gap.labels.iter().map(|label| label.threshold).collect::<Vec<_>>(),
        ThresholdRule::Greedy.choose(&tune)
    );
    let untuned = measure(
        &data,
        &ClassifierOptions {
            tuning: Tuning { on: None, rule },
            ..ClassifierOptions::default()
        },
    )
    .expect_err("nothing to tune on");
    assert!(untuned.to_string().contains("never tuned on the split"), "{untuned}");

    // Of both folds' networks the mean counts: it is no further from the truth than they are on average (Brier, convex).
    let both = ClassifierOptions {
        tuning: Tuning {
            on: Some(tune.clone()),
            rule,
        },
        ..ClassifierOptions::default()
    };
    let brier = |bundles: &[_]| -> Result<f64> { Ok(evaluate(&data, bundles, &both)?.summary.metrics["brier"].value) };
    let (first, second, mean) = (brier(&bundles[..1])?, brier(&bundles[1..])?, brier(&bundles)?);
    assert!(
        mean != second && mean <= (first + second) / 2.0 + 1e-9,
        "{first}, {second}, together {mean}"
    );
    let own = evaluate(&data, &bundles, &ClassifierOptions::default())
        .expect_err("thresholds of which?")
        .to_string();
    assert!(own.contains("--thresholds"), "{own}");

    // With the view of its mirror image beside it a picture and its mirror image are the same.
    let mirrored = dir.path().join("mirrored");
    fs::create_dir(&mirrored)?;
    fs::copy(data.join("manifest.csv"), mirrored.join("manifest.csv"))?;
    for row in Dataset::open(&data)?.rows {
        let path = mirrored.join(Path::new(&row.path).with_extension("png"));
        fs::create_dir_all(path.parent().expect("a folder"))?;
        image::open(data.join(&row.path))?.fliph().save(&path)?;
    }
    let manifest_text = fs::read_to_string(mirrored.join("manifest.csv"))?;
    fs::write(
        mirrored.join("manifest.csv"),
        manifest_text.replace(".jpg", ".png").replace(".jpeg", ".png"),
    )?;
    let brier = |dataset: &Path, views: Views| -> Result<f64> {
        Ok(measure(
            dataset,
            &ClassifierOptions {
                views,
                ..ClassifierOptions::default()
            },
        )?
        .summary
        .metrics["brier"]
            .value)
    };
    let close = |views: Views| -> Result<f64> { Ok((brier(&data, views.clone())? - brier(&mirrored, views)?).abs()) };
    let (straight, flip, ten_crop) = (close(Views::None)?, close(Views::Flip)?, close(Views::TenCrop)?);
    assert!(flip < 1e-5 && ten_crop < 1e-5, "flip {flip}, ten-crop {ten_crop}");
    assert!(
        straight > 10.0 * flip.max(ten_crop),
        "one look tells a picture from its mirror image: {straight}"
    );
    Ok(())
}

#[test]
fn retrieval_learns() -> Result<()> {
    let _alone = alone();
    let dir = tempfile::tempdir()?;
    let data = dir.path().join("shop");
    shop(&data)?;
    let device = Device::flex();
    let run = dir.path().join("run");
    let bundle = train(&recipe(RETRIEVAL, &data, &[])?, &order(&run, Start::New), &device)?;
    let (manifest, weights) = bundle::read(&bundle)?;
    let report = evaluate(&manifest, &weights, Dataset::open(&data)?, "train", &device)?;
    // Chance is 10 in 77; a training that works finds most of what it has seen.
    assert!(
        report.summary().metrics["recall_at_10"].value > 3.0 * report.summary().guesses["recall_at_10 by chance"],
        "{report}"
    );
    Ok(())
}

/// A query encoder learns its teacher's space on the same photos, is measured beside it, and is refused where it does not
/// belong.
#[test]
fn a_query_encoder_learns_its_teachers_space() -> Result<()> {
    let _alone = alone();
    let dir = tempfile::tempdir()?;
    let data = dir.path().join("shop");
    shop(&data)?;
    let device = Device::flex();
    let teacher = train(
        &recipe(RETRIEVAL, &data, &["epochs=6"])?,
        &order(&dir.path().join("large"), Start::New),
        &device,
    )?;
    let head = RETRIEVAL
        .split("[task]")
        .next()
        .expect("a head")
        .replace("tiny-retrieval", "tiny-query");
    let student =
        format!("{head}[task]\nkind = \"query\"\nbackbone = \"resnet10_w16\"\nregression = 10.0\ncontrast = 1.0\n");
    let run = dir.path().join("small");
    let taught = |run: &Path| TrainOptions {
        teachers: vec![teacher.clone()],
        ..order(run, Start::New)
    };
    let bundle = train(&recipe(&student, &data, &["epochs=10"])?, &taught(&run), &device)?;

    let lines = lines(&run);
    let of = |line: &serde_json::Value, key: &str| line["figures"][key].as_f64().expect("a number");
    let (first, last) = (&lines[0], &lines[lines.len() - 1]);
    assert!(
        last["train_loss"].as_f64() < first["train_loss"].as_f64().map(|loss| 0.7 * loss),
        "{first} {last}"
    );
    assert!(
        of(last, "tune_cosine_to_teacher") > of(first, "tune_cosine_to_teacher") + 0.1,
        "{first} {last}"
    );

    let (small, large) = (bundle::read(&bundle)?, bundle::read(&teacher)?);
    assert_eq!(
        (small.0.space(), small.0.embedding_dim),
        (large.0.model_id(), large.0.embedding_dim)
    );
    assert_ne!(small.0.model_id(), large.0.model_id());
    let report = asymmetric(&small, &large, Dataset::open(&data)?, "train", &device)?;
    let names: Vec<&str> = report.pairings.iter().map(|pairing| pairing.name).collect();
    assert_eq!(names, ["large–large", "small–large", "small–small"]);
    let alone = evaluate(&large.0, &large.1, Dataset::open(&data)?, "train", &device)?;
    assert_eq!(report.pairings[0].metrics, alone.summary().metrics);
    // Chance is 10 in 77.
    let found = report.pairings[1].metrics["recall_at_10"].value;
    assert!(
        found > 3.0 * alone.summary().guesses["recall_at_10 by chance"],
        "{report}"
    );
    let [zero, across, _] = &report.pairings[..] else {
        panic!("three pairings")
    };
    assert_eq!((zero.gain.low, zero.gain.high), (0.0, 0.0));
    let lost = across.metrics["mean_ap_at_10"].value - zero.metrics["mean_ap_at_10"].value;
    assert!((across.gain.value - lost).abs() < 1e-12, "{report}");

    let says = |error: anyhow::Error, expected: &str| assert!(format!("{error:#}").contains(expected), "{error:#}");
    let other = Manifest {
        id: "other".to_owned(),
        ..large.0.clone()
    };
    let foreign = asymmetric(
        &small,
        &(other, large.1.clone()),
        Dataset::open(&data)?,
        "train",
        &device,
    );
    says(
        foreign.expect_err("another space"),
        "embeds into the space of tiny-retrieval@",
    );
    let lonely = evaluate(&small.0, &small.1, Dataset::open(&data)?, "train", &device);
    says(lonely.expect_err("no gallery"), "--gallery-bundle");
    for (setting, expected) in [
        ("task.max_megabytes=0.5", "shorter embeddings"),
        ("input.width=64", "the same crop"),
    ] {
        let refused = train(
            &recipe(&student, &data, &[setting])?,
            &taught(&dir.path().join("refused")),
            &device,
        );
        says(refused.expect_err(setting), expected);
    }
    says(
        recipe(&student, &data, &["task.regression=0", "task.contrast=0"]).expect_err("no loss"),
        "nor both 0",
    );
    Ok(())
}

/// Families whose norms fold in part or not at all, and heads of several layers: the bundle answers as the network did,
/// and the run's weights start another one.
#[test]
fn every_family_trains_exports_and_is_loaded() -> Result<()> {
    let _alone = alone();
    let dir = tempfile::tempdir()?;
    let data = dir.path().join("shop");
    shop(&data)?;
    let device = Device::flex();
    for (backbone, side, hidden) in [
        ("densenet37_w16", 32, "[24, 16]"),
        ("resnext14_w16", 32, "[]"),
        ("xception_w8", 32, "16"),
        ("inception_v3_w8", 75, "16"),
    ] {
        let settings = [
            format!("task.backbone={backbone}"),
            format!("task.hidden={hidden}"),
            format!("input.width={side}"),
            format!("input.height={side}"),
            "epochs=1".to_owned(),
        ];
        let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
        let recipe = recipe(STYLE, &data, &settings)?;
        let run = dir.path().join(backbone);
        let bundle = train(&recipe, &order(&run, Start::New), &device)?;
        let (manifest, weights) = bundle::read(&bundle)?;
        let net = shared::server_models::load_classifier(&manifest, &weights.network, &device)?;
        let best = fs::read(run.join("best.safetensors"))?;
        let shared::model::Architecture::Style(config) = &manifest.architecture else {
            panic!("{backbone}")
        };
        let trained = load(config.init(&device)?, &best)?;
        let x = Tensor::<4>::random([2, 3, side, side], Distribution::Normal(0.0, 1.0), &device);
        // The bundle's weights are f16.
        let expected = trained.forward(x.clone()).into_data();
        net.forward(x)
            .into_data()
            .assert_approx_eq::<f32>(&expected, Tolerance::absolute(3e-2));

        let again = TrainOptions {
            init: Some(run.join("best.safetensors")),
            ..order(&dir.path().join("again").join(backbone), Start::New)
        };
        train(&recipe, &again, &device)?;
        let folded = TrainOptions {
            init: Some(bundle.join("weights.safetensors")),
            ..order(&dir.path().join("c"), Start::New)
        };
        let error = format!(
            "{:#}",
            train(&recipe, &folded, &device).expect_err("folded weights cannot be trained")
        );
        assert!(
            error.contains(&format!("{backbone}'s weights from a bundle")),
            "{error}"
        );
        assert!(
            !dir.path().join("c").exists(),
            "a training that never began is in the way of the next"
        );
    }
    Ok(())
}

#[test]
fn a_resumed_run_equals_an_uninterrupted_one() -> Result<()> {
    let _alone = alone();
    let dir = tempfile::tempdir()?;
    let data = dir.path().join("shop");
    shop(&data)?;
    let device = Device::flex();
    let constant = ["optimiser.schedule=constant", "epochs=2"];
    let whole = dir.path().join("whole");
    train(&recipe(STYLE, &data, &constant)?, &order(&whole, Start::New), &device)?;

    let parts = dir.path().join("parts");
    let first = recipe(STYLE, &data, &["optimiser.schedule=constant", "epochs=1"])?;
    train(&first, &order(&parts, Start::New), &device)?;
    // What an interrupted run of two epochs leaves behind: its recipe, and the checkpoint of the first.
    fs::copy(whole.join("recipe.toml"), parts.join("recipe.toml"))?;
    train(
        &recipe(STYLE, &data, &constant)?,
        &order(&parts, Start::Resume),
        &device,
    )?;

    let scores = |run: &Path| {
        lines(run)
            .iter()
            .map(|line| line["train_loss"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(scores(&whole), scores(&parts));
    let weights = |run: &Path| fs::read(run.join(BUNDLE).join("weights.safetensors"));
    assert!(
        weights(&whole)? == weights(&parts)?,
        "the resumed run ended in other weights"
    );
    Ok(())
}

#[test]
fn mistakes_are_named() -> Result<()> {
    let _alone = alone();
    let dir = tempfile::tempdir()?;
    let data = dir.path().join("shop");
    shop(&data)?;
    let device = Device::flex();
    let run = dir.path().join("run");
    fs::create_dir(&run)?;
    let says = |result: Result<std::path::PathBuf>, expected: &str| {
        let error = format!("{:#}", result.expect_err("a mistake"));
        assert!(error.contains(expected), "'{error}' does not say '{expected}'");
    };
    says(
        train(&recipe(STYLE, &data, &[])?, &order(&run, Start::New), &device),
        "never overwritten",
    );
    says(
        train(
            &recipe(STYLE, &run, &[])?,
            &order(&dir.path().join("a"), Start::New),
            &device,
        ),
        "manifest.csv",
    );
    let unknown = recipe(STYLE, &data, &["task.backbone=resnet19"])?;
    says(
        train(&unknown, &order(&dir.path().join("a"), Start::New), &device),
        "resnet18",
    );
    for (setting, expected) in [
        ("optimiser.speed=3", "unknown field `speed`"),
        ("optimiser.rate=fast", "invalid type"),
        ("epochs=0", "at least 1"),
        ("nonsense", "key=value"),
        ("loss={ kind = 'focal', gamma = -1.0 }", "loss.gamma must be 0 or"),
        ("loss={ kind = 'focal', alpha = 25.0 }", "loss.alpha must lie"),
        ("loss={ kind = 'weighted', cap = -5.0 }", "loss.cap must be"),
        ("loss={ kind = 'bce_f2', weight = nan }", "loss.weight must be"),
        ("average={ kind = 'ema', decay = 1.0 }", "average.decay must be"),
        (
            "average={ kind = 'swa', from = 4 }",
            "average.from must be below epochs, 4",
        ),
        ("optimiser.weight_decay=-0.1", "optimiser.weight_decay must be"),
        ("optimiser.warmup=-1.0", "optimiser.warmup must be"),
        ("optimiser.factor=0.0", "optimiser.factor must be"),
    ] {
        says(recipe(STYLE, &data, &[setting]).map(|_| data.clone()), expected);
    }
    for (setting, expected) in [
        ("task.losses=[]", "name a loss"),
        ("task.losses=[{ kind = 'hinge' }]", "unknown variant `hinge`"),
        (
            "task.losses=[{ kind = 'supcon', margin = 1.0 }]",
            "unknown field `margin`",
        ),
        (
            "task.losses=[{ kind = 'contrast' }, { kind = 'supcon', temperature = 0 }]",
            "entry 2: temperature",
        ),
        ("task.photos=3", "optimiser.batch says 32"),
        ("task.model.joined=[{ backbone = 'resnet18' }]", "see `selvedge join`"),
        (
            "task.losses=[{ kind = 'arcface', sub_centres = 0 }]",
            "sub_centres must be at least 1",
        ),
    ] {
        says(recipe(RETRIEVAL, &data, &[setting]).map(|_| data.clone()), expected);
    }
    let manifest = data.join("manifest.csv");
    let rows = fs::read_to_string(&manifest)?;
    fs::write(&manifest, rows.replace("ladylike", "lady"))?;
    says(
        train(
            &recipe(STYLE, &data, &[])?,
            &order(&dir.path().join("b"), Start::New),
            &device,
        ),
        "'lady'",
    );
    Ok(())
}
