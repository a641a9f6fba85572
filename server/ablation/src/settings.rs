//! Changes of a training recipe, converted to the `key=value` form of `selvedge train --set`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

/// Changes of a training recipe.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Keys that are set.
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    pub set: Table,
    /// Keys that are removed, before `set` applies.
    pub unset: Vec<String>,
}

impl Settings {
    /// Returns the settings in the order in which they apply.
    pub(crate) fn settings(&self) -> Vec<String> {
        settings(&self.set, &self.unset)
    }
}

/// Converts keys to remove and keys to set to `key=value` settings.
///
/// Tables are merged key by key into those of the recipe. Other values, and empty tables, replace the recipe's.
pub(crate) fn settings(set: &Table, unset: &[String]) -> Vec<String> {
    let mut settings: Vec<String> = unset.iter().map(|key| format!("{key}=null")).collect();
    flatten("", set, &mut settings);
    settings
}

fn flatten(prefix: &str, table: &Table, settings: &mut Vec<String>) {
    for (key, value) in table {
        let path = if prefix.is_empty() {
            key.clone()
        } else {
            format!("{prefix}.{key}")
        };
        match value {
            Value::Table(inner) if !inner.is_empty() => flatten(&path, inner, settings),
            value => settings.push(format!("{path}={value}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_become_settings_of_their_leaves_after_the_removed_keys() {
        let text = "unset = ['average']\n[set]\nepochs = 6\naugment = {}\nloss = { kind = 'focal', alpha = 0.25 }\n\
                    input.width = 64\ntask.losses = [{ kind = 'softmax', scale = 16.0 }]\n";
        let settings: Settings = toml::from_str(text).expect("the settings are valid");
        assert_eq!(
            settings.settings(),
            [
                "average=null",
                "augment={}",
                "epochs=6",
                "input.width=64",
                "loss.alpha=0.25",
                "loss.kind=\"focal\"",
                "task.losses=[{ kind = \"softmax\", scale = 16.0 }]",
            ]
        );
    }
}
