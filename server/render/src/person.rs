//! A drawn customer: legs with trousers or a skirt, arms, neck, head and hair, in garment space.

use super::attributes::{Fabric, Pattern};
use super::body::{ANKLE_Y, Arm, Body, CROTCH_Y, HIP_Y, KNEE_Y, WAIST_Y};
use super::canvas::{Canvas, Class, Paint, Texel};
use super::cloth::{Cloth, Frame};
use super::folds::{Crease, Folds};
use super::noise::{scale, value};
use super::outline::Outline;
use super::palette::linear;
use super::pattern::Print;
use super::random::Dice;

const SKIN: [u32; 9] = [
    0xF6DCC8, 0xF0CDB2, 0xE8BE9E, 0xDDAE88, 0xC99470, 0xAE7A55, 0x8E5D3D, 0x6C442C, 0x4D3022,
];
const HAIR: [u32; 8] = [
    0x17130F, 0x241A14, 0x3A2618, 0x583820, 0x7A5230, 0xA87B45, 0xC9A468, 0x6B6764,
];

/// Clothes of a customer below the waist.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Below {
    Nothing,
    Trousers { wide: f32, length: f32 },
    Skirt { length: f32, flare: f32 },
}

/// A customer, apart from the garment in question.
pub(crate) struct Person {
    pub(crate) body: Body,
    skin: [f32; 3],
    hair: [f32; 3],
    hair_length: f32,
    fringe: bool,
    seed: u32,
    below: Below,
    below_cloth: Cloth,
    pub(crate) top_cloth: Cloth,
    shoe: [f32; 3],
}

fn plain(fabric: Fabric, rgb: [f32; 3], seed: u32) -> Cloth {
    let print = Print {
        ground: rgb,
        second: rgb,
        third: rgb,
        size: 1.0,
        variant: 0,
        seed,
    };
    Cloth {
        fabric,
        pattern: Pattern::Plain,
        print,
        seed,
    }
}

impl Person {
    /// Someone.
    pub(crate) fn draw_from(dice: &mut Dice) -> Self {
        let seed = dice.word() as u32;
        let below = if dice.chance(0.68) {
            Below::Trousers {
                wide: dice.range(0.0, 4.5),
                length: if dice.chance(0.14) {
                    dice.range(84.0, 98.0)
                } else {
                    dice.range(138.0, 152.0)
                },
            }
        } else {
            Below::Skirt {
                length: dice.range(86.0, 128.0),
                flare: dice.range(1.0, 12.0),
            }
        };
        let fabric = dice.pick(&[
            Fabric::Denim,
            Fabric::Denim,
            Fabric::Cotton,
            Fabric::Wool,
            Fabric::Canvas,
        ]);
        let rgb = linear(if fabric == Fabric::Denim {
            dice.pick(&[0x3C557A, 0x53718F, 0x2A3550, 0x8AA0B8, 0x26262B])
        } else {
            dice.pick(&[0x2A2A2F, 0x4A4C52, 0xC9BBA2, 0x6B5A48, 0xE2DED6, 0x32405A, 0x59604A])
        });
        Self {
            body: Body::customer(dice),
            skin: linear(dice.pick(&SKIN)),
            hair: linear(dice.pick(&HAIR)),
            hair_length: dice.pick(&[-8.0, -2.0, 6.0, 16.0, 24.0]),
            fringe: dice.chance(0.5),
            seed,
            below,
            below_cloth: plain(fabric, rgb, seed),
            top_cloth: plain(
                Fabric::Cotton,
                linear(dice.pick(&[0xEDEBE6, 0x2B2B30, 0x8C9096, 0x3A4A66, 0xB9A98F, 0xC8CFD6])),
                seed ^ 3,
            ),
            shoe: linear(dice.pick(&[0xE9E6E0, 0x2A2725, 0x8A6244, 0x5B5E66])),
        }
    }

    /// Wears a dress: nothing else below.
    pub(crate) fn bare_legs(&mut self) {
        self.below = Below::Nothing;
    }

    /// The skin's colour, for an occluding hand.
    pub(crate) fn skin(&self) -> [f32; 3] {
        self.skin
    }

    fn flesh(&self, canvas: &mut Canvas, outline: &Outline, bulge: f32, edge: f32) {
        let (skin, seed) = (self.skin, self.seed);
        let texel = |x: f32, y: f32, _: (f32, f32)| {
            let blush = value(x / 7.0, y / 7.0, seed) - 0.5;
            Texel {
                gloss: 0.07,
                ..Texel::flat([
                    skin[0] * (1.0 + 0.06 * blush),
                    skin[1] * (1.0 - 0.05 * blush),
                    skin[2] * (1.0 - 0.05 * blush),
                ])
            }
        };
        canvas.paint(
            outline,
            &Paint::new(Class::Person, &texel).round(bulge, edge).shadow(0.35, 1.0),
        );
    }

    /// Hair that falls behind the shoulders.
    pub(crate) fn behind(&self, canvas: &mut Canvas) {
        if self.hair_length < 0.0 {
            return;
        }
        let l = self.hair_length;
        let o = Outline::new()
            .via(0.0, -36.0)
            .via(8.6, -31.0)
            .via(11.0, -18.0)
            .via(11.6, -4.0)
            .via(12.2, l * 0.6)
            .to(9.0, l + 1.0)
            .via(0.0, l + 2.0)
            .mirrored(0.0);
        self.strands(canvas, &o, 3.0, 0.75);
    }

    fn strands(&self, canvas: &mut Canvas, outline: &Outline, bulge: f32, tone: f32) {
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

    /// Legs, what is worn on them, and shoes.
    pub(crate) fn legs(&self, canvas: &mut Canvas) {
        let (hip, s) = (self.body.hip, self.body.stance);
        let mut dice = Dice::new(u64::from(self.seed), 0x1E6);
        for side in [-1.0f32, 1.0] {
            let leg = Outline::tube(&[
                (hip * 0.48 * side, HIP_Y, hip * 0.52),
                ((hip * 0.46 + 0.4) * side, 80.0, 8.6),
                ((s * 0.9 + 1.0) * side, KNEE_Y, 6.0),
                ((s + 0.8) * side, 124.0, 6.0),
                (s * side, ANKLE_Y, 3.6),
            ]);
            self.flesh(canvas, &leg, 3.0, 3.6);
            let shoe = Outline::new()
                .to((s - 3.4) * side, ANKLE_Y - 1.0)
                .to((s + 3.4) * side, ANKLE_Y - 1.0)
                .via((s + 4.9) * side, ANKLE_Y + 6.0)
                .via((s + 4.6) * side, ANKLE_Y + 11.0)
                .via((s + 1.0) * side, ANKLE_Y + 13.0)
                .via((s - 3.6) * side, ANKLE_Y + 10.0);
            let rgb = self.shoe;
            let texel = |_: f32, _: f32, _: (f32, f32)| Texel {
                gloss: 0.1,
                ..Texel::flat(rgb)
            };
            canvas.paint(
                &shoe,
                &Paint::new(Class::Person, &texel).round(2.0, 2.4).shadow(0.4, 1.0),
            );
        }
        let k = self.below_cloth.drape();
        let frame = Frame::straight(0.0);
        let cloth = &self.below_cloth;
        let texel = |x: f32, y: f32, s: (f32, f32)| cloth.texel(&frame, x, y, s);
        match self.below {
            Below::Nothing => {}
            Below::Trousers { wide, length } => {
                let seat = Outline::new()
                    .to(0.0, WAIST_Y - 2.0)
                    .to(self.body.waist + 1.0, WAIST_Y - 2.0)
                    .via(hip + 0.6, HIP_Y)
                    .to(hip * 0.98, CROTCH_Y + 2.0)
                    .to(0.0, CROTCH_Y + 2.0)
                    .mirrored(0.0);
                let mut legs = Vec::new();
                for side in [-1.0f32, 1.0] {
                    let mut stations = vec![
                        (hip * 0.50 * side, HIP_Y - 4.0, hip * 0.53),
                        ((hip * 0.48 + 0.2) * side, 78.0, 9.8 + wide * 0.4),
                    ];
                    if length > KNEE_Y {
                        stations.push(((s * 0.9 + 1.0) * side, KNEE_Y, 7.4 + wide * 0.8));
                        stations.push((s * side, length, 5.9 + wide * 1.3));
                    } else {
                        stations.push(((s * 0.5 + hip * 0.24) * side, length, 9.6 + wide * 0.6));
                    }
                    legs.push(Outline::tube(&stations));
                }
                let joined: Vec<&Outline> = legs.iter().chain([&seat]).collect();
                for (i, leg) in legs.iter().enumerate() {
                    let side = if i == 0 { -1.0 } else { 1.0 };
                    let mut folds = Folds::new(-30.0, 35.0, 30.0, 160.0);
                    folds.rumple(self.seed ^ i as u32, 6.0, 24.0, 0.1, 1.2 * k);
                    for _ in 0..7 {
                        let y = dice.pick(&[66.0, 70.0, 104.0, 110.0, 116.0, 140.0]) + dice.range(-4.0, 4.0);
                        let x = hip * 0.45 * side;
                        folds.crease(Crease {
                            from: (x - 8.0 * side, y),
                            to: (x + 9.0 * side, y + dice.range(-7.0, 7.0)),
                            bow: dice.range(-1.5, 1.5),
                            width: dice.range(0.8, 1.6),
                            height: 0.55 * k,
                        });
                    }
                    canvas.paint(
                        leg,
                        &Paint::new(Class::Person, &texel)
                            .round(3.4, 3.8)
                            .drape(&folds)
                            .shadow(0.4, 1.2)
                            .join(&joined),
                    );
                }
                canvas.paint(&seat, &Paint::new(Class::Person, &texel).round(3.0, 4.0).join(&joined));
                canvas.seam(&[(0.0, WAIST_Y), (0.2, CROTCH_Y - 6.0), (0.0, CROTCH_Y + 1.0)], 0.8);
            }
            Below::Skirt { length, flare } => {
                let o = Outline::new()
                    .to(0.0, WAIST_Y - 2.0)
                    .to(self.body.waist + 1.0, WAIST_Y - 2.0)
                    .via(hip + 1.0 + flare * 0.2, HIP_Y)
                    .to(hip + flare, length)
                    .via(0.0, length + 1.6)
                    .mirrored(0.0);
                let mut folds = Folds::new(-40.0, 30.0, 40.0, length + 6.0);
                folds.rumple(self.seed, 8.0, 30.0, 0.0, 1.0 * k);
                folds.flutes(
                    self.seed,
                    WAIST_Y,
                    length,
                    (self.body.waist, hip + flare),
                    8.0,
                    (0.3 + flare * 0.14) * k,
                );
                canvas.paint(
                    &o,
                    &Paint::new(Class::Person, &texel)
                        .round(4.0, 5.0)
                        .drape(&folds)
                        .shadow(0.45, 1.4),
                );
            }
        }
    }

    /// Cloth on the legs.
    pub(crate) fn leg_cloth(&self) -> &Cloth {
        &self.below_cloth
    }

    /// The neck alone, over a hood that lies behind it.
    pub(crate) fn torso_neck(&self, canvas: &mut Canvas) {
        let o = Outline::new()
            .to(0.0, -11.0)
            .to(5.0, -11.0)
            .via(5.3, -4.0)
            .via(7.6, 1.6)
            .to(6.0, 12.0)
            .to(0.0, 14.0)
            .mirrored(0.0);
        self.flesh(canvas, &o, 2.6, 3.5);
    }

    /// Torso and neck in skin; the garment comes over it.
    pub(crate) fn torso(&self, canvas: &mut Canvas) {
        let b = &self.body;
        let o = Outline::new()
            .to(0.0, -10.0)
            .to(5.0, -10.0)
            .via(5.3, -4.0)
            .via(8.0, 0.4)
            .via(b.shoulder - 2.6, 3.4)
            .via(b.shoulder - 0.8, 7.0)
            .to(b.bust, 20.0)
            .via(b.waist, WAIST_Y)
            .via(b.hip, HIP_Y)
            .to(b.hip, CROTCH_Y)
            .to(0.0, CROTCH_Y)
            .mirrored(0.0);
        self.flesh(canvas, &o, 3.4, 4.5);
        for side in [1.0, -1.0] {
            canvas.line(
                &Outline::line(&[(1.6 * side, 5.4), (6.5 * side, 4.0), (13.0 * side, 3.4)]),
                0.5,
                None,
                0.16,
                None,
            );
        }
    }

    /// A plain top of their own: what is worn under an open jacket, or above shoes and bags.
    pub(crate) fn undershirt(&self, canvas: &mut Canvas) {
        let b = &self.body;
        let cloth = &self.top_cloth;
        let frame = Frame::straight(b.bust);
        let texel = |x: f32, y: f32, s: (f32, f32)| cloth.texel(&frame, x, y, s);
        let mut folds = Folds::new(-26.0, -2.0, 26.0, 70.0);
        folds.rumple(self.seed ^ 0x99, 7.0, 20.0, 0.1, 1.4);
        let o = Outline::new()
            .via(0.0, 8.0)
            .via(5.0, 6.6)
            .to(8.2, 0.6)
            .via(b.shoulder - 3.0, 2.8)
            .via(b.shoulder - 0.6, 6.4)
            .to(b.bust + 1.0, 20.0)
            .via(b.waist + 1.6, WAIST_Y)
            .to(b.hip + 1.0, HIP_Y + 4.0)
            .via(0.0, HIP_Y + 5.0)
            .mirrored(0.0);
        canvas.paint(
            &o,
            &Paint::new(Class::Person, &texel)
                .round(3.6, 5.0)
                .drape(&folds)
                .shadow(0.4, 1.0),
        );
    }

    /// The sleeves of that top.
    pub(crate) fn own_sleeves(&self, canvas: &mut Canvas) {
        let cloth = &self.top_cloth;
        let frame = Frame::straight(0.0);
        let texel = |x: f32, y: f32, s: (f32, f32)| cloth.texel(&frame, x, y, s);
        let mut folds = Folds::new(-50.0, -20.0, 50.0, 75.0);
        folds.rumple(self.seed ^ 0x98, 6.0, 8.0, 0.3, 1.3);
        for (side, arm) in [(1.0f32, self.body.arms[0]), (-1.0, self.body.arms[1])] {
            let stations: Vec<_> = [
                (-0.10f32, 5.0f32),
                (0.04, 7.2),
                (0.3, 7.0),
                (0.53, 6.4),
                (0.75, 5.8),
                (0.97, 4.8),
            ]
            .iter()
            .map(|&(t, w)| (arm.at(t).0.0 * side, arm.at(t).0.1, w))
            .collect();
            canvas.paint(
                &Outline::tube(&stations),
                &Paint::new(Class::Person, &texel)
                    .round(2.4, 3.4)
                    .drape(&folds)
                    .shadow(0.4, 1.2),
            );
        }
    }

    /// A small bag worn across the garment, which it partly hides.
    pub(crate) fn cross_bag(&self, canvas: &mut Canvas, dice: &mut Dice) {
        let rgb = linear(dice.pick(&[0x2A2522, 0x7B5436, 0xCDBFA8, 0x5A2A2E, 0x46584E]));
        let side = if dice.chance(0.5) { 1.0f32 } else { -1.0 };
        let low = dice.range(50.0, 66.0);
        let own = plain(Fabric::Leather, rgb, self.seed);
        let frame = Frame::straight(0.0);
        let texel = |x: f32, y: f32, s: (f32, f32)| own.texel(&frame, x, y, s);
        let strap = Outline::tube(&[
            (-11.0 * side, 0.5, 1.0),
            (-4.0 * side, 18.0, 1.1),
            (6.0 * side, 38.0, 1.1),
            (15.0 * side, low, 1.0),
        ]);
        canvas.paint(
            &strap,
            &Paint::new(Class::Person, &texel).round(0.6, 0.9).shadow(0.5, 0.9),
        );
        let (x0, x1) = (15.0 * side - 10.0, 15.0 * side + 10.0);
        canvas.paint(
            &Outline::rounded(x0, low - 2.0, x1, low + 13.0, 3.0),
            &Paint::new(Class::Person, &texel).round(2.0, 2.4).shadow(0.5, 1.2),
        );
        canvas.seam(
            &[(x0 + 1.0, low + 4.5), (15.0 * side, low + 7.0), (x1 - 1.0, low + 4.5)],
            1.0,
        );
    }

    /// Arms with hands, bare from a little above `covered`, a fraction of the arm's length.
    pub(crate) fn arms(&self, canvas: &mut Canvas, covered: f32) {
        for (side, arm) in [(1.0f32, self.body.arms[0]), (-1.0, self.body.arms[1])] {
            self.arm(canvas, arm, side, covered);
        }
    }

    /// The forearms that lie across the body, for a garment without sleeves.
    pub(crate) fn crossed_forearms(&self, canvas: &mut Canvas) {
        for (side, arm) in [(1.0f32, self.body.arms[0]), (-1.0, self.body.arms[1])] {
            if arm.wrist.0 < self.body.hip {
                self.arm(canvas, arm, side, 0.48);
            }
        }
    }

    fn arm(&self, canvas: &mut Canvas, arm: Arm, side: f32, covered: f32) {
        // From just under the sleeve's end.
        let start = if covered > 0.0 { covered - 0.07 } else { -0.02 };
        let stations: Vec<_> = [
            (start, 5.5 - 2.7 * start),
            (0.18, 5.0),
            (0.38, 4.5),
            (0.53, 4.1),
            (0.70, 3.9),
            (0.88, 3.1),
            (1.0, 2.6),
        ]
        .iter()
        .filter(|s| s.0 == start || s.0 > start + 0.06)
        .map(|&(t, w)| {
            let p = arm.at(t).0;
            (p.0 * side, p.1, w)
        })
        .collect();
        if stations.len() > 1 {
            self.flesh(canvas, &Outline::tube(&stations), 2.4, 2.8);
        }
        let (w, d) = (arm.at(1.0).0, arm.at(1.0).1);
        let at = |along: f32, out: f32| ((w.0 + d.0 * along + d.1 * out) * side, w.1 + d.1 * along - d.0 * out);
        let p: Vec<_> = [
            (-1.0, -2.5),
            (5.0, -4.2),
            (12.0, -3.2),
            (16.5, -0.6),
            (15.0, 2.0),
            (9.0, 3.6),
            (3.0, 3.6),
            (-1.0, 2.5),
        ]
        .iter()
        .map(|&(a, o)| at(a, o))
        .collect();
        let mut hand = Outline::new();
        for q in p {
            hand = hand.via(q.0, q.1);
        }
        self.flesh(canvas, &hand, 1.8, 2.0);
        for o in [-1.6, -0.2, 1.2] {
            let (a, b) = (at(9.5, o), at(14.5, o * 0.8));
            canvas.line(&Outline::line(&[a, b]), 0.3, None, 0.22, None);
        }
    }

    /// Head, face and the hair in front.
    pub(crate) fn head(&self, canvas: &mut Canvas) {
        let face = Outline::new()
            .via(0.0, -33.5)
            .via(6.2, -30.5)
            .via(8.0, -23.0)
            .via(7.4, -16.0)
            .via(4.6, -11.2)
            .via(0.0, -9.2)
            .mirrored(0.0);
        self.flesh(canvas, &face, 3.2, 4.0);
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
                .via(0.0, -36.5)
                .via(7.4, -33.2)
                .via(9.4, -25.0)
                .to(9.0, -15.0)
                .to(7.4, -17.0)
                .via(7.2, -22.0)
                .to(6.6, -26.4)
                .via(0.0, -27.0)
                .mirrored(0.0)
        } else {
            Outline::new()
                .to(-0.6, -31.6)
                .via(3.2, -30.6)
                .via(6.8, -26.0)
                .to(7.6, -16.4)
                .to(9.2, -15.0)
                .via(9.5, -25.0)
                .via(7.4, -33.4)
                .via(0.0, -36.6)
                .via(-7.4, -33.4)
                .via(-9.5, -25.0)
                .to(-9.2, -15.0)
                .to(-7.6, -16.4)
                .via(-6.8, -26.0)
        };
        self.strands(canvas, &cap, 2.0, 1.0);
        if self.hair_length > 10.0 && self.seed.is_multiple_of(3) {
            let l = self.hair_length;
            for side in [1.0f32, -1.0] {
                let lock = Outline::new()
                    .to(6.4 * side, -25.0)
                    .via(9.6 * side, -18.0)
                    .via(11.4 * side, -4.0)
                    .via(12.2 * side, l * 0.45)
                    .to(9.0 * side, l)
                    .via(6.2 * side, l * 0.5)
                    .via(5.6 * side, -2.0)
                    .via(7.0 * side, -12.0);
                self.strands(canvas, &lock, 1.4, 1.0);
            }
        }
    }
}
