//! Handles and straps of bags.

use super::Bag;
use crate::attributes::*;
use crate::canvas::Canvas;
use crate::cloth::Cloth;
use crate::garment::sewn;
use crate::noise::{scale, wave};
use crate::outline::Outline;
use crate::paint::{Class, Paint, Texel};
use crate::palette::linear;

impl Bag<'_> {
    /// Draws handles and straps.
    pub(super) fn straps(&self, canvas: &mut Canvas, hang: f32) {
        let (w, spec) = (self.w, self.spec);
        let tone = self.cloth.plain(scale(self.cloth.print.ground, 0.85));
        let leather = if self.cloth.fabric == Fabric::Canvas || self.cloth.fabric == Fabric::Linen {
            self.cloth.trim(Fabric::Leather, linear(0x8B5E3A))
        } else {
            tone
        };
        match spec.garment {
            Garment::Tote | Garment::Handbag => {
                let (half_width, height) = if spec.garment == Garment::Tote {
                    (w * 0.45, 21.0)
                } else {
                    (w * 0.48, 11.0)
                };
                for (dx, dy, k) in [(0.6f32, -0.9f32, 0.6f32), (0.0, 0.0, 1.0)] {
                    let own = leather.plain(scale(leather.print.ground, k));
                    self.handle(
                        canvas,
                        &own,
                        half_width + dx,
                        height - dy,
                        if spec.garment == Garment::Tote { 1.1 } else { 0.75 },
                    );
                }
                if spec.garment == Garment::Handbag && hang > 0.0 {
                    self.loop_strap(canvas, &leather, w * 0.9, hang);
                }
            }
            Garment::Shoulder => self.loop_strap(canvas, &leather, w * 0.86, if hang > 0.0 { hang } else { 17.0 }),
            _ => {
                self.handle(canvas, &leather, 3.4, 6.0, 0.9);
                for side in [1.0f32, -1.0] {
                    let strap = Outline::tube(&[
                        (3.5 * side, 1.0, 2.0),
                        (10.0 * side, 4.0, 2.3),
                        (14.6 * side, 15.0, 2.0),
                        (14.9 * side, 26.0, 1.5),
                        (11.0 * side, self.h - 2.0, 1.2),
                    ]);
                    self.piece(
                        canvas,
                        &strap,
                        &self.cloth.plain(scale(self.cloth.print.ground, 0.75)),
                        0.8,
                        1.0,
                        None,
                    );
                }
            }
        }
    }

    /// Draws an arched handle. `half_width` is its half width and `height` its height.
    fn handle(&self, canvas: &mut Canvas, own: &Cloth, half_width: f32, height: f32, half: f32) {
        let arch = Outline::tube(&[
            (-half_width, 4.0, half),
            (-half_width * 0.97, -height * 0.5, half),
            (-half_width * 0.55, -height * 0.93, half),
            (0.0, -height, half),
            (half_width * 0.55, -height * 0.93, half),
            (half_width * 0.97, -height * 0.5, half),
            (half_width, 4.0, half),
        ]);
        if self.spec.strap == Strap::Woven {
            self.woven(canvas, &arch);
        } else {
            self.piece(canvas, &arch, own, half * 0.9, half, None);
        }
    }

    /// Paints a woven strap in the colours of the print.
    fn woven(&self, canvas: &mut Canvas, outline: &Outline) {
        let (a, b) = (self.cloth.print.second, self.cloth.print.third);
        let texel = |x: f32, y: f32, _: (f32, f32)| {
            let k = wave((x + y) / 1.7) * wave((x - y) / 1.7);
            Texel {
                height: 0.08 * k,
                ..Texel::flat(if k > 0.25 {
                    a
                } else if k < -0.25 {
                    b
                } else {
                    [0.62, 0.45, 0.22]
                })
            }
        };
        canvas.paint(
            outline,
            &Paint::new(Class::Garment, &texel).round(0.6, 0.9).shadow(0.4, 0.6),
        );
    }

    /// Draws a strap as a chain, woven, or of leather. `half_width` is its half width and `height` its height.
    fn loop_strap(&self, canvas: &mut Canvas, own: &Cloth, half_width: f32, height: f32) {
        let points = [
            (-half_width, 2.6),
            (-half_width * 0.93, -height * 0.45),
            (-half_width * 0.5, -height * 0.92),
            (0.0, -height),
            (half_width * 0.5, -height * 0.92),
            (half_width * 0.93, -height * 0.45),
            (half_width, 2.6),
        ];
        match self.spec.strap {
            Strap::Chain => {
                let metal = self.metal();
                let texel = |_: f32, _: f32, _: (f32, f32)| Texel {
                    gloss: 0.7,
                    ..Texel::flat(metal)
                };
                let mut smooth = Vec::new();
                for k in 0..points.len() - 1 {
                    let (a, b) = (points[k], points[k + 1]);
                    for i in 0..4 {
                        let t = i as f32 / 4.0;
                        smooth.push((a.0 + (b.0 - a.0) * t, a.1 + (b.1 - a.1) * t));
                    }
                }
                smooth.push(points[points.len() - 1]);
                sewn::each_step(&smooth, 1.25, |x, y, i| {
                    let (rx, ry) = if i % 2 == 0 { (0.85, 0.6) } else { (0.5, 0.8) };
                    canvas.paint(
                        &Outline::ellipse(x, y, rx, ry),
                        &Paint::new(Class::Garment, &texel).round(0.5, 0.6).shadow(0.4, 0.4),
                    );
                });
            }
            kind => {
                let half = if kind == Strap::Woven { 1.6 } else { 0.85 };
                let stations: Vec<_> = points.iter().map(|p| (p.0, p.1, half)).collect();
                let tube = Outline::tube(&stations);
                if kind == Strap::Woven {
                    self.woven(canvas, &tube)
                } else {
                    self.piece(canvas, &tube, own, 0.6, 0.8, None)
                }
            }
        }
    }
}
