//! Training embeddings: every loss and every key of the network learns, and the engine's keys mean for retrieval what they
//! mean elsewhere.

use super::{RETRIEVAL, alone, lines, order, recipe, shop};
use anyhow::Result;
use burn::tensor::Device;
use dataset::bundle;
use dataset::run::{BUNDLE, Start};
use safetensors::SafeTensors;
use std::fs;
use std::path::Path;
use training::train;

/// Small and short: whether it learns at all.
const SHORT: [&str; 6] = [
    "epochs=3",
    "input.width=32",
    "input.height=32",
    "task.model.part_dim=8",
    "task.model.ring=[2]",
    "name=short",
];

#[test]
fn every_loss_and_every_key_of_the_network_learns() -> Result<()> {
    let _alone = alone();
    let dir = tempfile::tempdir()?;
    let data = dir.path().join("shop");
    shop(&data)?;
    let softmax = "{ kind = 'softmax', scale = 16.0 }";
    let losses = |text: &str| format!("task.losses=[{text}]");
    let cases: Vec<Vec<String>> = vec![
        vec![losses("{ kind = 'softmax', smoothing = 0.1, on = 'whole' }")],
        vec![losses(
            "{ kind = 'am_softmax', scale = 16.0, margin = 0.1, sub_centres = 2 }",
        )],
        vec![losses("{ kind = 'arcface', scale = 16.0, margin = 0.1, on = 'whole' }")],
        vec![losses("{ kind = 'triplet', margin = 0.3, on = 'parts' }")],
        vec![
            losses("{ kind = 'triplet' }"),
            "task.photos=4".to_owned(),
            "task.identities=8".to_owned(),
        ],
        vec![losses("{ kind = 'supcon', on = 'parts' }")],
        vec![losses("{ kind = 'contrast' }")],
        vec![
            losses(&format!("{softmax}, {{ kind = 'triplet', weight = 0.5 }}")),
            "task.model.neck=true".to_owned(),
        ],
        vec![
            losses(softmax),
            "task.model.pooling=gem".to_owned(),
            "task.model.attention=cbam".to_owned(),
        ],
        vec![
            losses(softmax),
            "task.model.pooling=average".to_owned(),
            "task.model.shared_last_stage=false".to_owned(),
        ],
    ];
    for (at, case) in cases.iter().enumerate() {
        let settings: Vec<&str> = SHORT.into_iter().chain(case.iter().map(String::as_str)).collect();
        let run = dir.path().join(format!("run{at}"));
        let bundle = train(
            &recipe(RETRIEVAL, &data, &settings)?,
            &order(&run, Start::New),
            &Device::flex(),
        )?;
        let losses: Vec<f64> = lines(&run)
            .iter()
            .map(|line| line["train_loss"].as_f64().expect("a number"))
            .collect();
        assert!(losses[2] < 0.97 * losses[0], "{case:?}: {losses:?}");

        let (manifest, weights) = bundle::read(&bundle)?;
        shared::server_models::load_retrieval(&manifest, &weights, &Device::flex())?;
        let best = fs::read(run.join("best.safetensors"))?;
        let best = SafeTensors::deserialize(&best)?;
        let values = |key: &str| -> Vec<f32> {
            let bytes = best.tensor(key).expect(key).data();
            bytes
                .chunks_exact(4)
                .map(|bytes| f32::from_le_bytes(bytes.try_into().expect("four bytes")))
                .collect()
        };
        let said = |text: &str| case.iter().any(|setting| setting.contains(text));
        assert_eq!(
            values("parts.0.bn.bias").iter().all(|shift| *shift == 0.0),
            said("neck"),
            "{case:?}"
        );
        if said("gem") {
            let exponents = values("exponents");
            assert!(
                exponents.iter().all(|exponent| *exponent != 3.0),
                "nothing was learnt: {exponents:?}"
            );
        }
    }
    Ok(())
}

#[test]
fn the_engines_keys_work_for_retrieval() -> Result<()> {
    let _alone = alone();
    let dir = tempfile::tempdir()?;
    let data = dir.path().join("shop");
    shop(&data)?;
    let device = Device::flex();
    let keys = [
        "optimiser.kind=sgd",
        "optimiser.rate=0.05",
        "optimiser.schedule=step",
        "optimiser.steps=[2]",
        "optimiser.accumulate=2",
        "average={ kind = 'ema', decay = 0.5 }",
        "stages=[{ from = 0, freeze = ['net.trunk.stem'] }]",
        "augment.erase=0.3",
    ];
    let settings: Vec<&str> = SHORT.into_iter().chain(keys).collect();
    let run = dir.path().join("run");
    train(&recipe(RETRIEVAL, &data, &settings)?, &order(&run, Start::New), &device)?;
    let column = |name: &str| -> Vec<f64> {
        lines(&run)
            .iter()
            .map(|line| line[name].as_f64().expect("a number"))
            .collect()
    };
    let (rates, losses) = (column("rate"), column("train_loss"));
    for (rate, expected) in rates.iter().zip([0.05, 0.05, 0.01]) {
        assert!((rate - expected).abs() < 1e-12, "the published step is ×0.2: {rates:?}");
    }
    assert!(losses[2] < losses[0], "{losses:?}");

    // Interrupted after two of three epochs, the run ends in the same weights.
    let parts = dir.path().join("parts");
    let first: Vec<&str> = settings
        .iter()
        .map(|key| if *key == "epochs=3" { "epochs=2" } else { key })
        .collect();
    train(&recipe(RETRIEVAL, &data, &first)?, &order(&parts, Start::New), &device)?;
    fs::copy(run.join("recipe.toml"), parts.join("recipe.toml"))?;
    train(
        &recipe(RETRIEVAL, &data, &settings)?,
        &order(&parts, Start::Resume),
        &device,
    )?;
    let weights = |run: &std::path::Path| fs::read(run.join(BUNDLE).join("weights.safetensors"));
    assert!(
        weights(&run)? == weights(&parts)?,
        "the resumed run ended in other weights"
    );
    Ok(())
}

#[test]
fn the_champions_recipe_trains_sixteen_parts() -> Result<()> {
    let _alone = alone();
    let dir = tempfile::tempdir()?;
    let data = dir.path().join("shop");
    shop(&data)?;
    let champion = Path::new(env!("CARGO_MANIFEST_DIR")).join("../server/recipes/train/champion-retrieval.toml");
    let small = [
        "epochs=3",
        "average.from=2",
        "input.width=32",
        "input.height=32",
        "data.holdout=0.2",
    ];
    let small = [
        &small[..],
        &["task.model.backbone=resnet10_w16", "task.model.part_dim=8"],
    ]
    .concat();
    let recipe = recipe(&fs::read_to_string(champion)?, &data, &small)?;
    let run = dir.path().join("run");
    let bundle = train(&recipe, &order(&run, Start::New), &Device::flex())?;
    let losses: Vec<f64> = lines(&run)
        .iter()
        .map(|line| line["train_loss"].as_f64().expect("a number"))
        .collect();
    assert!(losses[2] < losses[0], "{losses:?}");
    assert_eq!(bundle::read(&bundle)?.0.embedding_dim, 16 * 8);
    let best = fs::read(run.join("best.safetensors"))?;
    let best = SafeTensors::deserialize(&best)?;
    assert!(
        best.names().iter().any(|name| name.starts_with("branches.3.")),
        "a last stage a branch"
    );
    Ok(())
}
