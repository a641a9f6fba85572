//! Options of a command, written as `key=value` so that later ones can override earlier ones.

/// Options of a command in the order of their first mention.
///
/// `views=flip` stands for `--views=flip`, `tune-predictions=["a", "b"]` for `--tune-predictions a b`, and a key alone is a
/// flag. `views=null` removes an option.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Options(Vec<(String, Vec<String>)>);

impl Options {
    /// Applies settings; each overrides an earlier option with the same key.
    pub(crate) fn set(&mut self, settings: &[String]) {
        for setting in settings {
            let (key, value) = match setting.split_once('=') {
                Some((key, value)) => (key, Some(value)),
                None => (setting.as_str(), None),
            };
            let key = key.trim().trim_start_matches("--").replace('_', "-");
            if value == Some("null") {
                self.0.retain(|(known, _)| *known != key);
                continue;
            }
            let values = value.map_or_else(Vec::new, values);
            match self.0.iter_mut().find(|(known, _)| *known == key) {
                Some((_, old)) => *old = values,
                None => self.0.push((key, values)),
            }
        }
    }

    /// Returns the options of one fold, whose number replaces `{fold}` in all values.
    pub(crate) fn of_fold(&self, fold: usize) -> Self {
        let replace = |value: &String| value.replace("{fold}", &fold.to_string());
        let of_fold = |(key, values): &(String, Vec<String>)| (key.clone(), values.iter().map(replace).collect());
        Self(self.0.iter().map(of_fold).collect())
    }

    /// Returns the values of an option; empty if it is not given.
    pub(crate) fn values(&self, key: &str) -> &[String] {
        let found = self.0.iter().find(|(known, _)| known == key);
        found.map_or(&[], |(_, values)| values)
    }

    /// Returns the option with this key alone, or no option.
    pub(crate) fn only(&self, key: &str) -> Self {
        Self(self.0.iter().filter(|(known, _)| known == key).cloned().collect())
    }

    /// Returns the arguments of the command line.
    pub fn arguments(&self) -> Vec<String> {
        let arguments = |(key, values): &(String, Vec<String>)| match &values[..] {
            [] => vec![format!("--{key}")],
            [value] => vec![format!("--{key}={value}")],
            several => std::iter::once(format!("--{key}"))
                .chain(several.iter().cloned())
                .collect(),
        };
        self.0.iter().flat_map(arguments).collect()
    }
}

/// Returns the elements of a TOML list, or the value itself if it is not a list.
fn values(value: &str) -> Vec<String> {
    let parsed = toml::from_str::<toml::Table>(&format!("v = {value}"))
        .ok()
        .and_then(|mut table| table.remove("v"));
    let text = |value: &toml::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match parsed {
        Some(toml::Value::Array(list)) => list.iter().map(text).collect(),
        Some(toml::Value::String(text)) => vec![text],
        _ => vec![value.to_owned()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_the_fold_replaces_its_placeholder() {
        let mut options = Options::default();
        options.set(&["teacher=runs/a/fold{fold}/bundle".to_owned(), "init=w.pth".to_owned()]);
        assert_eq!(options.of_fold(3).values("teacher"), ["runs/a/fold3/bundle"]);
        assert_eq!(options.of_fold(3).values("init"), ["w.pth"]);
        assert!(options.values("views").is_empty());
    }

    #[test]
    fn later_settings_replace_earlier_ones_and_null_removes_them() {
        let mut options = Options::default();
        let set = |options: &mut Options, settings: &[&str]| {
            options.set(&settings.iter().map(|setting| (*setting).to_owned()).collect::<Vec<_>>());
        };
        set(&mut options, &["thresholds=0.5", "views=none", "quick"]);
        set(&mut options, &["--views=flip", "tune_predictions=['a b', 'c']"]);
        let expected = [
            "--thresholds=0.5",
            "--views=flip",
            "--quick",
            "--tune-predictions",
            "a b",
            "c",
        ];
        assert_eq!(options.arguments(), expected);
        set(
            &mut options,
            &["thresholds=null", "quick=null", "tune-predictions=d=e", "init=null"],
        );
        assert_eq!(options.arguments(), ["--views=flip", "--tune-predictions=d=e"]);
    }
}
