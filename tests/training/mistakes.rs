//! Mistakes in data, folders and recipes are named.

use anyhow::Result;
use std::fs;
use tests::tiny::{RETRIEVAL, STYLE, Trainings, assert_error};

#[test]
fn an_existing_folder_is_never_overwritten() -> Result<()> {
    let trainings = Trainings::on_shop()?;
    fs::create_dir(trainings.path("run"))?;
    assert_error(trainings.train("run", STYLE, &[]), "never overwritten");
    Ok(())
}

#[test]
fn a_folder_without_a_manifest_is_not_a_dataset() -> Result<()> {
    let trainings = Trainings::without_shop()?;
    fs::create_dir(trainings.data())?;
    assert_error(trainings.train("run", STYLE, &[]), "manifest.csv");
    Ok(())
}

#[test]
fn an_unknown_backbone_is_refused_with_the_known_ones() -> Result<()> {
    let trainings = Trainings::on_shop()?;
    assert_error(trainings.train("run", STYLE, &["task.backbone=resnet19"]), "resnet18");
    Ok(())
}

#[test]
fn an_unknown_style_is_named() -> Result<()> {
    let trainings = Trainings::on_shop()?;
    let manifest = trainings.data().join("manifest.csv");
    let rows = fs::read_to_string(&manifest)?;
    fs::write(&manifest, rows.replace("ladylike", "lady"))?;
    assert_error(trainings.train("run", STYLE, &[]), "'lady'");
    Ok(())
}

#[test]
fn invalid_keys_of_a_recipe_are_named() -> Result<()> {
    let trainings = Trainings::without_shop()?;
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
        ("stages=[{ from = 1 }]", "must begin with `from = 0`"),
        ("stages=[{}, { from = 4 }]", "before epoch 4"),
    ] {
        assert_error(trainings.recipe(STYLE, &[setting]), expected);
    }
    Ok(())
}

#[test]
fn invalid_keys_of_a_retrieval_recipe_are_named() -> Result<()> {
    let trainings = Trainings::without_shop()?;
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
        ("data.folds=1", "at least 2"),
        ("recolour={ probability = 0.5, person = [2] }", "classifiers only"),
        ("stages=[{ learn = 'masks' }]", "[task.dense]"),
    ] {
        assert_error(trainings.recipe(RETRIEVAL, &[setting]), expected);
    }
    Ok(())
}
