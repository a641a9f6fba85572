//! Drawing of a person who wears an item, in garment space.

mod arms;
mod head;
mod legs;

use super::attributes::{Fabric, Pattern};
use super::body::{Body, CROTCH_Y, HIP_Y, WAIST_Y};
use super::canvas::Canvas;
use super::cloth::{Cloth, Frame};
use super::folds::Folds;
use super::noise::value;
use super::outline::Outline;
use super::paint::{Class, Paint, Texel};
use super::palette::linear;
use super::pattern::Print;
use super::random::Dice;

/// Skin colours, `0xRRGGBB`.
const SKIN: [u32; 9] = [
    0xF6DCC8, 0xF0CDB2, 0xE8BE9E, 0xDDAE88, 0xC99470, 0xAE7A55, 0x8E5D3D, 0x6C442C, 0x4D3022,
];
/// Hair colours, `0xRRGGBB`.
const HAIR: [u32; 8] = [
    0x17130F, 0x241A14, 0x3A2618, 0x583820, 0x7A5230, 0xA87B45, 0xC9A468, 0x6B6764,
];

/// Clothes below the waist. Widths and heights are in centimetres.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Below {
    Nothing,
    Trousers { wide: f32, length: f32 },
    Skirt { length: f32, flare: f32 },
}

/// Person without the item.
pub(crate) struct Person {
    pub(crate) body: Body,
    skin: [f32; 3],
    hair: [f32; 3],
    /// Height of the hair's lower end, in centimetres below the base of the neck.
    hair_length: f32,
    fringe: bool,
    seed: u32,
    below: Below,
    below_cloth: Cloth,
    pub(crate) top_cloth: Cloth,
    shoe: [f32; 3],
}

/// Creates a cloth of one colour.
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
    /// Draws a random person.
    pub(crate) fn draw(dice: &mut Dice) -> Self {
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
            body: Body::user(dice),
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

    /// Removes trousers or skirt, for a person who wears a dress.
    pub(crate) fn bare_legs(&mut self) {
        self.below = Below::Nothing;
    }

    /// Skin colour in linear light.
    pub(crate) fn skin(&self) -> [f32; 3] {
        self.skin
    }

    /// Paints a shape in skin colour.
    fn paint_skin(&self, canvas: &mut Canvas, outline: &Outline, bulge: f32, edge: f32) {
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

    /// Draws only the neck, in front of a hood.
    pub(crate) fn neck(&self, canvas: &mut Canvas) {
        let o = Outline::new()
            .corner(0.0, -11.0)
            .corner(5.0, -11.0)
            .smooth(5.3, -4.0)
            .smooth(7.6, 1.6)
            .corner(6.0, 12.0)
            .corner(0.0, 14.0)
            .mirrored(0.0);
        self.paint_skin(canvas, &o, 2.6, 3.5);
    }

    /// Draws torso and neck in skin colour, below the garment.
    pub(crate) fn torso(&self, canvas: &mut Canvas) {
        let b = &self.body;
        let o = Outline::new()
            .corner(0.0, -10.0)
            .corner(5.0, -10.0)
            .smooth(5.3, -4.0)
            .smooth(8.0, 0.4)
            .smooth(b.shoulder - 2.6, 3.4)
            .smooth(b.shoulder - 0.8, 7.0)
            .corner(b.bust, 20.0)
            .smooth(b.waist, WAIST_Y)
            .smooth(b.hip, HIP_Y)
            .corner(b.hip, CROTCH_Y)
            .corner(0.0, CROTCH_Y)
            .mirrored(0.0);
        self.paint_skin(canvas, &o, 3.4, 4.5);
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

    /// Draws a plain top, which is worn under an open jacket or with shoes and bags.
    pub(crate) fn undershirt(&self, canvas: &mut Canvas) {
        let b = &self.body;
        let cloth = &self.top_cloth;
        let frame = Frame::straight(b.bust);
        let texel = |x: f32, y: f32, s: (f32, f32)| cloth.texel(&frame, x, y, s);
        let mut folds = Folds::new(-26.0, -2.0, 26.0, 70.0);
        folds.rumple(self.seed ^ 0x99, 7.0, 20.0, 0.1, 1.4);
        let o = Outline::new()
            .smooth(0.0, 8.0)
            .smooth(5.0, 6.6)
            .corner(8.2, 0.6)
            .smooth(b.shoulder - 3.0, 2.8)
            .smooth(b.shoulder - 0.6, 6.4)
            .corner(b.bust + 1.0, 20.0)
            .smooth(b.waist + 1.6, WAIST_Y)
            .corner(b.hip + 1.0, HIP_Y + 4.0)
            .smooth(0.0, HIP_Y + 5.0)
            .mirrored(0.0);
        canvas.paint(
            &o,
            &Paint::new(Class::Person, &texel)
                .round(3.6, 5.0)
                .drape(&folds)
                .shadow(0.4, 1.0),
        );
    }

    /// Draws the sleeves of the plain top.
    pub(crate) fn undershirt_sleeves(&self, canvas: &mut Canvas) {
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
            .map(|&(t, w)| (arm.point_at(t).0.0 * side, arm.point_at(t).0.1, w))
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

    /// Draws a small crossbody bag, which partly hides the garment.
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
}
