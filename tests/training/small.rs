//! The smallest training sets: one photo is refused before anything is computed, and nine photos are enough.

use super::bundles::changed;
use anyhow::Result;
use image::{GrayImage, Luma};
use safetensors::tensor::Dtype;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use tests::fixture;
use tests::tiny::{RETRIEVAL, SEGMENT, STYLE, Trainings, assert_error};
use training::{TrainOptions, dry_run, train};

/// Settings of one epoch on small images.
const FEW: [&str; 5] = [
    "epochs=1",
    "optimiser.batch=8",
    "augment={}",
    "input.width=32",
    "input.height=32",
];

/// Writes a dataset of `train` training items and two tuning items, each with a user's and a shop's photo, masks of three ids
/// and the label 'casual'. If `shop_only` is true, the training items have a shop photo alone.
fn dataset(dir: &Path, train: usize, shop_only: bool) -> Result<()> {
    fs::create_dir_all(dir)?;
    let mut manifest = String::from("path,split,labels,item_id,category,domain,mask\n");
    for item in 0..train + 2 {
        let split = if item < train { "train" } else { "val" };
        for (at, domain) in ["shop", "user"].into_iter().enumerate() {
            if shop_only && split == "train" && domain == "user" {
                continue;
            }
            let name = format!("{item}-{domain}");
            let photo = fixture::photo((2 * item + at) as u32);
            photo.save(dir.join(format!("{name}.png")))?;
            let mask = GrayImage::from_fn(photo.width(), photo.height(), |x, y| Luma([((x + y) / 48) as u8]));
            mask.save(dir.join(format!("{name}-mask.png")))?;
            writeln!(
                manifest,
                "{name}.png,{split},casual,i{item},tops,{domain},{name}-mask.png"
            )?;
        }
    }
    fs::write(dir.join("manifest.csv"), manifest)?;
    Ok(())
}

/// Trains on nine photos, after one photo was refused.
fn check_task(name: &str, recipe: &str, settings: &[&str], teacher: Option<&Path>) -> Result<()> {
    let trainings = Trainings::without_shop()?;
    let settings = [&FEW[..], settings].concat();
    let options = TrainOptions {
        teachers: teacher.into_iter().map(Path::to_owned).collect(),
        ..trainings.options("run")
    };
    dataset(&trainings.data(), 1, true)?;
    let refused = trainings.recipe(recipe, &settings)?;
    for error in [
        dry_run(&refused).err(),
        train(&refused, &options, &trainings.device).err(),
    ] {
        let error = format!("{:#}", error.unwrap_or_else(|| panic!("{name} accepts one photo")));
        assert!(
            error.contains("fewer than 2 training photos") && error.contains("hint"),
            "{name}: {error}"
        );
    }
    assert!(
        !trainings.path("run").exists(),
        "{name}: a training that never started leaves no folder"
    );
    fs::remove_dir_all(trainings.data())?;
    dataset(&trainings.data(), 9, true)?;
    let loss = trainings.train_with(options, recipe, &settings)?.losses()[0];
    assert!(loss > 0.0, "{name}: {loss}");
    Ok(())
}

/// Replaces the task of the style recipe.
fn with_task(task: &str) -> String {
    let head = STYLE.split("[task]").next().expect("the recipe has a task");
    format!("{head}[task]\n{task}\n")
}

#[test]
fn tasks_without_a_teacher_refuse_one_photo_and_learn_from_nine() -> Result<()> {
    const DENSE: &str = "task.dense={ classes = 3, weight = 1.0 }";
    for (name, recipe, settings) in [
        ("style", STYLE, &[][..]),
        ("category", STYLE, &["data.labels=categories"]),
        ("dense", STYLE, &[DENSE]),
        ("masks", STYLE, &[DENSE, "stages=[{ learn = 'masks' }]"]),
        ("dense lite", STYLE, &[DENSE, "task.backbone='efficientnet_lite0'"]),
        ("segment", SEGMENT, &[]),
    ] {
        check_task(name, recipe, settings, None)?;
    }
    Ok(())
}

#[test]
fn a_query_encoder_refuses_one_photo_and_learns_from_nine() -> Result<()> {
    let teacher = tempfile::tempdir()?;
    {
        let _one_at_a_time = Trainings::without_shop()?;
        fixture::write_retrieval_bundle(teacher.path())?;
    }
    let query = with_task("kind = \"query\"\nbackbone = \"mobilenet_v3_small\"");
    let sides = [
        format!("input.width={}", fixture::INPUT),
        format!("input.height={}", fixture::INPUT),
    ];
    check_task("query", &query, &[&sides[0], &sides[1]], Some(teacher.path()))
}

#[test]
fn a_student_refuses_one_photo_and_learns_from_nine() -> Result<()> {
    let teacher = {
        let trainings = Trainings::without_shop()?;
        dataset(&trainings.data(), 9, true)?;
        let bundle = trainings.train("teacher", STYLE, &FEW)?.bundle;
        let kept = tempfile::tempdir()?;
        for name in ["bundle.json", "weights.safetensors"] {
            fs::copy(bundle.join(name), kept.path().join(name))?;
        }
        kept
    };
    let distill = with_task("kind = \"distill\"\nbackbone = \"resnet10_w16\"");
    check_task("distill", &distill, &[], Some(teacher.path()))
}

#[test]
fn recipes_that_leave_nothing_to_learn_are_refused() -> Result<()> {
    let trainings = Trainings::without_shop()?;
    for (recipe, setting, expected) in [
        (STYLE, "optimiser.batch=1", "optimiser.batch must be at least 2"),
        (STYLE, "input.std=[0.2, 0.0, 0.2]", "input.std is [0.2, 0.0, 0.2]"),
        (STYLE, "input.width=0", "input.width is 0"),
        (STYLE, "stages=[{ rate = 0.0 }]", "the rate of one of [[stages]]"),
        (
            STYLE,
            "task.dense={ classes = 3, weight = 0.0 }",
            "task.dense.weight must be a positive number",
        ),
        (
            STYLE,
            "task={ kind = 'style', backbone = 'efficientnet_lite0_s5', dense = { classes = 3, weight = 1.0 } }",
            "task.dense needs stages at an eighth",
        ),
        (
            RETRIEVAL,
            "task.losses=[{ kind = 'contrast', weight = 0.0 }]",
            "every entry of task.losses has the weight 0",
        ),
    ] {
        assert_error(trainings.recipe(recipe, &[setting]), expected);
    }
    Ok(())
}

#[test]
fn data_that_leave_nothing_to_learn_are_refused() -> Result<()> {
    let trainings = Trainings::without_shop()?;
    dataset(&trainings.data(), 4, false)?;
    // No id of the masks has a class.
    fs::write(trainings.data().join("label_list.csv"), "id,name\n77,hat\n78,bag\n")?;
    assert_error(
        trainings.train("masks", SEGMENT, &["task.classes=dataset"]),
        "no training mask",
    );
    assert_error(
        trainings.train("items", RETRIEVAL, &["task.identities=5", "optimiser.batch=10"]),
        "has 4 items with both a shop's and a user's photo",
    );
    Ok(())
}

#[test]
fn a_training_that_diverges_leaves_no_bundle() -> Result<()> {
    let trainings = Trainings::without_shop()?;
    dataset(&trainings.data(), 8, false)?;
    let settings = [
        "optimiser.rate=1e30",
        "optimiser.kind=sgd",
        "optimiser.batch=4",
        "epochs=3",
    ];
    assert_error(trainings.train("run", STYLE, &settings), "optimiser.rate");
    assert!(!trainings.path("run/bundle").exists());
    Ok(())
}

#[test]
fn initial_weights_without_a_finite_loss_leave_no_run() -> Result<()> {
    let trainings = Trainings::without_shop()?;
    dataset(&trainings.data(), 8, false)?;
    let run = trainings.train("good", STYLE, &["epochs=1"])?;
    let huge = trainings.path("huge.safetensors");
    fs::write(
        &huge,
        changed(&fs::read(run.best())?, Dtype::F32, |_, values| values.fill(3e38))?,
    )?;
    let options = TrainOptions {
        init: Some(huge.display().to_string()),
        ..trainings.options("huge")
    };
    assert_error(trainings.train_with(options, STYLE, &[]), "the weights of --init");
    assert!(!trainings.path("huge").exists());
    Ok(())
}
