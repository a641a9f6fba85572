//! Check of ring parts against the size of the last map.

use shared::input::InputSpec;
use shared::model::{RetrievalConfig, ring_parts};
use std::ops::Range;

/// Factor by which the trunk of every backbone reduces its input. The last stage reduces it further by its stride.
const TRUNK: usize = 16;

/// Describes ring parts that overlap or equal each other on the last map, with an input that has neither; `None` if all parts
/// of one number are disjoint and all parts are different.
pub(super) fn remark(model: &RetrievalConfig, input: &InputSpec) -> Option<String> {
    let side = |length: usize| length.div_ceil(TRUNK).div_ceil(model.last_stride.max(1));
    let (height, width) = (side(input.height), side(input.width));
    let mut parts: Vec<Range<usize>> = Vec::new();
    let (mut overlap, mut repeated) = (Vec::new(), 0);
    for number in &model.ring {
        let rings = ring_parts(*number, height, width);
        if rings.windows(2).any(|pair| pair[1].start < pair[0].end) {
            overlap.push(number.to_string());
        }
        for ring in rings {
            if parts.contains(&ring) {
                repeated += 1;
            }
            parts.push(ring);
        }
    }
    if overlap.is_empty() && repeated == 0 {
        return None;
    }
    let mut faults = Vec::new();
    if !overlap.is_empty() {
        faults.push(format!("cuts into {} rings overlap", overlap.join(" and ")));
    }
    if repeated > 0 {
        faults.push(format!("{repeated} of {} ring parts equal another", parts.len()));
    }
    let layers = model.ring.iter().fold(1, |all, number| lcm(all, (*number).max(1)));
    // Two layers, one on each side, per ring.
    let pixels = 2 * layers * TRUNK * model.last_stride.max(1);
    Some(format!(
        "the last map has {height}×{width} positions in {} concentric layers, so {}\nhint: an input of {pixels}×{pixels} pixels, \
         or a multiple, gives task.model.ring = {:?} parts that are disjoint and different",
        height.min(width).div_ceil(2),
        faults.join(", and "),
        model.ring
    ))
}

/// Least common multiple of two positive numbers.
fn lcm(a: usize, b: usize) -> usize {
    let (mut x, mut y) = (a, b);
    while y > 0 {
        (x, y) = (y, x % y);
    }
    a / x * b
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::input::Fit;

    #[test]
    fn rings_that_overlap_or_repeat_are_named_with_an_input_that_fits() {
        let model = RetrievalConfig::published("resnet10_w16");
        for (height, width, last_stride, expected) in [
            // Four layers: three rings cover layers 0–1, 1–2 and 2–3, and the first and last equal the two rings.
            (
                128,
                128,
                1,
                Some("cuts into 3 rings overlap, and 2 of 5 ring parts equal another"),
            ),
            (128, 96, 1, Some("cuts into 2 rings overlap")),
            (64, 64, 1, Some("2 of 5 ring parts equal another")),
            (192, 192, 1, None),
            (192, 192, 2, Some("cuts into 2 rings overlap")),
            (384, 384, 1, None),
        ] {
            let model = RetrievalConfig {
                last_stride,
                ..model.clone()
            };
            let remark = remark(&model, &InputSpec::new(width, height, Fit::Stretch));
            match (remark, expected) {
                (None, None) => {}
                (Some(text), Some(expected)) => {
                    let fits = format!("{0}×{0} pixels", 192 * last_stride);
                    assert!(text.contains(expected) && text.contains(&fits), "{text}");
                }
                (found, expected) => panic!("{height}×{width}: {found:?} instead of {expected:?}"),
            }
        }
        let without = RetrievalConfig {
            ring: Vec::new(),
            ..model
        };
        assert_eq!(remark(&without, &InputSpec::new(64, 64, Fit::Stretch)), None);
    }
}
