//! Preprocessing compared with an independent implementation in f64, and with recorded bits.

use crate::{golden, parse};
use sha2::{Digest, Sha256};
use shared::input::{CropBox, InputSpec, Pixels};

struct Case {
    name: String,
    expected: Vec<f32>,
    actual: Vec<f32>,
}

fn cases() -> Vec<Case> {
    let golden = golden("input.json");
    let cases = golden["cases"].as_array().expect("the golden has cases");
    cases
        .iter()
        .map(|case| {
            let image = &golden["pictures"][case["picture"].as_str().expect("the image has a name")];
            let data: Vec<u8> = parse(&image["data"]);
            let side = |name: &str| parse::<usize>(&image[name]);
            let pixels =
                Pixels::new(&data, side("width"), side("height"), side("channels")).expect("the image is valid");
            let crop: Option<CropBox> = parse(&case["crop"]);
            let spec = InputSpec {
                mean: parse(&golden["mean"]),
                std: parse(&golden["std"]),
                ..InputSpec::new(parse(&case["width"]), parse(&case["height"]), parse(&case["fit"]))
            };
            Case {
                name: format!(
                    "{} {} {}×{} {crop:?}",
                    case["picture"], case["fit"], case["width"], case["height"]
                ),
                expected: parse(&case["expected"]),
                actual: spec.to_chw(pixels, crop).expect("the crop is inside the image"),
            }
        })
        .collect()
}

#[test]
fn inputs_agree_with_the_reference() {
    for Case { name, expected, actual } in cases() {
        assert_eq!(actual.len(), expected.len(), "{name}");
        for (i, (a, e)) in actual.iter().zip(&expected).enumerate() {
            assert!((a - e).abs() <= 2e-5, "{name}: value {i} is {a}, expected {e}");
        }
    }
}

/// The browser test compares the wasm module with the same digest.
#[test]
fn inputs_have_the_recorded_bits_on_every_machine() {
    let mut hash = Sha256::new();
    for case in cases() {
        case.actual
            .iter()
            .for_each(|value| hash.update(value.to_bits().to_le_bytes()));
    }
    let digest: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(digest, include_str!("../golden/input.bits.sha256").trim());
}
