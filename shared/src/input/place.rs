//! Placement of an image in the rectangle of the model's input.

use super::pixels::{CropBox, InputError};
use super::spec::{Fit, InputSpec};

impl InputSpec {
    /// Grows a box in an image of `(width, height)` pixels by the [`margin`](Self::margin), as far as the image reaches.
    ///
    /// # Errors
    /// [`InputError::Crop`] if the box itself is empty or not inside the image.
    pub fn with_margin(&self, crop: CropBox, (width, height): (usize, usize)) -> Result<CropBox, InputError> {
        Window::new((width, height), Some(crop))?;
        let grown = |start: u32, length: u32, limit: usize| {
            let more = (f64::from(length) * f64::from(self.margin) + 0.5) as u32;
            let from = start.saturating_sub(more);
            (from, (start + length).saturating_add(more).min(limit as u32) - from)
        };
        let ((x, width), (y, height)) = (grown(crop.x, crop.width, width), grown(crop.y, crop.height, height));
        Ok(CropBox { x, y, width, height })
    }

    /// Position in the input of a point of a `(width, height)` image, both in pixels from the top left corner. The position is
    /// outside the input if the fit cuts the point off.
    pub fn locate(&self, size: (usize, usize), (x, y): (f64, f64)) -> (f64, f64) {
        let place = self.place(&Window::whole(size));
        let [x0, y0, x1, y1] = place.source;
        let along = |at: f64, from: f64, to: f64, start: usize, length: usize| {
            (at - from) / (to - from) * length as f64 + start as f64
        };
        (
            along(x, x0, x1, place.left, place.width),
            along(y, y0, y1, place.top, place.height),
        )
    }

    /// Position in a `(width, height)` image of a point of the input, both in pixels from the top left corner: the inverse of
    /// [`locate`](Self::locate). The position is outside the image if the point is outside the placed part.
    pub fn locate_in_image(&self, size: (usize, usize), (x, y): (f64, f64)) -> (f64, f64) {
        let place = self.place(&Window::whole(size));
        let [x0, y0, x1, y1] = place.source;
        let along = |at: f64, from: f64, to: f64, start: usize, length: usize| {
            (at - start as f64) / length as f64 * (to - from) + from
        };
        (
            along(x, x0, x1, place.left, place.width),
            along(y, y0, y1, place.top, place.height),
        )
    }

    /// Placement of a window in the input.
    pub(super) fn place(&self, window: &Window) -> Placement {
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

/// The part of an image that is used, in whole pixels.
pub(super) struct Window {
    pub(super) x: usize,
    pub(super) y: usize,
    pub(super) width: usize,
    pub(super) height: usize,
}

impl Window {
    /// Returns the window of a whole `(width, height)` image.
    pub(super) fn whole((width, height): (usize, usize)) -> Self {
        Self {
            x: 0,
            y: 0,
            width,
            height,
        }
    }

    /// Returns the window of a crop box, or of the whole image.
    ///
    /// # Errors
    /// [`InputError::Crop`] if the box is empty or not inside the image.
    pub(super) fn new((width, height): (usize, usize), crop: Option<CropBox>) -> Result<Self, InputError> {
        let Some(crop) = crop else {
            return Ok(Self::whole((width, height)));
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

    /// Returns the window as a box.
    pub(super) fn to_box(&self) -> CropBox {
        CropBox {
            x: self.x as u32,
            y: self.y as u32,
            width: self.width as u32,
            height: self.height as u32,
        }
    }
}

/// Part of a window and the rectangle of the input that it fills.
pub(super) struct Placement {
    /// `[x0, y0, x1, y1]` within the window.
    pub(super) source: [f64; 4],
    pub(super) left: usize,
    pub(super) top: usize,
    pub(super) width: usize,
    pub(super) height: usize,
}
