//! Decoded pixels → model input: the only crop, resize and normalisation in the project.
//!
//! **Invariant:** the same pixels give the same bits on every machine, wasm included. Everything here is IEEE
//! addition, multiplication and division in a fixed order; there is no call into a maths library.

mod resize;
pub mod saliency;
mod view;

use resize::resize;
pub use view::{Labels, View};

use serde::{Deserialize, Serialize};

/// ImageNet's channel means, the convention of torchvision's weights.
pub const IMAGENET_MEAN: [f32; 3] = [0.485, 0.456, 0.406];
/// ImageNet's channel standard deviations.
pub const IMAGENET_STD: [f32; 3] = [0.229, 0.224, 0.225];

/// Why pixels could not become a model input.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InputError {
    /// Width, height or channel count does not fit the number of bytes.
    #[error("{width}×{height} pixels of {channels} channels need {expected} bytes, got {actual}")]
    Size {
        /// Declared width in pixels.
        width: usize,
        /// Declared height in pixels.
        height: usize,
        /// Declared channels, 3 or 4; 1 for a label map.
        channels: usize,
        /// Bytes that the declared size needs.
        expected: usize,
        /// Bytes given.
        actual: usize,
    },
    /// The crop box is empty or leaves the picture.
    #[error(
        "the crop box at ({}, {}) of {}×{} pixels is empty or not inside the picture of {width}×{height} pixels",
        crop.x, crop.y, crop.width, crop.height
    )]
    Crop {
        /// The box asked for.
        crop: CropBox,
        /// Picture width in pixels.
        width: usize,
        /// Picture height in pixels.
        height: usize,
    },
    /// A specification that no picture can be prepared by.
    #[error("input.{key} is {value}; {limits}")]
    Spec {
        /// The key.
        key: &'static str,
        /// Its value.
        value: String,
        /// The values that it may have.
        limits: &'static str,
    },
}

/// Largest width and height of a model's input in pixels.
pub const MAX_SIDE: usize = 4096;
/// Smallest and largest standard deviation of a model's input, in units of full brightness.
pub const STD_RANGE: std::ops::RangeInclusive<f32> = 1e-3..=1e3;

/// A rectangle in pixels, origin at the top left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CropBox {
    /// Left edge.
    pub x: u32,
    /// Top edge.
    pub y: u32,
    /// Width, at least 1.
    pub width: u32,
    /// Height, at least 1.
    pub height: u32,
}

/// Borrowed 8-bit pixels, row by row, RGB or RGBA. Transparent pixels count as seen on white.
#[derive(Debug, Clone, Copy)]
pub struct Pixels<'a> {
    data: &'a [u8],
    width: usize,
    height: usize,
    channels: usize,
}

impl<'a> Pixels<'a> {
    /// Wraps `data`, `width × height × channels` bytes.
    ///
    /// # Errors
    /// [`InputError::Size`] if a side is zero, `channels` is neither 3 nor 4, or the byte count differs.
    pub fn new(data: &'a [u8], width: usize, height: usize, channels: usize) -> Result<Self, InputError> {
        let expected = width.saturating_mul(height).saturating_mul(channels);
        if width == 0 || height == 0 || !(3..=4).contains(&channels) || expected != data.len() {
            return Err(InputError::Size {
                width,
                height,
                channels,
                expected,
                actual: data.len(),
            });
        }
        Ok(Self {
            data,
            width,
            height,
            channels,
        })
    }

    /// Width in pixels.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> usize {
        self.height
    }
}

/// Placement of a picture of another shape in the model's rectangle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fit {
    /// Each side is scaled on its own; shapes distort, nothing is lost.
    Stretch,
    /// The largest centred part of the right shape; edges are lost.
    Cover,
    /// The whole picture, centred; the rest is the mean colour (zero after normalisation).
    #[default]
    Pad,
}

/// Input of a model: size, fit and normalisation. Stored in every bundle.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputSpec {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// Placement of pictures of another shape.
    #[serde(default)]
    pub fit: Fit,
    /// Channel means, in units of full brightness (0–1).
    #[serde(default = "imagenet_mean")]
    pub mean: [f32; 3],
    /// Channel standard deviations, likewise.
    #[serde(default = "imagenet_std")]
    pub std: [f32; 3],
    /// Context shown around a given box, on each side, as a share of the box's width or height; 0 for none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub margin: f32,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // as serde calls it
fn is_zero(value: &f32) -> bool {
    *value == 0.0
}

fn imagenet_mean() -> [f32; 3] {
    IMAGENET_MEAN
}

fn imagenet_std() -> [f32; 3] {
    IMAGENET_STD
}

impl InputSpec {
    /// A specification with ImageNet's normalisation.
    pub fn new(width: usize, height: usize, fit: Fit) -> Self {
        Self {
            width,
            height,
            fit,
            mean: IMAGENET_MEAN,
            std: IMAGENET_STD,
            margin: 0.0,
        }
    }

    /// Number of values of one input, `3 × height × width`.
    pub fn len(&self) -> usize {
        3 * self.width * self.height
    }

    /// True if the specification has no pixels.
    pub fn is_empty(&self) -> bool {
        self.width == 0 || self.height == 0
    }

    /// Checks that every picture becomes finite values by this specification, and not too many of them.
    ///
    /// # Errors
    /// [`InputError::Spec`], which names the key and its limits.
    pub fn check(&self) -> Result<(), InputError> {
        let wrong = |key, value: String, limits| Err(InputError::Spec { key, value, limits });
        for (key, side) in [("width", self.width), ("height", self.height)] {
            if !(1..=MAX_SIDE).contains(&side) {
                return wrong(key, side.to_string(), "it must be from 1 to 4096 pixels");
            }
        }
        if !self.std.iter().all(|std| STD_RANGE.contains(std)) {
            return wrong(
                "std",
                format!("{:?}", self.std),
                "each of the three must lie between 0.001 and 1000",
            );
        }
        if !self.mean.iter().all(|mean| mean.abs() <= 1e3) {
            return wrong(
                "mean",
                format!("{:?}", self.mean),
                "each of the three must lie between -1000 and 1000",
            );
        }
        if !(0.0..=2.0).contains(&self.margin) {
            return wrong("margin", self.margin.to_string(), "it must lie between 0 and 2");
        }
        Ok(())
    }

    /// Crops with [`margin`](Self::margin), resizes (antialiased triangle filter) and normalises; the whole picture if
    /// `crop` is `None`.
    ///
    /// Returns `[3, height, width]` in row-major order, RGB.
    ///
    /// # Errors
    /// [`InputError::Crop`] if the box is empty or not inside the picture.
    pub fn to_chw(&self, pixels: Pixels<'_>, crop: Option<CropBox>) -> Result<Vec<f32>, InputError> {
        let size = (pixels.width, pixels.height);
        let crop = crop.map(|crop| self.with_margin(crop, size)).transpose()?;
        self.view(
            pixels,
            &View {
                crop,
                ..View::default()
            },
        )
    }

    /// A box of a picture of `(width, height)` pixels with its [`margin`](Self::margin), as far as the picture reaches.
    ///
    /// # Errors
    /// [`InputError::Crop`] if the box itself is empty or not inside the picture.
    pub fn with_margin(&self, crop: CropBox, (width, height): (usize, usize)) -> Result<CropBox, InputError> {
        Window::of((width, height), Some(crop))?;
        let grown = |start: u32, length: u32, limit: usize| {
            let more = (f64::from(length) * f64::from(self.margin) + 0.5) as u32;
            let from = start.saturating_sub(more);
            (from, (start + length).saturating_add(more).min(limit as u32) - from)
        };
        let ((x, width), (y, height)) = (grown(crop.x, crop.width, width), grown(crop.y, crop.height, height));
        Ok(CropBox { x, y, width, height })
    }

    /// Position in the input of a point of a `(width, height)` picture, both in pixels from the top left corner;
    /// outside where the fit cuts it off.
    pub fn locate(&self, (width, height): (usize, usize), (x, y): (f64, f64)) -> (f64, f64) {
        let place = self.place(&Window {
            x: 0,
            y: 0,
            width,
            height,
        });
        let [x0, y0, x1, y1] = place.source;
        let along = |at: f64, from: f64, to: f64, start: usize, length: usize| {
            (at - from) / (to - from) * length as f64 + start as f64
        };
        (
            along(x, x0, x1, place.left, place.width),
            along(y, y0, y1, place.top, place.height),
        )
    }

    /// Part of the window that fills each part of the output.
    fn place(&self, window: &Window) -> Placement {
        let (w, h) = (window.width as f64, window.height as f64);
        let (out_w, out_h) = (self.width as f64, self.height as f64);
        let whole = [0.0, 0.0, w, h];
        let full = |source| Placement {
            source,
            left: 0,
            top: 0,
            width: self.width,
            height: self.height,
        };
        match self.fit {
            Fit::Stretch => full(whole),
            Fit::Cover => {
                let scale = (out_w / w).max(out_h / h);
                let (sw, sh) = ((out_w / scale).min(w), (out_h / scale).min(h));
                let (x, y) = ((w - sw) / 2.0, (h - sh) / 2.0);
                full([x, y, x + sw, y + sh])
            }
            Fit::Pad => {
                let scale = (out_w / w).min(out_h / h);
                let side = |source: f64, limit: usize| ((source * scale + 0.5) as usize).clamp(1, limit);
                let (width, height) = (side(w, self.width), side(h, self.height));
                Placement {
                    source: whole,
                    left: (self.width - width) / 2,
                    top: (self.height - height) / 2,
                    width,
                    height,
                }
            }
        }
    }
}

/// The part of the picture that may be read, in whole pixels.
struct Window {
    x: usize,
    y: usize,
    width: usize,
    height: usize,
}

impl Window {
    fn of((width, height): (usize, usize), crop: Option<CropBox>) -> Result<Self, InputError> {
        let Some(crop) = crop else {
            return Ok(Self {
                x: 0,
                y: 0,
                width,
                height,
            });
        };
        let fits = |start: u32, length: u32, limit: usize| {
            length > 0
                && (start as usize)
                    .checked_add(length as usize)
                    .is_some_and(|end| end <= limit)
        };
        if !fits(crop.x, crop.width, width) || !fits(crop.y, crop.height, height) {
            return Err(InputError::Crop { crop, width, height });
        }
        Ok(Self {
            x: crop.x as usize,
            y: crop.y as usize,
            width: crop.width as usize,
            height: crop.height as usize,
        })
    }
}

/// `source` is `[x0, y0, x1, y1]` within the window; the rest is where it lands in the output.
struct Placement {
    source: [f64; 4],
    left: usize,
    top: usize,
    width: usize,
    height: usize,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn refuses_what_does_not_fit() {
        assert!(Pixels::new(&[0; 12], 2, 2, 3).is_ok());
        for (len, w, h, c) in [(11, 2, 2, 3), (0, 0, 2, 3), (8, 2, 2, 2), (12, usize::MAX, 2, 3)] {
            assert!(Pixels::new(&vec![0; len], w, h, c).is_err(), "{len} {w} {h} {c}");
        }
        let pixels = [0; 48];
        let pixels = Pixels::new(&pixels, 4, 4, 3).expect("valid");
        let spec = InputSpec::new(2, 2, Fit::Stretch);
        for (x, y, width, height) in [(0, 0, 0, 1), (3, 0, 2, 1), (0, 4, 1, 1), (u32::MAX, 0, u32::MAX, 1)] {
            assert!(spec.to_chw(pixels, Some(CropBox { x, y, width, height })).is_err());
        }
    }

    #[test]
    fn a_margin_grows_a_box_as_far_as_the_picture_reaches() {
        let of = |x, y, width, height| CropBox { x, y, width, height };
        for (margin, crop, expected) in [
            (0.0, of(3, 4, 5, 6), of(3, 4, 5, 6)),
            (0.1, of(20, 30, 40, 20), of(16, 28, 48, 24)),
            (0.5, of(0, 40, 10, 20), of(0, 30, 15, 40)),
            (9.0, of(90, 70, 10, 10), of(0, 0, 100, 80)),
        ] {
            let spec = InputSpec {
                margin,
                ..InputSpec::new(4, 4, Fit::Stretch)
            };
            assert_eq!(spec.with_margin(crop, (100, 80)), Ok(expected), "{margin}");
        }
        let outside = InputSpec {
            margin: 1.0,
            ..InputSpec::new(4, 4, Fit::Stretch)
        };
        assert!(
            outside.with_margin(of(96, 0, 5, 5), (100, 80)).is_err(),
            "no margin mends a box outside"
        );
    }

    #[test]
    fn a_specification_that_gives_no_finite_input_is_refused_by_its_key() {
        let good = InputSpec {
            margin: 2.0,
            ..InputSpec::new(4096, 1, Fit::Pad)
        };
        assert_eq!(good.check(), Ok(()));
        assert_eq!(
            InputSpec {
                mean: [0.0; 3],
                std: [1.0 / 255.0; 3],
                ..good.clone()
            }
            .check(),
            Ok(())
        );
        for (key, spec) in [
            (
                "width",
                InputSpec {
                    width: 0,
                    ..good.clone()
                },
            ),
            (
                "width",
                InputSpec {
                    width: usize::MAX,
                    height: usize::MAX,
                    ..good.clone()
                },
            ),
            (
                "height",
                InputSpec {
                    height: 4097,
                    ..good.clone()
                },
            ),
            (
                "std",
                InputSpec {
                    std: [0.2, 0.0, 0.2],
                    ..good.clone()
                },
            ),
            (
                "std",
                InputSpec {
                    std: [-0.2; 3],
                    ..good.clone()
                },
            ),
            (
                "std",
                InputSpec {
                    std: [0.2, 0.2, f32::NAN],
                    ..good.clone()
                },
            ),
            (
                "std",
                InputSpec {
                    std: [f32::MIN_POSITIVE; 3],
                    ..good.clone()
                },
            ),
            (
                "std",
                InputSpec {
                    std: [f32::INFINITY; 3],
                    ..good.clone()
                },
            ),
            (
                "mean",
                InputSpec {
                    mean: [f32::NAN; 3],
                    ..good.clone()
                },
            ),
            (
                "mean",
                InputSpec {
                    mean: [0.0, 0.0, f32::NEG_INFINITY],
                    ..good.clone()
                },
            ),
            (
                "margin",
                InputSpec {
                    margin: -0.1,
                    ..good.clone()
                },
            ),
            (
                "margin",
                InputSpec {
                    margin: f32::NAN,
                    ..good.clone()
                },
            ),
        ] {
            let error = spec.check().expect_err(key).to_string();
            assert!(error.starts_with(&format!("input.{key} is ")), "{error}");
        }
    }

    #[test]
    fn padding_is_the_mean_colour() {
        let white = [255; 2 * 8 * 3];
        let chw = InputSpec::new(8, 8, Fit::Pad)
            .to_chw(Pixels::new(&white, 2, 8, 3).expect("valid"), None)
            .expect("fits");
        assert_eq!(chw[0], 0.0);
        assert!((chw[3] - (1.0 - IMAGENET_MEAN[0]) / IMAGENET_STD[0]).abs() < 1e-5);
    }

    proptest! {
        /// One colour stays that colour whatever the sizes, and the crop of a picture equals the cropped picture.
        #[test]
        fn flat_colour_survives(w in 1usize..40, h in 1usize..40, ow in 1usize..20, oh in 1usize..20, v: u8,
                                fit in prop_oneof![Just(Fit::Stretch), Just(Fit::Cover)]) {
            let data = vec![v; w * h * 3];
            let pixels = Pixels::new(&data, w, h, 3).expect("valid");
            let spec = InputSpec { mean: [0.0; 3], std: [1.0; 3], ..InputSpec::new(ow, oh, fit) };
            for value in spec.to_chw(pixels, None).expect("fits") {
                prop_assert!((value - f32::from(v) / 255.0).abs() < 1e-5);
            }
        }

        #[test]
        fn crop_equals_cropped_picture(data in proptest::collection::vec(any::<u8>(), 10 * 8 * 3),
                                       x in 0u32..6, y in 0u32..5, width in 1u32..5, height in 1u32..4) {
            let whole = Pixels::new(&data, 10, 8, 3).expect("valid");
            let part: Vec<u8> = (y..y + height)
                .flat_map(|row| {
                    let at = ((row * 10 + x) * 3) as usize;
                    data[at..at + width as usize * 3].to_vec()
                })
                .collect();
            let part = Pixels::new(&part, width as usize, height as usize, 3).expect("valid");
            for fit in [Fit::Stretch, Fit::Cover, Fit::Pad] {
                let spec = InputSpec::new(7, 5, fit);
                let crop = CropBox { x, y, width, height };
                prop_assert_eq!(spec.to_chw(whole, Some(crop)).expect("fits"), spec.to_chw(part, None).expect("fits"));
            }
        }
    }
}
