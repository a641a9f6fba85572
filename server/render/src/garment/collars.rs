//! Necklines, collars, lapels and hoods.

use crate::attributes::*;
use crate::canvas::{Canvas, Class, Paint, Texel};
use crate::cloth::{Cloth, Frame};
use crate::noise::scale;
use crate::outline::Outline;
use crate::palette::linear;
use crate::spec::ItemSpec;

use super::cut::Cut;
use super::tops::patch;

/// Draws the part of a collar behind the neck.
pub(crate) fn back(canvas: &mut Canvas, spec: &ItemSpec, cut: &Cut, cloth: &Cloth) {
    let (n, y) = (cut.neck, cut.neck_y);
    let inside = cloth.plain(scale(cloth.print.ground, 0.5));
    let frame = Frame::straight(0.0);
    let dim = |x: f32, y: f32, s: (f32, f32)| {
        let mut t = inside.texel(&frame, x, y, s);
        t.gloss = 0.0;
        t
    };
    if spec.neck == Neck::Hood {
        let shell = Outline::new()
            .via(0.0, -23.0)
            .via(9.5, -19.0)
            .via(12.8, -8.0)
            .via(12.0, 2.0)
            .to(9.5, 6.0)
            .to(0.0, 10.0)
            .mirrored(0.0);
        let texel = |x: f32, y: f32, s: (f32, f32)| cloth.texel(&frame, x, y, s);
        canvas.paint(&shell, &Paint::new(Class::Garment, &texel).round(4.5, 5.0));
        let mouth = Outline::new()
            .via(0.0, -18.5)
            .via(6.2, -15.0)
            .via(8.6, -6.0)
            .via(8.2, 3.0)
            .to(6.0, 9.0)
            .to(0.0, 12.0)
            .mirrored(0.0);
        canvas.paint(&mouth, &Paint::new(Class::Garment, &dim).round(2.0, 6.0));
        return;
    }
    let rise = match spec.neck {
        Neck::Collar | Neck::Lapel => -3.2,
        Neck::Stand | Neck::Turtle => -2.6,
        _ => 0.3,
    };
    let dip = if rise < 0.0 { rise } else { 2.1 - 0.07 * n };
    let floor = match spec.neck {
        Neck::Vee | Neck::Wrap | Neck::Sailor => 16.0f32,
        Neck::Lapel => cut.depth + 2.0,
        _ => cut.depth + 2.0,
    };
    // The inside of the back panel, seen through the neckline.
    let panel = Outline::new()
        .to(-n - 0.4, y + 0.6)
        .via(-n * 0.6, y + dip * 0.8)
        .via(0.0, y + dip)
        .via(n * 0.6, y + dip * 0.8)
        .to(n + 0.4, y + 0.6)
        .via(n * 0.7, floor * 0.7)
        .via(0.0, floor)
        .via(-n * 0.7, floor * 0.7);
    canvas.paint(&panel, &Paint::new(Class::Garment, &dim).round(1.0, 3.0));
    let label = linear(0xE9E4D8);
    let tag = |_: f32, _: f32, _: (f32, f32)| Texel::flat(label);
    let top = y + dip + 1.3;
    canvas.paint(
        &Outline::rounded(-2.0, top, 2.0, top + 1.7, 0.2),
        &Paint::new(Class::Garment, &tag).shadow(0.3, 0.4),
    );
}

/// Draws the part of a collar in front of the neck.
pub(crate) fn front(canvas: &mut Canvas, spec: &ItemSpec, cut: &Cut, cloth: &Cloth) {
    match spec.neck {
        Neck::Crew | Neck::Boat | Neck::Vee | Neck::Square => band(canvas, spec, cut, cloth),
        Neck::Collar => leaves(canvas, spec, cut, cloth, false),
        Neck::PeterPan => leaves(canvas, spec, cut, cloth, true),
        Neck::Turtle => roll(canvas, cut, cloth),
        Neck::Stand => stand(canvas, spec, cut, cloth),
        Neck::Lapel => lapels(canvas, spec, cut, cloth),
        Neck::Hood => hood(canvas, cut, cloth),
        Neck::Sailor => sailor(canvas, cut, cloth),
        Neck::Wrap => wrap(canvas, cut, cloth),
    }
}

fn strip(cut: &Cut, neck: Neck, from: f32, to: f32) -> Outline {
    let (a, b) = (cut.neckline(neck, from), cut.neckline(neck, to));
    let mut o = Outline::new();
    let corner = |i: usize, n: usize| {
        i == 0
            || i == n - 1
            || (i == n / 2 && matches!(neck, Neck::Vee | Neck::Lapel | Neck::Sailor | Neck::Wrap))
            || (neck == Neck::Square && (i == n / 2 - 1 || i == n / 2 + 1))
    };
    for (i, p) in a.iter().enumerate() {
        o = if corner(i, a.len()) {
            o.to(p.0, p.1)
        } else {
            o.via(p.0, p.1)
        };
    }
    for (i, p) in b.iter().enumerate().rev() {
        o = if corner(i, b.len()) {
            o.to(p.0, p.1)
        } else {
            o.via(p.0, p.1)
        };
    }
    o
}

fn band(canvas: &mut Canvas, spec: &ItemSpec, cut: &Cut, cloth: &Cloth) {
    let knit = matches!(spec.garment, Garment::Tee | Garment::Knit);
    let width = if spec.garment == Garment::Knit {
        2.8
    } else if knit {
        1.9
    } else {
        1.1
    };
    let contrast = spec.trim == Trim::Piping || (spec.trim == Trim::SideStripe && knit);
    let rgb = if contrast {
        cloth.print.second
    } else {
        scale(cloth.print.ground, 0.97)
    };
    let own = cloth.trim(if knit { Fabric::Rib } else { cloth.fabric }, rgb);
    if knit || contrast {
        let outline = strip(cut, spec.neck, -0.15, width);
        let frame = Frame::straight(0.0);
        let texel = |x: f32, y: f32, s: (f32, f32)| own.texel(&frame, x, y, s);
        canvas.paint(
            &outline,
            &Paint::new(Class::Garment, &texel).round(0.9, 1.2).shadow(0.3, 0.5),
        );
    }
    canvas.stitches(&cut.neckline(spec.neck, width + 0.7), None);
}

fn leaves(canvas: &mut Canvas, spec: &ItemSpec, cut: &Cut, cloth: &Cloth, round: bool) {
    let (n, y, d) = (cut.neck, cut.neck_y, cut.depth);
    let big = matches!(spec.garment, Garment::Jacket | Garment::Coat);
    let white = round && spec.look.is_multiple_of(2);
    let rgb = if white {
        linear(0xF4F1EC)
    } else if spec.trim == Trim::Piping && round {
        cloth.print.second
    } else {
        cloth.print.ground
    };
    let mut own = cloth.clone();
    if white || round {
        own = cloth.plain(rgb);
    }
    let leaf = if round {
        Outline::new()
            .to(0.1, d - 0.2)
            .via(n * 0.55, d * 0.75)
            .via(n * 0.95, d * 0.3)
            .to(n * 0.9, y - 1.6)
            .to(n + 4.4, y + 3.0)
            .via(n + 3.4, d + 3.4)
            .via(n * 0.75, d + 6.8)
            .via(n * 0.22, d + 5.2)
    } else {
        let reach = if big { 3.0 } else { 0.0 };
        Outline::new()
            .to(0.2, d - 0.6)
            .via(n * 0.5, d * 0.55)
            .to(n * 0.86, y - 3.3)
            .via(n + 1.4, y - 0.4)
            .to(n + 2.6 + reach * 0.6, y + 2.2)
            .to(6.8 + reach, d + 6.6 + reach)
    };
    for leaf in [leaf.clone(), leaf.flipped()] {
        let frame = Frame::straight(0.0);
        let texel = |x: f32, y: f32, s: (f32, f32)| own.texel(&frame, x, y, s);
        canvas.paint(
            &leaf,
            &Paint::new(Class::Garment, &texel).round(0.9, 1.4).shadow(0.55, 0.9),
        );
    }
    if !round {
        for side in [1.0, -1.0] {
            let reach = if big { 3.0 } else { 0.0 };
            canvas.stitches(
                &[
                    (0.9 * side, d + 0.2),
                    ((6.2 + reach) * side, d + 5.8 + reach),
                    ((n + 2.1 + reach * 0.6) * side, y + 2.4),
                ],
                None,
            );
        }
    }
}

fn roll(canvas: &mut Canvas, cut: &Cut, cloth: &Cloth) {
    let (n, y, d) = (cut.neck, cut.neck_y, cut.depth);
    let own = cloth.trim(
        if cloth.fabric == Fabric::Cable {
            Fabric::Cable
        } else {
            Fabric::Rib
        },
        cloth.print.ground,
    );
    let frame = Frame::straight(n);
    let texel = |x: f32, y: f32, s: (f32, f32)| own.texel(&frame, x, y, s);
    let tube = Outline::new()
        .via(0.0, -5.6)
        .via(n * 0.6, -6.0)
        .to(n * 0.88, -6.6)
        .via(n * 0.98, -2.0)
        .to(n + 0.9, y + 1.6)
        .via(n * 0.6, d + 1.4)
        .via(0.0, d + 2.2)
        .mirrored(0.0);
    canvas.paint(
        &tube,
        &Paint::new(Class::Garment, &texel).round(2.6, 4.0).shadow(0.4, 0.9),
    );
    canvas.seam(
        &[
            (-n * 0.97, -1.0),
            (-n * 0.5, 1.2),
            (0.0, 1.8),
            (n * 0.5, 1.2),
            (n * 0.97, -1.0),
        ],
        0.8,
    );
}

fn stand(canvas: &mut Canvas, spec: &ItemSpec, cut: &Cut, cloth: &Cloth) {
    let (n, y, d) = (cut.neck, cut.neck_y, cut.depth);
    let high = if matches!(spec.garment, Garment::Jacket | Garment::Coat) {
        5.2
    } else {
        3.2
    };
    let rgb = if spec.trim == Trim::Piping {
        cloth.print.second
    } else {
        cloth.print.ground
    };
    let own = cloth.plain(rgb);
    let half = Outline::new()
        .to(0.15, d + 0.4)
        .via(n * 0.55, d * 0.8 + 0.5)
        .to(n + 0.3, y + 0.4)
        .to(n * 0.9, y - high)
        .via(n * 0.5, d * 0.75 - high)
        .to(0.15, d - high + 0.6);
    for leaf in [half.clone(), half.flipped()] {
        let frame = Frame::straight(0.0);
        let texel = |x: f32, y: f32, s: (f32, f32)| own.texel(&frame, x, y, s);
        canvas.paint(
            &leaf,
            &Paint::new(Class::Garment, &texel).round(1.1, 2.0).shadow(0.4, 0.7),
        );
    }
}

fn lapels(canvas: &mut Canvas, spec: &ItemSpec, cut: &Cut, cloth: &Cloth) {
    let (n, y, d) = (cut.neck, cut.neck_y, cut.depth);
    let wide = if spec.garment == Garment::Coat {
        2.6
    } else if spec.closure == Closure::Double {
        1.8
    } else {
        0.4
    };
    let notch = d * 0.40;
    let lapel = Outline::new()
        .to(0.0, d + 0.4)
        .via(n * 0.50, d * 0.50)
        .to(n * 0.86, notch * 0.62)
        .to(10.4 + wide, notch * 0.86)
        .to(12.6 + wide, notch * 0.74)
        .via(9.4 + wide * 0.8, d * 0.66);
    let collar = Outline::new()
        .to(n * 0.80, notch * 0.75)
        .via(n * 0.92, y + 2.0)
        .to(n * 0.70, y - 3.4)
        .via(n + 1.2, y - 0.6)
        .to(n + 3.8 + wide * 0.5, y + 4.2)
        .to(11.2 + wide, notch * 0.70)
        .to(10.2 + wide, notch * 0.90);
    for side in [-1.0f32, 1.0] {
        for piece in [&collar, &lapel] {
            let piece = if side < 0.0 { piece.flipped() } else { piece.clone() };
            let frame = Frame::along((0.0, 0.0), (-5.0 * side, 20.0), 0.0);
            let texel = |x: f32, y: f32, s: (f32, f32)| cloth.texel(&frame, x, y, s);
            canvas.paint(
                &piece,
                &Paint::new(Class::Garment, &texel).round(0.8, 1.2).shadow(0.5, 1.0),
            );
        }
    }
}

fn hood(canvas: &mut Canvas, cut: &Cut, cloth: &Cloth) {
    let d = cut.depth;
    let frame = Frame::straight(0.0);
    let texel = |x: f32, y: f32, s: (f32, f32)| cloth.texel(&frame, x, y, s);
    // The hood's edges cross at the throat.
    let edge = Outline::new()
        .to(-1.6, d + 1.6)
        .via(3.4, d - 1.4)
        .via(7.6, 3.4)
        .via(8.4, -5.0)
        .to(7.6, -9.0)
        .via(11.4, -4.0)
        .via(11.6, 2.8)
        .via(8.6, 8.4)
        .via(4.0, d + 2.4);
    for leaf in [edge.flipped(), edge] {
        canvas.paint(
            &leaf,
            &Paint::new(Class::Garment, &texel).round(1.6, 2.2).shadow(0.45, 1.0),
        );
    }
    let cord = linear(0xEDEAE2);
    for side in [1.0, -1.0] {
        let line = Outline::line(&[(2.6 * side, d), (3.3 * side, d + 5.0), (2.9 * side, d + 13.0)]);
        canvas.line(&line.mapped(|x, y| (x + 0.35, y + 0.3)), 0.7, None, 0.4, None);
        canvas.line(&line, 0.62, Some(cord), 0.95, None);
    }
}

fn sailor(canvas: &mut Canvas, cut: &Cut, cloth: &Cloth) {
    let (n, y, d) = (cut.neck, cut.neck_y, cut.depth);
    let leaf = Outline::new()
        .to(0.0, d + 0.5)
        .via(n * 0.5, d * 0.52)
        .to(n * 0.9, y - 1.0)
        .to(cut.shoulder.0 * 0.84, cut.shoulder.1 + 1.2)
        .via(cut.shoulder.0 * 0.70, d * 0.72)
        .to(1.2, d + 3.6);
    let dark = crate::palette::luma(cloth.print.ground) < 0.25;
    let own = cloth.plain(if dark {
        scale(cloth.print.ground, 0.92)
    } else {
        linear(0x27335A)
    });
    let tape = linear(0xF3F1EC);
    for side in [-1.0f32, 1.0] {
        let piece = if side < 0.0 { leaf.flipped() } else { leaf.clone() };
        patch(canvas, &piece, &own, None, 0.6);
        for inset in [1.0f32, 2.1] {
            let s = cut.shoulder.0;
            let line = Outline::line(&[
                ((s * 0.84 - inset * 1.1) * side, cut.shoulder.1 + 1.3 + inset * 0.1),
                ((s * 0.70 - inset * 0.9) * side, d * 0.72 - inset * 0.6),
                ((1.4 + 0.2 * inset) * side, d + 3.2 - inset * 1.2),
            ]);
            canvas.line(&line, 0.45, Some(tape), 0.95, None);
        }
    }
    super::sewn::bow(canvas, cloth, (0.0, d + 3.0), 1.25, linear(0xA3232F));
}

fn wrap(canvas: &mut Canvas, cut: &Cut, cloth: &Cloth) {
    let (n, y, d) = (cut.neck, cut.neck_y, cut.depth);
    let own = cloth.plain(cloth.print.second);
    let w = 4.2;
    let under = Outline::new()
        .to(-n - 0.2, y - 1.5)
        .via(-n * 0.45, d * 0.5)
        .to(1.5, d + 4.0)
        .to(-1.5, d + 6.0)
        .via(-n * 0.5 - w, d * 0.55)
        .to(-n - w * 0.9, y + 0.8);
    patch(canvas, &under, &own, None, 0.7);
    let over = Outline::new()
        .to(n + 0.2, y - 1.5)
        .via(n * 0.45, d * 0.5)
        .to(-cut.waist * 0.62, cut.waist_y - 1.0)
        .to(-cut.waist * 0.62 + 2.6, cut.waist_y + 3.0)
        .via(n * 0.5 + w, d * 0.58)
        .to(n + w * 0.9, y + 0.8);
    patch(canvas, &over, &own, Some(&cut.body), 0.9);
}
