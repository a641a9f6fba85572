//! Bags, seen from the front: the top edge of the body at y = 0, x = 0 in the middle; centimetres.

use crate::attributes::*;
use crate::canvas::{Canvas, Class, Paint, Texel};
use crate::cloth::{Cloth, Frame};
use crate::folds::{Crease, Folds};
use crate::noise::{saw, scale, wave};
use crate::outline::Outline;
use crate::palette::{linear, luma};
use crate::random::Dice;
use crate::spec::ItemSpec;

use super::{emblem, sewn};

/// Draws a bag. `drape` seeds this photo's creases, `hang` is how high the strap is drawn (centimetres; 0 leaves it
/// lying low).
pub(crate) fn draw_bag(canvas: &mut Canvas, spec: &ItemSpec, cloth: &Cloth, drape: u64, hang: f32) {
    let mut cut = Dice::new(spec.look, 0xBA6);
    let (w, h, taper, r) = match spec.garment {
        Garment::Tote => (cut.range(17.0, 20.0), cut.range(30.0, 36.0), cut.range(-1.5, 1.0), 1.0),
        Garment::Shoulder => (cut.range(11.5, 14.0), cut.range(15.0, 18.5), cut.range(-1.0, 0.6), 2.6),
        Garment::Handbag => (cut.range(14.0, 17.0), cut.range(19.0, 23.0), cut.range(-3.4, -1.4), 2.0),
        _ => (cut.range(13.0, 15.5), cut.range(34.0, 39.0), cut.range(-1.2, 0.0), 4.5),
    };
    let bag = Bag {
        spec,
        cloth,
        w,
        h,
        taper,
        r,
        round: cut.below(3),
    };
    bag.straps(canvas, hang);
    bag.body(canvas, drape);
    bag.details(canvas);
}

struct Bag<'a> {
    spec: &'a ItemSpec,
    cloth: &'a Cloth,
    w: f32,
    h: f32,
    taper: f32,
    r: f32,
    round: usize,
}

impl Bag<'_> {
    fn metal(&self) -> [f32; 3] {
        match self.spec.hardware {
            Hardware::Silver => linear(0xC3C7CD),
            Hardware::Pearl => linear(0xF4EEE4),
            Hardware::Wood => linear(0x9A6A3E),
            Hardware::Plain => linear(0x8F8D88),
            Hardware::Gold => linear(0xCDA24F),
        }
    }

    fn shape(&self) -> Outline {
        let (w, h, r) = (self.w, self.h, self.r);
        let top = w + self.taper;
        let low = if self.spec.garment == Garment::Shoulder && self.round == 0 {
            r + 4.0
        } else {
            r
        };
        if self.spec.garment == Garment::Backpack {
            return Outline::new()
                .via(0.0, -1.2)
                .via(top * 0.62, 0.4)
                .via(top * 0.97, 7.0)
                .via(w, h * 0.6)
                .to(w, h - low)
                .via(w - low * 0.3, h - low * 0.3)
                .to(w - low, h)
                .via(0.0, h + 0.4)
                .mirrored(0.0);
        }
        let sag = if self.spec.garment == Garment::Tote { 1.0 } else { 0.0 };
        Outline::new()
            .via(0.0, sag)
            .to(top - 1.0, 0.0)
            .to(top, 0.9)
            .via((top + w) * 0.5 + 0.5, h * 0.5)
            .to(w, h - low)
            .via(w - low * 0.3, h - low * 0.3)
            .to(w - low, h)
            .via(0.0, h + 0.5)
            .mirrored(0.0)
    }

    fn piece(
        &self,
        canvas: &mut Canvas,
        outline: &Outline,
        cloth: &Cloth,
        bulge: f32,
        edge: f32,
        within: Option<&Outline>,
    ) {
        let frame = Frame::straight(0.0);
        let texel = |x: f32, y: f32, s: (f32, f32)| cloth.texel(&frame, x, y, s);
        let mut paint = Paint::new(Class::Garment, &texel).round(bulge, edge).shadow(0.45, 0.8);
        if let Some(w) = within {
            paint = paint.inside(w);
        }
        canvas.paint(outline, &paint);
    }

    fn straps(&self, canvas: &mut Canvas, hang: f32) {
        let (w, spec) = (self.w, self.spec);
        let tone = self.cloth.plain(scale(self.cloth.print.ground, 0.85));
        let leather = if self.cloth.fabric == Fabric::Canvas || self.cloth.fabric == Fabric::Linen {
            self.cloth.trim(Fabric::Leather, linear(0x8B5E3A))
        } else {
            tone
        };
        match spec.garment {
            Garment::Tote | Garment::Handbag => {
                let (foot, high) = if spec.garment == Garment::Tote {
                    (w * 0.45, 21.0)
                } else {
                    (w * 0.48, 11.0)
                };
                for (dx, dy, k) in [(0.6f32, -0.9f32, 0.6f32), (0.0, 0.0, 1.0)] {
                    let own = leather.plain(scale(leather.print.ground, k));
                    self.handle(
                        canvas,
                        &own,
                        foot + dx,
                        high - dy,
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

    fn handle(&self, canvas: &mut Canvas, own: &Cloth, foot: f32, high: f32, half: f32) {
        let arch = Outline::tube(&[
            (-foot, 4.0, half),
            (-foot * 0.97, -high * 0.5, half),
            (-foot * 0.55, -high * 0.93, half),
            (0.0, -high, half),
            (foot * 0.55, -high * 0.93, half),
            (foot * 0.97, -high * 0.5, half),
            (foot, 4.0, half),
        ]);
        if self.spec.strap == Strap::Woven {
            self.woven(canvas, &arch);
        } else {
            self.piece(canvas, &arch, own, half * 0.9, half, None);
        }
    }

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

    fn loop_strap(&self, canvas: &mut Canvas, own: &Cloth, foot: f32, high: f32) {
        let points = [
            (-foot, 2.6),
            (-foot * 0.93, -high * 0.45),
            (-foot * 0.5, -high * 0.92),
            (0.0, -high),
            (foot * 0.5, -high * 0.92),
            (foot * 0.93, -high * 0.45),
            (foot, 2.6),
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
                sewn::along(&smooth, 1.25, |x, y, i| {
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

    fn body(&self, canvas: &mut Canvas, drape: u64) {
        let mut dice = Dice::new(drape, 0xBA9);
        let (w, h) = (self.w, self.h);
        let soft = match self.cloth.fabric {
            Fabric::Canvas | Fabric::Linen => 1.0,
            Fabric::Suede => 0.6,
            _ => 0.35,
        } * if self.spec.garment == Garment::Tote { 1.2 } else { 0.7 };
        let mut folds = Folds::new(-w - 4.0, -4.0, w + 4.0, h + 4.0);
        let seed = dice.word() as u32;
        folds.rumple(seed, 9.0, 15.0, dice.range(-0.3, 0.3), 1.5 * soft);
        folds.rumple(seed ^ 5, 4.0, 6.0, dice.range(-0.5, 0.5), 0.5 * soft);
        for _ in 0..4 {
            let x = dice.range(-w, w) * 0.8;
            folds.crease(Crease {
                from: (x, dice.range(2.0, 8.0)),
                to: (x * 0.8 + dice.range(-5.0, 5.0), h - dice.range(2.0, 12.0)),
                bow: dice.range(-2.0, 2.0),
                width: dice.range(1.0, 2.4),
                height: 0.7 * soft,
            });
        }
        let frame = Frame::straight(0.0);
        let cloth = self.cloth;
        let texel = |x: f32, y: f32, s: (f32, f32)| cloth.texel(&frame, x, y, s);
        canvas.paint(
            &self.shape(),
            &Paint::new(Class::Garment, &texel)
                .round(3.0, 3.4)
                .drape(&folds)
                .shadow(0.4, 1.0),
        );
    }

    fn details(&self, canvas: &mut Canvas) {
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
                        .to(-top, -0.6)
                        .via(0.0, -1.0)
                        .to(top, -0.6)
                        .to(top - 0.3, deep * 0.62)
                        .via(top * 0.6, deep * 0.96)
                        .via(0.0, deep)
                        .via(-top * 0.6, deep * 0.96)
                        .to(-top + 0.3, deep * 0.62),
                    1 => Outline::new()
                        .to(-top, -0.6)
                        .via(0.0, -1.0)
                        .to(top, -0.6)
                        .to(top - 0.2, deep * 0.55)
                        .to(0.0, deep * 1.12)
                        .to(-top + 0.2, deep * 0.55),
                    _ => Outline::new()
                        .to(-top, -0.6)
                        .via(0.0, -1.0)
                        .to(top, -0.6)
                        .to(top - 0.3, deep)
                        .to(-top + 0.3, deep),
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
                    .to(-w - 2.0, y)
                    .to(w + 2.0, y)
                    .to(w + 2.0, y + 5.0)
                    .to(-w - 2.0, y + 5.0);
                canvas.paint(
                    &strip,
                    &Paint::new(Class::Garment, &texel).round(0.3, 0.5).inside(shape),
                );
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
                        .to(x - 1.1, -0.5)
                        .to(x + 1.1, -0.5)
                        .to(x + 1.1, h * 0.72)
                        .to(x, h * 0.76)
                        .to(x - 1.1, h * 0.72);
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
