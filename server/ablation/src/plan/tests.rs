//! Tests of plans.

use super::*;

const RECIPE: &str = "name = 'a'\nseed = 7\nepochs = 1\n[data]\ndir = 'a'\nholdout = 0.2\n[input]\nwidth = 80\n\
                      height = 80\n[optimiser]\nbatch = 2\nrate = 0.1\n[average]\nkind = 'ema'\n\
                      [task]\nkind = 'style'\nbackbone = 'resnet18'\n";

fn plan(text: &str) -> anyhow::Result<Plan> {
    let dir = tempfile::tempdir()?;
    std::fs::write(dir.path().join("recipe.toml"), RECIPE)?;
    let path = dir.path().join("ablation.toml");
    std::fs::write(&path, format!("recipe = 'recipe.toml'\n{text}"))?;
    Plan::new(AblationRecipe::read(&path)?, None)
}

const SWITCHES: &str = "unset = ['average']\nevaluate = ['thresholds=0.5']\n\
    [[switches]]\nname = 'mixup'\nset.mixup = 0.2\n\
    [[switches]]\nname = 'EMA'\nset.average.kind = 'ema'\n\
    [[switches]]\nname = 'tuned'\nevaluate = ['thresholds=null']\n\
    [[switches]]\nname = 'focal'\nset.loss.kind = 'focal'\nmodes = ['alone']\n";

#[test]
fn every_mode_adds_its_variants_and_equal_recipes_share_a_training() {
    let plan = plan(&format!("seeds = 2\nmodes = ['off', 'alone', 'ladder']\n{SWITCHES}")).expect("the plan is valid");
    let rows: Vec<String> = plan
        .groups
        .iter()
        .flat_map(|group| &group.rows)
        .map(|row| {
            format!(
                "{}: {} - {}",
                row.name, plan.variants[row.variant].name, plan.variants[row.reference].name
            )
        })
        .collect();
    assert_eq!(
        rows,
        [
            "without mixup: without mixup - all",
            "without EMA: without EMA - all",
            "without tuned: without tuned - all",
            "only mixup: only mixup - baseline",
            "only EMA: only EMA - baseline",
            "only tuned: only tuned - baseline",
            "only focal: only focal - baseline",
            "+ mixup: only mixup - baseline",
            "+ EMA: without tuned - only mixup",
            "+ tuned: all - without tuned",
            "+ mixup: only mixup - baseline",
            "+ EMA: without tuned - baseline",
            "+ tuned: all - baseline",
        ]
    );
    assert_eq!(plan.seeds, [7, 8]);
    // Per seed there are mixup × EMA, evaluated in two ways, and focal, evaluated in one.
    assert_eq!(
        (plan.variants.len(), plan.trainings.len(), plan.measurements.len()),
        (9, 10, 18)
    );
    for variant in &plan.variants {
        for (measurement, seed) in variant.measurements.iter().zip(&plan.seeds) {
            let measurement = &plan.measurements[*measurement];
            let recipe = &plan.trainings[measurement.trainings[0]].recipe;
            let is_on = |at: usize| variant.on.contains(&at);
            assert_eq!(recipe.seed, *seed);
            assert_eq!(
                (recipe.mixup > 0.0, recipe.average.is_some()),
                (is_on(0), is_on(1)),
                "{}",
                variant.name
            );
            assert_eq!(measurement.options.arguments().is_empty(), is_on(2), "{}", variant.name);
        }
    }
}

#[test]
fn a_measurement_joins_all_folds_and_members() {
    let switches = "[[switches]]\nname = 'flip'\nevaluate = ['views=flip']\n[[switches]]\nname = 'backbones'\n\
        members = [{ name = 'Dense Net', set = { task.backbone = 'densenet121' } }]\n";
    let plan = plan(&format!("seeds = 1\nfolds = 2\nmodes = ['ladder']\n{switches}")).expect("the plan is valid");
    let names: Vec<&str> = plan.trainings.iter().map(|training| training.name.as_str()).collect();
    let member = "dense-net-in-all-seed7";
    let of_member = [format!("{member}-fold0"), format!("{member}-fold1")];
    assert_eq!(
        names,
        [
            "baseline-seed7-fold0",
            "baseline-seed7-fold1",
            &of_member[0],
            &of_member[1]
        ]
    );
    let taken: Vec<&[usize]> = plan
        .measurements
        .iter()
        .map(|measurement| &measurement.trainings[..])
        .collect();
    assert_eq!(taken, [&[0, 1][..], &[0, 1], &[0, 1, 2, 3]]);
    for (training, (name, fold, backbone)) in plan.trainings.iter().zip([
        ("a", 0, "resnet18"),
        ("a", 1, "resnet18"),
        ("a-dense-net", 0, "densenet121"),
        ("a-dense-net", 1, "densenet121"),
    ]) {
        let recipe = &training.recipe;
        assert_eq!(
            (&recipe.name[..], recipe.data.fold, recipe.task.backbone()),
            (name, fold, backbone)
        );
        assert_eq!((recipe.data.folds, recipe.data.holdout), (2, 0.0));
    }
}

#[test]
fn invalid_ablations_are_refused_with_the_reason() {
    for (text, said) in [
        ("seeds = 0\n[[switches]]\nname = 'a'\nset.mixup = 1", "seeds must be"),
        (
            "[[switches]]\nname = 'a'\nmembers = [{ name = '-', set = {} }]",
            "members of the switch 'a'",
        ),
        ("switches = []", "no [[switches]]"),
        ("[[switches]]\nname = 'a'", "'a' changes nothing"),
        ("[[switches]]\nname = '-'\nset.mixup = 1", "no letter"),
        (
            "[[switches]]\nname = 'a b'\nset.mixup = 1\n[[switches]]\nname = 'A-b'\noff.set.mixup = 1",
            "two switches",
        ),
        ("[[switches]]\nname = 'a'\nset.mixup = -1", "the variant 'only a'"),
        (
            "set.data.holdout = 0\n[[switches]]\nname = 'a'\nset.mixup = 1",
            "data.holdout = 0.15",
        ),
        (
            "split = 'train'\n[[switches]]\nname = 'a'\nset.mixup = 1",
            "would be too good",
        ),
        ("[[switches]]\nname = 'a'\nst.mixup = 1", "unknown field"),
    ] {
        let error = format!("{:#}", plan(text).expect_err(text));
        assert!(error.contains(said), "{text}: {error}");
    }
}
