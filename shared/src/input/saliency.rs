//! Proposal of a crop box around the subject of an image, without a network.
//!
//! The method is MB+ of Zhang et al., "Minimum Barrier Salient Object Detection at 80 FPS", ICCV 2015: the minimum barrier
//! distance to the frame and the difference from the frame's colours. The arithmetic is addition, multiplication, division and
//! the square root. IEEE rounds all of them exactly, so machines agree to the bit.

use super::intake::Intake;
use super::pixels::{CropBox, InputError, Pixels};
use super::spec::{Fit, InputSpec};

/// Longer side of the thumbnail that is analysed, in pixels.
const SIDE: usize = 64;
/// Passes over the thumbnail, alternately from the top left and from the bottom right.
const PASSES: usize = 3;
/// Width of the strips along the frame that count as background, as a share of the side.
const STRIP: f32 = 0.1;
/// Variance added to each channel of a strip, in (1/255)², so that noise in a plain background is not a contrast.
const NOISE: f32 = 50.0;
/// Smallest highest barrier, summed over the channels (at most 765), of an image with a subject.
const CONTRAST: f32 = 30.0;
/// Share of the salient pixels that may lie beyond each side of the box, because they are specks.
const SPECKS: f32 = 0.01;
/// Margin around the salient pixels, as a share of the box's sides.
const MARGIN: f32 = 0.04;
/// Smallest and largest area of a proposed box, as shares of the image.
const AREA: (f32, f32) = (0.01, 0.9);

/// Returns a crop box around the subject of an image, in pixels. Returns `None` if nothing stands out or the subject fills the
/// image.
pub fn propose(pixels: Pixels<'_>) -> Option<CropBox> {
    let mut intake = intake((pixels.width(), pixels.height())).ok()?;
    intake.push_image(pixels);
    propose_from(intake).ok()?
}

/// Begins the thumbnail of an image of `(width, height)` pixels for [`propose_from`].
///
/// # Errors
/// [`InputError::Empty`] if the image has no pixels.
pub fn intake((width, height): (usize, usize)) -> Result<Intake, InputError> {
    let longer = width.max(height).max(1);
    let side = |length: usize| (length * SIDE).div_ceil(longer).min(length).max(1);
    InputSpec::new(side(width), side(height), Fit::Stretch).intake((width, height), None)
}

/// Returns the box of [`propose`] from a thumbnail that [`intake`] began.
///
/// # Errors
/// [`InputError::Incomplete`] if rows of the image are missing.
pub fn propose_from(thumbnail: Intake) -> Result<Option<CropBox>, InputError> {
    let image = thumbnail.window();
    let (w, h) = thumbnail.placed();
    Ok(subject(
        &thumbnail.finish_rgb()?,
        (w, h),
        (image.width as usize, image.height as usize),
    ))
}

/// Returns the box around the subject in a thumbnail of `(w, h)` pixels, in pixels of the image.
fn subject(thumbnail: &[[f32; 3]], (w, h): (usize, usize), (width, height): (usize, usize)) -> Option<CropBox> {
    let mut map = barriers(thumbnail, w, h);
    if greatest(&map) < CONTRAST {
        return None;
    }
    normalise(&mut map);
    for (value, other) in map.iter_mut().zip(difference_from_frame(thumbnail, w, h)) {
        *value += other;
    }
    normalise(&mut map);
    let threshold = otsu(&map);
    let salient = |x: usize, y: usize| map[y * w + x] > threshold;
    let (left, right) = extent((0..w).map(|x| (0..h).filter(|y| salient(x, *y)).count()).collect());
    let (top, bottom) = extent((0..h).map(|y| (0..w).filter(|x| salient(*x, y)).count()).collect());

    // Cells of the thumbnail are mapped to the pixels that contain them. A margin is added.
    let along = |from: usize, to: usize, cells: usize, length: usize| {
        let room = ((to - from) as f32 * length as f32 / cells as f32 * MARGIN + 0.5) as usize;
        let from = (from * length / cells).saturating_sub(room);
        (
            from as u32,
            ((to * length).div_ceil(cells) + room).min(length).saturating_sub(from) as u32,
        )
    };
    let (x, box_width) = along(left, right, w, width);
    let (y, box_height) = along(top, bottom, h, height);
    let area = box_width as f32 * box_height as f32 / (width as f32 * height as f32);
    (area >= AREA.0 && area <= AREA.1).then_some(CropBox {
        x,
        y,
        width: box_width,
        height: box_height,
    })
}

/// Returns the minimum barrier distance of each pixel to the frame: the smallest range of colours over all ways to the frame,
/// summed over the channels, 0 to 765.
fn barriers(rgb: &[[f32; 3]], w: usize, h: usize) -> Vec<f32> {
    let framed = |i: usize| i.is_multiple_of(w) || i % w == w - 1 || i / w == 0 || i / w == h - 1;
    let mut distance: Vec<f32> = (0..w * h).map(|i| if framed(i) { 0.0 } else { f32::MAX }).collect();
    // Highest and lowest value per channel on the best way so far.
    let (mut high, mut low) = (rgb.to_vec(), rgb.to_vec());
    for pass in 0..PASSES {
        for step in 0..w * h {
            let forward = pass % 2 == 0;
            let i = if forward { step } else { w * h - 1 - step };
            if framed(i) {
                continue;
            }
            for neighbour in if forward { [i - 1, i - w] } else { [i + 1, i + w] } {
                let mut range = 0.0;
                let (mut top, mut bottom) = (rgb[i], rgb[i]);
                for c in 0..3 {
                    top[c] = top[c].max(high[neighbour][c]);
                    bottom[c] = bottom[c].min(low[neighbour][c]);
                    range += top[c] - bottom[c];
                }
                if range < distance[i] {
                    (distance[i], high[i], low[i]) = (range, top, bottom);
                }
            }
        }
    }
    distance
}

/// Returns the difference of each pixel from the frame's colours, 0 to 1: the sum of its Mahalanobis distances to the four
/// strips without the greatest distance, because the subject may touch one side.
fn difference_from_frame(rgb: &[[f32; 3]], w: usize, h: usize) -> Vec<f32> {
    let strip = |length: usize| ((length as f32 * STRIP) as usize).max(1);
    let (dx, dy) = (strip(w), strip(h));
    let strips = [(0, 0, dx, h), (w - dx, 0, w, h), (0, 0, w, dy), (0, h - dy, w, h)];
    let (mut sum, mut most) = (vec![0.0f32; w * h], vec![0.0f32; w * h]);
    for (x0, y0, x1, y1) in strips {
        let inside: Vec<[f32; 3]> = (y0..y1).flat_map(|y| (x0..x1).map(move |x| rgb[y * w + x])).collect();
        let (mean, inverse) = colour_statistics(&inside);
        let mut far: Vec<f32> = rgb.iter().map(|colour| mahalanobis(colour, &mean, &inverse)).collect();
        normalise(&mut far);
        for (i, value) in far.into_iter().enumerate() {
            sum[i] += value;
            most[i] = most[i].max(value);
        }
    }
    let mut rest: Vec<f32> = sum.iter().zip(&most).map(|(sum, most)| sum - most).collect();
    normalise(&mut rest);
    rest
}

/// Computes the mean and the inverse covariance of colours.
fn colour_statistics(colours: &[[f32; 3]]) -> ([f32; 3], [[f32; 3]; 3]) {
    let n = colours.len() as f32;
    let mut mean = [0.0; 3];
    for colour in colours {
        for c in 0..3 {
            mean[c] += colour[c] / n;
        }
    }
    let mut m = [[NOISE, 0.0, 0.0], [0.0, NOISE, 0.0], [0.0, 0.0, NOISE]];
    for colour in colours {
        for a in 0..3 {
            for b in 0..3 {
                m[a][b] += (colour[a] - mean[a]) * (colour[b] - mean[b]) / n;
            }
        }
    }
    // The inverse consists of cofactors, since the matrix is symmetric. NOISE keeps the determinant above zero.
    let minor = |a: usize, b: usize| {
        let (r, s, c, d) = ((a + 1) % 3, (a + 2) % 3, (b + 1) % 3, (b + 2) % 3);
        m[r][c] * m[s][d] - m[r][d] * m[s][c]
    };
    let determinant = m[0][0] * minor(0, 0) + m[0][1] * minor(0, 1) + m[0][2] * minor(0, 2);
    (mean, [0, 1, 2].map(|a| [0, 1, 2].map(|b| minor(a, b) / determinant)))
}

/// Computes the Mahalanobis distance of a colour from the mean.
fn mahalanobis(colour: &[f32; 3], mean: &[f32; 3], inverse: &[[f32; 3]; 3]) -> f32 {
    let mut square = 0.0;
    for a in 0..3 {
        for b in 0..3 {
            square += (colour[a] - mean[a]) * inverse[a][b] * (colour[b] - mean[b]);
        }
    }
    square.max(0.0).sqrt()
}

fn greatest(map: &[f32]) -> f32 {
    map.iter().fold(0.0, |most: f32, value| most.max(*value))
}

/// Scales a map to a maximum of 1. A map of zeros stays the same.
fn normalise(map: &mut [f32]) {
    let most = greatest(map);
    if most > 0.0 {
        map.iter_mut().for_each(|value| *value /= most);
    }
}

/// Returns the threshold that divides a map of 0 to 1 into the two most different parts (Otsu 1979).
fn otsu(map: &[f32]) -> f32 {
    const BINS: usize = 64;
    let mut counts = [0u32; BINS];
    for value in map {
        counts[((value * BINS as f32) as usize).min(BINS - 1)] += 1;
    }
    let all: f32 = counts.iter().enumerate().map(|(bin, n)| bin as f32 * *n as f32).sum();
    let (mut below, mut sum, mut best, mut threshold) = (0.0f32, 0.0f32, 0.0f32, 0.0f32);
    for (bin, n) in counts.iter().enumerate() {
        below += *n as f32;
        sum += bin as f32 * *n as f32;
        let above = map.len() as f32 - below;
        if below > 0.0 && above > 0.0 {
            let apart = sum / below - (all - sum) / above;
            let between = below * above * apart * apart;
            if between > best {
                (best, threshold) = (between, (bin + 1) as f32 / BINS as f32);
            }
        }
    }
    threshold
}

/// Returns the start and the end of the range that has all counts except the specks at either end.
fn extent(counts: Vec<usize>) -> (usize, usize) {
    let spare = counts.iter().sum::<usize>() as f32 * SPECKS;
    let specks = |counts: &mut dyn Iterator<Item = &usize>| {
        let mut passed = 0;
        counts
            .take_while(|count| {
                ((passed + **count) as f32 <= spare)
                    .then(|| passed += **count)
                    .is_some()
            })
            .count()
    };
    let from = specks(&mut counts.iter());
    (from, (counts.len() - specks(&mut counts.iter().rev())).max(from))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::place::Window;
    use proptest::prelude::*;

    /// Draws `width × height` pixels of one colour with rectangles `(x0, y0, x1, y1)` of another.
    fn drawn(width: usize, height: usize, objects: &[(usize, usize, usize, usize)]) -> Vec<u8> {
        let within = |x, y| {
            objects
                .iter()
                .any(|(x0, y0, x1, y1)| (*x0..*x1).contains(&x) && (*y0..*y1).contains(&y))
        };
        (0..width * height)
            .flat_map(|i| {
                if within(i % width, i / width) {
                    [170, 30, 60]
                } else {
                    [225, 226, 220]
                }
            })
            .collect()
    }

    fn proposed(rgb: &[u8], width: usize, height: usize) -> Option<CropBox> {
        propose(Pixels::new(rgb, width, height, 3).expect("valid"))
    }

    #[test]
    fn a_subject_gets_a_box_and_a_plain_image_gets_none() {
        for (what, width, height, objects, expected) in [
            ("plain background", 300, 400, &[][..], None),
            ("one pixel", 1, 1, &[], None),
            ("one row", 200, 1, &[(50, 0, 90, 1)], None),
            ("a dress", 300, 400, &[(100, 80, 200, 300)], Some([100, 80, 200, 300])),
            ("small image", 40, 30, &[(10, 8, 24, 20)], Some([10, 8, 24, 20])),
            (
                "a pair",
                400,
                200,
                &[(60, 60, 140, 150), (240, 50, 330, 140)],
                Some([60, 50, 330, 150]),
            ),
            (
                "a speck aside",
                640,
                640,
                &[(200, 200, 420, 440), (20, 20, 24, 24)],
                Some([200, 200, 420, 440]),
            ),
            (
                "touching the bottom",
                300,
                400,
                &[(90, 150, 210, 400)],
                Some([90, 150, 210, 400]),
            ),
            ("a speck alone", 640, 640, &[(300, 300, 320, 320)], None),
            ("nearly all", 300, 300, &[(6, 6, 294, 294)], None),
        ] {
            let rgb = drawn(width, height, objects);
            let found = proposed(&rgb, width, height);
            assert_eq!(found, proposed(&rgb, width, height), "{what}: a second call differs");
            let (Some(found), Some(expected)) = (found, expected) else {
                assert_eq!(found.is_some(), expected.is_some(), "{what}: {found:?}");
                continue;
            };
            let corners = [found.x, found.y, found.x + found.width, found.y + found.height];
            // Half a cell of the thumbnail and the margin.
            let slack = width.max(height) as u32 * 2 / SIDE as u32 + found.width.max(found.height) / 20 + 1;
            assert!(
                corners.iter().zip(expected).all(|(a, b)| a.abs_diff(b) <= slack),
                "{what}: {corners:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn a_box_lies_inside_its_image(w in 1usize..90, h in 1usize..90, seed: u32, objects in 0u32..6) {
            let mut state = seed;
            let mut draw = |below: usize| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 8) as usize % below
            };
            let objects: Vec<_> = (0..objects)
                .map(|_| { let (x, y) = (draw(w), draw(h)); (x, y, x + 1 + draw(w), y + 1 + draw(h)) })
                .collect();
            let mut rgb = drawn(w, h, &objects);
            rgb.iter_mut().for_each(|value| *value = value.wrapping_add(draw(20) as u8));
            if let Some(found) = proposed(&rgb, w, h) {
                prop_assert!(Window::new((w, h), Some(found)).is_ok(), "{found:?}");
            }
        }
    }
}
