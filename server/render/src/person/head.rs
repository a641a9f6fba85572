//! Head, face and hair of a person.

use super::Person;
use crate::canvas::Canvas;
use crate::noise::{scale, value};
use crate::outline::Outline;
use crate::paint::{Class, Paint, Texel};

impl Person {
    /// Draws head, face and the hair in front.
    pub(crate) fn head(&self, canvas: &mut Canvas) {
        let face = Outline::new()
            .smooth(0.0, -33.5)
            .smooth(6.2, -30.5)
            .smooth(8.0, -23.0)
            .smooth(7.4, -16.0)
            .smooth(4.6, -11.2)
            .smooth(0.0, -9.2)
            .mirrored(0.0);
        self.paint_skin(canvas, &face, 3.2, 4.0);
        let dark = scale(self.hair, 0.6);
        let lips = [self.skin[0] * 0.72, self.skin[1] * 0.42, self.skin[2] * 0.42];
        for side in [1.0, -1.0] {
            canvas.line(
                &Outline::line(&[(1.7 * side, -24.8), (3.4 * side, -25.5), (5.4 * side, -24.7)]),
                0.55,
                Some(dark),
                0.75,
                None,
            );
            canvas.line(
                &Outline::ellipse(3.3 * side, -22.4, 0.8, 0.28),
                0.75,
                Some([0.03, 0.02, 0.02]),
                0.8,
                None,
            );
        }
        canvas.line(
            &Outline::line(&[(0.5, -22.0), (0.9, -18.6), (-0.5, -17.9)]),
            0.45,
            None,
            0.2,
            None,
        );
        canvas.line(
            &Outline::line(&[(-1.9, -14.6), (0.0, -14.9), (1.9, -14.6)]),
            0.95,
            Some(lips),
            0.8,
            None,
        );
        let cap = if self.fringe {
            Outline::new()
                .smooth(0.0, -36.5)
                .smooth(7.4, -33.2)
                .smooth(9.4, -25.0)
                .corner(9.0, -15.0)
                .corner(7.4, -17.0)
                .smooth(7.2, -22.0)
                .corner(6.6, -26.4)
                .smooth(0.0, -27.0)
                .mirrored(0.0)
        } else {
            Outline::new()
                .corner(-0.6, -31.6)
                .smooth(3.2, -30.6)
                .smooth(6.8, -26.0)
                .corner(7.6, -16.4)
                .corner(9.2, -15.0)
                .smooth(9.5, -25.0)
                .smooth(7.4, -33.4)
                .smooth(0.0, -36.6)
                .smooth(-7.4, -33.4)
                .smooth(-9.5, -25.0)
                .corner(-9.2, -15.0)
                .corner(-7.6, -16.4)
                .smooth(-6.8, -26.0)
        };
        self.paint_hair(canvas, &cap, 2.0, 1.0);
        if self.hair_length > 10.0 && self.seed.is_multiple_of(3) {
            let l = self.hair_length;
            for side in [1.0f32, -1.0] {
                let lock = Outline::new()
                    .corner(6.4 * side, -25.0)
                    .smooth(9.6 * side, -18.0)
                    .smooth(11.4 * side, -4.0)
                    .smooth(12.2 * side, l * 0.45)
                    .corner(9.0 * side, l)
                    .smooth(6.2 * side, l * 0.5)
                    .smooth(5.6 * side, -2.0)
                    .smooth(7.0 * side, -12.0);
                self.paint_hair(canvas, &lock, 1.4, 1.0);
            }
        }
    }

    /// Draws the hair behind the shoulders.
    pub(crate) fn hair_behind(&self, canvas: &mut Canvas) {
        if self.hair_length < 0.0 {
            return;
        }
        let l = self.hair_length;
        let o = Outline::new()
            .smooth(0.0, -36.0)
            .smooth(8.6, -31.0)
            .smooth(11.0, -18.0)
            .smooth(11.6, -4.0)
            .smooth(12.2, l * 0.6)
            .corner(9.0, l + 1.0)
            .smooth(0.0, l + 2.0)
            .mirrored(0.0);
        self.paint_hair(canvas, &o, 3.0, 0.75);
    }

    /// Paints a shape as hair with brightness `tone`.
    fn paint_hair(&self, canvas: &mut Canvas, outline: &Outline, bulge: f32, tone: f32) {
        let (hair, seed) = (scale(self.hair, tone), self.seed);
        let texel = |x: f32, y: f32, _: (f32, f32)| {
            let lock = value(x * 1.3 + 0.04 * y, y * 0.07, seed);
            let fine = value(x * 5.0, y * 0.2, seed ^ 7);
            Texel {
                rgb: scale(hair, 0.65 + 0.55 * lock + 0.25 * fine),
                height: 0.45 * lock + 0.06 * fine,
                gloss: 0.16,
                cover: 1.0,
            }
        };
        canvas.paint(
            outline,
            &Paint::new(Class::Person, &texel).round(bulge, 3.0).shadow(0.22, 1.4),
        );
    }
}
