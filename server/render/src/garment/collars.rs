//! Drawing of necklines, collars, lapels and hoods.

use crate::attributes::*;
use crate::canvas::Canvas;
use crate::cloth::{Cloth, Frame};
use crate::noise::scale;
use crate::outline::Outline;
use crate::paint::{Class, Paint, Texel};
use crate::palette::linear;
use crate::spec::ItemSpec;

use super::cut::Cut;
use super::patch::patch;

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
            .smooth(0.0, -23.0)
            .smooth(9.5, -19.0)
            .smooth(12.8, -8.0)
            .smooth(12.0, 2.0)
            .corner(9.5, 6.0)
            .corner(0.0, 10.0)
            .mirrored(0.0);
        let texel = |x: f32, y: f32, s: (f32, f32)| cloth.texel(&frame, x, y, s);
        canvas.paint(&shell, &Paint::new(Class::Garment, &texel).round(4.5, 5.0));
        let mouth = Outline::new()
            .smooth(0.0, -18.5)
            .smooth(6.2, -15.0)
            .smooth(8.6, -6.0)
            .smooth(8.2, 3.0)
            .corner(6.0, 9.0)
            .corner(0.0, 12.0)
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
        .corner(-n - 0.4, y + 0.6)
        .smooth(-n * 0.6, y + dip * 0.8)
        .smooth(0.0, y + dip)
        .smooth(n * 0.6, y + dip * 0.8)
        .corner(n + 0.4, y + 0.6)
        .smooth(n * 0.7, floor * 0.7)
        .smooth(0.0, floor)
        .smooth(-n * 0.7, floor * 0.7);
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

/// Outline of a band along the neckline, between the offsets `from` and `to`.
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
            o.corner(p.0, p.1)
        } else {
            o.smooth(p.0, p.1)
        };
    }
    for (i, p) in b.iter().enumerate().rev() {
        o = if corner(i, b.len()) {
            o.corner(p.0, p.1)
        } else {
            o.smooth(p.0, p.1)
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

/// Draws the two leaves of a shirt collar, or of a Peter Pan collar if `round`.
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
            .corner(0.1, d - 0.2)
            .smooth(n * 0.55, d * 0.75)
            .smooth(n * 0.95, d * 0.3)
            .corner(n * 0.9, y - 1.6)
            .corner(n + 4.4, y + 3.0)
            .smooth(n + 3.4, d + 3.4)
            .smooth(n * 0.75, d + 6.8)
            .smooth(n * 0.22, d + 5.2)
    } else {
        let reach = if big { 3.0 } else { 0.0 };
        Outline::new()
            .corner(0.2, d - 0.6)
            .smooth(n * 0.5, d * 0.55)
            .corner(n * 0.86, y - 3.3)
            .smooth(n + 1.4, y - 0.4)
            .corner(n + 2.6 + reach * 0.6, y + 2.2)
            .corner(6.8 + reach, d + 6.6 + reach)
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
        .smooth(0.0, -5.6)
        .smooth(n * 0.6, -6.0)
        .corner(n * 0.88, -6.6)
        .smooth(n * 0.98, -2.0)
        .corner(n + 0.9, y + 1.6)
        .smooth(n * 0.6, d + 1.4)
        .smooth(0.0, d + 2.2)
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
        .corner(0.15, d + 0.4)
        .smooth(n * 0.55, d * 0.8 + 0.5)
        .corner(n + 0.3, y + 0.4)
        .corner(n * 0.9, y - high)
        .smooth(n * 0.5, d * 0.75 - high)
        .corner(0.15, d - high + 0.6);
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
        .corner(0.0, d + 0.4)
        .smooth(n * 0.50, d * 0.50)
        .corner(n * 0.86, notch * 0.62)
        .corner(10.4 + wide, notch * 0.86)
        .corner(12.6 + wide, notch * 0.74)
        .smooth(9.4 + wide * 0.8, d * 0.66);
    let collar = Outline::new()
        .corner(n * 0.80, notch * 0.75)
        .smooth(n * 0.92, y + 2.0)
        .corner(n * 0.70, y - 3.4)
        .smooth(n + 1.2, y - 0.6)
        .corner(n + 3.8 + wide * 0.5, y + 4.2)
        .corner(11.2 + wide, notch * 0.70)
        .corner(10.2 + wide, notch * 0.90);
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
        .corner(-1.6, d + 1.6)
        .smooth(3.4, d - 1.4)
        .smooth(7.6, 3.4)
        .smooth(8.4, -5.0)
        .corner(7.6, -9.0)
        .smooth(11.4, -4.0)
        .smooth(11.6, 2.8)
        .smooth(8.6, 8.4)
        .smooth(4.0, d + 2.4);
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
        .corner(0.0, d + 0.5)
        .smooth(n * 0.5, d * 0.52)
        .corner(n * 0.9, y - 1.0)
        .corner(cut.shoulder.0 * 0.84, cut.shoulder.1 + 1.2)
        .smooth(cut.shoulder.0 * 0.70, d * 0.72)
        .corner(1.2, d + 3.6);
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
        .corner(-n - 0.2, y - 1.5)
        .smooth(-n * 0.45, d * 0.5)
        .corner(1.5, d + 4.0)
        .corner(-1.5, d + 6.0)
        .smooth(-n * 0.5 - w, d * 0.55)
        .corner(-n - w * 0.9, y + 0.8);
    patch(canvas, &under, &own, None, 0.7);
    let over = Outline::new()
        .corner(n + 0.2, y - 1.5)
        .smooth(n * 0.45, d * 0.5)
        .corner(-cut.waist * 0.62, cut.waist_y - 1.0)
        .corner(-cut.waist * 0.62 + 2.6, cut.waist_y + 3.0)
        .smooth(n * 0.5 + w, d * 0.58)
        .corner(n + w * 0.9, y + 0.8);
    patch(canvas, &over, &own, Some(&cut.body), 0.9);
}
