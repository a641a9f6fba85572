//! The JSON Schemas of recipes and ablations, and the reference of their keys, are current.
//!
//! `SELVEDGE_BLESS=1 cargo test --test structure schema` writes them.

use super::root;
use crate::key_reference::key_reference;
use ablation::AblationRecipe;
use serde_json::Value;
use std::fs;
use std::path::Path;
use training::Recipe;

/// Introduction of the key reference.
const INTRODUCTION: &str = "\
# Keys of recipes

This file is generated from `../recipes/recipe.schema.json` and `../recipes/ablation.schema.json`. After a change of the
recipe types, `SELVEDGE_BLESS=1 cargo test --test structure schema` writes all three files.

Every key can be changed on the command line: `selvedge train RECIPE --set optimiser.rate=0.01`. `--set average=null` removes
a key. In an ablation the table `set` changes keys and the list `unset` removes them. A key without a default is required,
unless its default is \u{201c}absent\u{201d}.
";

/// Compares a generated file with the one in the repository, or writes it.
fn check(path: &Path, generated: &str) {
    if std::env::var_os("SELVEDGE_BLESS").is_some() {
        fs::write(path, generated).expect("the file is writable");
    }
    let written = fs::read_to_string(path).unwrap_or_default();
    assert!(
        written == generated,
        "{} is not current; write it with SELVEDGE_BLESS=1 cargo test --test structure schema",
        path.display()
    );
}

fn pretty(schema: &Value) -> String {
    let text = serde_json::to_string_pretty(schema).expect("a schema is JSON");
    format!("{text}\n")
}

#[test]
fn schemas_and_key_reference_are_current() {
    let (recipe, ablation) = (Recipe::schema(), AblationRecipe::schema());
    let recipes = root().join("server/recipes");
    check(&recipes.join("recipe.schema.json"), &pretty(&recipe));
    check(&recipes.join("ablation.schema.json"), &pretty(&ablation));
    let reference = format!(
        "{INTRODUCTION}\n# Training recipes\n\n{}# Ablations\n\n{}",
        key_reference(&recipe),
        key_reference(&ablation)
    );
    check(
        &root().join("server/docs/recipe-keys.md"),
        &(reference.trim_end().to_owned() + "\n"),
    );
}

#[test]
fn every_recipe_in_the_repository_is_valid() {
    for entry in fs::read_dir(root().join("server/recipes/train")).expect("the folder is readable") {
        let path = entry.expect("the folder is readable").path();
        if let Err(error) = Recipe::read(&path, &[]) {
            panic!("{error:#}");
        }
    }
    for entry in fs::read_dir(root().join("server/recipes/ablate")).expect("the folder is readable") {
        let path = entry.expect("the folder is readable").path();
        let plan = AblationRecipe::read(&path).and_then(|ablation| ablation::Plan::new(ablation, None));
        if let Err(error) = plan {
            panic!("{error:#}");
        }
    }
}
