//! Rounding of rows to 8-bit integers.

/// Writes the integers of a row, and returns their scale. The number with the largest magnitude becomes 127. The scale restores
/// the length of the row.
pub fn quantise(row: &[f32], codes: &mut Vec<i8>) -> f32 {
    let greatest = row.iter().fold(0.0f32, |most, value| most.max(value.abs()));
    let step = if greatest > 0.0 { greatest / 127.0 } else { 1.0 };
    codes.clear();
    codes.extend(row.iter().map(|value| (value / step).round() as i8));
    let length = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>().sqrt();
    let whole = length(&mut row.iter().map(|value| f64::from(*value)));
    let kept = length(&mut codes.iter().map(|code| f64::from(*code))).max(1.0);
    (whole / kept) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rounded_row_keeps_its_length() {
        let mut codes = Vec::new();
        for row in [vec![0.6, -0.8], vec![0.1, 0.2, 0.3], vec![0.0, 0.0]] {
            let scale = quantise(&row, &mut codes);
            let length = |values: &[f32]| values.iter().map(|value| value * value).sum::<f32>().sqrt();
            let back: Vec<f32> = codes.iter().map(|code| f32::from(*code) * scale).collect();
            assert!((length(&back) - length(&row)).abs() < 1e-6, "{row:?}");
            assert!(codes.iter().all(|code| code.unsigned_abs() <= 127));
        }
    }
}
