//! Backgrounds behind people: rooms and streets.

use super::canvas::Canvas;
use super::noise::{blend, cloud, lattice, saw, scale};
use super::outline::Outline;
use super::palette::linear;
use super::random::Dice;
use super::scene::{OBJECT_COLOURS, Raster, canvas_with, fill, leaves, paint_object, to_raster};

/// Paints a room with wall, floor and furniture. `horizon` is the upper edge of the floor, in 0–100.
pub(crate) fn room(size: usize, dice: &mut Dice, horizon: f32) -> Raster {
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
            let c = if skirting { blend(wall, [0.9; 3], 0.5) } else { wall };
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
    let mut canvas = canvas_with(size, &base, dice);
    let count = 2 + dice.index(4);
    for _ in 0..count {
        add_furniture(&mut canvas, dice, horizon);
    }
    let soft = (size as f32 * dice.range(0.0, 0.016)) as usize;
    to_raster(canvas, soft)
}

/// Paints a framed print, shelf, plant, window, rail of clothes or sofa.
fn add_furniture(canvas: &mut Canvas, dice: &mut Dice, horizon: f32) {
    let x = if dice.chance(0.5) {
        dice.range(-6.0, 26.0)
    } else {
        dice.range(74.0, 106.0)
    };
    let rgb = linear(dice.pick(&OBJECT_COLOURS));
    match dice.index(6) {
        0 => {
            // A framed print on the wall.
            let (w, h, y) = (dice.range(6.0, 13.0), dice.range(8.0, 16.0), dice.range(12.0, 34.0));
            paint_object(
                canvas,
                &Outline::new()
                    .corner(x - w, y - h)
                    .corner(x + w, y - h)
                    .corner(x + w, y + h)
                    .corner(x - w, y + h),
                linear(dice.pick(&[0x2E2C2B, 0xEDEBE6, 0xA57C4E])),
                0.4,
                0.4,
            );
            paint_object(
                canvas,
                &Outline::new()
                    .corner(x - w + 1.5, y - h + 1.5)
                    .corner(x + w - 1.5, y - h + 1.5)
                    .corner(x + w - 1.5, y + h - 1.5)
                    .corner(x - w + 1.5, y + h - 1.5),
                rgb,
                0.0,
                0.0,
            );
            paint_object(
                canvas,
                &Outline::ellipse(x, y, w * 0.45, h * 0.35),
                linear(dice.pick(&OBJECT_COLOURS)),
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
                        paint_object(
                            canvas,
                            &Outline::new()
                                .corner(at, y - h)
                                .corner(at + w, y - h)
                                .corner(at + w, y)
                                .corner(at, y),
                            linear(dice.pick(&OBJECT_COLOURS)),
                            0.3,
                            0.2,
                        );
                    }
                    at += w + 0.2;
                }
                paint_object(
                    canvas,
                    &Outline::new()
                        .corner(x - 16.0, y)
                        .corner(x + 16.0, y)
                        .corner(x + 16.0, y + 1.6)
                        .corner(x - 16.0, y + 1.6),
                    linear(0x9B7450),
                    0.2,
                    0.4,
                );
            }
        }
        2 => {
            let pot = Outline::new()
                .corner(x - 6.0, horizon - 4.0)
                .corner(x + 6.0, horizon - 4.0)
                .corner(x + 4.4, horizon + 9.0)
                .corner(x - 4.4, horizon + 9.0);
            leaves(canvas, dice, (x, horizon - 4.0), 26.0);
            leaves(canvas, dice, (x, horizon - 4.0), 20.0);
            paint_object(canvas, &pot, rgb, 1.4, 0.5);
        }
        3 => {
            // A window.
            let (w, h, y) = (dice.range(12.0, 20.0), dice.range(18.0, 28.0), dice.range(24.0, 38.0));
            paint_object(
                canvas,
                &Outline::new()
                    .corner(x - w, y - h)
                    .corner(x + w, y - h)
                    .corner(x + w, y + h)
                    .corner(x - w, y + h),
                linear(0xF4F3F0),
                0.4,
                0.3,
            );
            for (sx, sy) in [(-1.0, -1.0), (1.0, -1.0), (-1.0, 1.0), (1.0, 1.0f32)] {
                let (cx, cy) = (x + sx * w * 0.48, y + sy * h * 0.48);
                paint_object(
                    canvas,
                    &Outline::new()
                        .corner(cx - w * 0.42, cy - h * 0.43)
                        .corner(cx + w * 0.42, cy - h * 0.43)
                        .corner(cx + w * 0.42, cy + h * 0.43)
                        .corner(cx - w * 0.42, cy + h * 0.43),
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
                    scale(linear(dice.pick(&OBJECT_COLOURS)), shade)
                };
                let long = dice.range(52.0, 78.0);
                paint_object(
                    canvas,
                    &Outline::new()
                        .corner(at, 20.0)
                        .corner(at + 4.4, 20.0)
                        .smooth(at + 5.4, 45.0)
                        .corner(at + 5.0, long)
                        .corner(at - 0.6, long)
                        .smooth(at - 0.8, 45.0),
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
            paint_object(
                canvas,
                &Outline::rounded(x - w, horizon - h + 8.0, x + w, horizon + 8.0, 2.5),
                rgb,
                1.6,
                0.5,
            );
            paint_object(
                canvas,
                &Outline::rounded(x - w + 2.0, horizon - h * 0.5 + 8.0, x + w - 2.0, horizon + 5.0, 2.0),
                scale(rgb, 0.86),
                1.2,
                0.3,
            );
        }
    }
}

/// Paints a blurred street with house fronts, pavement, and trees, cars or passers-by. `horizon` is the upper edge of the
/// pavement, in 0–100.
pub(crate) fn street(size: usize, dice: &mut Dice, horizon: f32) -> Raster {
    let seed = dice.word() as u32;
    let sky = linear(dice.pick(&[0xCFE0EC, 0xE6E6E2, 0xB9CDE0, 0xEFE3D2]));
    let road = linear(dice.pick(&[0x8D8B88, 0xA59E94, 0x6E6E70]));
    let house: Vec<[f32; 3]> = (0..5)
        .map(|_| linear(dice.pick(&[0xB79A82, 0x9C8B7C, 0xC9BFB0, 0x8A6F62, 0x7B838A, 0xD9D2C6, 0xA4614C])))
        .collect();
    let wide = dice.range(22.0, 40.0);
    let top = dice.range(-10.0, 18.0);
    let base = fill(size, |x, y| {
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
    let mut canvas = canvas_with(size, &base, dice);
    for _ in 0..1 + dice.index(3) {
        let x = dice.range(-5.0, 105.0);
        match dice.index(3) {
            0 => {
                paint_object(
                    &mut canvas,
                    &Outline::new()
                        .corner(x - 1.2, 20.0)
                        .corner(x + 1.2, 20.0)
                        .corner(x + 1.4, horizon + 6.0)
                        .corner(x - 1.4, horizon + 6.0),
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
                let c = linear(dice.pick(&OBJECT_COLOURS));
                paint_object(
                    &mut canvas,
                    &Outline::rounded(x - 16.0, horizon - 13.0, x + 16.0, horizon + 3.0, 4.0),
                    c,
                    1.5,
                    0.5,
                );
                paint_object(
                    &mut canvas,
                    &Outline::rounded(x - 10.0, horizon - 11.0, x + 9.0, horizon - 6.0, 1.5),
                    [0.05, 0.06, 0.08],
                    0.3,
                    0.0,
                );
            }
            _ => {
                // A distant passer-by.
                let c = linear(dice.pick(&OBJECT_COLOURS));
                paint_object(
                    &mut canvas,
                    &Outline::ellipse(x, horizon - 21.0, 1.6, 2.0),
                    [0.35, 0.24, 0.18],
                    0.5,
                    0.0,
                );
                paint_object(
                    &mut canvas,
                    &Outline::rounded(x - 3.0, horizon - 19.0, x + 3.0, horizon - 8.0, 1.6),
                    c,
                    0.8,
                    0.2,
                );
                paint_object(
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
    to_raster(canvas, soft)
}
