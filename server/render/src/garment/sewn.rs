//! Ornaments of garments, shoes and bags: bows, beads, lace, ruffles and embroidered bands.

use crate::attributes::*;
use crate::canvas::Canvas;
use crate::cloth::{Cloth, Frame};
use crate::noise::{saw, scale, wave};
use crate::outline::Outline;
use crate::paint::{Class, Paint, Texel};
use crate::palette::linear;

use super::patch::patch;

/// Draws a bow of two loops, a knot and two tails.
pub(crate) fn bow(canvas: &mut Canvas, cloth: &Cloth, at: (f32, f32), size: f32, rgb: [f32; 3]) {
    let own = cloth.trim(Fabric::Satin, rgb);
    let (x, y, k) = (at.0, at.1, size);
    for side in [1.0f32, -1.0] {
        let tail = Outline::new()
            .corner(x, y)
            .smooth(x + 2.6 * k * side, y + 4.4 * k)
            .corner(x + 3.6 * k * side, y + 8.6 * k)
            .corner(x + 1.2 * k * side, y + 8.0 * k)
            .smooth(x + 0.8 * k * side, y + 4.0 * k);
        patch(canvas, &tail, &own, None, 0.7);
        let wing = Outline::new()
            .corner(x, y - 0.3)
            .smooth(x + 2.6 * k * side, y - 2.5 * k)
            .smooth(x + 5.2 * k * side, y - 2.2 * k)
            .smooth(x + 5.6 * k * side, y + 1.4 * k)
            .smooth(x + 2.8 * k * side, y + 1.6 * k);
        patch(canvas, &wing, &own, None, 1.3);
        canvas.line(
            &Outline::line(&[(x + 0.8 * side, y - 0.1), (x + 3.4 * k * side, y - 0.4)]),
            0.35,
            None,
            0.35,
            None,
        );
    }
    patch(
        canvas,
        &Outline::rounded(x - 0.9 * k, y - 1.1 * k, x + 0.9 * k, y + 1.0 * k, 0.5 * k),
        &own,
        None,
        0.9,
    );
}

/// Draws raised beads of radius `r` at distances of `step` along a line.
pub(crate) fn beads(canvas: &mut Canvas, points: &[(f32, f32)], step: f32, r: f32, rgb: [f32; 3]) {
    let texel = |_: f32, _: f32, _: (f32, f32)| Texel {
        gloss: 0.6,
        ..Texel::flat(rgb)
    };
    each_step(points, step, |x, y, _| {
        canvas.paint(
            &Outline::ellipse(x, y, r, r),
            &Paint::new(Class::Garment, &texel).round(r * 0.9, r).shadow(0.45, 0.3),
        );
    });
}

/// Draws a lace edge of white scallops with holes.
pub(crate) fn scallops(canvas: &mut Canvas, points: &[(f32, f32)], size: f32) {
    let white = linear(0xF8F5EF);
    let texel = |x: f32, y: f32, _: (f32, f32)| {
        let hole = saw((x + y) / 0.8) < 0.13 || saw((x - y) / 0.8) < 0.13;
        Texel {
            height: 0.03 * wave(x * 1.3),
            ..Texel::flat(scale(white, if hole { 0.72 } else { 1.0 }))
        }
    };
    each_step(points, size * 1.25, |x, y, _| {
        canvas.paint(
            &Outline::ellipse(x, y, size * 0.8, size * 0.8),
            &Paint::new(Class::Garment, &texel).round(0.2, 0.5).shadow(0.35, 0.4),
        );
    });
    let line: Vec<_> = points.iter().map(|p| (p.0, p.1 - size * 0.15)).collect();
    canvas.line(&Outline::line(&line), 0.6, Some(white), 0.9, None);
}

/// Draws a ruffle that hangs `deep` centimetres from a line.
pub(crate) fn ruffle(canvas: &mut Canvas, cloth: &Cloth, points: &[(f32, f32)], deep: f32) {
    let mut top = Vec::new();
    each_step(points, 1.4, |x, y, i| top.push((x, y, i)));
    if top.len() < 3 {
        return;
    }
    let mut o = Outline::new();
    for p in &top {
        o = o.smooth(p.0, p.1);
    }
    for p in top.iter().rev() {
        let w = wave(p.2 as f32 * 0.31);
        o = o.smooth(p.0 * 1.03, p.1 + deep * (0.86 + 0.12 * w));
    }
    let frame = Frame::straight(0.0);
    let texel = |x: f32, y: f32, s: (f32, f32)| {
        let mut t = cloth.texel(&frame, x, y, s);
        t.height += 0.55 * wave(x / 2.9 + 0.1 * wave(y / 3.0));
        t
    };
    canvas.paint(&o, &Paint::new(Class::Garment, &texel).round(0.8, 1.0).shadow(0.5, 1.0));
    canvas.line(&Outline::line(points), 0.35, None, 0.4, None);
}

/// Draws an embroidered band across a panel, between the corners `from` and `to`.
pub(crate) fn band_strip(canvas: &mut Canvas, cloth: &Cloth, within: &Outline, from: (f32, f32), to: (f32, f32)) {
    let strip = Outline::new()
        .corner(from.0, from.1)
        .smooth(0.0, from.1 + 1.2)
        .corner(to.0, from.1)
        .corner(to.0, to.1)
        .smooth(0.0, to.1 + 1.2)
        .corner(from.0, to.1);
    folk_strip(
        canvas,
        cloth,
        &strip,
        within,
        Frame {
            origin: (0.0, to.1),
            down: (0.0, 1.0),
            half: 0.0,
        },
    );
}

/// Draws an embroidered band with zigzags and diamonds in the colours of the cloth.
pub(crate) fn folk_strip(canvas: &mut Canvas, cloth: &Cloth, strip: &Outline, within: &Outline, frame: Frame) {
    let (a, b, gold) = (cloth.print.second, cloth.print.third, [0.60, 0.38, 0.06]);
    let dark = scale(cloth.print.ground, 0.35);
    let texel = |x: f32, y: f32, _: (f32, f32)| {
        let (px, py) = (x - frame.origin.0, y - frame.origin.1);
        let u = px * frame.down.1 - py * frame.down.0;
        let v = px * frame.down.0 + py * frame.down.1;
        let (zig, t) = (saw(u / 2.4) * 2.0, saw(v / 4.6) * 2.0);
        let rgb = if t < 0.12 {
            gold
        } else if t + zig < 0.75 {
            a
        } else if t + zig < 1.05 {
            gold
        } else if t > 0.55 && t - zig > 0.42 {
            b
        } else {
            dark
        };
        Texel {
            height: 0.05 * wave((u + v) / 0.4),
            ..Texel::flat(rgb)
        }
    };
    canvas.paint(
        strip,
        &Paint::new(Class::Garment, &texel)
            .round(0.3, 0.6)
            .shadow(0.2, 0.4)
            .clip(within),
    );
}

/// Calls `f` with position and index at even steps along a polyline.
pub(crate) fn each_step(points: &[(f32, f32)], step: f32, mut f: impl FnMut(f32, f32, usize)) {
    let mut left = step * 0.5;
    let mut index = 0;
    for pair in points.windows(2) {
        let (a, b) = (pair[0], pair[1]);
        let (dx, dy) = (b.0 - a.0, b.1 - a.1);
        let len = (dx * dx + dy * dy).sqrt();
        while left < len {
            let t = left / len;
            f(a.0 + dx * t, a.1 + dy * t, index);
            index += 1;
            left += step;
        }
        left -= len;
    }
}
