//! Normalisation to unit length.

/// Scales `values` to unit length. A vector of zeros stays zero.
pub fn unit(values: &[f64]) -> Vec<f32> {
    let norm = values
        .iter()
        .map(|value| value * value)
        .sum::<f64>()
        .sqrt()
        .max(f64::MIN_POSITIVE);
    values.iter().map(|value| (value / norm) as f32).collect()
}
