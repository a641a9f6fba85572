//! Ornaments of shoes.

use super::Shoe;
use crate::attributes::*;
use crate::canvas::Canvas;
use crate::garment::sewn;
use crate::noise::{blend, scale, wave};
use crate::outline::Outline;
use crate::paint::{Class, Paint, Texel};
use crate::palette::linear;

impl Shoe<'_> {
    /// Draws the ornament.
    pub(super) fn trim(&self, canvas: &mut Canvas, upper: &Outline, lip: f32) {
        let b = |x: f32| self.bed(x);
        let own = self.cloth;
        let front = match self.spec.garment {
            Garment::Boot => (8.6, b(9.0) - 12.0),
            Garment::Sneaker => (19.6, b(19.0) - 5.4),
            Garment::Loafer => (14.6, b(14.0) - 5.4),
            _ => (20.6, b(20.0) - 3.0),
        };
        let band = |from: f32, to: f32| {
            Outline::new()
                .corner(-2.0, b(0.0) - from)
                .smooth(8.0, b(8.0) - from)
                .corner(14.0, b(14.0) - from)
                .corner(14.0, b(14.0) - to)
                .smooth(8.0, b(8.0) - to)
                .corner(-2.0, b(0.0) - to)
        };
        match self.spec.trim {
            Trim::Bow => sewn::bow(canvas, own, (self.at)(front.0, front.1), 0.42, own.print.second),
            Trim::Pearls => {
                let row: Vec<_> = (0..6)
                    .map(|i| {
                        (self.at)(
                            2.0 + i as f32 * 3.2,
                            b(2.0 + i as f32 * 3.2) - if self.spec.garment == Garment::Boot { 8.5 } else { 1.1 },
                        )
                    })
                    .collect();
                sewn::beads(canvas, &row, 1.2, 0.42, linear(0xF6F0E6));
            }
            Trim::Studs => {
                let row: Vec<_> = (0..8)
                    .map(|i| (self.at)(1.0 + i as f32 * 3.2, b(1.0 + i as f32 * 3.2) - 1.2))
                    .collect();
                sewn::beads(canvas, &row, 1.25, 0.42, linear(0xC9CCD2));
            }
            Trim::Band => {
                let strip = if self.spec.garment == Garment::Boot {
                    Outline::new()
                        .corner(-2.0, lip + 2.0)
                        .corner(12.0, lip + 1.4)
                        .corner(12.0, lip + 5.4)
                        .corner(-2.0, lip + 6.0)
                } else {
                    band(0.8, 3.4)
                };
                let (a, c) = (own.print.second, own.print.third);
                let texel = |x: f32, y: f32, _: (f32, f32)| {
                    let k = wave(x / 1.6) + 0.9 * wave(y / 1.7);
                    Texel::flat(if k > 0.5 {
                        a
                    } else if k > -0.4 {
                        [0.58, 0.37, 0.06]
                    } else {
                        c
                    })
                };
                let within = upper.mapped(self.at);
                canvas.paint(
                    &strip.mapped(self.at),
                    &Paint::new(Class::Garment, &texel).round(0.3, 0.5).clip(&within),
                );
            }
            Trim::Buckle => {
                let strap = if self.spec.garment == Garment::Boot {
                    Outline::new()
                        .corner(-2.0, b(0.0) - 8.4)
                        .corner(13.0, b(12.0) - 8.6)
                        .corner(13.0, b(12.0) - 6.6)
                        .corner(-2.0, b(0.0) - 6.4)
                } else {
                    band(2.2, 3.8)
                };
                self.paint_within(
                    canvas,
                    &strap,
                    &own.plain(scale(own.print.ground, 0.7)),
                    0.5,
                    0.6,
                    Some(upper),
                );
                let c = if self.spec.garment == Garment::Boot {
                    (6.0, b(6.0) - 7.6)
                } else {
                    (9.0, b(9.0) - 3.0)
                };
                canvas.line(
                    &Outline::rounded(c.0 - 1.2, c.1 - 1.2, c.0 + 1.2, c.1 + 1.2, 0.3).mapped(self.at),
                    0.45,
                    Some(linear(0xCBA050)),
                    0.95,
                    None,
                );
            }
            Trim::Tassel => {
                for dx in [0.0, 1.3] {
                    let t = self.line(&[(front.0 + dx, front.1), (front.0 + dx + 1.0, front.1 + 3.0)]);
                    canvas.line(&t, 0.8, Some(blend(own.print.second, [0.0; 3], 0.2)), 0.95, None);
                }
            }
            Trim::Piping => {
                let rim = [(0.3, lip + 0.6), (5.6, b(6.0) - 3.2), (11.0, b(11.0) - 2.4)];
                if self.spec.garment == Garment::Boot || self.spec.garment == Garment::Sneaker {
                    canvas.line(
                        &self.line(&[
                            (-0.2, lip + 0.8),
                            (5.6, lip + 2.6),
                            (
                                10.6,
                                if self.spec.garment == Garment::Boot {
                                    lip + 0.6
                                } else {
                                    b(11.0) - 8.2
                                },
                            ),
                        ]),
                        0.6,
                        Some(own.print.second),
                        0.95,
                        None,
                    );
                } else {
                    canvas.line(&self.line(&rim), 0.6, Some(own.print.second), 0.95, None);
                }
            }
            _ => {}
        }
    }
}
