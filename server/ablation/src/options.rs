//! Options of a command, written as `key=value` so that they can be laid over each other.

/// A command's options in the order of their first mention: `views=flip` is `--views=flip`, `tune-predictions=["a", "b"]`
/// is `--tune-predictions a b`, a key alone is a flag, and `views=null` takes the option away again.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Options(Vec<(String, Vec<String>)>);

impl Options {
    /// Lays settings over those that are there; the later of two with one key wins.
    pub fn set(&mut self, settings: &[String]) {
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

    /// The option of this key alone, if it is there.
    pub fn only(&self, key: &str) -> Self {
        Self(self.0.iter().filter(|(known, _)| known == key).cloned().collect())
    }

    /// The command line's arguments.
    pub fn arguments(&self) -> Vec<String> {
        let of = |(key, values): &(String, Vec<String>)| match &values[..] {
            [] => vec![format!("--{key}")],
            [value] => vec![format!("--{key}={value}")],
            several => std::iter::once(format!("--{key}"))
                .chain(several.iter().cloned())
                .collect(),
        };
        self.0.iter().flat_map(of).collect()
    }
}

/// The texts of a TOML list, or the one text that it is.
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
    fn later_settings_replace_earlier_ones_and_null_takes_away() {
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
