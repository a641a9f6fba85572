//! Drawing of bags, seen from the front. Units are centimetres. The top edge of the body is at y = 0, and its middle at
//! x = 0.

mod bag_details;
mod bag_straps;

use crate::attributes::*;
use crate::canvas::Canvas;
use crate::cloth::{Cloth, Frame};
use crate::folds::{Crease, Folds};
use crate::outline::Outline;
use crate::paint::{Class, Paint};
use crate::palette::linear;
use crate::random::Dice;
use crate::spec::ItemSpec;

/// Draws a bag. `drape` seeds the creases of this photo. `hang` is the height of the strap in centimetres, 0 for a bag that is
/// not worn.
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
        round: cut.index(3),
    };
    bag.straps(canvas, hang);
    bag.body(canvas, drape);
    bag.details(canvas);
}

/// Measurements of a bag in centimetres.
struct Bag<'a> {
    spec: &'a ItemSpec,
    cloth: &'a Cloth,
    /// Half width at the bottom.
    w: f32,
    /// Height.
    h: f32,
    /// Half width at the top minus that at the bottom.
    taper: f32,
    /// Radius of the lower corners.
    r: f32,
    /// Variant of the shape, 0 to 2.
    round: usize,
}

impl Bag<'_> {
    /// Colour of metal parts in linear light.
    fn metal(&self) -> [f32; 3] {
        match self.spec.hardware {
            Hardware::Silver => linear(0xC3C7CD),
            Hardware::Pearl => linear(0xF4EEE4),
            Hardware::Wood => linear(0x9A6A3E),
            Hardware::Plain => linear(0x8F8D88),
            Hardware::Gold => linear(0xCDA24F),
        }
    }

    /// Outline of the body.
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
                .smooth(0.0, -1.2)
                .smooth(top * 0.62, 0.4)
                .smooth(top * 0.97, 7.0)
                .smooth(w, h * 0.6)
                .corner(w, h - low)
                .smooth(w - low * 0.3, h - low * 0.3)
                .corner(w - low, h)
                .smooth(0.0, h + 0.4)
                .mirrored(0.0);
        }
        let sag = if self.spec.garment == Garment::Tote { 1.0 } else { 0.0 };
        Outline::new()
            .smooth(0.0, sag)
            .corner(top - 1.0, 0.0)
            .corner(top, 0.9)
            .smooth((top + w) * 0.5 + 0.5, h * 0.5)
            .corner(w, h - low)
            .smooth(w - low * 0.3, h - low * 0.3)
            .corner(w - low, h)
            .smooth(0.0, h + 0.5)
            .mirrored(0.0)
    }

    /// Paints a piece of cloth, rounded and clipped to `within`.
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
            paint = paint.clip(w);
        }
        canvas.paint(outline, &paint);
    }

    /// Paints the body with its creases.
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
}
