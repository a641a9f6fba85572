//! A gallery kept in fewer bytes: what search sees after its embeddings were stored and read back.

use half::f16;
use serde::Serialize;

/// How a number of an embedding is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Storage {
    /// Four bytes, as computed.
    #[default]
    F32,
    /// Two bytes.
    F16,
    /// One byte, with one scale an embedding: the greatest magnitude is 127.
    Int8,
}

impl std::str::FromStr for Storage {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "f32" => Ok(Self::F32),
            "f16" => Ok(Self::F16),
            "int8" => Ok(Self::Int8),
            _ => Err(format!("'{text}' is none of f32, f16 and int8")),
        }
    }
}

impl Storage {
    /// The values as they come back. With int8 each is off by at most half a step, the greatest magnitude / 254.
    pub fn round_trip(self, row: &[f32]) -> Vec<f32> {
        match self {
            Self::F32 => row.to_vec(),
            Self::F16 => row.iter().map(|value| f16::from_f32(*value).to_f32()).collect(),
            Self::Int8 => {
                let step = row.iter().fold(0.0f32, |most, value| most.max(value.abs())) / 127.0;
                if step == 0.0 {
                    return row.to_vec();
                }
                row.iter().map(|value| f32::from((value / step).round() as i8) * step).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn errors_stay_within_half_a_step(row in proptest::collection::vec(-1f32..1.0, 1..300)) {
            let most = row.iter().fold(0.0f32, |most, value| most.max(value.abs()));
            for (storage, relative, bound) in
                [(Storage::F32, 0.0, 0.0), (Storage::F16, 1.0 / 2048.0, 1e-7), (Storage::Int8, 0.0, most / 254.0 * 1.0001)]
            {
                for (value, stored) in row.iter().zip(storage.round_trip(&row)) {
                    prop_assert!((value - stored).abs() <= bound + relative * value.abs(), "{storage:?} {value} {stored}");
                }
            }
        }
    }
}
