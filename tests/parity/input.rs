//! Preprocessing against an independent implementation in f64, and against its own bits.

use crate::{golden, of};
use sha2::{Digest, Sha256};
use shared::input::{CropBox, InputSpec, Pixels};

struct Case {
    name: String,
    expected: Vec<f32>,
    actual: Vec<f32>,
}

fn cases() -> Vec<Case> {
    let golden = golden("input.json");
    let cases = golden["cases"].as_array().expect("cases");
    cases
        .iter()
        .map(|case| {
            let picture = &golden["pictures"][case["picture"].as_str().expect("a name")];
            let data: Vec<u8> = of(&picture["data"]);
            let side = |name: &str| of::<usize>(&picture[name]);
            let pixels = Pixels::new(&data, side("width"), side("height"), side("channels")).expect("a valid picture");
            let crop: Option<CropBox> = of(&case["crop"]);
            let spec = InputSpec {
                mean: of(&golden["mean"]),
                std: of(&golden["std"]),
                ..InputSpec::new(of(&case["width"]), of(&case["height"]), of(&case["fit"]))
            };
            Case {
                name: format!(
                    "{} {} {}×{} {crop:?}",
                    case["picture"], case["fit"], case["width"], case["height"]
                ),
                expected: of(&case["expected"]),
                actual: spec.to_chw(pixels, crop).expect("the crop is inside"),
            }
        })
        .collect()
}

#[test]
fn agrees_with_the_reference() {
    for Case { name, expected, actual } in cases() {
        assert_eq!(actual.len(), expected.len(), "{name}");
        for (i, (a, e)) in actual.iter().zip(&expected).enumerate() {
            assert!((a - e).abs() <= 2e-5, "{name}: value {i} is {a}, expected {e}");
        }
    }
}

/// The same bits on every machine: any change of the arithmetic, or a machine that computes otherwise, shows here. The
/// browser test holds the wasm module to the same digest.
#[test]
fn has_the_recorded_bits() {
    let mut hash = Sha256::new();
    for case in cases() {
        case.actual
            .iter()
            .for_each(|value| hash.update(value.to_bits().to_le_bytes()));
    }
    let digest: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(digest, include_str!("../golden/input.bits.sha256").trim());
}
