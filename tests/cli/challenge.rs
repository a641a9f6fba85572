//! The challenge's files: labels and images become a dataset, and what a bundle says of images a submission.

use super::selvedge;
use dataset::{Dataset, challenge};
use flate2::read::GzDecoder;
use shared::taxonomy::STYLES;
use std::fs;
use std::io::Read;
use std::path::Path;

const RECIPE: &str = "name = 'tiny'\nseed = 3\nepochs = 1\n[data]\ndir = 'imported'\nholdout = 0.3\n[input]\nwidth = 24\n\
    height = 24\nfit = 'pad'\n[optimiser]\nbatch = 8\nrate = 0.01\n[task]\nkind = 'style'\nbackbone = 'resnet10_w16'\n\
    hidden = 8\n";

fn run(dir: &Path, args: &[&str]) -> Result<String, String> {
    let output = selvedge()
        .args(args)
        .current_dir(dir)
        .output()
        .expect("the program starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    if output.status.success() {
        Ok(text(output.stdout))
    } else {
        Err(text(output.stderr))
    }
}

/// A drawn shop as the challenge's files: photos in `images`, their labels in `train.csv`, and twelve to predict in
/// `test.csv`, whose order is not that of names.
fn challenge_files(dir: &Path) -> Dataset {
    let shop = [
        "--items", "24", "--size", "48", "--seed", "2", "--temper", "0.2", "--out", "shop",
    ];
    run(dir, &[&["dataset", "render"], &shop[..]].concat()).expect("renders");
    let shop = Dataset::open(&dir.join("shop")).expect("a dataset");
    fs::create_dir(dir.join("images")).expect("creates");
    let (mut labels, mut test) = (String::new(), String::from("id,url\n"));
    for (i, row) in shop.rows.iter().enumerate() {
        let extension = Path::new(&row.path).extension().expect("an image").to_string_lossy();
        fs::copy(
            dir.join("shop").join(&row.path),
            dir.join(format!("images/p{i}.{extension}")),
        )
        .expect("copies");
        let on = |id: &str| {
            if row.labels().any(|label| label == id) {
                ",1"
            } else {
                ",0"
            }
        };
        let cells: String = STYLES.iter().map(|style| on(style.id)).collect();
        if i < 12 {
            test = format!("{test}p{},u\n", 11 - i)
        } else {
            labels += &format!("p{i},http://x/{i}.jpg{cells}\n")
        }
    }
    fs::write(dir.join("train.csv"), format!("{labels}gone,u{}\n", ",1".repeat(13))).expect("writes");
    fs::write(dir.join("test.csv"), &test).expect("writes");
    shop
}

#[test]
fn labels_become_a_dataset_and_a_submission_says_what_tag_says() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    let shop = challenge_files(dir);
    let import = |more: &[&str]| {
        run(
            dir,
            &[
                &[
                    "dataset",
                    "import-style",
                    "train.csv",
                    "--images",
                    "images",
                    "--out",
                    "imported",
                ],
                more,
            ]
            .concat(),
        )
    };
    let missing = import(&["--max-missing", "0"]).expect_err("an image is missing");
    assert!(
        missing.contains("1 images are not in images: gone") && !dir.join("imported").exists(),
        "{missing}"
    );
    let swapped = run(
        dir,
        &[
            "dataset",
            "import-style",
            "test.csv",
            "--images",
            "images",
            "--out",
            "imported",
        ],
    );
    assert!(
        swapped
            .expect_err("no labels")
            .contains("name a list to predict with --test")
    );
    import(&["--test", "test.csv"]).expect("imports");
    let imported = Dataset::open(&dir.join("imported")).expect("a dataset");
    assert_eq!(imported.rows.len(), shop.rows.len());
    for row in &imported.rows {
        let original = &shop.rows[row.item_id[1..].parse::<usize>().expect("its number")];
        let expected = if row.split == "train" {
            original.labels().collect()
        } else {
            Vec::new()
        };
        let order = |id: &&str| STYLES.iter().position(|style| style.id == *id);
        let mut expected: Vec<&str> = expected;
        expected.sort_by_key(order);
        assert_eq!(row.labels().collect::<Vec<_>>(), expected, "{}", row.path);
    }
    assert!(import(&[]).expect_err("it is there").contains("is there already"));

    fs::write(dir.join("recipe.toml"), RECIPE).expect("writes");
    run(dir, &["--device", "cpu", "train", "recipe.toml", "--out", "run"]).expect("trains");
    let submit = |out: &str, more: &[&str]| {
        let args = [
            "--device",
            "cpu",
            "submit",
            "--bundle",
            "run/bundle",
            "--images",
            "images",
            "--out",
            out,
        ];
        run(dir, &[&args, more].concat())
    };
    assert_eq!(
        submit("submission.csv", &["--test", "test.csv"]).expect("predicts"),
        "submission.csv\n"
    );
    let lines = challenge::read(&dir.join("submission.csv")).expect("a submission");
    let ids: Vec<String> = lines.iter().map(|line| line.id.clone()).collect();
    assert_eq!(ids, (0..12).rev().map(|i| format!("p{i}")).collect::<Vec<_>>());
    for line in lines.iter().take(4) {
        let path = imported
            .rows
            .iter()
            .find(|row| row.item_id == line.id)
            .expect("a row")
            .path
            .clone();
        let path = dir.join("imported").join(path).display().to_string();
        let tags = run(
            dir,
            &["--device", "cpu", "tag", "--bundle", "run/bundle", &path, "--json"],
        )
        .expect("tags");
        let tags: Vec<serde_json::Value> = serde_json::from_str(&tags).expect("JSON");
        let on = |id: &str| tags.iter().any(|tag| tag["id"] == id && tag["on"] == true);
        assert_eq!(line.styles, Some(STYLES.map(|style| on(style.id))), "{}", line.id);
    }
    submit("all.csv", &["--thresholds", "0"]).expect("predicts the folder");
    let all = challenge::read(&dir.join("all.csv")).expect("a submission");
    assert!(all.len() == shop.rows.len() && all.iter().all(|line| line.styles == Some([true; 13])));
    assert!(
        submit("all.csv", &[])
            .expect_err("the file exists")
            .contains("exists already")
    );
    fs::write(dir.join("more.csv"), "id,url\np1,u\nnowhere,u\n").expect("writes");
    let incomplete = submit("more-out.csv", &["--test", "more.csv"]).expect_err("an image is missing");
    assert!(incomplete.contains("must answer for every image"), "{incomplete}");
}

/// The champion's recipe from the label files to the submission, as the recipes' README walks it, on nets and photos that are
/// small enough to do so here.
#[test]
fn the_champions_recipe_goes_from_labels_to_a_submission() {
    if tests::skip::xgboost("the_champions_recipe_goes_from_labels_to_a_submission").is_none() {
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    challenge_files(dir);
    run(
        dir,
        &[
            "dataset",
            "import-style",
            "train.csv",
            "--test",
            "test.csv",
            "--images",
            "images",
            "--out",
            "data/styles",
        ],
    )
    .expect("imports");
    let recipe = Path::new(env!("CARGO_MANIFEST_DIR")).join("../server/recipes/train/champion-style.toml");
    let recipe = recipe.to_string_lossy();
    let train = |more: &[String]| {
        let small = [
            "epochs=3",
            "stages=[{ freeze = ['backbone.stem'] }]",
            "input.width=24",
            "input.height=24",
        ];
        let small = [
            &small[..],
            &[
                "data.folds=3",
                "optimiser.batch=8",
                "optimiser.rate=0.002",
                "recolour=null",
            ],
        ]
        .concat();
        let settings = small.iter().flat_map(|setting| ["--set", setting]);
        let args = ["--device", "cpu", "train", &recipe].into_iter().chain(settings);
        run(dir, &args.chain(more.iter().map(String::as_str)).collect::<Vec<_>>())
    };
    let set = |name: &str, fold: usize| {
        let set = [
            format!("name={name}"),
            format!("task.backbone={name}_w16"),
            format!("data.fold={fold}"),
        ];
        set.into_iter()
            .flat_map(|set| ["--set".to_owned(), set])
            .collect::<Vec<String>>()
    };
    // What the recipe would do: rows of every label before and after sampling, and the rate, up and down in every epoch.
    let plan = train(&[set("resnet10", 0), vec!["--dry-run".to_owned()]].concat()).expect("plans");
    let counts = |label: &str| -> Vec<usize> {
        let line = plan
            .lines()
            .find(|line| line.starts_with(label))
            .expect("a line a label");
        line.split_whitespace()
            .skip(1)
            .map(|n| n.parse().expect("a number"))
            .collect()
    };
    for label in ["sport", "japanese", "british", "ethnic"] {
        let counts = counts(label);
        assert!(counts[0] > 0 && counts[1] == 10 * counts[0], "{label}: {plan}");
    }
    let (top, marks) = plan.lines().find_map(|line| line.split_once('│')).expect("a plot");
    let top: f64 = top.trim().parse().expect("the highest rate");
    assert!(
        (0.009..=0.010).contains(&top),
        "not five times the rate of .002: {plan}"
    );
    assert_eq!(marks.split_whitespace().count(), 3, "not a peak an epoch: {plan}");
    assert!(!dir.join("runs").exists(), "a plan leaves nothing");

    for name in ["resnet10", "resnext14"] {
        for fold in 0..3 {
            let out = ["--out".to_owned(), format!("runs/{name}-fold{fold}")];
            train(&[set(name, fold), out.to_vec()].concat()).expect("trains");
        }
    }
    let listed = run(dir, &["runs", "--json"]).expect("lists");
    let listed: Vec<serde_json::Value> = serde_json::from_str(&listed).expect("JSON");
    assert_eq!(listed.len(), 6);
    assert!(listed.iter().all(|run| run["status"] == "finished"), "{listed:#?}");
    let compared = run(dir, &["runs", "compare", "runs/resnet10-fold0", "runs/resnext14-fold1"]).expect("compares");
    assert!(
        ["task.backbone", "resnext14_w16", "data.fold"]
            .iter()
            .all(|key| compared.contains(key)),
        "{compared}"
    );
    fs::remove_file(dir.join("runs/resnet10-fold0/report.html")).expect("removes");
    run(dir, &["runs", "report", "runs/resnet10-fold0"]).expect("reports");
    assert!(dir.join("runs/resnet10-fold0/report.html").is_file());

    run(dir, &["ensemble", "collect", "runs", "--out", "zoo.parquet"]).expect("collects");
    run(
        dir,
        &[
            "ensemble",
            "fit",
            "zoo.parquet",
            "--grid",
            "max_depth=2",
            "--out",
            "ensemble",
        ],
    )
    .expect("fits");
    let report = run(dir, &["ensemble", "report", "ensemble", "zoo.parquet"]).expect("reports");
    assert!(
        report.contains("test, 12 pictures: nobody knows their labels"),
        "{report}"
    );
    let submit = |more: &[&str]| {
        let args = ["submit", "--ensemble", "ensemble", "--zoo", "zoo.parquet", "--test"];
        run(dir, &[&args, more].concat())
    };
    submit(&["test.csv", "--out", "submission.csv"]).expect("submits");
    let lines = challenge::read(&dir.join("submission.csv")).expect("a submission");
    let ids: Vec<String> = lines.iter().map(|line| line.id.clone()).collect();
    assert_eq!(ids, (0..12).rev().map(|i| format!("p{i}")).collect::<Vec<_>>());
    let on = lines
        .iter()
        .flat_map(|line| line.styles.unwrap_or_default())
        .filter(|on| *on)
        .count();
    assert!(on > 0 && on < 12 * 13, "{on} styles of twelve photos");
    fs::write(dir.join("more.csv"), "id,url\np1,u\nnowhere,u\n").expect("writes");
    let lacking = submit(&["more.csv", "--out", "more-out.csv"]).expect_err("an id that was not predicted");
    assert!(lacking.contains("no prediction of nowhere"), "{lacking}");
}

/// The parser on the challenge's own labels: as many images, and as many of each style, as published.
#[test]
fn the_challenges_own_labels_are_read() {
    let Some(folder) = tests::real_data("jd13_labels") else {
        return;
    };
    let mut text = String::new();
    let file = fs::File::open(folder.join("labels.csv.gz")).expect("the labels");
    GzDecoder::new(file).read_to_string(&mut text).expect("gzip");
    let dir = tempfile::tempdir().expect("a folder");
    // Columns as in the challenge's own file: id, url, styles.
    let lines = text.lines().map(|line| {
        let cells: Vec<&str> = line.split(',').collect();
        let second = if cells[0] == "id" { "url" } else { cells[1] };
        format!("{},{second},{}\n", cells[0], cells[3..].join(","))
    });
    fs::write(dir.path().join("labels.csv"), lines.collect::<String>()).expect("writes");
    let entries = challenge::read(&dir.path().join("labels.csv")).expect("labels");
    let test: Vec<[bool; 13]> = entries
        .iter()
        .filter(|entry| entry.url == "test")
        .filter_map(|entry| entry.styles)
        .collect();
    assert_eq!((entries.len(), test.len()), (64_908, 10_000));
    let count = |id: &str| {
        let style = STYLES.iter().position(|style| style.id == id).expect("a style");
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
    // F2 of saying yes to everything, mean over styles.
    let f2 = |style: usize| {
        let on = test.iter().filter(|styles| styles[style]).count() as f64;
        5.0 * on / (4.0 * on + 10_000.0)
    };
    let macro_f2 = (0..13).map(f2).sum::<f64>() / 13.0;
    assert!((macro_f2 - 0.3377).abs() < 5e-5, "{macro_f2}");
}
