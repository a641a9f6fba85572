//! Unit length.

/// `values` at unit length; all zero stays so.
pub fn unit(values: &[f64]) -> Vec<f32> {
    let norm = values
        .iter()
        .map(|value| value * value)
        .sum::<f64>()
        .sqrt()
        .max(f64::MIN_POSITIVE);
    values.iter().map(|value| (value / norm) as f32).collect()
}
