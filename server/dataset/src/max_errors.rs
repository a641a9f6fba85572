//! Maximum number of images that may fail in a command that reads many images: the option `--max-errors`.

use std::fmt;
use std::str::FromStr;

/// Maximum number or share of images that may fail.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum MaxErrors {
    /// Number of images.
    Count(usize),
    /// Percentage of all images, 0 to 100.
    Percent(f64),
}

impl MaxErrors {
    /// True if `failed` of `total` images are within the limit.
    pub fn allows(self, failed: usize, total: usize) -> bool {
        match self {
            Self::Count(most) => failed <= most,
            Self::Percent(most) => failed as f64 * 100.0 <= most * total as f64,
        }
    }
}

impl Default for MaxErrors {
    /// One percent.
    fn default() -> Self {
        Self::Percent(1.0)
    }
}

impl FromStr for MaxErrors {
    type Err = String;

    /// Parses a count such as `12`, or a percentage such as `1%` or `0.5 %`.
    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let percent = |number: &str| {
            number
                .trim()
                .parse()
                .ok()
                .filter(|percent| (0.0..=100.0).contains(percent))
        };
        let read = match text.strip_suffix('%') {
            Some(number) => percent(number).map(Self::Percent),
            None => text.parse().ok().map(Self::Count),
        };
        read.ok_or_else(|| "give a count such as 12, or a percentage from 0% to 100% such as 1%".to_owned())
    }
}

impl fmt::Display for MaxErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(most) => write!(f, "{most}"),
            Self::Percent(most) => write!(f, "{most}%"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_percentages_allow_up_to_their_value() {
        for (text, failed, total, allowed) in [
            ("1%", 1, 100, true),
            ("1%", 2, 100, false),
            ("1%", 1, 99, false),
            ("0.5 %", 1, 200, true),
            ("0", 0, 5, true),
            ("0", 1, 100_000, false),
            ("3", 3, 3, true),
            ("3", 4, 100_000, false),
            ("0%", 1, 1000, false),
            ("100%", 5, 5, true),
            ("29%", 29, 100, true),
        ] {
            let limit: MaxErrors = text.parse().expect(text);
            assert_eq!(limit.allows(failed, total), allowed, "{failed} of {total} at {text}");
            assert_eq!(limit.to_string().parse(), Ok(limit));
        }
        assert_eq!(MaxErrors::default().to_string(), "1%");
        for wrong in ["", "%", "-1", "1.5", "-1%", "101%", "NaN%", "inf%", "a%", "1%%"] {
            assert!(wrong.parse::<MaxErrors>().expect_err(wrong).contains("such as 1%"));
        }
    }
}
