//! Shoes, seen from the side: toe to the right, heel to the left, the ground at y = 0; centimetres.

use crate::attributes::*;
use crate::canvas::{Canvas, Class, Paint, Texel};
use crate::cloth::{Cloth, Frame};
use crate::folds::{Crease, Folds};
use crate::noise::{blend, scale, wave};
use crate::outline::Outline;
use crate::palette::{linear, luma};
use crate::random::Dice;
use crate::spec::ItemSpec;

use super::{emblem, sewn};

type At<'a> = &'a dyn Fn(f32, f32) -> (f32, f32);

/// Both shoes of the pair: the far one behind, a little ahead and higher.
pub(crate) fn draw_pair(canvas: &mut Canvas, spec: &ItemSpec, cloth: &Cloth, gap: (f32, f32)) {
    draw_shoe(canvas, spec, cloth, &|x, y| (x * 0.97 + gap.0, y * 0.97 + gap.1));
    draw_shoe(canvas, spec, cloth, &|x, y| (x, y));
}

/// One shoe, each point through `at`.
pub(crate) fn draw_shoe(canvas: &mut Canvas, spec: &ItemSpec, cloth: &Cloth, at: At<'_>) {
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

struct Shoe<'a> {
    spec: &'a ItemSpec,
    cloth: &'a Cloth,
    lift: f32,
    sole: f32,
    point: f32,
    at: At<'a>,
}

impl Shoe<'_> {
    /// The bottom of the upper at a distance from the heel.
    fn bed(&self, x: f32) -> f32 {
        let t = (x / 17.0).clamp(0.0, 1.0);
        let drop = 1.0 - t * t * (3.0 - 2.0 * t);
        let spring = ((x - 21.0) / 6.0).clamp(0.0, 1.0);
        -self.sole - self.lift * drop - 1.0 * spring * spring
    }

    fn put(&self, canvas: &mut Canvas, outline: &Outline, cloth: &Cloth, bulge: f32, edge: f32) {
        self.put_within(canvas, outline, cloth, bulge, edge, None);
    }

    fn put_within(
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
            paint = paint.inside(w);
        }
        canvas.paint(&o, &paint);
    }

    fn line(&self, points: &[(f32, f32)]) -> Outline {
        Outline::line(points).mapped(self.at)
    }

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
        // The far rim of the opening, and the dark inside.
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
            .to(open0, lip + 0.3)
            .via((open0 + open1) * 0.45, (lip + front_y) * 0.5 - 1.0)
            .to(open1, front_y)
            .via((open0 + open1) * 0.55, (lip + front_y) * 0.5 + 2.6);
        self.put(canvas, &mouth, &inner, 0.6, 2.0);
        let upper = match kind {
            Garment::Boot => Outline::new()
                .to(0.2, b(0.0))
                .via(-0.9, b(0.0) - 3.6)
                .via(0.5, b(0.0) - 9.5)
                .to(0.1, lip)
                .via(5.2, lip + 0.7)
                .to(10.6, lip - 0.3)
                .via(10.6, b(11.0) - 12.0)
                .via(13.4, b(14.0) - 7.8)
                .via(19.5, b(19.0) - 5.4)
                .via(25.6, b(25.0) - 3.4)
                .via(27.4 + self.point * 1.4, b(27.0) - 1.3),
            Garment::Sneaker => Outline::new()
                .to(0.2, b(0.0))
                .via(-0.9, b(0.0) - 3.8)
                .to(-0.2, lip)
                .via(1.8, lip + 0.2)
                .via(5.8, lip + 2.5)
                .to(11.2, b(12.0) - 9.0)
                .to(12.8, b(12.0) - 8.4)
                .via(16.8, b(17.0) - 6.2)
                .via(22.4, b(22.0) - 4.2)
                .via(27.2, b(26.0) - 3.2)
                .via(28.6, b(28.0) - 1.0),
            Garment::Loafer => Outline::new()
                .to(0.2, b(0.0))
                .via(-0.7, b(0.0) - 3.2)
                .to(0.1, lip)
                .via(6.8, b(7.0) - 4.2)
                .to(13.8, b(14.0) - 6.2)
                .via(16.6, b(16.0) - 5.9)
                .via(21.8, b(22.0) - 4.5)
                .via(26.4, b(26.0) - 3.0)
                .via(27.9, b(28.0) - 0.9),
            Garment::Pump => Outline::new()
                .to(0.3, b(0.0))
                .via(-0.7, b(0.0) - 3.0)
                .to(0.4, lip)
                .via(5.5, b(6.0) - 3.4)
                .via(12.0, b(12.0) - 2.1)
                .via(17.0, b(17.0) - 2.4)
                .to(19.6, b(20.0) - 3.1)
                .via(24.4, b(24.0) - 2.3)
                .via(28.0 + self.point * 2.4, b(28.0) - 0.5),
            _ => Outline::new()
                .to(0.3, b(0.0))
                .via(-0.6, b(0.0) - 2.6)
                .to(0.3, lip + 1.2)
                .via(6.0, b(6.0) - 2.5)
                .via(12.5, b(12.0) - 1.9)
                .to(18.2, b(18.0) - 3.0)
                .via(23.4, b(23.0) - 2.8)
                .via(27.0, b(27.0) - 1.2),
        };
        let upper = upper
            .to(27.6 + self.point * 1.6, b(27.6))
            .via(22.0, b(22.0) + 0.05)
            .via(16.0, b(16.0))
            .via(11.0, b(11.0))
            .via(5.0, b(5.0));
        self.put(canvas, &upper, self.cloth, 2.6, 3.0);
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
                    .to(-0.4, b(0.0) - 0.4)
                    .via(0.2, b(0.0) * 0.55)
                    .to(0.9, 0.0)
                    .to(2.2, 0.0)
                    .via(2.6, b(2.0) * 0.5)
                    .to(6.6, b(6.0) + 0.4)
            } else {
                Outline::new()
                    .to(-0.5, b(0.0) - 0.3)
                    .via(-0.2, b(0.0) * 0.5)
                    .to(0.2, 0.0)
                    .to(6.0, 0.0)
                    .via(6.2, b(6.0) * 0.5)
                    .to(7.4, b(7.0) + 0.4)
            };
            let own = if spec.garment == Garment::Pump {
                self.cloth.plain(scale(self.cloth.print.ground, 0.85))
            } else {
                rubber.clone()
            };
            self.put(canvas, &heel, &own, 1.0, 1.2);
        }
        let mut o = Outline::new()
            .to(-0.5, b(0.0) - 0.6)
            .via(8.0, b(8.0) - 0.5)
            .via(16.0, b(16.0) - 0.5)
            .to(toe, b(27.6) - 0.6)
            .via(toe + 0.8, spring - self.sole * 0.5);
        o = o.via(toe - 2.0, spring * 0.5).via(22.0, 0.0).to(15.0, 0.0);
        o = if self.lift > 0.0 {
            o.via(10.0, thick(10.0)).via(5.0, thick(5.0)).to(-0.3, thick(0.0))
        } else {
            o.via(6.0, 0.0).via(0.6, 0.0).via(-0.9, -self.sole * 0.5)
        };
        self.put(canvas, &o, &rubber, 0.8, 1.0);
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

    fn sneaker(&self, canvas: &mut Canvas, upper: &Outline, lip: f32) {
        let b = |x: f32| self.bed(x);
        let own = self.cloth;
        let tone = |k: f32| own.plain(scale(own.print.ground, k));
        let contrast = if self.spec.look.is_multiple_of(2) {
            own.plain(own.print.second)
        } else {
            tone(0.8)
        };
        let toe = Outline::new()
            .to(21.4, b(21.0) + 0.2)
            .via(21.8, b(22.0) - 3.0)
            .to(24.0, b(24.0) - 5.0)
            .to(31.0, b(27.0) - 4.0)
            .to(31.0, b(27.0) + 0.2);
        self.put_within(canvas, &toe, &tone(1.08), 0.7, 1.2, Some(upper));
        let heel = Outline::new()
            .to(-2.0, b(0.0) + 0.2)
            .to(-2.0, lip + 1.6)
            .to(2.2, lip + 2.6)
            .via(4.8, b(4.0) - 3.0)
            .to(5.6, b(5.0) + 0.2);
        self.put_within(canvas, &heel, &contrast, 0.7, 1.2, Some(upper));
        let lacing = Outline::new()
            .to(10.6, b(11.0) - 9.6)
            .to(12.8, b(12.0) - 8.9)
            .via(16.6, b(17.0) - 6.6)
            .to(21.0, b(21.0) - 5.0)
            .to(20.2, b(20.0) - 3.2)
            .via(15.2, b(15.0) - 4.4)
            .to(10.4, b(10.0) - 6.2);
        self.put_within(canvas, &lacing, &tone(0.92), 0.5, 0.9, Some(upper));
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

    fn boot(&self, canvas: &mut Canvas, upper: &Outline, lip: f32) {
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
                    .to(9.2, lip + 0.5)
                    .to(12.0, lip + 0.2)
                    .via(12.4, b(12.0) - 10.0)
                    .to(18.6, b(18.0) - 6.6)
                    .to(17.6, b(18.0) - 4.6)
                    .via(10.6, b(11.0) - 9.0);
                self.put_within(
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
                // Elastic sides.
                let gusset = Outline::new()
                    .to(3.2, lip + 0.4)
                    .to(7.6, lip + 0.6)
                    .to(6.6, b(6.0) - 5.4)
                    .to(4.6, b(5.0) - 5.4);
                self.put_within(
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

    fn loafer(&self, canvas: &mut Canvas, upper: &Outline) {
        let b = |x: f32| self.bed(x);
        let strap = Outline::new()
            .to(12.0, b(12.0) - 7.6)
            .to(16.2, b(16.0) - 7.4)
            .via(15.4, b(15.0) - 3.0)
            .to(14.6, b(14.0) + 0.2)
            .to(10.6, b(11.0) + 0.2)
            .via(11.6, b(12.0) - 3.4);
        self.put_within(
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

    fn trim(&self, canvas: &mut Canvas, upper: &Outline, lip: f32) {
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
                .to(-2.0, b(0.0) - from)
                .via(8.0, b(8.0) - from)
                .to(14.0, b(14.0) - from)
                .to(14.0, b(14.0) - to)
                .via(8.0, b(8.0) - to)
                .to(-2.0, b(0.0) - to)
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
                        .to(-2.0, lip + 2.0)
                        .to(12.0, lip + 1.4)
                        .to(12.0, lip + 5.4)
                        .to(-2.0, lip + 6.0)
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
                    &Paint::new(Class::Garment, &texel).round(0.3, 0.5).inside(&within),
                );
            }
            Trim::Buckle => {
                let strap = if self.spec.garment == Garment::Boot {
                    Outline::new()
                        .to(-2.0, b(0.0) - 8.4)
                        .to(13.0, b(12.0) - 8.6)
                        .to(13.0, b(12.0) - 6.6)
                        .to(-2.0, b(0.0) - 6.4)
                } else {
                    band(2.2, 3.8)
                };
                self.put_within(
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
