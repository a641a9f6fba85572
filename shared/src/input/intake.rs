//! Model input of an image that arrives in strips, so that a large image is never in memory as a whole.

use super::pixels::{CropBox, InputError, Pixels};
use super::place::{Placement, Window};
use super::resize::Resizer;
use super::spec::InputSpec;
use super::view::View;

/// Preparation of one image. The image's rows are pushed from top to bottom.
///
/// ```
/// use shared::input::{Fit, InputSpec, Pixels};
///
/// let photo = [200; 30 * 40 * 3];
/// let spec = InputSpec::new(16, 16, Fit::Pad);
/// let mut intake = spec.intake((30, 40), None)?;
/// for strip in photo.chunks(30 * 10 * 3) {
///     intake.push(Pixels::new(strip, 30, 10, 3)?)?;
/// }
/// assert_eq!(intake.finish()?, spec.to_chw(Pixels::new(&photo, 30, 40, 3)?, None)?);
/// # Ok::<(), shared::input::InputError>(())
/// ```
pub struct Intake {
    spec: InputSpec,
    window: Window,
    place: Placement,
    mirrored: bool,
    resizer: Resizer,
    /// Rows of the window that came.
    rows: usize,
}

impl InputSpec {
    /// Crops with the [`margin`](Self::margin), resizes (antialiased triangle filter) and normalises. `None` stands for the whole
    /// image.
    ///
    /// Returns `[3, height, width]` in row-major order, RGB.
    ///
    /// # Errors
    /// [`InputError::Crop`] if the box is empty or not inside the image.
    pub fn to_chw(&self, pixels: Pixels<'_>, crop: Option<CropBox>) -> Result<Vec<f32>, InputError> {
        let mut intake = self.intake((pixels.width, pixels.height), crop)?;
        intake.push_image(pixels);
        intake.finish()
    }

    /// Returns the view of an image as a model's input: cropped, resized (antialiased triangle filter) and normalised.
    ///
    /// The input is `[3, height, width]` in row-major order, RGB.
    ///
    /// # Errors
    /// [`InputError::Crop`] if the box is empty or not inside the image.
    pub fn view(&self, pixels: Pixels<'_>, view: &View) -> Result<Vec<f32>, InputError> {
        let mut intake = Intake::new(self, (pixels.width, pixels.height), view)?;
        intake.push_image(pixels);
        intake.finish()
    }

    /// Returns the RGB bytes of an input `[3, height, width]`, row by row and without the normalisation, for display.
    pub fn to_rgb(&self, chw: &[f32]) -> Vec<u8> {
        let plane = self.width * self.height;
        (0..plane.min(chw.len() / 3))
            .flat_map(|at| [0, 1, 2].map(|c| ((chw[c * plane + at] * self.std[c] + self.mean[c]) * 255.0 + 0.5) as u8))
            .collect()
    }

    /// Begins the input of an image of `size`, (width, height) in pixels. The crop box grows by the [`margin`](Self::margin).
    /// `None` stands for the whole image.
    ///
    /// # Errors
    /// [`InputError::Crop`] if the box is empty or not inside the image. [`InputError::Empty`] if the image has no pixels.
    pub fn intake(&self, size: (usize, usize), crop: Option<CropBox>) -> Result<Intake, InputError> {
        let crop = crop.map(|crop| self.with_margin(crop, size)).transpose()?;
        Intake::new(
            self,
            size,
            &View {
                crop,
                ..View::default()
            },
        )
    }
}

impl Intake {
    pub(super) fn new(spec: &InputSpec, size: (usize, usize), view: &View) -> Result<Self, InputError> {
        let (width, height) = size;
        if width == 0 || height == 0 {
            return Err(InputError::Empty { width, height });
        }
        let window = Window::new(size, view.crop)?;
        let place = spec.place(&window).scaled(spec, view.scale);
        Ok(Self {
            resizer: Resizer::new(
                (window.width, window.height),
                &place.source,
                (place.width, place.height),
            ),
            spec: spec.clone(),
            mirrored: view.mirrored,
            window,
            place,
            rows: 0,
        })
    }

    /// Part of the image that the input needs, in pixels. Only this part is pushed.
    pub fn window(&self) -> CropBox {
        self.window.to_box()
    }

    /// Adds the next rows of the [`window`](Self::window). They have its width.
    ///
    /// # Errors
    /// [`InputError::Strip`] if the width differs, or if the rows are more than the window still lacks.
    pub fn push(&mut self, strip: Pixels<'_>) -> Result<(), InputError> {
        let missing = self.window.height - self.rows;
        if strip.width != self.window.width || strip.height > missing {
            return Err(InputError::Strip {
                width: strip.width,
                height: strip.height,
                expected: self.window.width,
                missing,
            });
        }
        self.add(strip, 0, 0, strip.height);
        Ok(())
    }

    /// Adds the window of a whole image.
    pub(super) fn push_image(&mut self, pixels: Pixels<'_>) {
        self.add(pixels, self.window.x, self.window.y, self.window.height);
    }

    fn add(&mut self, pixels: Pixels<'_>, x: usize, y: usize, rows: usize) {
        for row in 0..rows {
            self.resizer.push(pixels, x, y + row);
        }
        self.rows += rows;
    }

    /// Returns the input `[3, height, width]` in row-major order, RGB.
    ///
    /// # Errors
    /// [`InputError::Incomplete`] if rows of the window are missing.
    pub fn finish(self) -> Result<Vec<f32>, InputError> {
        self.check_complete()?;
        let (spec, place) = (&self.spec, &self.place);
        let resized = self.resizer.finish();
        let mut chw = vec![0.0; spec.len()];
        let plane = spec.width * spec.height;
        for y in 0..place.height {
            for x in 0..place.width {
                let rgb = resized[y * place.width + x];
                let at = (place.top + y) * spec.width + place.left + x;
                for c in 0..3 {
                    chw[c * plane + at] = (rgb[c] / 255.0 - spec.mean[c]) / spec.std[c];
                }
            }
        }
        if self.mirrored {
            chw.chunks_exact_mut(spec.width).for_each(<[f32]>::reverse);
        }
        Ok(chw)
    }

    /// Returns the placed part of the image, row by row, with the values 0 to 255 of red, green and blue.
    ///
    /// # Errors
    /// As [`finish`](Self::finish).
    pub(super) fn finish_rgb(self) -> Result<Vec<[f32; 3]>, InputError> {
        self.check_complete()?;
        Ok(self.resizer.finish())
    }

    /// Size of the placed part of the image, (width, height) in pixels of the input.
    pub(super) fn placed(&self) -> (usize, usize) {
        (self.place.width, self.place.height)
    }

    fn check_complete(&self) -> Result<(), InputError> {
        match self.window.height - self.rows {
            0 => Ok(()),
            missing => Err(InputError::Incomplete { missing }),
        }
    }
}
