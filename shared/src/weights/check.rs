//! Checks of the numbers that a parameter may hold, for reading and writing.

use super::error::WeightsError;
use half::f16;

/// Last part of the key of a batch norm's running variance.
const VARIANCE: &str = "running_var";

/// Checks a parameter's values.
///
/// # Errors
/// [`WeightsError::NotFinite`] or [`WeightsError::NegativeVariance`] if a value cannot be used.
pub(super) fn check(key: &str, values: &[f32]) -> Result<(), WeightsError> {
    if !values.iter().all(|value| value.is_finite()) {
        return Err(WeightsError::NotFinite { key: key.to_owned() });
    }
    match values.iter().find(|value| **value < 0.0) {
        Some(value) if key.ends_with(VARIANCE) => Err(WeightsError::NegativeVariance {
            key: key.to_owned(),
            value: format!("{value:?}"),
        }),
        _ => Ok(()),
    }
}

/// Converts f64 values to the nearest f32 values.
///
/// # Errors
/// [`WeightsError::Range`] if a finite value is beyond f32's range.
pub(super) fn to_f32(key: &str, values: impl Iterator<Item = f64>) -> Result<Vec<f32>, WeightsError> {
    let narrow = |value: f64| {
        let near = value as f32;
        if value.is_finite() && near.is_infinite() {
            Err(WeightsError::range(key, value, "f32"))
        } else {
            Ok(near)
        }
    };
    values.map(narrow).collect()
}

/// Converts f32 values to the nearest f16 values.
///
/// # Errors
/// [`WeightsError::Range`] if a finite value is beyond f16's range.
pub(super) fn to_f16(key: &str, values: &[f32]) -> Result<Vec<f16>, WeightsError> {
    let narrow = |value: &f32| {
        let near = f16::from_f32(*value);
        if value.is_finite() && near.is_infinite() {
            Err(WeightsError::range(key, f64::from(*value), "f16"))
        } else {
            Ok(near)
        }
    };
    values.iter().map(narrow).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unusable_value_is_an_error_that_names_its_key() {
        for (key, value, said) in [
            ("conv1.weight", -1.0, None),
            ("bn1.running_mean", -1.0, None),
            ("bn1.running_var", 0.0, None),
            ("bn1.running_var", -0.0, None),
            (
                "bn1.running_var",
                -1e-30,
                Some("'bn1.running_var' holds the variance -1e-30"),
            ),
            (
                "fc.weight",
                f32::NAN,
                Some("'fc.weight' holds a value that is not finite"),
            ),
            (
                "fc.weight",
                f32::NEG_INFINITY,
                Some("'fc.weight' holds a value that is not finite"),
            ),
        ] {
            let result = check(key, &[1.0, value]).map_err(|error| error.to_string());
            match said {
                None => assert_eq!(result, Ok(()), "{key} {value}"),
                Some(said) => {
                    let error = result.expect_err(said);
                    assert!(error.contains(said), "{error}");
                }
            }
        }
    }

    #[test]
    fn a_value_beyond_the_range_of_a_number_type_is_an_error() {
        for (value, fits) in [(1e-300, true), (-3.4e38, true), (3.5e38, false), (-1e300, false)] {
            assert_eq!(to_f32("w", [value].into_iter()).is_ok(), fits, "{value} as f32");
        }
        for (value, fits) in [
            (1e-20, true),
            (65504.0, true),
            (-65519.0, true),
            (65520.0, false),
            (-1e9, false),
        ] {
            let result = to_f16("w", &[value]);
            assert_eq!(result.is_ok(), fits, "{value} as f16");
            assert!(result.ok().is_none_or(|values| values[0].is_finite()), "{value}");
        }
        let error = to_f16("w", &[1.0, 1e9]).expect_err("beyond f16").to_string();
        assert!(error.contains("'w' holds 1e9, and f16 stores at most 65504"), "{error}");
        assert!(to_f32("w", [f64::NAN].into_iter()).expect("left for the check")[0].is_nan());
    }
}
