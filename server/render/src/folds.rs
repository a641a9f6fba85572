//! Drape of cloth: a smooth height field of anisotropic noise and creases.

use super::noise::{ramp, saw, value};
use super::random::Dice;

/// Height field in centimetres on a grid. Quadratic B-splines interpolate it smoothly, so shading shows no facets.
pub(crate) struct Folds {
    x0: f32,
    y0: f32,
    cell: f32,
    w: usize,
    h: usize,
    grid: Vec<f32>,
}

/// Crease from `from` to `to` with a steep and a soft flank, which fades at both ends. Lengths are in centimetres.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Crease {
    pub(crate) from: (f32, f32),
    pub(crate) to: (f32, f32),
    /// Sideways offset in the middle.
    pub(crate) bow: f32,
    pub(crate) width: f32,
    pub(crate) height: f32,
}

impl Folds {
    /// Creates a flat field over a box.
    pub(crate) fn new(x0: f32, y0: f32, x1: f32, y1: f32) -> Self {
        let cell = 1.0;
        let w = ((x1 - x0) / cell) as usize + 4;
        let h = ((y1 - y0) / cell) as usize + 4;
        Self {
            x0: x0 - cell,
            y0: y0 - cell,
            cell,
            w,
            h,
            grid: vec![0.0; w * h],
        }
    }

    /// Adds a function of position to the heights.
    fn add(&mut self, f: impl Fn(f32, f32) -> f32) {
        for j in 0..self.h {
            for i in 0..self.w {
                self.grid[j * self.w + i] += f(self.x0 + i as f32 * self.cell, self.y0 + j as f32 * self.cell);
            }
        }
    }

    /// Adds smooth noise with lattice spacing `(sx, sy)`, sheared sideways by `skew`.
    pub(crate) fn rumple(&mut self, seed: u32, sx: f32, sy: f32, skew: f32, amount: f32) {
        self.add(|x, y| {
            let bend = 2.2 * value(x / 14.0, y / 14.0, seed ^ 0x33) * sx / 6.0;
            let (u, v) = ((x + skew * y) / sx + bend, (y - skew * x) / sy);
            let a = value(u, v, seed);
            let b = value(u * 2.07 + 7.3, v * 1.7, seed ^ 0x91);
            // The ridge term gives narrow crests, and the plain term broad waves.
            amount * (0.7 * a + 0.6 * (1.0 - (2.0 * b - 1.0).abs()) * a)
        });
    }

    /// Adds about `count` vertical flutes that deepen from `top` to `bottom`. `half` is the half width at both heights.
    pub(crate) fn flutes(&mut self, seed: u32, top: f32, bottom: f32, half: (f32, f32), count: f32, amount: f32) {
        self.add(|x, y| {
            let t = ((y - top) / (bottom - top)).clamp(0.0, 1.2);
            let width = half.0 + (half.1 - half.0) * t;
            let u =
                x / width * count * 0.5 + 0.8 * value(x / width * 1.3 + 9.0, y / 40.0, seed) + 0.13 * phase_of(seed);
            let crest = 2.0 * saw(u);
            let strength = 0.4 + 0.9 * value(u.floor() * 1.7, 0.3, seed ^ 0x77);
            amount * ramp(0.0, 0.75, t) * strength * crest * crest * (3.0 - 2.0 * crest)
        });
    }

    /// Adds one crease.
    pub(crate) fn crease(&mut self, c: Crease) {
        let (dx, dy) = (c.to.0 - c.from.0, c.to.1 - c.from.1);
        let len = (dx * dx + dy * dy).sqrt().max(0.5);
        let (tx, ty) = (dx / len, dy / len);
        self.add(|x, y| {
            let (px, py) = (x - c.from.0, y - c.from.1);
            let t = (px * tx + py * ty) / len;
            if !(0.0..=1.0).contains(&t) {
                return 0.0;
            }
            let d = px * -ty + py * tx - c.bow * 4.0 * t * (1.0 - t);
            let flank = if d > 0.0 { c.width } else { c.width * 2.3 };
            let k = 1.0 - (d / flank) * (d / flank);
            if k <= 0.0 {
                0.0
            } else {
                c.height * k * k * ramp(0.0, 0.25, t) * ramp(0.0, 0.5, 1.0 - t)
            }
        });
    }

    /// Adds `count` creases that radiate from a point towards `toward`.
    pub(crate) fn fan(&mut self, dice: &mut Dice, from: (f32, f32), toward: (f32, f32), count: usize, height: f32) {
        let (dx, dy) = (toward.0 - from.0, toward.1 - from.1);
        for _ in 0..count {
            let slant = dice.range(-0.45, 0.45);
            let reach = dice.range(0.45, 1.1);
            let start = dice.range(0.0, 0.15);
            let (ex, ey) = ((dx - dy * slant) * reach, (dy + dx * slant) * reach);
            self.crease(Crease {
                from: (from.0 + ex * start, from.1 + ey * start),
                to: (from.0 + ex, from.1 + ey),
                bow: dice.range(-1.5, 1.5),
                width: dice.range(0.9, 2.0),
                height: height * dice.range(0.5, 1.2),
            });
        }
    }

    /// Height at a point.
    pub(crate) fn height_at(&self, x: f32, y: f32) -> f32 {
        let gx = ((x - self.x0) / self.cell).clamp(1.0, (self.w - 3) as f32);
        let gy = ((y - self.y0) / self.cell).clamp(1.0, (self.h - 3) as f32);
        let (ix, iy) = ((gx + 0.5) as usize, (gy + 0.5) as usize);
        let (fx, fy) = (gx - ix as f32, gy - iy as f32);
        let weights = |f: f32| [0.5 * (0.5 - f) * (0.5 - f), 0.75 - f * f, 0.5 * (0.5 + f) * (0.5 + f)];
        let (wx, wy) = (weights(fx), weights(fy));
        let mut sum = 0.0;
        for (j, wy) in wy.iter().enumerate() {
            let at = (iy + j - 1) * self.w + ix - 1;
            let row = &self.grid[at..at + 3];
            sum += wy * (wx[0] * row[0] + wx[1] * row[1] + wx[2] * row[2]);
        }
        sum
    }
}

fn phase_of(seed: u32) -> f32 {
    (seed % 17) as f32 * 0.3
}
