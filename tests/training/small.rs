//! The smallest training sets: what can be learnt is learnt, and what cannot is refused before anything is computed.

use super::masks::SEGMENT;
use super::*;
use image::{GrayImage, Luma};
use safetensors::tensor::Dtype;
use std::fmt::Write;
use tests::fixture;
use training::dry_run;

/// A dataset of `train` items to train on and two to choose by, each with a user's and a shop's photo, masks of three ids
/// and the label 'casual'. Where `halves` is set, the items to train on have a shop's photo alone.
fn dataset(dir: &Path, train: usize, halves: bool) -> Result<()> {
    fs::create_dir_all(dir)?;
    let mut manifest = String::from("path,split,labels,item_id,category,domain,mask\n");
    for item in 0..train + 2 {
        let split = if item < train { "train" } else { "val" };
        for (at, domain) in ["shop", "user"].into_iter().enumerate() {
            if halves && split == "train" && domain == "user" {
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

#[test]
fn one_photo_is_refused_by_every_task_and_a_ninth_is_learnt_from() -> Result<()> {
    let _alone = alone();
    let dir = tempfile::tempdir()?;
    let device = Device::flex();
    let (one, nine) = (dir.path().join("one"), dir.path().join("nine"));
    dataset(&one, 1, true)?;
    dataset(&nine, 9, true)?;
    let head = STYLE.split("[task]").next().expect("a head");
    let query = format!("{head}[task]\nkind = \"query\"\nbackbone = \"mobilenet_v3_small\"\n");
    let distill = format!("{head}[task]\nkind = \"distill\"\nbackbone = \"resnet10_w16\"\n");
    let segment = SEGMENT.replace("width = 48\nheight = 48", "width = 32\nheight = 32");
    let few = [
        "epochs=1",
        "optimiser.batch=8",
        "augment={}",
        "input.width=32",
        "input.height=32",
    ];
    let dense = [&few[..], &["task.dense={ classes = 3, weight = 1.0 }"]].concat();
    let masks = [&dense[..], &["stages=[{ learn = 'masks' }]"]].concat();
    let category = [&few[..], &["data.labels=categories"]].concat();

    let mut style = None;
    for (name, text, settings) in [
        ("style", STYLE, &few[..]),
        ("category", STYLE, &category),
        ("dense", STYLE, &dense),
        ("masks", STYLE, &masks),
        ("segment", &segment, &few),
    ] {
        let out = dir.path().join(name);
        let refused = recipe(text, &one, settings)?;
        for error in [
            dry_run(&refused).err(),
            train(&refused, &order(&out, Start::New), &device).err(),
        ] {
            let error = format!("{:#}", error.unwrap_or_else(|| panic!("{name} learnt from one photo")));
            assert!(
                error.contains("fewer than 2 training photos") && error.contains("hint"),
                "{name}: {error}"
            );
        }
        assert!(
            !out.exists(),
            "{name}: a training that never began is in the way of the next"
        );
        let bundle = train(&recipe(text, &nine, settings)?, &order(&out, Start::New), &device)?;
        let loss = lines(&out)[0]["train_loss"].as_f64().expect("a finite loss");
        assert!(loss > 0.0, "{name}: {loss}");
        style.get_or_insert(bundle);
    }

    // Of both kinds of students one refuses, and the other learns.
    let teacher = dir.path().join("teacher");
    fixture::write_retrieval_bundle(&teacher)?;
    let sides = [
        format!("input.width={}", fixture::INPUT),
        format!("input.height={}", fixture::INPUT),
    ];
    let wide = ["epochs=1", "optimiser.batch=8", "augment={}", &sides[0], &sides[1]];
    let style = style.expect("trained");
    for (name, text, settings, teacher) in [
        ("query", &query, &wide[..], teacher),
        ("distill", &distill, &few, style.clone()),
    ] {
        let taught = |out: &Path| TrainOptions {
            teachers: vec![teacher.clone()],
            ..order(out, Start::New)
        };
        let out = dir.path().join(name);
        let error = train(&recipe(text, &one, settings)?, &taught(&out), &device).expect_err(name);
        assert!(
            format!("{error:#}").contains("fewer than 2 training photos"),
            "{name}: {error:#}"
        );
        assert!(!out.exists(), "{name}");
        train(&recipe(text, &nine, settings)?, &taught(&out), &device)?;
        assert!(
            lines(&out)[0]["train_loss"].as_f64().is_some_and(|loss| loss > 0.0),
            "{name}"
        );
    }
    Ok(())
}

#[test]
fn what_leaves_nothing_to_learn_is_named() -> Result<()> {
    let _alone = alone();
    let dir = tempfile::tempdir()?;
    let data = dir.path().join("data");
    dataset(&data, 4, false)?;
    for (text, setting, said) in [
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
            RETRIEVAL,
            "task.losses=[{ kind = 'contrast', weight = 0.0 }]",
            "every entry of task.losses has the weight 0",
        ),
    ] {
        let error = format!("{:#}", recipe(text, &data, &[setting]).expect_err(setting));
        assert!(error.contains(said), "{setting}: {error}");
    }
    let out = dir.path().join("out");
    for (text, settings, said) in [
        // All ids of the masks are without a class.
        (SEGMENT, &["task.classes=dataset"][..], "no training mask"),
        (
            RETRIEVAL,
            &["task.identities=5", "optimiser.batch=10"],
            "has 4 items with both a shop's and a user's photo",
        ),
    ] {
        fs::write(data.join("label_list.csv"), "id,name\n77,hat\n78,bag\n")?;
        let error = train(
            &recipe(text, &data, settings)?,
            &order(&out, Start::New),
            &Device::flex(),
        )
        .expect_err(said);
        assert!(format!("{error:#}").contains(said), "{settings:?}: {error:#}");
    }
    Ok(())
}

#[test]
fn a_training_that_diverges_leaves_no_bundle() -> Result<()> {
    let _alone = alone();
    let dir = tempfile::tempdir()?;
    let data = dir.path().join("data");
    dataset(&data, 8, false)?;
    let out = dir.path().join("out");
    let settings = [
        "optimiser.rate=1e30",
        "optimiser.kind=sgd",
        "optimiser.batch=4",
        "epochs=3",
    ];
    let error = train(
        &recipe(STYLE, &data, &settings)?,
        &order(&out, Start::New),
        &Device::flex(),
    );
    let error = format!("{:#}", error.expect_err("no network comes of this"));
    assert!(error.contains("optimiser.rate"), "{error}");
    assert!(!out.join(BUNDLE).exists(), "a bundle of a network that diverged");

    // Weights that no training can begin with leave no folder in the way of the next try.
    let good = dir.path().join("good");
    train(
        &recipe(STYLE, &data, &["epochs=1"])?,
        &order(&good, Start::New),
        &Device::flex(),
    )?;
    let bytes = super::bundles::changed(&fs::read(good.join("best.safetensors"))?, Dtype::F32, |_, v| {
        v.fill(3e38)
    })?;
    fs::write(dir.path().join("huge.safetensors"), bytes)?;
    let out = dir.path().join("huge");
    let begun = TrainOptions {
        init: Some(dir.path().join("huge.safetensors")),
        ..order(&out, Start::New)
    };
    let error = train(&recipe(STYLE, &data, &[])?, &begun, &Device::flex()).expect_err("no loss comes of this");
    assert!(format!("{error:#}").contains("the weights of --init"), "{error:#}");
    assert!(!out.exists(), "a run without an epoch");
    Ok(())
}
