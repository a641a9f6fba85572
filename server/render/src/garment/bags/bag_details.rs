//! Closures, pockets, logos and ornaments of bags.

use super::Bag;
use crate::attributes::*;
use crate::canvas::Canvas;
use crate::garment::{emblem, sewn};
use crate::noise::{saw, scale};
use crate::outline::Outline;
use crate::paint::{Class, Paint, Texel};
use crate::palette::{linear, luma};

impl Bag<'_> {
    /// Draws stitches, closure, pocket, logo and trims.
    pub(super) fn details(&self, canvas: &mut Canvas) {
        let (w, h, spec, cloth) = (self.w, self.h, self.spec, self.cloth);
        let shape = self.shape();
        let tone = cloth.plain(scale(cloth.print.ground, 0.9));
        let metal = self.metal();
        let shine = |_: f32, _: f32, _: (f32, f32)| Texel {
            gloss: 0.8,
            ..Texel::flat(metal)
        };
        let thread = (cloth.fabric == Fabric::Leather && luma(cloth.print.ground) < 0.2).then(|| linear(0xB9A58A));
        let m = 1.1;
        canvas.stitches(
            &[
                (-w + m, 3.0),
                (-w + m, h - self.r - 0.5),
                (-w + self.r + m, h - m),
                (0.0, h - m + 0.3),
                (w - self.r - m, h - m),
                (w - m, h - self.r - 0.5),
                (w - m, 3.0),
            ],
            thread,
        );
        match (spec.garment, spec.closure) {
            (Garment::Tote, _) => {
                canvas.seam(&[(-w, 2.8), (0.0, 3.7), (w, 2.8)], 0.8);
                for side in [1.0f32, -1.0] {
                    let x = w * 0.45 * side;
                    canvas.stitches(
                        &[
                            (x - 1.0, 1.0),
                            (x + 1.0, 1.0),
                            (x + 1.0, 4.2),
                            (x - 1.0, 4.2),
                            (x - 1.0, 1.0),
                        ],
                        thread,
                    );
                }
            }
            (_, Closure::Flap) => {
                let deep = h * if spec.garment == Garment::Backpack { 0.36 } else { 0.58 };
                let top = w + self.taper + 0.5;
                let flap = match self.round {
                    0 => Outline::new()
                        .corner(-top, -0.6)
                        .smooth(0.0, -1.0)
                        .corner(top, -0.6)
                        .corner(top - 0.3, deep * 0.62)
                        .smooth(top * 0.6, deep * 0.96)
                        .smooth(0.0, deep)
                        .smooth(-top * 0.6, deep * 0.96)
                        .corner(-top + 0.3, deep * 0.62),
                    1 => Outline::new()
                        .corner(-top, -0.6)
                        .smooth(0.0, -1.0)
                        .corner(top, -0.6)
                        .corner(top - 0.2, deep * 0.55)
                        .corner(0.0, deep * 1.12)
                        .corner(-top + 0.2, deep * 0.55),
                    _ => Outline::new()
                        .corner(-top, -0.6)
                        .smooth(0.0, -1.0)
                        .corner(top, -0.6)
                        .corner(top - 0.3, deep)
                        .corner(-top + 0.3, deep),
                };
                self.piece(canvas, &flap, cloth, 1.2, 1.6, None);
                let y = if self.round == 1 { deep * 0.94 } else { deep * 0.86 };
                canvas.paint(
                    &Outline::rounded(-1.7, y - 1.1, 1.7, y + 1.3, 0.5),
                    &Paint::new(Class::Garment, &shine).round(0.6, 0.6).shadow(0.5, 0.5),
                );
                canvas.line(&Outline::line(&[(0.0, y - 0.6), (0.0, y + 0.8)]), 0.35, None, 0.5, None);
            }
            _ => {
                let y = if spec.garment == Garment::Backpack { 9.0 } else { 1.6 };
                canvas.line(
                    &Outline::line(&[(-w * 0.92, y + 0.8), (0.0, y - 0.4), (w * 0.92, y + 0.8)]),
                    1.5,
                    None,
                    0.35,
                    None,
                );
                canvas.line(
                    &Outline::line(&[(-w * 0.92, y + 0.8), (0.0, y - 0.4), (w * 0.92, y + 0.8)]),
                    0.55,
                    Some(metal),
                    0.8,
                    Some((0.3, 0.22)),
                );
                canvas.paint(
                    &Outline::rounded(w * 0.55, y - 0.2, w * 0.55 + 0.9, y + 2.8, 0.3),
                    &Paint::new(Class::Garment, &shine).round(0.4, 0.4).shadow(0.5, 0.4),
                );
            }
        }
        for side in [1.0f32, -1.0] {
            if matches!(spec.garment, Garment::Shoulder | Garment::Handbag) {
                let x = (w * 0.86) * side;
                canvas.line(&Outline::ellipse(x, 2.0, 1.0, 1.0), 0.4, Some(metal), 0.95, None);
            }
        }
        let low = h * 0.46;
        match spec.pocket {
            Pocket::None => {}
            Pocket::Flap => {
                self.piece(
                    canvas,
                    &Outline::rounded(-w * 0.66, low, w * 0.66, h - 2.2, 1.4),
                    &tone,
                    0.9,
                    1.2,
                    Some(&shape),
                );
                self.piece(
                    canvas,
                    &Outline::rounded(-w * 0.70, low - 0.6, w * 0.70, low + 4.4, 1.2),
                    cloth,
                    0.8,
                    1.0,
                    Some(&shape),
                );
            }
            _ => {
                self.piece(
                    canvas,
                    &Outline::rounded(-w * 0.68, low, w * 0.68, h - 2.2, 1.6),
                    cloth,
                    0.9,
                    1.4,
                    Some(&shape),
                );
                canvas.stitches(&[(-w * 0.62, low + 1.2), (w * 0.62, low + 1.2)], thread);
            }
        }
        let front = if spec.closure == Closure::Flap {
            h * 0.3
        } else {
            h * 0.34
        };
        let ink = cloth.print.second;
        match spec.logo {
            Logo::None => {}
            Logo::Small => emblem::mark(
                canvas,
                (if spec.garment == Garment::Tote { 0.0 } else { -w * 0.45 }, front),
                1.9,
                ink,
                spec.look,
            ),
            Logo::Word => emblem::word(canvas, (0.0, front + 2.0), w * 1.25, ink, spec.look),
            Logo::Emblem => emblem::graphic(
                canvas,
                (0.0, front + 4.5),
                w * 0.46,
                [ink, cloth.print.third],
                spec.look,
            ),
        }
        self.trim(canvas, &shape);
    }

    /// Draws the ornament.
    fn trim(&self, canvas: &mut Canvas, shape: &Outline) {
        let (w, h, spec, cloth) = (self.w, self.h, self.spec, self.cloth);
        let border = [(-w + 1.6, 5.0), (-w + 1.6, h - 2.6), (w - 1.6, h - 2.6), (w - 1.6, 5.0)];
        match spec.trim {
            Trim::Bow => sewn::bow(canvas, cloth, (w * 0.5, 2.4), 0.85, cloth.print.second),
            Trim::Pearls => sewn::beads(canvas, &border, 1.9, 0.62, linear(0xF6F0E6)),
            Trim::Studs => sewn::beads(canvas, &border, 1.6, 0.58, linear(0xC9CCD2)),
            Trim::Piping => canvas.line(&Outline::line(&border), 0.7, Some(cloth.print.second), 0.95, None),
            Trim::Band => {
                let (a, b) = (cloth.print.second, cloth.print.third);
                let y = h * 0.72;
                let texel = |x: f32, yy: f32, _: (f32, f32)| {
                    let (zig, t) = (saw(x / 2.6) * 2.0, saw((yy - y) / 5.0) * 2.0);
                    Texel::flat(if t < 0.12 {
                        [0.58, 0.37, 0.06]
                    } else if t + zig < 0.8 {
                        a
                    } else if t - zig > 0.3 {
                        b
                    } else {
                        scale(cloth.print.ground, 0.4)
                    })
                };
                let strip = Outline::new()
                    .corner(-w - 2.0, y)
                    .corner(w + 2.0, y)
                    .corner(w + 2.0, y + 5.0)
                    .corner(-w - 2.0, y + 5.0);
                canvas.paint(&strip, &Paint::new(Class::Garment, &texel).round(0.3, 0.5).clip(shape));
            }
            Trim::Tassel => {
                let (x, y) = (w * 0.62, 4.0);
                canvas.line(
                    &Outline::line(&[(x, 1.0), (x, y)]),
                    0.4,
                    Some(cloth.print.second),
                    0.95,
                    None,
                );
                for i in -3i32..=3 {
                    let d = i as f32;
                    canvas.line(
                        &Outline::line(&[(x, y), (x + d * 0.34, y + 6.0)]),
                        0.42,
                        Some(scale(cloth.print.second, 0.8 + 0.06 * d)),
                        0.95,
                        None,
                    );
                }
            }
            Trim::Buckle => {
                for side in [1.0f32, -1.0] {
                    let x = w * 0.5 * side;
                    let strap = Outline::new()
                        .corner(x - 1.1, -0.5)
                        .corner(x + 1.1, -0.5)
                        .corner(x + 1.1, h * 0.72)
                        .corner(x, h * 0.76)
                        .corner(x - 1.1, h * 0.72);
                    self.piece(
                        canvas,
                        &strap,
                        &cloth.plain(scale(cloth.print.ground, 0.75)),
                        0.6,
                        0.7,
                        None,
                    );
                    canvas.line(
                        &Outline::rounded(x - 1.5, h * 0.55, x + 1.5, h * 0.55 + 2.6, 0.3),
                        0.45,
                        Some(self.metal()),
                        0.95,
                        None,
                    );
                }
            }
            _ => {}
        }
    }
}
