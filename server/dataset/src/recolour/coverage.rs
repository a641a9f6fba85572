//! Garment coverage of the pixels of an image.

use crate::decode::Mask;
use std::borrow::Cow;

/// Share of each pixel that shows garment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coverage {
    width: u32,
    height: u32,
    /// Shares from 0 to 255 (the whole pixel), row-major.
    pub(super) shares: Vec<u8>,
}

impl Coverage {
    /// Creates a coverage from a function of column and row with values in 0–1.
    pub fn from_fn(width: u32, height: u32, share: impl Fn(u32, u32) -> f32) -> Self {
        let places = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        let shares = places
            .map(|(x, y)| (share(x, y).clamp(0.0, 1.0) * 255.0 + 0.5) as u8)
            .collect();
        Self { width, height, shares }
    }

    /// Creates a coverage from the pixels of a mask whose ids are garments. Pixels at the rim count in part, so that the new
    /// colour fades towards the neighbours. Pixels outside the rim do not count.
    pub fn from_mask(mask: &Mask, garments: &[bool; 256]) -> Self {
        let (width, height) = (i64::from(mask.width()), i64::from(mask.height()));
        let ids = mask.ids();
        let inside = |x: i64, y: i64| {
            // The border pixels are repeated outside the image.
            let (x, y) = (x.clamp(0, width - 1), y.clamp(0, height - 1));
            garments[usize::from(ids[(y * width + x) as usize])]
        };
        Self::from_fn(mask.width(), mask.height(), |x, y| {
            let (x, y) = (i64::from(x), i64::from(y));
            if !inside(x, y) {
                return 0.0;
            }
            let around = (-1..=1).flat_map(|dy| (-1..=1).map(move |dx| (dx, dy)));
            around.filter(|(dx, dy)| inside(x + dx, y + dy)).count() as f32 / 9.0
        })
    }

    /// Resizes bilinearly between pixel centres.
    pub(super) fn resized(&self, width: u32, height: u32) -> Cow<'_, Self> {
        if (self.width, self.height) == (width, height) {
            return Cow::Borrowed(self);
        }
        let share = |x: usize, y: usize| f32::from(self.shares[y * self.width as usize + x]) / 255.0;
        let columns: Vec<_> = (0..width).map(|x| neighbours(x, width, self.width)).collect();
        let rows: Vec<_> = (0..height).map(|y| neighbours(y, height, self.height)).collect();
        Cow::Owned(Self::from_fn(width, height, |x, y| {
            let ((x0, x1, fx), (y0, y1, fy)) = (columns[x as usize], rows[y as usize]);
            let (above, below) = (
                lerp(share(x0, y0), share(x1, y0), fx),
                lerp(share(x0, y1), share(x1, y1), fx),
            );
            lerp(above, below, fy)
        }))
    }
}

/// Returns the two of `length` positions around position `at` of `outputs`, and the interpolation weight of the second.
fn neighbours(at: u32, outputs: u32, length: u32) -> (usize, usize, f32) {
    let place = ((at as f32 + 0.5) * length as f32 / outputs as f32 - 0.5).clamp(0.0, (length - 1) as f32);
    let first = place as usize;
    (first, (first + 1).min(length as usize - 1), place - first as f32)
}

/// Interpolates linearly from `a` (share 0) to `b` (share 1).
pub(super) fn lerp(a: f32, b: f32, share: f32) -> f32 {
    a + (b - a) * share
}
