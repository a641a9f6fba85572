//! Drawing of shoes, seen from the side with the toe on the right. Units are centimetres. The ground is at y = 0, and the heel
//! at x = 0.

mod shoe_kinds;
mod shoe_trims;

use crate::attributes::*;
use crate::canvas::Canvas;
use crate::cloth::{Cloth, Frame};
use crate::folds::{Crease, Folds};
use crate::noise::scale;
use crate::outline::Outline;
use crate::paint::{Class, Paint};
use crate::palette::linear;
use crate::random::Dice;
use crate::spec::ItemSpec;

/// Mapping of a shoe's points to garment space.
type Placement<'a> = &'a dyn Fn(f32, f32) -> (f32, f32);

/// Draws both shoes of a pair. The far one is offset by `gap`.
pub(crate) fn draw_pair(canvas: &mut Canvas, spec: &ItemSpec, cloth: &Cloth, gap: (f32, f32)) {
    draw_shoe(canvas, spec, cloth, &|x, y| (x * 0.97 + gap.0, y * 0.97 + gap.1));
    draw_shoe(canvas, spec, cloth, &|x, y| (x, y));
}

/// Draws a shoe whose points are mapped by `at`.
pub(crate) fn draw_shoe(canvas: &mut Canvas, spec: &ItemSpec, cloth: &Cloth, at: Placement<'_>) {
    let mut dice = Dice::new(spec.look, 0x540E);
    let lift = match spec.heel {
        Heel::Stiletto => dice.range(7.5, 10.0),
        Heel::Block => dice.range(4.0, 6.5),
        _ => 0.0,
    };
    let sole = match (spec.garment, spec.heel) {
        (Garment::Sneaker, Heel::Platform) => 4.2,
        (Garment::Sneaker, _) => 2.6,
        (_, Heel::Platform) => 4.0,
        (Garment::Boot, Heel::Flat) => 2.2,
        _ => 0.8,
    };
    let point = match spec.garment {
        Garment::Pump => dice.range(0.4, 1.0),
        Garment::Boot => dice.range(0.0, 0.8),
        _ => dice.range(0.0, 0.3),
    };
    let shoe = Shoe {
        spec,
        cloth,
        lift,
        sole,
        point,
        at,
    };
    shoe.draw(canvas);
}

/// Measurements of a shoe in centimetres.
struct Shoe<'a> {
    spec: &'a ItemSpec,
    cloth: &'a Cloth,
    /// Height of the heel above the sole.
    lift: f32,
    /// Thickness of the sole.
    sole: f32,
    /// Length of the pointed toe, 0–1.
    point: f32,
    at: Placement<'a>,
}

impl Shoe<'_> {
    /// Height of the lower edge of the upper at a distance from the heel.
    fn bed(&self, x: f32) -> f32 {
        let t = (x / 17.0).clamp(0.0, 1.0);
        let drop = 1.0 - t * t * (3.0 - 2.0 * t);
        let spring = ((x - 21.0) / 6.0).clamp(0.0, 1.0);
        -self.sole - self.lift * drop - 1.0 * spring * spring
    }

    /// Paints a piece of cloth.
    fn paint(&self, canvas: &mut Canvas, outline: &Outline, cloth: &Cloth, bulge: f32, edge: f32) {
        self.paint_within(canvas, outline, cloth, bulge, edge, None);
    }

    /// Paints a piece of cloth clipped to `within`.
    fn paint_within(
        &self,
        canvas: &mut Canvas,
        outline: &Outline,
        cloth: &Cloth,
        bulge: f32,
        edge: f32,
        within: Option<&Outline>,
    ) {
        let o = outline.mapped(self.at);
        let base = (self.at)(0.0, 0.0);
        let frame = Frame {
            origin: base,
            down: (0.0, 1.0),
            half: 0.0,
        };
        let mut folds = Folds::new(base.0 - 6.0, base.1 - 40.0, base.0 + 36.0, base.1 + 4.0);
        folds.rumple(cloth.seed, 6.0, 5.0, 0.3, 0.35 * cloth.drape());
        for i in 0..2 {
            let x = 17.5 + i as f32 * 1.8;
            let a = (self.at)(x, self.bed(x) - 1.6);
            let b = (self.at)(x - 1.2, self.bed(x) - 6.4);
            folds.crease(Crease {
                from: a,
                to: b,
                bow: 0.5,
                width: 0.6,
                height: 0.22,
            });
        }
        let texel = |x: f32, y: f32, s: (f32, f32)| cloth.texel(&frame, x, y, s);
        let mut paint = Paint::new(Class::Garment, &texel)
            .round(bulge, edge)
            .drape(&folds)
            .shadow(0.45, 0.7);
        let mapped = within.map(|w| w.mapped(self.at));
        if let Some(w) = &mapped {
            paint = paint.clip(w);
        }
        canvas.paint(&o, &paint);
    }

    /// Smooth line through points of the shoe.
    fn line(&self, points: &[(f32, f32)]) -> Outline {
        Outline::line(points).mapped(self.at)
    }

    /// Draws sole, opening, upper and details.
    fn draw(&self, canvas: &mut Canvas) {
        let kind = self.spec.garment;
        let tall = match kind {
            Garment::Boot => 19.0,
            Garment::Sneaker => 9.0,
            Garment::Loafer => 7.2,
            _ => 6.4,
        };
        self.draw_sole(canvas);
        let b = |x: f32| self.bed(x);
        let lip = b(0.0) - tall;
        // The far rim of the opening, and the inside.
        let inner = self.cloth.trim(
            Fabric::Suede,
            if kind == Garment::Sneaker {
                linear(0x9A9A9C)
            } else {
                linear(0x8B6C50)
            },
        );
        let (open0, open1, front_y) = match kind {
            Garment::Boot => (0.4, 10.4, lip - 0.4),
            Garment::Sneaker => (0.6, 12.0, b(12.0) - 8.6),
            Garment::Loafer => (0.4, 15.0, b(15.0) - 5.2),
            _ => (0.2, 19.0, b(19.0) - 2.8),
        };
        let mouth = Outline::new()
            .corner(open0, lip + 0.3)
            .smooth((open0 + open1) * 0.45, (lip + front_y) * 0.5 - 1.0)
            .corner(open1, front_y)
            .smooth((open0 + open1) * 0.55, (lip + front_y) * 0.5 + 2.6);
        self.paint(canvas, &mouth, &inner, 0.6, 2.0);
        let upper = match kind {
            Garment::Boot => Outline::new()
                .corner(0.2, b(0.0))
                .smooth(-0.9, b(0.0) - 3.6)
                .smooth(0.5, b(0.0) - 9.5)
                .corner(0.1, lip)
                .smooth(5.2, lip + 0.7)
                .corner(10.6, lip - 0.3)
                .smooth(10.6, b(11.0) - 12.0)
                .smooth(13.4, b(14.0) - 7.8)
                .smooth(19.5, b(19.0) - 5.4)
                .smooth(25.6, b(25.0) - 3.4)
                .smooth(27.4 + self.point * 1.4, b(27.0) - 1.3),
            Garment::Sneaker => Outline::new()
                .corner(0.2, b(0.0))
                .smooth(-0.9, b(0.0) - 3.8)
                .corner(-0.2, lip)
                .smooth(1.8, lip + 0.2)
                .smooth(5.8, lip + 2.5)
                .corner(11.2, b(12.0) - 9.0)
                .corner(12.8, b(12.0) - 8.4)
                .smooth(16.8, b(17.0) - 6.2)
                .smooth(22.4, b(22.0) - 4.2)
                .smooth(27.2, b(26.0) - 3.2)
                .smooth(28.6, b(28.0) - 1.0),
            Garment::Loafer => Outline::new()
                .corner(0.2, b(0.0))
                .smooth(-0.7, b(0.0) - 3.2)
                .corner(0.1, lip)
                .smooth(6.8, b(7.0) - 4.2)
                .corner(13.8, b(14.0) - 6.2)
                .smooth(16.6, b(16.0) - 5.9)
                .smooth(21.8, b(22.0) - 4.5)
                .smooth(26.4, b(26.0) - 3.0)
                .smooth(27.9, b(28.0) - 0.9),
            Garment::Pump => Outline::new()
                .corner(0.3, b(0.0))
                .smooth(-0.7, b(0.0) - 3.0)
                .corner(0.4, lip)
                .smooth(5.5, b(6.0) - 3.4)
                .smooth(12.0, b(12.0) - 2.1)
                .smooth(17.0, b(17.0) - 2.4)
                .corner(19.6, b(20.0) - 3.1)
                .smooth(24.4, b(24.0) - 2.3)
                .smooth(28.0 + self.point * 2.4, b(28.0) - 0.5),
            _ => Outline::new()
                .corner(0.3, b(0.0))
                .smooth(-0.6, b(0.0) - 2.6)
                .corner(0.3, lip + 1.2)
                .smooth(6.0, b(6.0) - 2.5)
                .smooth(12.5, b(12.0) - 1.9)
                .corner(18.2, b(18.0) - 3.0)
                .smooth(23.4, b(23.0) - 2.8)
                .smooth(27.0, b(27.0) - 1.2),
        };
        let upper = upper
            .corner(27.6 + self.point * 1.6, b(27.6))
            .smooth(22.0, b(22.0) + 0.05)
            .smooth(16.0, b(16.0))
            .smooth(11.0, b(11.0))
            .smooth(5.0, b(5.0));
        self.paint(canvas, &upper, self.cloth, 2.6, 3.0);
        match kind {
            Garment::Sneaker => self.sneaker(canvas, &upper, lip),
            Garment::Boot => self.boot(canvas, &upper, lip),
            Garment::Loafer => self.loafer(canvas, &upper),
            _ => {
                let rim = [
                    (0.4, lip + 0.5),
                    (5.6, b(6.0) - 3.0),
                    (12.0, b(12.0) - 1.8),
                    (17.0, b(17.0) - 2.1),
                    (19.4, b(20.0) - 2.8),
                ];
                canvas.line(&self.line(&rim), 0.35, None, 0.3, None);
            }
        }
        self.trim(canvas, &upper, lip);
    }

    /// Draws heel and sole.
    fn draw_sole(&self, canvas: &mut Canvas) {
        let spec = self.spec;
        let b = |x: f32| self.bed(x);
        let light = spec.garment == Garment::Sneaker || (spec.heel == Heel::Platform && spec.look.is_multiple_of(2));
        let rgb = if light {
            linear(0xEDEBE4)
        } else if spec.garment == Garment::Pump {
            scale(self.cloth.print.ground, 0.55)
        } else {
            linear(0x2A2523)
        };
        let rubber = self.cloth.trim(Fabric::Canvas, rgb);
        let toe = 28.0 + self.point * 1.8;
        let thick = |x: f32| {
            if self.lift > 0.0 && x < 15.0 { b(x) + 0.75 } else { 0.0 }
        };
        let spring = -0.9;
        if self.lift > 0.0 {
            let heel = if spec.heel == Heel::Stiletto {
                Outline::new()
                    .corner(-0.4, b(0.0) - 0.4)
                    .smooth(0.2, b(0.0) * 0.55)
                    .corner(0.9, 0.0)
                    .corner(2.2, 0.0)
                    .smooth(2.6, b(2.0) * 0.5)
                    .corner(6.6, b(6.0) + 0.4)
            } else {
                Outline::new()
                    .corner(-0.5, b(0.0) - 0.3)
                    .smooth(-0.2, b(0.0) * 0.5)
                    .corner(0.2, 0.0)
                    .corner(6.0, 0.0)
                    .smooth(6.2, b(6.0) * 0.5)
                    .corner(7.4, b(7.0) + 0.4)
            };
            let own = if spec.garment == Garment::Pump {
                self.cloth.plain(scale(self.cloth.print.ground, 0.85))
            } else {
                rubber.clone()
            };
            self.paint(canvas, &heel, &own, 1.0, 1.2);
        }
        let mut o = Outline::new()
            .corner(-0.5, b(0.0) - 0.6)
            .smooth(8.0, b(8.0) - 0.5)
            .smooth(16.0, b(16.0) - 0.5)
            .corner(toe, b(27.6) - 0.6)
            .smooth(toe + 0.8, spring - self.sole * 0.5);
        o = o.smooth(toe - 2.0, spring * 0.5).smooth(22.0, 0.0).corner(15.0, 0.0);
        o = if self.lift > 0.0 {
            o.smooth(10.0, thick(10.0))
                .smooth(5.0, thick(5.0))
                .corner(-0.3, thick(0.0))
        } else {
            o.smooth(6.0, 0.0).smooth(0.6, 0.0).smooth(-0.9, -self.sole * 0.5)
        };
        self.paint(canvas, &o, &rubber, 0.8, 1.0);
        if self.sole > 2.0 {
            let y = -self.sole * 0.45;
            canvas.line(
                &self.line(&[(-0.3, y), (9.0, y), (18.0, y), (toe, y - 0.8)]),
                0.28,
                None,
                0.28,
                None,
            );
            if spec.garment == Garment::Sneaker && spec.look.is_multiple_of(3) {
                canvas.line(
                    &self.line(&[(-0.2, y - 0.8), (9.0, y - 0.8), (18.0, y - 0.8), (toe, y - 1.6)]),
                    0.4,
                    Some(self.cloth.print.second),
                    0.9,
                    None,
                );
            }
        }
    }
}
