//! Input that a backbone was published with: the default of a recipe's normalisation, and its limits.

use shared::input::InputSpec;
use shared::model::{BackboneConfig, InputContract};
use toml::{Table, Value};

/// Fills absent `mean` and `std` of a recipe's `[input]` from its backbone.
///
/// Missing keys and wrong types are not errors here, because parsing the recipe reports them.
pub(crate) fn complete(recipe: &mut Table) {
    let task = recipe.get("task");
    let backbone = task.and_then(|task| task.get("backbone")).or_else(|| {
        task.and_then(|task| task.get("model"))
            .and_then(|model| model.get("backbone"))
    });
    let Some(Ok(backbone)) = backbone.and_then(Value::as_str).map(BackboneConfig::named) else {
        return;
    };
    let Some(input) = recipe.get_mut("input").and_then(Value::as_table_mut) else {
        return;
    };
    let InputContract { mean, std, .. } = backbone.input();
    for (key, values) in [("mean", mean), ("std", std)] {
        let values = values.iter().map(|value| Value::Float(f64::from(*value))).collect();
        input.entry(key).or_insert(Value::Array(values));
    }
}

/// Checks that the backbone `name` can process the input. Returns a warning if the normalisation differs from that of
/// `pretrained` weights.
///
/// # Errors
/// If the backbone is unknown, or the input is too small for it.
pub(crate) fn check(name: &str, input: &InputSpec, pretrained: bool) -> anyhow::Result<Option<String>> {
    let InputContract {
        side,
        smallest,
        mean,
        std,
    } = BackboneConfig::named(name)?.input();
    anyhow::ensure!(
        input.width.min(input.height) >= smallest,
        "{name} needs images of at least {smallest}×{smallest} pixels, and [input] says {}×{}; it was published for {side}",
        input.width,
        input.height
    );
    let other = pretrained && (input.mean != mean || input.std != std);
    Ok(other.then(|| {
        format!(
            "warning: published weights of {name} expect mean = {mean:?} and std = {std:?}, and [input] sets \
             mean = {:?} and std = {:?}\nhint: leave both out of the recipe, unless the file of --init comes from a \
             run with the same [input]",
            input.mean, input.std
        )
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::Recipe;

    const RECIPE: &str = "name = 'a'\nseed = 1\nepochs = 1\n[data]\ndir = 'a'\n[input]\nwidth = 80\nheight = 80\n\
                          [optimiser]\nbatch = 2\nrate = 0.1\n[task]\nkind = 'style'\nbackbone = 'resnet18'\n";

    #[test]
    fn normalisation_defaults_to_that_of_the_backbone() {
        const HALF: [f32; 3] = [0.5; 3];
        let imagenet = BackboneConfig::named("resnet18")
            .expect("the backbone is registered")
            .input();
        for (settings, mean, remark, error) in [
            (vec![], imagenet.mean, None, None),
            (vec!["task.backbone=inception_v3"], HALF, None, None),
            (
                vec!["task.backbone=xception", "input.mean=[0.1, 0.5, 0.5]"],
                [0.1, 0.5, 0.5],
                Some("[0.5, 0.5, 0.5]"),
                None,
            ),
            (vec!["input.mean=[0.5, 0.5, 0.5]"], HALF, Some("0.485"), None),
            (
                vec!["task.backbone=inception_v3", "input.width=74"],
                HALF,
                None,
                Some("at least 75×75"),
            ),
            (vec!["task.backbone=resnet19"], imagenet.mean, None, Some("resnet18")),
        ] {
            let settings: Vec<String> = settings.into_iter().map(str::to_owned).collect();
            let recipe = Recipe::parse(RECIPE, &settings).expect("the recipe is valid");
            assert_eq!(recipe.input.mean, mean, "{settings:?}");
            let check = |pretrained| check(recipe.task.backbone(), &recipe.input, pretrained);
            match (check(true), error) {
                (Ok(said), None) => assert_eq!(
                    said.as_ref()
                        .map(|said| remark.is_some_and(|remark| said.contains(remark))),
                    remark.map(|_| true),
                    "{settings:?}: {said:?}"
                ),
                (Err(said), Some(error)) => assert!(said.to_string().contains(error), "{settings:?}: {said}"),
                (said, _) => panic!("{settings:?}: {said:?}"),
            }
            if error.is_none() {
                assert_eq!(check(false).expect("the input fits"), None, "nothing is pretrained");
            }
        }
    }
}
