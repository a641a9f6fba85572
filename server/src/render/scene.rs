//! Backgrounds: a studio, rooms, streets, and things that clothes are laid on.
//!
//! A background is painted on a canvas of its own, 100 units wide and high.

use super::blur::blur;
use super::canvas::{Canvas, Class, Light, Paint, Texel};
use super::noise::{blend, cloud, lattice, ramp, saw, scale, value, wave};
use super::outline::Outline;
use super::palette::linear;
use super::random::Dice;

/// A picture in linear light, row by row.
pub(crate) type Picture = Vec<[f32; 3]>;

fn fill(size: usize, f: impl Fn(f32, f32) -> [f32; 3]) -> Picture {
    let k = 100.0 / size as f32;
    (0..size * size)
        .map(|i| f((i % size) as f32 * k, (i / size) as f32 * k))
        .collect()
}

/// The shop's studio: a light sweep, a little darker towards the corners.
pub(crate) fn studio(size: usize, dice: &mut Dice) -> Picture {
    let tone = linear(dice.pick(&[0xF7F6F4, 0xF3F3F3, 0xF1EEE9, 0xEEF0F3, 0xF5F1EC, 0xE9E7E4]));
    let fall = dice.range(0.04, 0.14);
    let (cx, cy) = (dice.range(38.0, 62.0), dice.range(28.0, 50.0));
    fill(size, |x, y| {
        let (dx, dy) = ((x - cx) / 75.0, (y - cy) / 75.0);
        scale(tone, 1.02 - fall * (dx * dx + dy * dy))
    })
}

/// What clothes are laid on: floorboards, a bed sheet, a rug, tiles, a table top.
pub(crate) fn surface(size: usize, dice: &mut Dice) -> Picture {
    let seed = dice.word() as u32;
    let zoom = dice.range(0.7, 1.4);
    let tilt = dice.range(-0.5, 0.5);
    let kind = dice.below(5);
    let tone = match kind {
        0 => linear(dice.pick(&[0xB98A5A, 0x8A5F3C, 0xD3B48C, 0x6B4A32, 0xA89884])),
        1 => linear(dice.pick(&[0xE9E6E1, 0xC9D2DB, 0xD9CFC4, 0xB9C4B4, 0x8E98A8])),
        2 => linear(dice.pick(&[0x9A8F84, 0x5C6470, 0xC2B5A2, 0x7D4F48, 0x46584E])),
        3 => linear(dice.pick(&[0xD8D4CC, 0xB8B4AE, 0x8F9498, 0xE4E1DC])),
        _ => linear(dice.pick(&[0xE8E6E2, 0x3B3A3C, 0xC8A478, 0xF0EEEA])),
    };
    let mut picture = fill(size, |x, y| {
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
                let a = cloud(
                    u / 22.0 + 0.5 * value(v / 30.0, u / 30.0, seed),
                    v / 34.0,
                    seed,
                );
                let b = cloud(
                    (u + 1.6) / 22.0 + 0.5 * value((v + 1.0) / 30.0, u / 30.0, seed),
                    (v + 1.2) / 34.0,
                    seed,
                );
                scale(tone, 0.96 + 3.4 * (a - b))
            }
            2 => {
                let pile = lattice((u * 3.0) as i32, (v * 3.0) as i32, seed);
                let motif = if seed % 2 == 0 {
                    0.85 + 0.15 * wave(u / 11.0) * wave(v / 11.0)
                } else {
                    1.0
                };
                scale(
                    tone,
                    (0.72 + 0.3 * pile + 0.25 * value(u / 5.0, v / 5.0, seed)) * motif,
                )
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
    for (i, p) in picture.iter_mut().enumerate() {
        let (x, y) = (
            (i % size) as f32 / size as f32 - 0.5,
            (i / size) as f32 / size as f32 - 0.5,
        );
        *p = scale(*p, 1.0 + light * (x * lx + y * ly) * 2.0);
    }
    let mut canvas = over(size, &picture, dice);
    for _ in 0..dice.below(4) {
        lying_thing(&mut canvas, dice);
    }
    finish(canvas, 0)
}

fn over(size: usize, picture: &Picture, dice: &mut Dice) -> Canvas {
    let light = Light::from(dice.range(-0.8, 0.8), dice.range(-0.8, 0.1), 0.5);
    let mut canvas = Canvas::new(size, 100.0, (50.0, 50.0), light);
    for (p, c) in canvas.pixels.iter_mut().zip(picture) {
        *p = [c[0], c[1], c[2], 1.0];
    }
    canvas
}

fn finish(canvas: Canvas, soft: usize) -> Picture {
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
    (0..w * h)
        .map(|i| [planes[0][i], planes[1][i], planes[2][i]])
        .collect()
}

/// A blur that does not darken towards the border.
pub(crate) fn soften(plane: &mut [f32], w: usize, h: usize, r: usize) {
    let mut weight = vec![1.0; w * h];
    blur(&mut weight, w, h, r, 2);
    blur(plane, w, h, r, 2);
    for (p, k) in plane.iter_mut().zip(weight) {
        *p /= k.max(1e-3);
    }
}

const THINGS: [u32; 12] = [
    0xD8CFC2, 0x3A3F4A, 0xB35C48, 0x5E7F6A, 0xE3C26A, 0x7A8FB0, 0xEDEAE4, 0x8B5E45, 0xA9B4A2,
    0x2C2B2E, 0xC78FA0, 0x54707A,
];

fn thing(canvas: &mut Canvas, outline: &Outline, rgb: [f32; 3], bulge: f32, cast: f32) {
    let texel = |x: f32, y: f32, _: (f32, f32)| Texel {
        gloss: 0.05,
        ..Texel::flat(scale(rgb, 0.94 + 0.12 * value(x / 3.0, y / 3.0, 5)))
    };
    canvas.paint(
        outline,
        &Paint::new(Class::Person, &texel)
            .round(bulge, 2.0)
            .shadow(cast, 1.6),
    );
}

/// A book, cup, telephone, plant or cloth at the edge of the picture.
fn lying_thing(canvas: &mut Canvas, dice: &mut Dice) {
    let edge = dice.below(4);
    let along = dice.range(5.0, 95.0);
    let inward = dice.range(-4.0, 12.0);
    let (x, y) = match edge {
        0 => (along, inward),
        1 => (along, 100.0 - inward),
        2 => (inward, along),
        _ => (100.0 - inward, along),
    };
    let rgb = linear(dice.pick(&THINGS));
    match dice.below(4) {
        0 => {
            let (w, h, t) = (
                dice.range(6.0, 11.0),
                dice.range(8.0, 14.0),
                dice.range(-0.5, 0.5),
            );
            let o = Outline::new()
                .to(x - w, y - h + t * w)
                .to(x + w, y - h - t * w)
                .to(x + w + t * h, y + h - t * w)
                .to(x - w + t * h, y + h + t * w);
            thing(canvas, &o, rgb, 0.5, 0.5);
            canvas.line(
                &Outline::line(&[
                    (x - w * 0.6, y - h * 0.4),
                    (x + w * 0.6, y - h * 0.4 - t * w),
                ]),
                1.2,
                Some(linear(0xF1EFEA)),
                0.8,
                None,
            );
        }
        1 => {
            let r = dice.range(4.5, 8.0);
            thing(canvas, &Outline::ellipse(x, y, r, r), rgb, 1.5, 0.55);
            thing(
                canvas,
                &Outline::ellipse(x, y, r * 0.8, r * 0.8),
                scale(rgb, 0.35),
                0.0,
                0.0,
            );
        }
        2 => leaves(canvas, dice, (x, y), dice_size(edge)),
        _ => {
            let (a, b) = (dice.range(10.0, 20.0), dice.range(8.0, 16.0));
            let o = Outline::new()
                .via(x - a, y - b * 0.6)
                .via(x + a * 0.2, y - b)
                .via(x + a, y - b * 0.2)
                .via(x + a * 0.7, y + b)
                .via(x - a * 0.5, y + b * 0.8);
            thing(canvas, &o, rgb, 2.0, 0.5);
        }
    }
}

fn dice_size(edge: usize) -> f32 {
    10.0 + edge as f32
}

fn leaves(canvas: &mut Canvas, dice: &mut Dice, at: (f32, f32), size: f32) {
    let green = linear(dice.pick(&[0x4E7A4A, 0x6B8F5A, 0x2F5A3C, 0x7F9A6C]));
    for _ in 0..9 {
        let (dx, dy) = (dice.range(-1.0, 1.0) * size, dice.range(-1.4, 0.4) * size);
        let w = dice.range(1.2, 2.6);
        let o = Outline::new()
            .to(at.0, at.1)
            .via(
                at.0 + dx * 0.5 - dy * 0.06 * w,
                at.1 + dy * 0.5 + dx * 0.06 * w,
            )
            .to(at.0 + dx, at.1 + dy)
            .via(
                at.0 + dx * 0.5 + dy * 0.06 * w,
                at.1 + dy * 0.5 - dx * 0.06 * w,
            );
        thing(canvas, &o, scale(green, dice.range(0.7, 1.25)), 0.6, 0.35);
    }
}

/// A room behind a person: wall, floor, and some of what stands in rooms. `horizon` is where the floor begins.
pub(crate) fn room(size: usize, dice: &mut Dice, horizon: f32) -> Picture {
    let wall = linear(dice.pick(&[
        0xE9E4DC, 0xD6DBDF, 0xCFC6BA, 0xB9C2B6, 0xE6D9D2, 0x9FA6AE, 0xC3B29C, 0x6E7A80,
    ]));
    let floor = linear(dice.pick(&[0xA98058, 0x7C5A40, 0xBDB6AC, 0x8D8984, 0xCDB79A]));
    let seed = dice.word() as u32;
    let (lx, power) = (dice.range(-1.0, 1.0), dice.range(0.1, 0.4));
    let base = fill(size, |x, y| {
        let glow = 1.0 + power * lx * (x / 50.0 - 1.0) - 0.08 * (y / 50.0 - 1.0);
        if y < horizon {
            let skirting = y > horizon - 3.0;
            let c = if skirting {
                blend(wall, [0.9; 3], 0.5)
            } else {
                wall
            };
            scale(c, glow * (0.96 + 0.05 * cloud(x / 20.0, y / 20.0, seed)))
        } else {
            let depth = 1.0 + (y - horizon) / 22.0;
            let u = (x - 50.0) / depth;
            let board = if saw(u / 6.0) < 0.03 {
                0.7
            } else {
                0.88 + 0.2 * lattice((u / 6.0).floor() as i32, 0, seed)
            };
            scale(floor, glow * board)
        }
    });
    let mut canvas = over(size, &base, dice);
    let count = 2 + dice.below(4);
    for _ in 0..count {
        furnish(&mut canvas, dice, horizon);
    }
    let soft = (size as f32 * dice.range(0.0, 0.016)) as usize;
    finish(canvas, soft)
}

fn furnish(canvas: &mut Canvas, dice: &mut Dice, horizon: f32) {
    let x = if dice.chance(0.5) {
        dice.range(-6.0, 26.0)
    } else {
        dice.range(74.0, 106.0)
    };
    let rgb = linear(dice.pick(&THINGS));
    match dice.below(6) {
        0 => {
            // A picture on the wall.
            let (w, h, y) = (
                dice.range(6.0, 13.0),
                dice.range(8.0, 16.0),
                dice.range(12.0, 34.0),
            );
            thing(
                canvas,
                &Outline::new()
                    .to(x - w, y - h)
                    .to(x + w, y - h)
                    .to(x + w, y + h)
                    .to(x - w, y + h),
                linear(dice.pick(&[0x2E2C2B, 0xEDEBE6, 0xA57C4E])),
                0.4,
                0.4,
            );
            thing(
                canvas,
                &Outline::new()
                    .to(x - w + 1.5, y - h + 1.5)
                    .to(x + w - 1.5, y - h + 1.5)
                    .to(x + w - 1.5, y + h - 1.5)
                    .to(x - w + 1.5, y + h - 1.5),
                rgb,
                0.0,
                0.0,
            );
            thing(
                canvas,
                &Outline::ellipse(x, y, w * 0.45, h * 0.35),
                linear(dice.pick(&THINGS)),
                0.0,
                0.0,
            );
        }
        1 => {
            // Shelves with books.
            for level in 0..4 {
                let y = 18.0 + level as f32 * 17.0;
                let mut at = x - 14.0;
                while at < x + 14.0 {
                    let (w, h) = (dice.range(1.4, 3.4), dice.range(7.0, 12.5));
                    if dice.chance(0.85) {
                        thing(
                            canvas,
                            &Outline::new()
                                .to(at, y - h)
                                .to(at + w, y - h)
                                .to(at + w, y)
                                .to(at, y),
                            linear(dice.pick(&THINGS)),
                            0.3,
                            0.2,
                        );
                    }
                    at += w + 0.2;
                }
                thing(
                    canvas,
                    &Outline::new()
                        .to(x - 16.0, y)
                        .to(x + 16.0, y)
                        .to(x + 16.0, y + 1.6)
                        .to(x - 16.0, y + 1.6),
                    linear(0x9B7450),
                    0.2,
                    0.4,
                );
            }
        }
        2 => {
            let pot = Outline::new()
                .to(x - 6.0, horizon - 4.0)
                .to(x + 6.0, horizon - 4.0)
                .to(x + 4.4, horizon + 9.0)
                .to(x - 4.4, horizon + 9.0);
            leaves(canvas, dice, (x, horizon - 4.0), 26.0);
            leaves(canvas, dice, (x, horizon - 4.0), 20.0);
            thing(canvas, &pot, rgb, 1.4, 0.5);
        }
        3 => {
            // A window.
            let (w, h, y) = (
                dice.range(12.0, 20.0),
                dice.range(18.0, 28.0),
                dice.range(24.0, 38.0),
            );
            thing(
                canvas,
                &Outline::new()
                    .to(x - w, y - h)
                    .to(x + w, y - h)
                    .to(x + w, y + h)
                    .to(x - w, y + h),
                linear(0xF4F3F0),
                0.4,
                0.3,
            );
            for (sx, sy) in [(-1.0, -1.0), (1.0, -1.0), (-1.0, 1.0), (1.0, 1.0f32)] {
                let (cx, cy) = (x + sx * w * 0.48, y + sy * h * 0.48);
                thing(
                    canvas,
                    &Outline::new()
                        .to(cx - w * 0.42, cy - h * 0.43)
                        .to(cx + w * 0.42, cy - h * 0.43)
                        .to(cx + w * 0.42, cy + h * 0.43)
                        .to(cx - w * 0.42, cy + h * 0.43),
                    scale(linear(0xDCEAF4), 1.15),
                    0.0,
                    0.0,
                );
            }
        }
        4 => {
            // A curtain or a rail of clothes.
            for i in 0..7 {
                let at = x - 12.0 + i as f32 * 3.6;
                let shade = dice.range(0.8, 1.1);
                let c = if dice.chance(0.5) {
                    scale(rgb, shade)
                } else {
                    scale(linear(dice.pick(&THINGS)), shade)
                };
                let long = dice.range(52.0, 78.0);
                thing(
                    canvas,
                    &Outline::new()
                        .to(at, 20.0)
                        .to(at + 4.4, 20.0)
                        .via(at + 5.4, 45.0)
                        .to(at + 5.0, long)
                        .to(at - 0.6, long)
                        .via(at - 0.8, 45.0),
                    c,
                    1.4,
                    0.35,
                );
            }
            canvas.line(
                &Outline::line(&[(x - 16.0, 19.0), (x + 18.0, 19.0)]),
                1.0,
                Some([0.05; 3]),
                0.9,
                None,
            );
        }
        _ => {
            // A chest or a sofa.
            let (w, h) = (dice.range(14.0, 24.0), dice.range(18.0, 30.0));
            thing(
                canvas,
                &Outline::rounded(x - w, horizon - h + 8.0, x + w, horizon + 8.0, 2.5),
                rgb,
                1.6,
                0.5,
            );
            thing(
                canvas,
                &Outline::rounded(
                    x - w + 2.0,
                    horizon - h * 0.5 + 8.0,
                    x + w - 2.0,
                    horizon + 5.0,
                    2.0,
                ),
                scale(rgb, 0.86),
                1.2,
                0.3,
            );
        }
    }
}

/// A street: fronts with windows, a pavement, a blurred distance.
pub(crate) fn street(size: usize, dice: &mut Dice, horizon: f32) -> Picture {
    let seed = dice.word() as u32;
    let sky = linear(dice.pick(&[0xCFE0EC, 0xE6E6E2, 0xB9CDE0, 0xEFE3D2]));
    let road = linear(dice.pick(&[0x8D8B88, 0xA59E94, 0x6E6E70]));
    let house: Vec<[f32; 3]> = (0..5)
        .map(|_| {
            linear(dice.pick(&[
                0xB79A82, 0x9C8B7C, 0xC9BFB0, 0x8A6F62, 0x7B838A, 0xD9D2C6, 0xA4614C,
            ]))
        })
        .collect();
    let wide = dice.range(22.0, 40.0);
    let top = dice.range(-10.0, 18.0);
    let picture = fill(size, |x, y| {
        if y > horizon {
            let depth = 1.0 + (y - horizon) / 18.0;
            let slab = if saw((x - 50.0) / depth / 9.0) < 0.03 || saw(1.4 * depth) < 0.02 {
                0.8
            } else {
                1.0
            };
            return scale(road, slab * (0.9 + 0.15 * cloud(x / 5.0, y / 3.0, seed)));
        }
        let n = (x / wide).floor();
        let eaves = top + 14.0 * lattice(n as i32, 3, seed);
        if y < eaves {
            return sky;
        }
        let wall = house[(n as i32).rem_euclid(5) as usize];
        let (u, v) = (saw(x / 7.5 + 0.25 * n), saw((y - eaves) / 13.0));
        let glass = u > 0.22 && v > 0.16;
        if glass {
            let lit = lattice((x / 7.5) as i32, (y / 13.0) as i32, seed);
            if lit > 0.8 {
                linear(0xF0D9A6)
            } else {
                scale([0.10, 0.13, 0.17], 0.6 + lit)
            }
        } else {
            scale(wall, 0.9 + 0.14 * cloud(x / 4.0, y / 4.0, seed))
        }
    });
    let mut canvas = over(size, &picture, dice);
    for _ in 0..1 + dice.below(3) {
        let x = dice.range(-5.0, 105.0);
        match dice.below(3) {
            0 => {
                thing(
                    &mut canvas,
                    &Outline::new()
                        .to(x - 1.2, 20.0)
                        .to(x + 1.2, 20.0)
                        .to(x + 1.4, horizon + 6.0)
                        .to(x - 1.4, horizon + 6.0),
                    linear(0x4A3B30),
                    0.6,
                    0.3,
                );
                for _ in 0..5 {
                    let at = (x + dice.range(-9.0, 9.0), dice.range(8.0, 34.0));
                    leaves(&mut canvas, dice, at, 11.0);
                }
            }
            1 => {
                let c = linear(dice.pick(&THINGS));
                thing(
                    &mut canvas,
                    &Outline::rounded(x - 16.0, horizon - 13.0, x + 16.0, horizon + 3.0, 4.0),
                    c,
                    1.5,
                    0.5,
                );
                thing(
                    &mut canvas,
                    &Outline::rounded(x - 10.0, horizon - 11.0, x + 9.0, horizon - 6.0, 1.5),
                    [0.05, 0.06, 0.08],
                    0.3,
                    0.0,
                );
            }
            _ => {
                // A passer-by, far away.
                let c = linear(dice.pick(&THINGS));
                thing(
                    &mut canvas,
                    &Outline::ellipse(x, horizon - 21.0, 1.6, 2.0),
                    [0.35, 0.24, 0.18],
                    0.5,
                    0.0,
                );
                thing(
                    &mut canvas,
                    &Outline::rounded(x - 3.0, horizon - 19.0, x + 3.0, horizon - 8.0, 1.6),
                    c,
                    0.8,
                    0.2,
                );
                thing(
                    &mut canvas,
                    &Outline::rounded(x - 2.4, horizon - 8.5, x + 2.4, horizon + 2.0, 0.8),
                    [0.04, 0.045, 0.06],
                    0.6,
                    0.2,
                );
            }
        }
    }
    let soft = (size as f32 * dice.range(0.004, 0.022)) as usize;
    finish(canvas, soft)
}
