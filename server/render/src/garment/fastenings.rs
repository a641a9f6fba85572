//! Drawing of pockets, plackets, buttons, zips and belts.

use crate::attributes::*;
use crate::canvas::Canvas;
use crate::cloth::Cloth;
use crate::noise::scale;
use crate::outline::Outline;
use crate::paint::{Class, Paint, Texel};
use crate::palette::{linear, luma};
use crate::spec::ItemSpec;

use super::cut::Cut;
use super::patch::patch;

/// Draws the pockets of a top.
pub(crate) fn pockets(canvas: &mut Canvas, spec: &ItemSpec, cut: &Cut, cloth: &Cloth) {
    let own = cloth.clone();
    let boxy = |x: f32, y: f32, w: f32, h: f32| {
        Outline::new()
            .corner(x, y)
            .corner(x + w, y)
            .corner(x + w, y + h * 0.82)
            .corner(x + w * 0.5, y + h)
            .corner(x, y + h * 0.82)
    };
    let low = (cut.waist_y + 7.0).min(cut.hem_y - 14.0);
    match spec.pocket {
        Pocket::None => {}
        Pocket::Chest => {
            let (x, y) = (4.6, 18.0);
            patch(canvas, &boxy(x, y, 8.6, 9.6), &own, Some(&cut.body), 0.5);
            canvas.seam(&[(x, y), (x + 8.6, y)], 1.0);
            canvas.stitches(&[(x + 0.6, y + 1.4), (x + 8.0, y + 1.4)], None);
            canvas.stitches(
                &[
                    (x + 0.6, y + 0.6),
                    (x + 0.6, y + 7.4),
                    (x + 4.3, y + 9.0),
                    (x + 8.0, y + 7.4),
                    (x + 8.0, y + 0.6),
                ],
                None,
            );
        }
        Pocket::Patch => {
            for side in [1.0f32, -1.0] {
                let piece = boxy(4.6, low, 10.2, 11.0);
                let piece = if side < 0.0 { piece.flipped() } else { piece };
                patch(canvas, &piece, &own, Some(&cut.body), 0.6);
                canvas.stitches(&[(5.2 * side, low + 1.6), (14.2 * side, low + 1.6)], None);
                canvas.seam(&[(4.6 * side, low), (14.8 * side, low)], 1.0);
                canvas.seam(
                    &[
                        (4.6 * side, low),
                        (4.6 * side, low + 9.0),
                        (9.7 * side, low + 11.0),
                        (14.8 * side, low + 9.0),
                        (14.8 * side, low),
                    ],
                    0.8,
                );
            }
        }
        Pocket::Kangaroo => {
            let top = (cut.hem_y - 20.0).max(34.0);
            let piece = Outline::new()
                .corner(7.4, top)
                .corner(13.4, top + 9.0)
                .corner(13.6, cut.hem_y - 5.0)
                .corner(-13.6, cut.hem_y - 5.0)
                .corner(-13.4, top + 9.0)
                .corner(-7.4, top);
            patch(canvas, &piece, &own, Some(&cut.body), 0.8);
            for side in [1.0, -1.0] {
                canvas.stitches(
                    &[
                        (7.0 * side, top + 1.0),
                        (12.6 * side, top + 9.4),
                        (12.8 * side, cut.hem_y - 6.0),
                    ],
                    None,
                );
            }
        }
        Pocket::Flap => {
            for side in [1.0f32, -1.0] {
                let piece = Outline::new()
                    .corner(4.9, low)
                    .corner(14.6, low - 0.7)
                    .corner(14.7, low + 3.6)
                    .corner(4.8, low + 4.3);
                let piece = if side < 0.0 { piece.flipped() } else { piece };
                patch(canvas, &piece, &own, Some(&cut.body), 0.7);
                canvas.seam(&[(4.8 * side, low + 4.3), (14.7 * side, low + 3.6)], 1.0);
            }
        }
    }
}

/// Draws the closure of a top, from the height `from` down to the hem.
pub(crate) fn closure(canvas: &mut Canvas, spec: &ItemSpec, cut: &Cut, cloth: &Cloth, from: f32) {
    let to = cut.hem_y - 0.5;
    let size = match spec.garment {
        Garment::Coat => 1.25,
        Garment::Blazer => 1.0,
        Garment::Knit | Garment::Jacket => 0.85,
        _ => 0.6,
    };
    match spec.closure {
        Closure::Buttons if matches!(spec.garment, Garment::Blazer | Garment::Coat) => {
            canvas.seam(&[(0.0, from), (0.9, cut.waist_y + 6.0), (1.4, to)], 1.0);
            let step = if spec.garment == Garment::Coat { 14.0 } else { 9.5 };
            let n = if spec.garment == Garment::Coat { 3 } else { 2 };
            for i in 0..n {
                button(canvas, spec, cloth, (0.4, from + 1.6 + i as f32 * step), size);
            }
        }
        Closure::Buttons => {
            for x in [-1.5, 1.5] {
                canvas.seam(&[(x, from), (x, to)], 0.7);
            }
            let step = if spec.garment == Garment::Shirt { 7.8 } else { 8.6 };
            let mut y = from + 1.6;
            while y < to - 3.0 {
                button(canvas, spec, cloth, (0.0, y), size);
                y += step;
            }
        }
        Closure::Double => {
            canvas.seam(&[(-4.0, from - 5.0), (-6.8, from + 4.0), (-6.8, to)], 1.0);
            let rows = if spec.garment == Garment::Coat { 4 } else { 3 };
            for i in 0..rows {
                for side in [1.0, -1.0] {
                    button(canvas, spec, cloth, (5.6 * side, from - 4.0 + i as f32 * 11.5), size);
                }
            }
        }
        Closure::Zip => {
            let metal = if spec.hardware == Hardware::Gold {
                linear(0xC79A4A)
            } else {
                linear(0xB9BDC4)
            };
            let from = if spec.neck == Neck::Stand { from } else { from - 0.6 };
            canvas.line(&Outline::line(&[(0.0, from), (0.0, to)]), 2.2, None, 0.35, None);
            canvas.line(
                &Outline::line(&[(0.0, from), (0.0, to)]),
                0.75,
                Some(metal),
                0.85,
                Some((0.35, 0.22)),
            );
            let pull = |_: f32, _: f32, _: (f32, f32)| Texel {
                gloss: 0.6,
                ..Texel::flat(metal)
            };
            canvas.paint(
                &Outline::rounded(-0.55, from + 0.4, 0.55, from + 3.4, 0.4),
                &Paint::new(Class::Garment, &pull).round(0.5, 0.5).shadow(0.5, 0.4),
            );
        }
        Closure::Placket => {
            patch(
                canvas,
                &Outline::new()
                    .corner(-1.6, from)
                    .corner(1.6, from)
                    .corner(1.6, from + 14.0)
                    .corner(-1.6, from + 14.0),
                cloth,
                Some(&cut.body),
                0.5,
            );
            for i in 0..3 {
                button(canvas, spec, cloth, (0.0, from + 2.2 + i as f32 * 4.6), 0.6);
            }
        }
        _ => {}
    }
}

/// Draws a button of radius `r`.
pub(crate) fn button(canvas: &mut Canvas, spec: &ItemSpec, cloth: &Cloth, at: (f32, f32), r: f32) {
    let (rgb, gloss, r) = match spec.hardware {
        Hardware::Pearl => (linear(0xF4EEE4), 0.7, r * 1.1),
        Hardware::Wood => (linear(0x9A6A3E), 0.12, r * 1.15),
        Hardware::Gold => (linear(0xC99B45), 0.75, r),
        Hardware::Silver => (linear(0xBFC3CA), 0.75, r),
        Hardware::Plain => {
            let g = cloth.print.ground;
            (
                if luma(g) > 0.3 {
                    scale(g, 0.72)
                } else {
                    scale(g, 1.7).map(|c| c + 0.02)
                },
                0.3,
                r,
            )
        }
    };
    let texel = |_: f32, _: f32, _: (f32, f32)| Texel {
        gloss,
        ..Texel::flat(rgb)
    };
    canvas.paint(
        &Outline::ellipse(at.0, at.1, r, r),
        &Paint::new(Class::Garment, &texel)
            .round(r * 0.7, r * 0.9)
            .shadow(0.5, 0.5),
    );
    if spec.hardware != Hardware::Pearl && r > 0.5 {
        for dx in [-0.22, 0.22] {
            canvas.line(
                &Outline::line(&[(at.0 + dx * r, at.1 - 0.1), (at.0 + dx * r, at.1 + 0.1)]),
                0.22,
                None,
                0.6,
                None,
            );
        }
    }
}

/// Draws a tied or buckled belt.
pub(crate) fn belt(canvas: &mut Canvas, spec: &ItemSpec, cut: &Cut, cloth: &Cloth) {
    let (w, y) = (cut.waist + 3.0, cut.waist_y);
    let tied = matches!(
        spec.garment,
        Garment::Coat | Garment::Blouse | Garment::Shirt | Garment::Knit
    ) || spec.look.is_multiple_of(3);
    let own = if tied {
        cloth.clone()
    } else {
        cloth.trim(
            Fabric::Leather,
            if luma(cloth.print.ground) < 0.08 {
                linear(0x8A5A34)
            } else {
                linear(0x2B2624)
            },
        )
    };
    let strip = Outline::new()
        .corner(-w, y - 2.1)
        .smooth(0.0, y - 1.2)
        .corner(w, y - 2.1)
        .corner(w, y + 1.7)
        .smooth(0.0, y + 2.6)
        .corner(-w, y + 1.7);
    patch(canvas, &strip, &own, Some(&cut.body), 0.9);
    if tied {
        for (dx, len) in [(-1.2f32, 17.0f32), (2.6, 14.0)] {
            let tail = Outline::new()
                .corner(-1.0, y + 1.0)
                .corner(1.2, y + 1.0)
                .smooth(dx + 1.4, y + len * 0.5)
                .corner(dx + 1.8, y + len)
                .corner(dx - 1.6, y + len - 0.8)
                .smooth(dx * 0.6 - 1.2, y + len * 0.5);
            patch(canvas, &tail, &own, None, 0.6);
        }
        patch(
            canvas,
            &Outline::rounded(-1.9, y - 1.9, 1.9, y + 2.9, 1.0),
            &own,
            None,
            0.9,
        );
    } else {
        let metal = if spec.hardware == Hardware::Silver {
            linear(0xC4C7CC)
        } else {
            linear(0xCFA452)
        };
        let texel = |_: f32, _: f32, _: (f32, f32)| Texel {
            gloss: 0.7,
            ..Texel::flat(metal)
        };
        canvas.paint(
            &Outline::rounded(-2.3, y - 1.9, 2.3, y + 3.2, 0.8),
            &Paint::new(Class::Garment, &texel).round(0.5, 0.5).shadow(0.5, 0.5),
        );
        patch(
            canvas,
            &Outline::rounded(-1.4, y - 1.0, 1.4, y + 2.3, 0.4),
            &own,
            None,
            0.3,
        );
    }
}
