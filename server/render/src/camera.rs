//! Camera: projection of a canvas and a background to pixels and a mask, and the defects of cheap cameras.

use super::blur::blur;
use super::canvas::Canvas;
use super::noise::lattice;
use super::random::Dice;
use super::scene::{Raster, soften};

/// Position of the camera. Lengths are shares of the photo's side.
pub(crate) struct Camera {
    cos: f32,
    sin: f32,
    zoom: f32,
    shift: (f32, f32),
    tilt: (f32, f32),
    /// Shadow of the foreground on the background: offset in x and y, and darkness in 0–1.
    pub(crate) shadow: (f32, f32, f32),
}

/// Photo before encoding.
pub(crate) struct Shot {
    /// Pixels in linear light.
    pub(crate) rgb: Raster,
    /// Mask: 0 background, 1 garment, 2 person.
    pub(crate) mask: Vec<u8>,
    /// JPEG quality, 1–100.
    pub(crate) quality: u8,
}

impl Camera {
    /// Upright and centred camera.
    pub(crate) fn straight() -> Self {
        Self {
            cos: 1.0,
            sin: 0.0,
            zoom: 1.0,
            shift: (0.0, 0.0),
            tilt: (0.0, 0.0),
            shadow: (0.0, 0.0, 0.0),
        }
    }

    /// Camera of a studio with a small random rotation, zoom and tilt.
    pub(crate) fn tripod(dice: &mut Dice) -> Self {
        let angle = dice.bell() * 0.10;
        Self {
            cos: libm::cosf(angle),
            sin: libm::sinf(angle),
            zoom: dice.range(0.90, 1.0),
            tilt: (dice.range(-0.10, 0.10), dice.range(-0.10, 0.10)),
            ..Self::straight()
        }
    }

    /// Hand-held camera with random rotation, zoom, shift and tilt. Lying items are rotated more than worn ones.
    pub(crate) fn hand_held(dice: &mut Dice, worn: bool) -> Self {
        let angle = if worn { dice.bell() * 0.07 } else { dice.bell() * 0.32 };
        let tilt = if worn { 0.10 } else { 0.18 };
        Self {
            cos: libm::cosf(angle),
            sin: libm::sinf(angle),
            zoom: dice.range(0.92, 1.10),
            shift: (dice.bell() * 0.03, dice.bell() * 0.03),
            tilt: (dice.range(-tilt, tilt), dice.range(-tilt, tilt)),
            shadow: (0.0, 0.0, 0.0),
        }
    }

    /// Maps a point of the photo to a point of the canvas, both in `[-0.5, 0.5]`.
    fn to_canvas(&self, x: f32, y: f32) -> (f32, f32) {
        let w = 1.0 + self.tilt.0 * x + self.tilt.1 * y;
        let (x, y) = ((x - self.shift.0) / w, (y - self.shift.1) / w);
        (
            (x * self.cos + y * self.sin) / self.zoom,
            (y * self.cos - x * self.sin) / self.zoom,
        )
    }

    /// Takes a photo of `size` pixels.
    pub(crate) fn take(&self, canvas: &Canvas, background: Raster, size: usize) -> Shot {
        let mut rgb = background;
        let mut mask = vec![0u8; size * size];
        let mut layer = vec![[0.0f32; 4]; size * size];
        let side = canvas.width as f32;
        // Four samples per pixel, at the corners of a half-pixel square.
        const TAPS: [(f32, f32); 4] = [(0.25, 0.25), (0.75, 0.25), (0.25, 0.75), (0.75, 0.75)];
        for j in 0..size {
            for i in 0..size {
                let mut sum = [0.0f32; 4];
                let mut garment = 0.0;
                for (dx, dy) in TAPS {
                    let (x, y) =
                        self.to_canvas((i as f32 + dx) / size as f32 - 0.5, (j as f32 + dy) / size as f32 - 0.5);
                    let (c, g) = sample(canvas, (x + 0.5) * side - 0.5, (y + 0.5) * side - 0.5);
                    for k in 0..4 {
                        sum[k] += 0.25 * c[k];
                    }
                    garment += 0.25 * g;
                }
                let at = j * size + i;
                layer[at] = sum;
                mask[at] = if garment >= 0.5 {
                    1
                } else if sum[3] >= 0.5 {
                    2
                } else {
                    0
                };
            }
        }
        if self.shadow.2 > 0.0 {
            let mut dark: Vec<f32> = layer.iter().map(|p| p[3]).collect();
            blur(&mut dark, size, size, (size as f32 * 0.016).max(1.0) as usize, 2);
            let (dx, dy) = (
                (self.shadow.0 * size as f32) as isize,
                (self.shadow.1 * size as f32) as isize,
            );
            for j in 0..size as isize {
                for i in 0..size as isize {
                    let (x, y) = (i - dx, j - dy);
                    if x >= 0 && y >= 0 && x < size as isize && y < size as isize {
                        let k = 1.0 - self.shadow.2 * dark[y as usize * size + x as usize];
                        let p = &mut rgb[j as usize * size + i as usize];
                        *p = [p[0] * k, p[1] * k, p[2] * k];
                    }
                }
            }
        }
        for (p, l) in rgb.iter_mut().zip(&layer) {
            for c in 0..3 {
                p[c] = p[c] * (1.0 - l[3]) + l[c];
            }
        }
        Shot { rgb, mask, quality: 90 }
    }
}

/// Interpolates colour and garment share of a canvas bilinearly at a position in pixels.
fn sample(canvas: &Canvas, x: f32, y: f32) -> ([f32; 4], f32) {
    let (w, h) = (canvas.width as isize, canvas.height as isize);
    let (fx, fy) = (x.floor(), y.floor());
    let (ix, iy) = (fx as isize, fy as isize);
    let mut sum = [0.0f32; 4];
    let mut garment = 0.0;
    // Border pixels are repeated outside the canvas, so a body cut by the lower border continues below it.
    for (dx, dy, k) in [
        (0, 0, (1.0 - x + fx) * (1.0 - y + fy)),
        (1, 0, (x - fx) * (1.0 - y + fy)),
        (0, 1, (1.0 - x + fx) * (y - fy)),
        (1, 1, (x - fx) * (y - fy)),
    ] {
        let (px, py) = ((ix + dx).clamp(0, w - 1), (iy + dy).clamp(0, h - 1));
        let at = py as usize * w as usize + px as usize;
        let p = &canvas.pixels[at];
        for c in 0..4 {
            sum[c] += k * p[c];
        }
        garment += k * canvas.garment[at];
    }
    (sum, garment)
}

impl Shot {
    /// Draws a canvas in front of the photo. The mask of its pixels becomes `owner`.
    pub(crate) fn add_foreground(&mut self, canvas: &Canvas, owner: u8) {
        for ((p, m), l) in self.rgb.iter_mut().zip(&mut self.mask).zip(&canvas.pixels) {
            for c in 0..3 {
                p[c] = p[c] * (1.0 - l[3]) + l[c];
            }
            if l[3] >= 0.5 {
                *m = owner;
            }
        }
    }

    /// Applies random exposure, colour cast, vignetting, lens blur and sensor noise, and draws the JPEG quality.
    pub(crate) fn degrade(&mut self, size: usize, dice: &mut Dice) {
        let exposure = dice.range(0.72, 1.20);
        let warm = dice.bell() * 0.09;
        let tint = dice.bell() * 0.03;
        let cast = [
            exposure * (1.0 + warm),
            exposure * (1.0 + tint),
            exposure * (1.0 - warm),
        ];
        let vignette = dice.range(0.0, 0.35);
        let haze = dice.range(0.0, 0.02);
        let (gx, gy) = (dice.range(-0.25, 0.25), dice.range(-0.25, 0.25));
        for (i, p) in self.rgb.iter_mut().enumerate() {
            let (x, y) = (
                (i % size) as f32 / size as f32 - 0.5,
                (i / size) as f32 / size as f32 - 0.5,
            );
            let k = (1.0 - vignette * (x * x + y * y)) * (1.0 + gx * x + gy * y);
            for c in 0..3 {
                p[c] = p[c] * cast[c] * k * (1.0 - haze) + haze;
            }
        }
        let r = size as f32 / 256.0;
        let soft = if dice.chance(0.3) {
            (dice.range(0.8, 1.6) * r) as usize
        } else {
            0
        };
        if soft > 0 {
            let mut plane = vec![0.0; size * size];
            for c in 0..3 {
                for (v, p) in plane.iter_mut().zip(&self.rgb) {
                    *v = p[c];
                }
                soften(&mut plane, size, size, soft);
                for (v, p) in plane.iter().zip(&mut self.rgb) {
                    p[c] = *v;
                }
            }
        }
        let noise = dice.range(0.0, 0.045);
        let seed = dice.word() as u32;
        for (i, p) in self.rgb.iter_mut().enumerate() {
            let grain = (lattice(i as i32, 1, seed) + lattice(i as i32, 2, seed) - 1.0) * noise;
            let colour = (lattice(i as i32, 3, seed) - 0.5) * noise * 0.5;
            let level = 0.25 + p[1].max(0.0).sqrt();
            *p = [
                p[0] + (grain + colour) * level,
                p[1] + grain * level,
                p[2] + (grain - colour) * level,
            ];
        }
        self.quality = dice.range(52.0, 94.0) as u8;
    }

    /// Converts to sRGB bytes, row-major.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.rgb
            .iter()
            .flat_map(|p| p.map(|v| (v.clamp(0.0, 1.0).sqrt() * 255.0 + 0.5) as u8))
            .collect()
    }
}
