//! Reading and checking of recipes.

use crate::input_check;
use crate::recipe::{FoldKind, Recipe, StageRecipe, TaskRecipe, with_task};
use crate::task::Task;
use anyhow::Context;
use pretrained::{PREFIX, Package};
use std::path::Path;

impl Recipe {
    /// Reads a recipe and applies `key=value` settings such as `optimiser.rate=0.01`; `key=null` removes the key.
    ///
    /// # Errors
    /// Names the file, the key and the problem.
    pub fn read(path: &Path, settings: &[String]) -> anyhow::Result<Self> {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("cannot read the recipe {}", path.display()))?;
        Self::parse(&text, settings).with_context(|| format!("in the recipe {}", path.display()))
    }

    /// Parses a recipe and applies settings as [`Recipe::read`] does.
    ///
    /// # Errors
    /// Names the key and the problem.
    pub fn parse(text: &str, settings: &[String]) -> anyhow::Result<Self> {
        let mut table: toml::Table = toml::from_str(text)?;
        for setting in settings {
            set(&mut table, setting)?;
        }
        input_check::complete(&mut table);
        let recipe: Self = table.try_into()?;
        recipe.check()?;
        Ok(recipe)
    }

    fn check(&self) -> anyhow::Result<()> {
        anyhow::ensure!(self.epochs > 0, "epochs must be at least 1");
        if let Some(name) = self.init.as_deref().and_then(|init| init.strip_prefix(PREFIX)) {
            Package::named(name).context("init")?;
        }
        self.optimiser.check()?;
        self.loss.check()?;
        if let Some(average) = self.average {
            average.check(self.epochs)?;
        }
        anyhow::ensure!(
            self.mixup >= 0.0 && self.mixup.is_finite(),
            "mixup must be 0 or a positive number"
        );
        self.input.check()?;
        self.augment.check()?;
        with_task!(&self.task, task => self.check_with(task))
    }

    /// Checks the parts whose limits depend on the task.
    fn check_with<T: Task>(&self, task: &T) -> anyhow::Result<()> {
        self.data.check(T::FOLDS)?;
        StageRecipe::check_all(&self.stages, self.epochs, task.is_dense())?;
        if let Some(recolour) = &self.recolour {
            anyhow::ensure!(
                T::CLASSIFIES,
                "[recolour] is for classifiers only: products are told apart by their colours"
            );
            recolour.check()?;
        }
        task.check(self)
    }
}

impl TaskRecipe {
    /// Name of the backbone in the registry.
    pub fn backbone(&self) -> &str {
        with_task!(self, task => task.backbone())
    }

    /// True if the folds of the task divide items: retrieval networks and query encoders.
    pub fn folds_items(&self) -> bool {
        fn folds_items<T: Task>(_task: &T) -> bool {
            T::FOLDS == FoldKind::Items
        }
        with_task!(self, task => folds_items(task))
    }

    /// True if the network is a query encoder, which searches the gallery of its teacher.
    pub fn embeds_queries(&self) -> bool {
        matches!(self, Self::Query(_))
    }

    /// True if the task needs a teacher: `selvedge distill` trains it, and `selvedge train` does not.
    pub fn needs_teacher(&self) -> bool {
        fn needs_teacher<T: Task>(_task: &T) -> bool {
            T::NEEDS_TEACHER
        }
        with_task!(self, task => needs_teacher(task))
    }
}

/// Applies one setting `a.b.c=value`. A value that is not TOML is text; `null`, which TOML lacks, removes the key.
fn set(table: &mut toml::Table, setting: &str) -> anyhow::Result<()> {
    let (key, value) = setting
        .split_once('=')
        .with_context(|| format!("--set takes key=value, not '{setting}'; for example --set optimiser.rate=0.01"))?;
    let is_removed = value == "null";
    let value = toml::from_str::<toml::Table>(&format!("v = {value}"))
        .ok()
        .and_then(|mut table| table.remove("v"))
        .unwrap_or_else(|| toml::Value::String(value.to_owned()));
    let mut path: Vec<&str> = key.split('.').collect();
    let last = path.pop().unwrap_or_default();
    let mut at = table;
    let mut parts = path.into_iter();
    while let Some(part) = parts.next() {
        if is_removed && !at.contains_key(part) {
            return Ok(());
        }
        let value = at.entry(part).or_insert_with(|| toml::Value::Table(toml::Table::new()));
        at = match value {
            toml::Value::Array(entries) => entry(entries, part, parts.next().unwrap_or_default(), key)?,
            value => value
                .as_table_mut()
                .with_context(|| format!("'{part}' in --set {key} is not a table"))?,
        };
    }
    if is_removed {
        at.remove(last);
    } else {
        at.insert(last.to_owned(), value);
    }
    Ok(())
}

/// Returns the entry with the given `name` of a list of tables.
fn entry<'a>(entries: &'a mut [toml::Value], list: &str, name: &str, key: &str) -> anyhow::Result<&'a mut toml::Table> {
    let is_named = |entry: &&mut toml::Table| entry.get("name").and_then(toml::Value::as_str) == Some(name);
    let mut tables = entries.iter_mut().filter_map(toml::Value::as_table_mut);
    tables
        .find(is_named)
        .with_context(|| format!("'{list}' in --set {key} is a list without an entry that is named '{name}'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECIPE: &str = "name = 'a'\nseed = 1\nepochs = 1\n[data]\ndir = 'a'\n[input]\nwidth = 80\nheight = 80\n\
                          [optimiser]\nbatch = 2\nrate = 0.1\n[task]\nkind = 'style'\nbackbone = 'resnet18'\n";

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
                    // Run folders and bundles store the form that was read.
                    let text = serde_json::to_string(&task.hidden).expect("widths are JSON");
                    assert_eq!(text.replace(',', ", "), value);
                    task.hidden.widths().to_vec()
                }
                other => panic!("{other:?}"),
            });
            assert_eq!(hidden, widths, "{value}");
        }
    }

    #[test]
    fn an_entry_of_a_list_is_set_by_its_name() {
        let group = "[[data.groups]]\nname = 'garment'\ndir = 'b'\n[input]";
        let text = RECIPE.replace("[input]", group);
        let recipe = Recipe::parse(&text, &["data.groups.garment.dir=c".to_owned()]).expect("the entry exists");
        assert_eq!(recipe.data.groups[0].dir, Path::new("c"));
        let error = Recipe::parse(&text, &["data.groups.colour.dir=c".to_owned()]).expect_err("no such entry");
        assert!(error.to_string().contains("named 'colour'"), "{error}");
    }
}
