//! Drawing of tops, jackets, coats and dresses: panels, sleeves and their drape.

use crate::attributes::*;
use crate::canvas::Canvas;
use crate::cloth::{Cloth, Frame};
use crate::folds::{Crease, Folds};
use crate::noise::scale;
use crate::outline::Outline;
use crate::paint::{Class, Paint};
use crate::palette::luma;
use crate::random::Dice;
use crate::spec::ItemSpec;

use super::collars;
use super::cut::{Cut, SleeveCut};
use super::trims;

/// Draws the parts behind the neck: the inside of the back, the back of a collar, or a hood.
pub(crate) fn draw_back(canvas: &mut Canvas, spec: &ItemSpec, cut: &Cut, cloth: &Cloth) {
    collars::back(canvas, spec, cut, cloth);
}

/// Draws the body panel with collar, fastenings and trims. `drape` seeds the folds of this photo.
pub(crate) fn draw_body(canvas: &mut Canvas, spec: &ItemSpec, cut: &Cut, cloth: &Cloth, drape: u64) {
    let mut dice = Dice::new(drape, 0xD4A9);
    let folds = body_folds(spec, cut, cloth, &mut dice);
    let frame = Frame::straight(cut.armpit.0 + 1.0);
    let texel = |x: f32, y: f32, s: (f32, f32)| cloth.texel(&frame, x, y, s);
    let sleeve_outlines: Vec<&Outline> = cut.sleeves.iter().map(|s| &s.outline).collect();
    let round = 4.6;
    let paint = Paint::new(Class::Garment, &texel)
        .round(2.5, round)
        .drape(&folds)
        .shadow(0.45, 1.2)
        .join(&sleeve_outlines);
    canvas.paint(&cut.body, &paint);
    trims::panels(canvas, spec, cut, cloth);
    if cut.sleeves.is_empty() {
        let hole = [
            cut.shoulder,
            (
                cut.shoulder.0 - 1.4,
                cut.shoulder.1 + (cut.armpit.1 - cut.shoulder.1) * 0.5,
            ),
            cut.armpit,
        ];
        for side in [1.0, -1.0] {
            let line: Vec<_> = hole.iter().map(|p| ((p.0 - 0.8) * side, p.1)).collect();
            canvas.seam(&line, 0.5);
        }
    }
    collars::front(canvas, spec, cut, cloth);
    trims::details(canvas, spec, cut, cloth);
}

/// Draws the sleeves over the body panel. Arms and hands of a user are drawn before.
pub(crate) fn draw_sleeves(canvas: &mut Canvas, spec: &ItemSpec, cut: &Cut, cloth: &Cloth, drape: u64) {
    let mut dice = Dice::new(drape, 0x51EE);
    for sleeve in &cut.sleeves {
        draw_sleeve(canvas, spec, cut, sleeve, cloth, &mut dice);
    }
}

/// Draws the folds of the body panel at random.
fn body_folds(spec: &ItemSpec, cut: &Cut, cloth: &Cloth, dice: &mut Dice) -> Folds {
    let k = cloth.drape();
    let wide = cut.hem.max(cut.armpit.0) + 4.0;
    let mut folds = Folds::new(-wide, -4.0, wide, cut.hem_y + 4.0);
    let seed = dice.word() as u32;
    let loose = match spec.fit {
        Fit::Fitted => 0.75,
        Fit::Regular => 1.0,
        Fit::Loose => 1.25,
        Fit::Oversize => 1.45,
    };
    folds.rumple(seed, 8.0, 26.0, dice.range(-0.12, 0.12), 1.5 * k * loose);
    folds.rumple(seed ^ 0xF00, 4.2, 11.0, dice.range(-0.3, 0.3), 0.55 * k);
    // Creases from the armpits and from the waist towards the middle.
    for side in [1.0f32, -1.0] {
        let n = 2 + dice.index(2);
        folds.fan(
            dice,
            (cut.armpit.0 * side * 0.98, cut.armpit.1),
            (-9.0 * side, 13.0),
            n,
            0.55 * k * loose,
        );
        let n = 1 + dice.index(3);
        let toward = (-9.0 * side, dice.range(-5.0, 6.0));
        folds.fan(dice, ((cut.waist - 0.5) * side, cut.waist_y - 1.0), toward, n, 0.45 * k);
        let x = dice.range(4.0, cut.armpit.0 - 3.0) * side;
        folds.crease(Crease {
            from: (x, cut.armpit.1 + dice.range(2.0, 8.0)),
            to: (
                x + dice.range(-2.0, 3.0) * side,
                cut.hem_y.min(64.0) - dice.range(0.0, 6.0),
            ),
            bow: dice.range(-2.0, 2.0),
            width: dice.range(1.5, 2.6),
            height: 0.6 * k * loose,
        });
    }
    let below = cut.hem_y - cut.waist_y;
    if matches!(spec.garment, Garment::Dress | Garment::Coat | Garment::Blouse) && below > 15.0 {
        let flare = cut.hem / cut.waist;
        let amount = if spec.garment == Garment::Coat {
            0.6
        } else {
            (flare - 0.9).clamp(0.4, 1.5) * 2.2
        };
        let count = dice.range(6.0, 10.0);
        folds.flutes(
            seed ^ 0xABC,
            cut.waist_y,
            cut.hem_y,
            (cut.waist, cut.hem),
            count,
            amount * k,
        );
    }
    if spec.waist != Waist::Straight && spec.garment != Garment::Blazer {
        // Gathers above and below a narrow waist.
        for _ in 0..10 {
            let x = dice.range(-cut.waist, cut.waist) * 0.92;
            let up = dice.chance(0.5);
            let len = dice.range(5.0, 13.0) * if up { -1.0 } else { 1.0 };
            folds.crease(Crease {
                from: (x, cut.waist_y),
                to: (x * 1.12, cut.waist_y + len),
                bow: 0.0,
                width: dice.range(0.6, 1.1),
                height: 0.42 * k,
            });
        }
    }
    folds
}

fn draw_sleeve(canvas: &mut Canvas, spec: &ItemSpec, cut: &Cut, sleeve: &SleeveCut, cloth: &Cloth, dice: &mut Dice) {
    let k = cloth.drape();
    let [top, mid, end] = sleeve.axis;
    let pad = 16.0;
    let xs = [top.0, mid.0, end.0];
    let ys = [top.1, mid.1, end.1];
    let min = |v: &[f32]| v.iter().copied().fold(f32::INFINITY, f32::min) - pad;
    let max = |v: &[f32]| v.iter().copied().fold(f32::NEG_INFINITY, f32::max) + pad;
    let mut folds = Folds::new(min(&xs), min(&ys), max(&xs), max(&ys));
    let seed = dice.word() as u32;
    folds.rumple(seed, 6.0, 9.0, dice.range(-0.4, 0.4), 1.1 * k);
    let long = (end.1 - top.1).abs() + (end.0 - top.0).abs() > 28.0;
    // Creases run across the elbow and above the cuff.
    let across = |folds: &mut Folds, dice: &mut Dice, at: (f32, f32), dir: (f32, f32), n: usize| {
        for _ in 0..n {
            let s = dice.range(-5.0, 5.0);
            let c = (at.0 + dir.0 * s, at.1 + dir.1 * s);
            let tilt = dice.range(-0.5, 0.5);
            let (ax, ay) = (dir.1 + dir.0 * tilt, -dir.0 + dir.1 * tilt);
            let w = sleeve.half * dice.range(0.6, 1.1);
            let sign = if dice.chance(0.5) { 1.0 } else { -1.0 };
            folds.crease(Crease {
                from: (c.0 - ax * w * sign, c.1 - ay * w * sign),
                to: (c.0 + ax * w * sign * 0.8, c.1 + ay * w * sign * 0.8),
                bow: dice.range(-0.8, 0.8),
                width: dice.range(0.7, 1.4),
                height: dice.range(0.35, 0.8) * k,
            });
        }
    };
    let unit = |a: (f32, f32), b: (f32, f32)| {
        let (dx, dy) = (b.0 - a.0, b.1 - a.1);
        let l = (dx * dx + dy * dy).sqrt().max(1e-3);
        (dx / l, dy / l)
    };
    if long {
        across(&mut folds, dice, mid, unit(top, mid), 5);
        across(
            &mut folds,
            dice,
            (end.0 * 0.75 + mid.0 * 0.25, end.1 * 0.75 + mid.1 * 0.25),
            unit(mid, end),
            3,
        );
    } else {
        across(&mut folds, dice, mid, unit(top, mid), 2);
    }
    if spec.sleeve == Sleeve::Puff {
        for i in 0..7 {
            let f = (i as f32 - 3.0) / 3.0;
            let d = unit(top, end);
            let base = (end.0 + d.1 * f * sleeve.half * 0.6, end.1 - d.0 * f * sleeve.half * 0.6);
            folds.crease(Crease {
                from: base,
                to: (base.0 - d.0 * 9.0 + d.1 * f * 2.0, base.1 - d.1 * 9.0 - d.0 * f * 2.0),
                bow: dice.range(-0.6, 0.6),
                width: 0.8,
                height: 0.7,
            });
        }
    }
    let frame = Frame::along(top, if long { mid } else { end }, sleeve.half);
    let raglan = spec.trim == Trim::SideStripe && spec.look.is_multiple_of(3);
    let own = if raglan {
        cloth.plain(cloth.print.second)
    } else {
        cloth.clone()
    };
    let texel = |x: f32, y: f32, s: (f32, f32)| own.texel(&frame, x, y, s);
    let joined = [&cut.body];
    let paint = Paint::new(Class::Garment, &texel)
        .round(2.0, 3.4)
        .drape(&folds)
        .shadow(0.42, 1.6)
        .join(&joined);
    canvas.paint(&sleeve.outline, &paint);
    canvas.seam(
        &sleeve.armhole,
        if luma(cloth.print.ground) < 0.05 { 1.0 } else { 0.75 },
    );
    trims::sleeve(canvas, spec, sleeve, &own);
    draw_cuff(canvas, spec, sleeve, &own);
}

fn draw_cuff(canvas: &mut Canvas, spec: &ItemSpec, sleeve: &SleeveCut, cloth: &Cloth) {
    let end = sleeve.axis[2];
    let frame = Frame::along(sleeve.axis[1], end, sleeve.half * 0.8);
    let ribbed = matches!(spec.garment, Garment::Knit | Garment::Hoodie)
        || (spec.garment == Garment::Jacket && cloth.fabric != Fabric::Denim);
    let fabric = if ribbed { Fabric::Rib } else { cloth.fabric };
    let banded = ribbed
        || matches!(spec.garment, Garment::Shirt)
        || spec.sleeve == Sleeve::Puff
        || cloth.fabric == Fabric::Denim;
    if banded && spec.sleeve != Sleeve::Kimono {
        let own = if ribbed {
            cloth.trim(fabric, scale(cloth.print.ground, 0.96))
        } else {
            cloth.clone()
        };
        let texel = |x: f32, y: f32, s: (f32, f32)| own.texel(&frame, x, y, s);
        canvas.paint(
            &sleeve.cuff,
            &Paint::new(Class::Garment, &texel).round(1.6, 2.4).shadow(0.35, 0.6),
        );
    } else {
        // A hem with one row of stitches slightly above the edge.
        let d = frame.down;
        let (cx, cy) = (end.0 - d.0 * 1.6, end.1 - d.1 * 1.6);
        let w = sleeve.half * 0.82;
        canvas.stitches(&[(cx - d.1 * w, cy + d.0 * w), (cx + d.1 * w, cy - d.0 * w)], None);
    }
}
