//! What a backbone expects of its input: a recipe that leaves the normalisation open gets the backbone's, and one that
//! contradicts it hears so before it starts from pretrained weights.

use super::recipe::{Recipe, TaskRecipe};
use shared::model::{BackboneConfig, InputContract};
use toml::{Table, Value};

impl TaskRecipe {
    /// Name of the backbone in the registry.
    pub fn backbone(&self) -> &str {
        match self {
            Self::Style(task) => &task.backbone,
            Self::Distill(task) => &task.backbone,
            Self::Query(task) => &task.backbone,
            Self::Retrieval(task) => &task.model.backbone,
            Self::Segment(task) => &task.backbone,
        }
    }

    /// Whether it learns from a teacher, which `selvedge distill` takes and `selvedge train` does not.
    pub fn needs_teacher(&self) -> bool {
        matches!(self, Self::Distill(_) | Self::Query(_))
    }
}

/// Fills `mean` and `std` of a recipe's `[input]` from its backbone where they are not given.
///
/// Whatever is missing or of a wrong type is left for the recipe's own errors.
pub(super) fn complete(recipe: &mut Table) {
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

/// A remark about an input that pretrained weights were not made for, if there is one to make.
///
/// # Errors
/// If the backbone is unknown, or leaves nothing of pictures of this size.
pub(super) fn check(recipe: &Recipe, pretrained: bool) -> anyhow::Result<Option<String>> {
    let (name, input) = (recipe.task.backbone(), &recipe.input);
    let InputContract {
        side,
        smallest,
        mean,
        std,
    } = BackboneConfig::named(name)?.input();
    anyhow::ensure!(
        input.width.min(input.height) >= smallest,
        "{name} needs pictures of at least {smallest}×{smallest} pixels, and [input] says {}×{}; it was published for {side}",
        input.width,
        input.height
    );
    let other = pretrained && (input.mean != mean || input.std != std);
    Ok(other.then(|| {
        format!(
            "warning: published weights of {name} expect mean = {mean:?} and std = {std:?}, and [input] sets \
             mean = {:?} and std = {:?}\nhint: leave both out of the recipe, unless the file of --init comes from a \
             run with this very [input]",
            input.mean, input.std
        )
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECIPE: &str = "name = 'a'\nseed = 1\nepochs = 1\n[data]\ndir = 'a'\n[input]\nwidth = 80\nheight = 80\n\
                          [optimiser]\nbatch = 2\nrate = 0.1\n[task]\nkind = 'style'\nbackbone = 'resnet18'\n";

    #[test]
    fn the_input_follows_the_backbone_unless_the_recipe_says_otherwise() {
        const HALF: [f32; 3] = [0.5; 3];
        let imagenet = BackboneConfig::named("resnet18").expect("is there").input();
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
            let recipe = Recipe::parse(RECIPE, &settings).expect("a recipe");
            assert_eq!(recipe.input.mean, mean, "{settings:?}");
            match (check(&recipe, true), error) {
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
                assert_eq!(check(&recipe, false).expect("fits"), None, "nothing is pretrained");
            }
        }
    }

    #[test]
    fn hidden_layers_are_a_number_or_a_list() {
        for (value, widths) in [
            ("64", Some(vec![64])),
            ("[64, 32]", Some(vec![64, 32])),
            ("[]", Some(vec![])),
            ("0", None),
        ] {
            let recipe = Recipe::parse(RECIPE, &[format!("task.hidden={value}")]);
            let hidden = recipe.ok().map(|recipe| match recipe.task {
                TaskRecipe::Style(task) => {
                    // What a run folder and a bundle store is what was read.
                    let text = serde_json::to_string(&task.hidden).expect("writes");
                    assert_eq!(text.replace(',', ", "), value);
                    task.hidden.widths().to_vec()
                }
                other => panic!("{other:?}"),
            });
            assert_eq!(hidden, widths, "{value}");
        }
    }
}
