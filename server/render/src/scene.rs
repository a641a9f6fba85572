//! Backgrounds of shop photos and of lying items; `surroundings` has those behind people.
//!
//! A background is painted on its own canvas, 100 units wide and high.

use super::blur::blur;
use super::canvas::Canvas;
use super::noise::{cloud, lattice, ramp, saw, scale, value, wave};
use super::outline::Outline;
use super::paint::{Class, Light, Paint, Texel};
use super::palette::linear;
use super::random::Dice;

/// Square of RGB pixels in linear light, row-major, with values in about 0–1.
pub(crate) type Raster = Vec<[f32; 3]>;

/// Fills a square of `size` pixels with a function of x and y in 0–100.
pub(crate) fn fill(size: usize, f: impl Fn(f32, f32) -> [f32; 3]) -> Raster {
    let k = 100.0 / size as f32;
    (0..size * size)
        .map(|i| f((i % size) as f32 * k, (i / size) as f32 * k))
        .collect()
}

/// Paints the shop's studio: a light backdrop that darkens towards the corners.
pub(crate) fn studio(size: usize, dice: &mut Dice) -> Raster {
    let tone = linear(dice.pick(&[0xF7F6F4, 0xF3F3F3, 0xF1EEE9, 0xEEF0F3, 0xF5F1EC, 0xE9E7E4]));
    let fall = dice.range(0.04, 0.14);
    let (cx, cy) = (dice.range(38.0, 62.0), dice.range(28.0, 50.0));
    fill(size, |x, y| {
        let (dx, dy) = ((x - cx) / 75.0, (y - cy) / 75.0);
        scale(tone, 1.02 - fall * (dx * dx + dy * dy))
    })
}

/// Paints a surface below lying items: floorboards, a bed sheet, a rug, tiles or a table top, with a few objects.
pub(crate) fn surface(size: usize, dice: &mut Dice) -> Raster {
    let seed = dice.word() as u32;
    let zoom = dice.range(0.7, 1.4);
    let tilt = dice.range(-0.5, 0.5);
    let kind = dice.index(5);
    let tone = match kind {
        0 => linear(dice.pick(&[0xB98A5A, 0x8A5F3C, 0xD3B48C, 0x6B4A32, 0xA89884])),
        1 => linear(dice.pick(&[0xE9E6E1, 0xC9D2DB, 0xD9CFC4, 0xB9C4B4, 0x8E98A8])),
        2 => linear(dice.pick(&[0x9A8F84, 0x5C6470, 0xC2B5A2, 0x7D4F48, 0x46584E])),
        3 => linear(dice.pick(&[0xD8D4CC, 0xB8B4AE, 0x8F9498, 0xE4E1DC])),
        _ => linear(dice.pick(&[0xE8E6E2, 0x3B3A3C, 0xC8A478, 0xF0EEEA])),
    };
    let mut raster = fill(size, |x, y| {
        let (u, v) = ((x + tilt * y) / zoom, (y - tilt * x) / zoom);
        match kind {
            0 => {
                let plank = (u / 13.0).floor();
                let shift = lattice(plank as i32, 1, seed) * 60.0;
                let end = ((v + shift) / 55.0).floor();
                let shade = 0.78 + 0.4 * lattice(plank as i32, end as i32, seed);
                let grain = value(u * 1.4, v * 0.09 + plank * 9.0, seed);
                let fine = value(u * 4.0, v * 0.25, seed ^ 4);
                let gap = if saw(u / 13.0) < 0.014 || saw((v + shift) / 55.0) < 0.004 {
                    0.35
                } else {
                    1.0
                };
                scale(tone, shade * (0.74 + 0.36 * grain + 0.14 * fine) * gap)
            }
            1 => {
                let a = cloud(u / 22.0 + 0.5 * value(v / 30.0, u / 30.0, seed), v / 34.0, seed);
                let b = cloud(
                    (u + 1.6) / 22.0 + 0.5 * value((v + 1.0) / 30.0, u / 30.0, seed),
                    (v + 1.2) / 34.0,
                    seed,
                );
                scale(tone, 0.96 + 3.4 * (a - b))
            }
            2 => {
                let pile = lattice((u * 3.0) as i32, (v * 3.0) as i32, seed);
                let motif = if seed.is_multiple_of(2) {
                    0.85 + 0.15 * wave(u / 11.0) * wave(v / 11.0)
                } else {
                    1.0
                };
                scale(tone, (0.72 + 0.3 * pile + 0.25 * value(u / 5.0, v / 5.0, seed)) * motif)
            }
            3 => {
                let joint = saw(u / 24.0) < 0.012 || saw(v / 24.0) < 0.012;
                let one = lattice((u / 24.0).floor() as i32, (v / 24.0).floor() as i32, seed);
                scale(
                    tone,
                    if joint {
                        0.62
                    } else {
                        0.93 + 0.1 * one + 0.08 * cloud(u / 9.0, v / 9.0, seed)
                    },
                )
            }
            _ => {
                let vein = 1.0 - (2.0 * cloud(u / 30.0, v / 22.0, seed) - 1.0).abs() * 2.0;
                scale(
                    tone,
                    0.92 + 0.08 * cloud(u / 8.0, v / 8.0, seed) - 0.14 * ramp(0.86, 1.0, vein),
                )
            }
        }
    });
    let light = dice.range(0.10, 0.35);
    let (lx, ly) = (dice.range(-1.0, 1.0), dice.range(-1.0, 1.0));
    for (i, p) in raster.iter_mut().enumerate() {
        let (x, y) = (
            (i % size) as f32 / size as f32 - 0.5,
            (i / size) as f32 / size as f32 - 0.5,
        );
        *p = scale(*p, 1.0 + light * (x * lx + y * ly) * 2.0);
    }
    let mut canvas = canvas_with(size, &raster, dice);
    for _ in 0..dice.index(4) {
        lying_object(&mut canvas, dice);
    }
    to_raster(canvas, 0)
}

/// Creates a canvas of `size` pixels that shows `raster`, with a random lamp.
pub(crate) fn canvas_with(size: usize, raster: &Raster, dice: &mut Dice) -> Canvas {
    let light = Light::from_direction(dice.range(-0.8, 0.8), dice.range(-0.8, 0.1), 0.5);
    let mut canvas = Canvas::new(size, 100.0, (50.0, 50.0), light);
    for (p, c) in canvas.pixels.iter_mut().zip(raster) {
        *p = [c[0], c[1], c[2], 1.0];
    }
    canvas
}

/// Converts a canvas to pixels, blurred with a radius of `soft` pixels.
pub(crate) fn to_raster(canvas: Canvas, soft: usize) -> Raster {
    let (w, h) = (canvas.width, canvas.height);
    let mut planes = [vec![0.0; w * h], vec![0.0; w * h], vec![0.0; w * h]];
    for (i, p) in canvas.pixels.iter().enumerate() {
        for c in 0..3 {
            planes[c][i] = p[c];
        }
    }
    if soft > 0 {
        for plane in &mut planes {
            soften(plane, w, h, soft);
        }
    }
    (0..w * h).map(|i| [planes[0][i], planes[1][i], planes[2][i]]).collect()
}

/// Blurs a plane without darkening its border.
pub(crate) fn soften(plane: &mut [f32], w: usize, h: usize, r: usize) {
    let mut weight = vec![1.0; w * h];
    blur(&mut weight, w, h, r, 2);
    blur(plane, w, h, r, 2);
    for (p, k) in plane.iter_mut().zip(weight) {
        *p /= k.max(1e-3);
    }
}

/// Colours of background objects, `0xRRGGBB`.
pub(crate) const OBJECT_COLOURS: [u32; 12] = [
    0xD8CFC2, 0x3A3F4A, 0xB35C48, 0x5E7F6A, 0xE3C26A, 0x7A8FB0, 0xEDEAE4, 0x8B5E45, 0xA9B4A2, 0x2C2B2E, 0xC78FA0,
    0x54707A,
];

/// Paints an object with a matt, slightly uneven surface. `bulge` is its height, and `cast` the darkness of its shadow, 0–1.
pub(crate) fn paint_object(canvas: &mut Canvas, outline: &Outline, rgb: [f32; 3], bulge: f32, cast: f32) {
    let texel = |x: f32, y: f32, _: (f32, f32)| Texel {
        gloss: 0.05,
        ..Texel::flat(scale(rgb, 0.94 + 0.12 * value(x / 3.0, y / 3.0, 5)))
    };
    canvas.paint(
        outline,
        &Paint::new(Class::Person, &texel).round(bulge, 2.0).shadow(cast, 1.6),
    );
}

/// Paints a book, cup, plant or cloth at the edge of the image.
fn lying_object(canvas: &mut Canvas, dice: &mut Dice) {
    let edge = dice.index(4);
    let along = dice.range(5.0, 95.0);
    let inward = dice.range(-4.0, 12.0);
    let (x, y) = match edge {
        0 => (along, inward),
        1 => (along, 100.0 - inward),
        2 => (inward, along),
        _ => (100.0 - inward, along),
    };
    let rgb = linear(dice.pick(&OBJECT_COLOURS));
    match dice.index(4) {
        0 => {
            let (w, h, t) = (dice.range(6.0, 11.0), dice.range(8.0, 14.0), dice.range(-0.5, 0.5));
            let o = Outline::new()
                .corner(x - w, y - h + t * w)
                .corner(x + w, y - h - t * w)
                .corner(x + w + t * h, y + h - t * w)
                .corner(x - w + t * h, y + h + t * w);
            paint_object(canvas, &o, rgb, 0.5, 0.5);
            canvas.line(
                &Outline::line(&[(x - w * 0.6, y - h * 0.4), (x + w * 0.6, y - h * 0.4 - t * w)]),
                1.2,
                Some(linear(0xF1EFEA)),
                0.8,
                None,
            );
        }
        1 => {
            let r = dice.range(4.5, 8.0);
            paint_object(canvas, &Outline::ellipse(x, y, r, r), rgb, 1.5, 0.55);
            paint_object(
                canvas,
                &Outline::ellipse(x, y, r * 0.8, r * 0.8),
                scale(rgb, 0.35),
                0.0,
                0.0,
            );
        }
        2 => leaves(canvas, dice, (x, y), 10.0 + edge as f32),
        _ => {
            let (a, b) = (dice.range(10.0, 20.0), dice.range(8.0, 16.0));
            let o = Outline::new()
                .smooth(x - a, y - b * 0.6)
                .smooth(x + a * 0.2, y - b)
                .smooth(x + a, y - b * 0.2)
                .smooth(x + a * 0.7, y + b)
                .smooth(x - a * 0.5, y + b * 0.8);
            paint_object(canvas, &o, rgb, 2.0, 0.5);
        }
    }
}

/// Paints the leaves of a plant around `at`.
pub(crate) fn leaves(canvas: &mut Canvas, dice: &mut Dice, at: (f32, f32), size: f32) {
    let green = linear(dice.pick(&[0x4E7A4A, 0x6B8F5A, 0x2F5A3C, 0x7F9A6C]));
    for _ in 0..9 {
        let (dx, dy) = (dice.range(-1.0, 1.0) * size, dice.range(-1.4, 0.4) * size);
        let w = dice.range(1.2, 2.6);
        let o = Outline::new()
            .corner(at.0, at.1)
            .smooth(at.0 + dx * 0.5 - dy * 0.06 * w, at.1 + dy * 0.5 + dx * 0.06 * w)
            .corner(at.0 + dx, at.1 + dy)
            .smooth(at.0 + dx * 0.5 + dy * 0.06 * w, at.1 + dy * 0.5 - dx * 0.06 * w);
        paint_object(canvas, &o, scale(green, dice.range(0.7, 1.25)), 0.6, 0.35);
    }
}
