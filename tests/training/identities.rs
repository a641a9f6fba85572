//! Embeddings: every loss and every key of the network learns, and the keys of the training loop work for retrieval too.

use anyhow::Result;
use safetensors::SafeTensors;
use std::fs;
use std::path::Path;
use tests::tiny::{RETRIEVAL, Trainings};

/// Settings of a short training of a small network.
const SHORT: [&str; 6] = [
    "epochs=3",
    "input.width=32",
    "input.height=32",
    "task.model.part_dim=8",
    "task.model.ring=[2]",
    "name=short",
];

/// Settings of losses and keys of the network.
fn cases() -> Vec<Vec<String>> {
    let softmax = "{ kind = 'softmax', scale = 16.0 }";
    let losses = |text: &str| format!("task.losses=[{text}]");
    vec![
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
            losses("{ kind = 'supcon', on = 'parts' }, { kind = 'triplet' }"),
            "task.memory=1000".to_owned(),
        ],
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
    ]
}

#[test]
fn every_loss_and_every_key_of_the_network_learns() -> Result<()> {
    let trainings = Trainings::on_shop()?;
    for (at, case) in cases().iter().enumerate() {
        let settings: Vec<&str> = SHORT.into_iter().chain(case.iter().map(String::as_str)).collect();
        let run = trainings.train(&format!("run{at}"), RETRIEVAL, &settings)?;
        let losses = run.losses();
        assert!(losses[2] < 0.97 * losses[0], "{case:?}: {losses:?}");

        let (manifest, weights) = run.read()?;
        shared::server_models::load_retrieval(&manifest, &weights, &trainings.device)?;
        let best = fs::read(run.best())?;
        let best = SafeTensors::deserialize(&best)?;
        let values = |key: &str| -> Vec<f32> {
            let bytes = best.tensor(key).expect(key).data();
            bytes
                .chunks_exact(4)
                .map(|bytes| f32::from_le_bytes(bytes.try_into().expect("an f32 has four bytes")))
                .collect()
        };
        let has = |text: &str| case.iter().any(|setting| setting.contains(text));
        assert_eq!(
            values("parts.0.bn.bias").iter().all(|shift| *shift == 0.0),
            has("neck"),
            "{case:?}"
        );
        if has("gem") {
            let exponents = values("exponents");
            assert!(
                exponents.iter().all(|exponent| *exponent != 3.0),
                "the exponents were not trained: {exponents:?}"
            );
        }
    }
    Ok(())
}

#[test]
fn keys_of_the_training_loop_work_for_retrieval_and_a_resumed_run_is_exact() -> Result<()> {
    let trainings = Trainings::on_shop()?;
    let keys = [
        "optimiser.kind=sgd",
        "optimiser.rate=0.05",
        "optimiser.schedule=step",
        "optimiser.steps=[2]",
        "optimiser.accumulate=2",
        "average={ kind = 'ema', decay = 0.5 }",
        "stages=[{ from = 0, freeze = ['net.trunk.stem'] }]",
        "augment.erase=0.3",
        "task.memory=40",
    ];
    let settings: Vec<&str> = SHORT.into_iter().chain(keys).collect();
    let run = trainings.train("run", RETRIEVAL, &settings)?;
    let (rates, losses) = (run.column("rate"), run.losses());
    for (rate, expected) in rates.iter().zip([0.05, 0.05, 0.01]) {
        assert!((rate - expected).abs() < 1e-12, "the published step is ×0.2: {rates:?}");
    }
    assert!(losses[2] < losses[0], "{losses:?}");

    let short: Vec<&str> = settings
        .iter()
        .map(|key| if *key == "epochs=3" { "epochs=2" } else { key })
        .collect();
    let parts = trainings.train_in_parts("parts", RETRIEVAL, &short, &run, &settings)?;
    assert!(
        run.weights()? == parts.weights()?,
        "the resumed run ended in other weights"
    );
    Ok(())
}

#[test]
fn the_champions_recipe_trains_sixteen_parts() -> Result<()> {
    let trainings = Trainings::on_shop()?;
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
    let run = trainings.train("run", &fs::read_to_string(champion)?, &small)?;
    let losses = run.losses();
    assert!(losses[2] < losses[0], "{losses:?}");
    assert_eq!(run.read()?.0.embedding_dim, 16 * 8);
    let best = fs::read(run.best())?;
    let best = SafeTensors::deserialize(&best)?;
    assert!(
        best.names().iter().any(|name| name.starts_with("branches.3.")),
        "every branch has a last stage of its own"
    );
    Ok(())
}
