//! Legs, shoes, and trousers or skirt of a person.

use super::{Below, Person};
use crate::body::{ANKLE_Y, CROTCH_Y, HIP_Y, KNEE_Y, WAIST_Y};
use crate::canvas::Canvas;
use crate::cloth::{Cloth, Frame};
use crate::folds::{Crease, Folds};
use crate::outline::Outline;
use crate::paint::{Class, Paint, Texel};
use crate::random::Dice;

impl Person {
    /// Draws legs and shoes, with trousers or skirt.
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
            self.paint_skin(canvas, &leg, 3.0, 3.6);
            let shoe = Outline::new()
                .corner((s - 3.4) * side, ANKLE_Y - 1.0)
                .corner((s + 3.4) * side, ANKLE_Y - 1.0)
                .smooth((s + 4.9) * side, ANKLE_Y + 6.0)
                .smooth((s + 4.6) * side, ANKLE_Y + 11.0)
                .smooth((s + 1.0) * side, ANKLE_Y + 13.0)
                .smooth((s - 3.6) * side, ANKLE_Y + 10.0);
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
                    .corner(0.0, WAIST_Y - 2.0)
                    .corner(self.body.waist + 1.0, WAIST_Y - 2.0)
                    .smooth(hip + 0.6, HIP_Y)
                    .corner(hip * 0.98, CROTCH_Y + 2.0)
                    .corner(0.0, CROTCH_Y + 2.0)
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
                    .corner(0.0, WAIST_Y - 2.0)
                    .corner(self.body.waist + 1.0, WAIST_Y - 2.0)
                    .smooth(hip + 1.0 + flare * 0.2, HIP_Y)
                    .corner(hip + flare, length)
                    .smooth(0.0, length + 1.6)
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

    /// Cloth of trousers or skirt.
    pub(crate) fn leg_cloth(&self) -> &Cloth {
        &self.below_cloth
    }
}
