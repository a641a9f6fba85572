//! The share of photos that may fail before a command refuses its result: `--max-errors` of every command that reads many.

use std::fmt;
use std::str::FromStr;

/// A share of photos, 0 to 100 percent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MaxErrors {
    percent: f64,
}

impl MaxErrors {
    /// Whether `failed` of `total` photos are within the share.
    pub fn allows(self, failed: usize, total: usize) -> bool {
        failed as f64 * 100.0 <= self.percent * total as f64
    }
}

impl Default for MaxErrors {
    /// One percent.
    fn default() -> Self {
        Self { percent: 1.0 }
    }
}

impl FromStr for MaxErrors {
    type Err = String;

    /// A percentage such as `1%` or `0.5 %`; the sign is part of it, since `1` alone could mean one photo.
    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.trim().strip_suffix('%').and_then(|number| number.trim().parse().ok());
        match number.or_else(|| (text.trim() == "0").then_some(0.0)) {
            Some(percent) if (0.0..=100.0).contains(&percent) => Ok(Self { percent }),
            _ => Err("a share of the photos is a percentage from 0% to 100%, such as 1%".to_owned()),
        }
    }
}

impl fmt::Display for MaxErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.percent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_a_percentage_and_its_bound_is_allowed() {
        for (text, failed, total, allowed) in [
            ("1%", 1, 100, true),
            ("1%", 2, 100, false),
            ("1%", 1, 99, false),
            ("0.5 %", 1, 200, true),
            ("0", 0, 5, true),
            ("0%", 1, 1000, false),
            ("100%", 5, 5, true),
            ("29%", 29, 100, true),
        ] {
            let share: MaxErrors = text.parse().expect(text);
            assert_eq!(share.allows(failed, total), allowed, "{failed} of {total} at {text}");
            assert_eq!(share.to_string().parse(), Ok(share));
        }
        assert_eq!(MaxErrors::default().to_string(), "1%");
        for wrong in ["", "1", "%", "-1%", "101%", "NaN%", "inf%", "a%", "1%%"] {
            assert!(wrong.parse::<MaxErrors>().expect_err(wrong).contains("such as 1%"));
        }
    }
}
