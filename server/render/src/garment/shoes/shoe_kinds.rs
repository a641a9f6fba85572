//! Parts of sneakers, boots and loafers.

use super::Shoe;
use crate::attributes::*;
use crate::canvas::Canvas;
use crate::garment::{emblem, sewn};
use crate::noise::scale;
use crate::outline::Outline;
use crate::palette::{linear, luma};

impl Shoe<'_> {
    /// Draws the parts of a sneaker on its upper.
    pub(super) fn sneaker(&self, canvas: &mut Canvas, upper: &Outline, lip: f32) {
        let b = |x: f32| self.bed(x);
        let own = self.cloth;
        let tone = |k: f32| own.plain(scale(own.print.ground, k));
        let contrast = if self.spec.look.is_multiple_of(2) {
            own.plain(own.print.second)
        } else {
            tone(0.8)
        };
        let toe = Outline::new()
            .corner(21.4, b(21.0) + 0.2)
            .smooth(21.8, b(22.0) - 3.0)
            .corner(24.0, b(24.0) - 5.0)
            .corner(31.0, b(27.0) - 4.0)
            .corner(31.0, b(27.0) + 0.2);
        self.paint_within(canvas, &toe, &tone(1.08), 0.7, 1.2, Some(upper));
        let heel = Outline::new()
            .corner(-2.0, b(0.0) + 0.2)
            .corner(-2.0, lip + 1.6)
            .corner(2.2, lip + 2.6)
            .smooth(4.8, b(4.0) - 3.0)
            .corner(5.6, b(5.0) + 0.2);
        self.paint_within(canvas, &heel, &contrast, 0.7, 1.2, Some(upper));
        let lacing = Outline::new()
            .corner(10.6, b(11.0) - 9.6)
            .corner(12.8, b(12.0) - 8.9)
            .smooth(16.6, b(17.0) - 6.6)
            .corner(21.0, b(21.0) - 5.0)
            .corner(20.2, b(20.0) - 3.2)
            .smooth(15.2, b(15.0) - 4.4)
            .corner(10.4, b(10.0) - 6.2);
        self.paint_within(canvas, &lacing, &tone(0.92), 0.5, 0.9, Some(upper));
        if self.spec.trim == Trim::SideStripe {
            for i in 0..3 {
                let x = 8.2 + i as f32 * 2.3;
                canvas.line(
                    &self.line(&[(x, b(x) - 0.4), (x + 2.2, b(x) - 4.9)]),
                    1.0,
                    Some(own.print.second),
                    0.95,
                    None,
                );
            }
        }
        let lace = if luma(own.print.ground) > 0.5 {
            linear(0xD9D7D2)
        } else {
            linear(0xF5F3EE)
        };
        for i in 0..4 {
            let t = i as f32 / 3.0;
            let (x, y) = (11.8 + 7.6 * t, b(12.0) - 7.9 + 3.6 * t);
            let l = self.line(&[(x - 0.9, y + 1.7), (x + 0.9, y - 1.1)]);
            canvas.line(&l.mapped(|x, y| (x + 0.25, y + 0.25)), 0.7, None, 0.35, None);
            canvas.line(&l, 0.62, Some(lace), 0.95, None);
        }
        if self.spec.logo == Logo::Small {
            let c = (self.at)(8.8, b(9.0) - 3.2);
            emblem::mark(canvas, c, 2.1, own.print.second, self.spec.look);
        }
        canvas.stitches(
            &[
                (self.at)(5.9, b(5.0) - 0.5),
                (self.at)(5.0, b(4.0) - 3.3),
                (self.at)(2.4, lip + 2.9),
            ],
            None,
        );
    }

    /// Draws the closure of a boot.
    pub(super) fn boot(&self, canvas: &mut Canvas, upper: &Outline, lip: f32) {
        let b = |x: f32| self.bed(x);
        let metal = if self.spec.hardware == Hardware::Gold {
            linear(0xC99B45)
        } else {
            linear(0xBFC3CA)
        };
        canvas.stitches(
            &[
                (self.at)(0.4, lip + 1.2),
                (self.at)(5.2, lip + 1.9),
                (self.at)(10.3, lip + 0.9),
            ],
            None,
        );
        match self.spec.closure {
            Closure::Laces => {
                let tongue = Outline::new()
                    .corner(9.2, lip + 0.5)
                    .corner(12.0, lip + 0.2)
                    .smooth(12.4, b(12.0) - 10.0)
                    .corner(18.6, b(18.0) - 6.6)
                    .corner(17.6, b(18.0) - 4.6)
                    .smooth(10.6, b(11.0) - 9.0);
                self.paint_within(
                    canvas,
                    &tongue,
                    &self.cloth.plain(scale(self.cloth.print.ground, 0.8)),
                    0.5,
                    0.8,
                    Some(upper),
                );
                for i in 0..7 {
                    let t = i as f32 / 6.0;
                    let (x, y) = if t < 0.6 {
                        (10.4, lip + 1.6 + t * 13.0)
                    } else {
                        let x = 10.4 + (t - 0.6) * 15.0;
                        (x, b(x) - 8.4 + (t - 0.6) * 5.0)
                    };
                    let l = self.line(&[(x - 0.9, y + 0.7), (x + 1.1, y - 0.3)]);
                    canvas.line(&l, 0.5, Some(linear(0x1B1A1A)), 0.9, None);
                    let c = (self.at)(x - 1.1, y + 0.8);
                    sewn::beads(canvas, &[c, (c.0 + 0.5, c.1)], 0.6, 0.3, metal);
                }
            }
            Closure::Zip => {
                let l = self.line(&[(5.0, lip + 0.6), (5.3, b(5.0) - 8.0), (5.6, b(5.0) - 1.0)]);
                canvas.line(&l, 1.3, None, 0.35, None);
                canvas.line(&l, 0.5, Some(metal), 0.8, Some((0.3, 0.2)));
            }
            _ => {
                // Elastic gussets.
                let gusset = Outline::new()
                    .corner(3.2, lip + 0.4)
                    .corner(7.6, lip + 0.6)
                    .corner(6.6, b(6.0) - 5.4)
                    .corner(4.6, b(5.0) - 5.4);
                self.paint_within(
                    canvas,
                    &gusset,
                    &self.cloth.trim(Fabric::Rib, scale(self.cloth.print.ground, 0.55)),
                    0.3,
                    0.6,
                    Some(upper),
                );
            }
        }
    }

    /// Draws strap, apron and metal bit of a loafer.
    pub(super) fn loafer(&self, canvas: &mut Canvas, upper: &Outline) {
        let b = |x: f32| self.bed(x);
        let strap = Outline::new()
            .corner(12.0, b(12.0) - 7.6)
            .corner(16.2, b(16.0) - 7.4)
            .smooth(15.4, b(15.0) - 3.0)
            .corner(14.6, b(14.0) + 0.2)
            .corner(10.6, b(11.0) + 0.2)
            .smooth(11.6, b(12.0) - 3.4);
        self.paint_within(
            canvas,
            &strap,
            &self.cloth.plain(scale(self.cloth.print.ground, 0.88)),
            0.6,
            0.8,
            Some(upper),
        );
        let apron = [
            (16.0, b(16.0) - 4.4),
            (20.0, b(20.0) - 3.4),
            (24.2, b(24.0) - 2.9),
            (26.0, b(26.0) - 2.6),
        ];
        canvas.line(&self.line(&apron), 0.4, None, 0.4, None);
        canvas.stitches(&apron.map(|(x, y)| (self.at)(x, y + 0.45)), None);
        let bit = if self.spec.hardware == Hardware::Silver {
            linear(0xC3C6CB)
        } else {
            linear(0xCBA050)
        };
        if self.spec.trim != Trim::Tassel {
            let c = [(self.at)(13.2, b(13.0) - 5.2), (self.at)(15.8, b(15.0) - 5.0)];
            sewn::beads(canvas, &c, 0.6, 0.5, bit);
        }
    }
}
