//! Views of an image: crop, change of aspect ratio and mirror. Label maps get the same view as the pixels.

use super::pixels::{CropBox, InputError};
use super::place::{Placement, Window};
use super::spec::InputSpec;

/// Transformation of an image. The default changes nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct View {
    /// The crop box. `None` stands for the whole image.
    pub crop: Option<CropBox>,
    /// Factors in (0, ∞) that enlarge width and height about the centre. Above 1 the ends leave the frame. Below 1 the ends of the
    /// frame have the mean colour.
    pub scale: [f64; 2],
    /// True if left and right are exchanged.
    pub mirrored: bool,
}

impl Default for View {
    fn default() -> Self {
        Self {
            crop: None,
            scale: [1.0; 2],
            mirrored: false,
        }
    }
}

/// A borrowed label map: one byte per pixel, row by row.
#[derive(Debug, Clone, Copy)]
pub struct Labels<'a> {
    data: &'a [u8],
    width: usize,
    height: usize,
}

impl<'a> Labels<'a> {
    /// Wraps `data`, `width × height` bytes.
    ///
    /// # Errors
    /// [`InputError::Size`] if a side is zero or the byte count differs.
    pub fn new(data: &'a [u8], width: usize, height: usize) -> Result<Self, InputError> {
        let expected = width.saturating_mul(height);
        if width == 0 || height == 0 || expected != data.len() {
            return Err(InputError::Size {
                width,
                height,
                channels: 1,
                expected,
                actual: data.len(),
            });
        }
        Ok(Self { data, width, height })
    }
}

impl InputSpec {
    /// Returns the same view of the image's label map as `[height, width]`.
    ///
    /// Every position takes the label of the pixel under its centre. Positions outside the image get the label `outside`.
    ///
    /// # Errors
    /// [`InputError::Crop`] if the box is empty or not inside the label map.
    pub fn label_map(
        &self,
        labels: Labels<'_>,
        view: &View,
        (height, width): (usize, usize),
        outside: u8,
    ) -> Result<Vec<u8>, InputError> {
        let window = Window::new((labels.width, labels.height), view.crop)?;
        let place = self.place(&window).scaled(self, view.scale);
        let [x0, y0, x1, y1] = place.source;
        // Index in the label map of each output position along one axis, or `None` outside the map.
        let along = |outputs: usize, frame: usize, start: usize, length: usize, from: f64, to: f64, limit: usize| {
            (0..outputs)
                .map(|i| {
                    let in_place = (i as f64 + 0.5) * frame as f64 / outputs as f64 - start as f64;
                    let inside = in_place >= 0.0 && in_place < length as f64;
                    inside.then(|| ((from + in_place * (to - from) / length as f64) as usize).min(limit - 1))
                })
                .collect::<Vec<_>>()
        };
        let mut columns = along(width, self.width, place.left, place.width, x0, x1, window.width);
        let rows = along(height, self.height, place.top, place.height, y0, y1, window.height);
        if view.mirrored {
            columns.reverse();
        }
        Ok(rows
            .into_iter()
            .flat_map(|row| {
                columns.iter().map(move |column| match (row, column) {
                    (Some(y), Some(x)) => labels.data[(window.y + y) * labels.width + window.x + x],
                    _ => outside,
                })
            })
            .collect())
    }
}

impl Placement {
    /// Enlarges the placed part by `scale` about its centre. It fills the frame first. Beyond the frame its ends are lost.
    pub(super) fn scaled(mut self, spec: &InputSpec, scale: [f64; 2]) -> Self {
        let along = |frame: usize, start: &mut usize, length: &mut usize, from: &mut f64, to: &mut f64, scale: f64| {
            if scale == 1.0 {
                return;
            }
            let wanted = *length as f64 * scale;
            if wanted > frame as f64 {
                let lost = (*to - *from) * (1.0 - frame as f64 / wanted) / 2.0;
                (*from, *to) = (*from + lost, *to - lost);
            }
            *length = ((wanted + 0.5) as usize).clamp(1, frame);
            *start = (frame - *length) / 2;
        };
        let [x0, y0, x1, y1] = &mut self.source;
        along(spec.width, &mut self.left, &mut self.width, x0, x1, scale[0]);
        along(spec.height, &mut self.top, &mut self.height, y0, y1, scale[1]);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::{Fit, Pixels};
    use proptest::prelude::*;

    /// Returns a specification that keeps the values of the pixels.
    fn plain(width: usize, height: usize, fit: Fit) -> InputSpec {
        InputSpec {
            mean: [0.0; 3],
            std: [1.0 / 255.0; 3],
            ..InputSpec::new(width, height, fit)
        }
    }

    proptest! {
        /// The image is its own label map. In every view its pixels are bright where the label map holds 200.
        #[test]
        fn label_maps_stay_aligned_with_their_images(
            x in 0u32..6, y in 0u32..6, sx in 0.7f64..1.4, sy in 0.7f64..1.4, mirrored: bool,
            fit in prop_oneof![Just(Fit::Stretch), Just(Fit::Cover), Just(Fit::Pad)],
        ) {
            let (w, h) = (40usize, 30usize);
            let map: Vec<u8> =
                (0..w * h).map(|i| if (i % w) / 10 == 1 && (i / w) / 8 < 2 { 200 } else { 20 }).collect();
            let rgb: Vec<u8> = map.iter().flat_map(|value| [*value; 3]).collect();
            let view = View {
                crop: Some(CropBox { x, y, width: 34, height: 24 }),
                scale: [sx, sy],
                mirrored,
            };
            let spec = plain(48, 48, fit);
            let pixels = spec.view(Pixels::new(&rgb, w, h, 3).expect("valid"), &view).expect("inside");
            let labels = spec.label_map(Labels::new(&map, w, h).expect("valid"), &view, (48, 48), 0).expect("inside");
            let mut agree = 0;
            for (value, label) in pixels[..48 * 48].iter().zip(&labels) {
                prop_assert_eq!(*label == 0, *value == 0.0, "only positions outside are empty");
                agree += usize::from((*value > 110.0) == (*label > 110));
            }
            prop_assert!(agree * 100 >= 48 * 48 * 97, "{agree} of {}", 48 * 48);
        }
    }

    #[test]
    fn scaling_above_one_cuts_the_ends_and_below_one_leaves_room() {
        // Columns 0–9 hold their own number.
        let rgb: Vec<u8> = (0..10 * 10).flat_map(|i| [(i % 10) as u8 * 10 + 5; 3]).collect();
        let pixels = Pixels::new(&rgb, 10, 10, 3).expect("valid");
        let row = |scale, mirrored| -> Vec<i32> {
            let view = View {
                scale,
                mirrored,
                ..View::default()
            };
            plain(10, 10, Fit::Stretch).view(pixels, &view).expect("whole")[..10]
                .iter()
                .map(|v| v.round() as i32)
                .collect()
        };
        let straight = [5, 15, 25, 35, 45, 55, 65, 75, 85, 95];
        assert_eq!(row([1.0, 1.0], false), straight);
        assert_eq!(
            row([1.0, 1.0], true),
            straight.iter().rev().copied().collect::<Vec<_>>()
        );
        let wider = row([1.25, 1.0], false);
        assert!(wider[0] > 10 && wider[9] < 90 && wider[0] + wider[9] >= 98, "{wider:?}");
        let narrower = row([0.8, 1.0], false);
        assert_eq!((narrower[0], narrower[9]), (0, 0), "{narrower:?}");
        assert!(narrower[1] < 15 && narrower[8] > 85, "{narrower:?}");
        let taller = row([1.0, 2.0], false);
        assert_eq!(taller, straight, "scaling one axis does not change the other");
    }
}
