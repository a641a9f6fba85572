//! The challenge's style task: labels and images become a dataset, and bundles and ensembles write submissions.

use super::{run, run_line};
use dataset::{Dataset, challenge};
use flate2::read::GzDecoder;
use shared::taxonomy::STYLES;
use std::fs;
use std::io::Read;
use std::path::Path;

const RECIPE: &str = "name = 'tiny'\nseed = 3\nepochs = 1\n[data]\ndir = 'imported'\nholdout = 0.3\n[input]\nwidth = 24\n\
    height = 24\nfit = 'pad'\n[optimiser]\nbatch = 8\nrate = 0.01\n[task]\nkind = 'style'\nbackbone = 'resnet10_w16'\n\
    hidden = 8\n";

/// Settings that make the champion's recipe small.
const SMALL: [&str; 8] = [
    "epochs=3",
    "stages=[{ freeze = ['backbone.stem'] }]",
    "input.width=24",
    "input.height=24",
    "data.folds=3",
    "optimiser.batch=8",
    "optimiser.rate=0.002",
    "recolour=null",
];

const IMPORT: &str = "dataset import-style train.csv --images images --out imported";

/// Writes a drawn shop as the challenge's files: photos in `images`, labels in `train.csv`, and twelve photos to predict in
/// `test.csv`, which is not sorted.
fn write_challenge(dir: &Path) -> Dataset {
    run_line(
        dir,
        "dataset render --items 24 --size 48 --seed 2 --temper 0.2 --out shop",
    )
    .expect("the shop is rendered");
    let shop = Dataset::open(&dir.join("shop")).expect("the dataset is valid");
    fs::create_dir(dir.join("images")).expect("the folder is created");
    let (mut labels, mut test) = (String::new(), String::from("id,url\n"));
    for (i, row) in shop.rows.iter().enumerate() {
        let extension = Path::new(&row.path).extension().expect("an image has an extension");
        let copy = dir.join(format!("images/p{i}.{}", extension.to_string_lossy()));
        fs::copy(dir.join("shop").join(&row.path), copy).expect("the file is copied");
        let cell = |id: &str| match row.labels().any(|label| label == id) {
            true => ",1",
            false => ",0",
        };
        let cells: String = STYLES.iter().map(|style| cell(style.id)).collect();
        if i < 12 {
            test = format!("{test}p{},u\n", 11 - i)
        } else {
            labels += &format!("p{i},http://x/{i}.jpg{cells}\n")
        }
    }
    fs::write(dir.join("train.csv"), format!("{labels}gone,u{}\n", ",1".repeat(13))).expect("the file is written");
    fs::write(dir.join("test.csv"), &test).expect("the file is written");
    shop
}

/// Checks that a submission answers for the twelve photos in the order of `test.csv`, and returns its lines.
fn submitted(file: &Path) -> Vec<challenge::Entry> {
    let lines = challenge::read(file).expect("the submission is valid");
    let ids: Vec<String> = lines.iter().map(|line| line.id.clone()).collect();
    assert_eq!(ids, (0..12).rev().map(|i| format!("p{i}")).collect::<Vec<_>>());
    lines
}

#[test]
fn labels_and_images_become_a_dataset() {
    let dir = tempfile::tempdir().expect("a temporary folder is created");
    let dir = dir.path();
    let shop = write_challenge(dir);
    run_line(dir, &format!("{IMPORT} --test test.csv")).expect("the files are imported");
    let imported = Dataset::open(&dir.join("imported")).expect("the dataset is valid");
    assert_eq!(imported.rows.len(), shop.rows.len());
    for row in &imported.rows {
        let original = &shop.rows[row.item_id[1..].parse::<usize>().expect("an id has a number")];
        let mut expected: Vec<&str> = match row.split.as_str() {
            "train" => original.labels().collect(),
            _ => Vec::new(),
        };
        expected.sort_by_key(|id| STYLES.iter().position(|style| style.id == *id));
        assert_eq!(row.labels().collect::<Vec<_>>(), expected, "{}", row.path);
    }
    let error = run_line(dir, IMPORT).expect_err("the dataset exists");
    assert!(error.contains("already"), "{error}");
}

#[test]
fn an_import_refuses_missing_images_and_a_list_without_labels() {
    let dir = tempfile::tempdir().expect("a temporary folder is created");
    let dir = dir.path();
    write_challenge(dir);
    let error = run_line(dir, &format!("{IMPORT} --max-missing 0")).expect_err("an image is missing");
    assert!(error.contains("1 images are not in images: gone"), "{error}");
    let swapped = "dataset import-style test.csv --images images --out imported";
    let error = run_line(dir, swapped).expect_err("the list has no labels");
    assert!(error.contains("name a list to predict with --test"), "{error}");
    assert!(!dir.join("imported").exists());
}

#[test]
fn a_submission_has_the_styles_that_tag_prints() {
    let dir = tempfile::tempdir().expect("a temporary folder is created");
    let dir = dir.path();
    let shop = write_challenge(dir);
    run_line(dir, &format!("{IMPORT} --test test.csv")).expect("the files are imported");
    fs::write(dir.join("recipe.toml"), RECIPE).expect("the file is written");
    run_line(dir, "--device cpu train recipe.toml --out run").expect("the bundle is trained");
    let submit = |out: &str, options: &str| {
        let line = format!("--device cpu submit --bundle run/bundle --images images --out {out} {options}");
        run_line(dir, &line)
    };
    let printed = submit("submission.csv", "--test test.csv");
    assert_eq!(printed.as_deref(), Ok("submission.csv\n"));
    let imported = Dataset::open(&dir.join("imported")).expect("the dataset is valid");
    for line in submitted(&dir.join("submission.csv")).iter().take(4) {
        let row = imported.rows.iter().find(|row| row.item_id == line.id);
        let path = dir.join("imported").join(&row.expect("the dataset has the photo").path);
        let path = path.display().to_string();
        let tags = run(
            dir,
            &["--device", "cpu", "tag", "--bundle", "run/bundle", &path, "--json"],
        )
        .expect("the photo is tagged");
        let tags: Vec<serde_json::Value> = serde_json::from_str(&tags).expect("the tags are JSON");
        let on = |id: &str| tags.iter().any(|tag| tag["id"] == id && tag["on"] == true);
        assert_eq!(line.styles, Some(STYLES.map(|style| on(style.id))), "{}", line.id);
    }
    submit("all.csv", "--thresholds 0").expect("all images of the folder are predicted");
    let all = challenge::read(&dir.join("all.csv")).expect("the submission is valid");
    assert!(all.len() == shop.rows.len() && all.iter().all(|line| line.styles == Some([true; 13])));
    let error = submit("all.csv", "").expect_err("the submission exists");
    assert!(error.contains("exists already"), "{error}");
    fs::write(dir.join("more.csv"), "id,url\np1,u\nnowhere,u\n").expect("the file is written");
    let error = submit("more-out.csv", "--test more.csv").expect_err("an image is missing");
    assert!(error.contains("must answer for every image"), "{error}");
}

/// Trains the champion's recipe with small settings, and with `more` arguments.
fn train_champion(dir: &Path, network: &str, fold: usize, more: &[&str]) -> Result<String, String> {
    let recipe = Path::new(env!("CARGO_MANIFEST_DIR")).join("../server/recipes/train/champion-style.toml");
    let recipe = recipe.to_string_lossy();
    let of_network = [
        format!("name={network}"),
        format!("task.backbone={network}_w16"),
        format!("data.fold={fold}"),
    ];
    let settings = SMALL.into_iter().chain(of_network.iter().map(String::as_str));
    let args: Vec<&str> = ["--device", "cpu", "train", &recipe]
        .into_iter()
        .chain(settings.flat_map(|setting| ["--set", setting]))
        .chain(more.iter().copied())
        .collect();
    run(dir, &args)
}

/// Writes the challenge's files and imports them for the champion's recipe.
fn import_for_champion(dir: &Path) {
    write_challenge(dir);
    let import = "dataset import-style train.csv --test test.csv --images images --out data/styles";
    run_line(dir, import).expect("the files are imported");
}

#[test]
fn the_plan_of_the_champions_recipe_oversamples_rare_labels_and_cycles_the_rate() {
    let dir = tempfile::tempdir().expect("a temporary folder is created");
    let dir = dir.path();
    import_for_champion(dir);
    let plan = train_champion(dir, "resnet10", 0, &["--dry-run"]).expect("the plan is printed");
    for label in ["sport", "japanese", "british", "ethnic"] {
        let line = plan.lines().find(|line| line.starts_with(label));
        let counts: Vec<usize> = line
            .expect("every label has a line")
            .split_whitespace()
            .skip(1)
            .map(|n| n.parse().expect("the counts are numbers"))
            .collect();
        assert!(counts[0] > 0 && counts[1] == 10 * counts[0], "{label}: {plan}");
    }
    let plot = plan.lines().find_map(|line| line.split_once('│'));
    let (top, marks) = plot.expect("the plan has a plot");
    let top: f64 = top.trim().parse().expect("the axis is labelled");
    assert!((0.009..=0.010).contains(&top), "five times the rate of .002: {plan}");
    assert_eq!(marks.split_whitespace().count(), 3, "one peak per epoch: {plan}");
    assert!(!dir.join("runs").exists(), "a plan writes nothing");
}

/// The champion's recipe from the label files to the submission, with small networks and photos.
#[test]
fn the_champions_recipe_goes_from_labels_to_a_submission() {
    if tests::skip::xgboost("the_champions_recipe_goes_from_labels_to_a_submission").is_none() {
        return;
    }
    let dir = tempfile::tempdir().expect("a temporary folder is created");
    let dir = dir.path();
    import_for_champion(dir);
    for network in ["resnet10", "resnext14"] {
        for fold in 0..3 {
            let out = format!("runs/{network}-fold{fold}");
            train_champion(dir, network, fold, &["--out", &out]).expect("the network is trained");
        }
    }
    let listed = run_line(dir, "runs --json").expect("the runs are listed");
    let listed: Vec<serde_json::Value> = serde_json::from_str(&listed).expect("the list is JSON");
    assert_eq!(listed.len(), 6);
    assert!(listed.iter().all(|run| run["status"] == "finished"), "{listed:#?}");
    let compared = run_line(dir, "runs compare runs/resnet10-fold0 runs/resnext14-fold1");
    let compared = compared.expect("the runs are compared");
    for key in ["task.backbone", "resnext14_w16", "data.fold"] {
        assert!(compared.contains(key), "{key}: {compared}");
    }
    fs::remove_file(dir.join("runs/resnet10-fold0/report.html")).expect("the run has a report");
    run_line(dir, "runs report runs/resnet10-fold0").expect("the report is written again");
    assert!(dir.join("runs/resnet10-fold0/report.html").is_file());

    run_line(dir, "ensemble collect runs --out zoo.parquet").expect("the predictions are collected");
    run_line(dir, "ensemble fit zoo.parquet --grid max_depth=2 --out ensemble").expect("the ensemble is fitted");
    let report = run_line(dir, "ensemble report ensemble zoo.parquet").expect("the report is printed");
    assert!(report.contains("test, 12 "), "{report}");
    let submit = |list: &str, out: &str| {
        let line = format!("submit --ensemble ensemble --zoo zoo.parquet --test {list} --out {out}");
        run_line(dir, &line)
    };
    submit("test.csv", "submission.csv").expect("the submission is written");
    let lines = submitted(&dir.join("submission.csv"));
    let styles = lines.iter().flat_map(|line| line.styles.unwrap_or_default());
    let on = styles.filter(|on| *on).count();
    assert!(on > 0 && on < 12 * 13, "{on} styles of twelve photos");
    fs::write(dir.join("more.csv"), "id,url\np1,u\nnowhere,u\n").expect("the file is written");
    let error = submit("more.csv", "more-out.csv").expect_err("an id was not predicted");
    assert!(error.contains("no prediction of nowhere"), "{error}");
}

/// The parser counts as many images, and as many of each style, as the challenge published.
#[test]
fn the_challenges_own_labels_are_read() {
    let Some(folder) = tests::real_data("jd13_labels") else {
        return;
    };
    let mut text = String::new();
    let file = fs::File::open(folder.join("labels.csv.gz")).expect("the labels exist");
    GzDecoder::new(file)
        .read_to_string(&mut text)
        .expect("the file is gzip");
    let dir = tempfile::tempdir().expect("a temporary folder is created");
    // The columns of the challenge's own file: id, url, styles.
    let lines = text.lines().map(|line| {
        let cells: Vec<&str> = line.split(',').collect();
        let second = if cells[0] == "id" { "url" } else { cells[1] };
        format!("{},{second},{}\n", cells[0], cells[3..].join(","))
    });
    fs::write(dir.path().join("labels.csv"), lines.collect::<String>()).expect("the file is written");
    let entries = challenge::read(&dir.path().join("labels.csv")).expect("the labels are valid");
    let test: Vec<[bool; 13]> = entries
        .iter()
        .filter(|entry| entry.url == "test")
        .filter_map(|entry| entry.styles)
        .collect();
    assert_eq!((entries.len(), test.len()), (64_908, 10_000));
    let count = |id: &str| {
        let style = STYLES
            .iter()
            .position(|style| style.id == id)
            .expect("the style exists");
        let train = entries.iter().filter(|entry| entry.url == "train");
        train
            .filter(|entry| entry.styles.is_some_and(|styles| styles[style]))
            .count()
    };
    // The challenge's own statistics of its 54,908 training images.
    for (id, images) in [
        ("ol_commuter", 49_893),
        ("ladylike", 49_389),
        ("korean", 18_722),
        ("british", 197),
        ("sport", 104),
    ] {
        assert_eq!(count(id), images, "{id}");
    }
    // Macro F2 of predicting all labels.
    let f2 = |style: usize| {
        let on = test.iter().filter(|styles| styles[style]).count() as f64;
        5.0 * on / (4.0 * on + 10_000.0)
    };
    let macro_f2 = (0..13).map(f2).sum::<f64>() / 13.0;
    assert!((macro_f2 - 0.3377).abs() < 5e-5, "{macro_f2}");
}
