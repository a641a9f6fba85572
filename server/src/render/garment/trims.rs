//! What is sewn on: hems, plackets, buttons, zips, pockets, belts, bows, lace, pearls, bands, studs, stripes.

use crate::render::attributes::*;
use crate::render::canvas::{Canvas, Class, Paint, Texel};
use crate::render::cloth::{Cloth, Frame};
use crate::render::noise::{saw, scale, wave};
use crate::render::outline::Outline;
use crate::render::palette::{linear, luma};
use crate::render::spec::ItemSpec;

use super::cut::{Cut, SleeveCut};
use super::emblem;
use super::tops::patch;

/// Bands that belong to the body panel and lie under the sleeves.
pub(crate) fn panels(canvas: &mut Canvas, spec: &ItemSpec, cut: &Cut, cloth: &Cloth) {
    let (hem, y) = (cut.hem + 3.0, cut.hem_y);
    let ribbed = matches!(spec.garment, Garment::Knit | Garment::Hoodie)
        || (spec.garment == Garment::Jacket && cloth.fabric != Fabric::Denim);
    if ribbed || (spec.garment == Garment::Jacket) {
        let own = if ribbed {
            cloth.trim(Fabric::Rib, scale(cloth.print.ground, 0.95))
        } else {
            cloth.clone()
        };
        let strip = Outline::new()
            .to(-hem, y - 5.6)
            .via(0.0, y - 4.6)
            .to(hem, y - 5.6)
            .to(hem, y + 3.0)
            .to(-hem, y + 3.0);
        patch(canvas, &strip, &own, Some(&cut.body), 1.0);
    } else {
        canvas.stitches(
            &[
                (-cut.hem + 0.3, y - 2.2),
                (0.0, y - 1.0),
                (cut.hem - 0.3, y - 2.2),
            ],
            None,
        );
    }
    if cloth.fabric == Fabric::Denim && spec.garment == Garment::Jacket {
        let thread = Some(linear(0xC98A4B));
        for side in [1.0, -1.0] {
            canvas.stitches(&[(cut.armpit.0 * side, 18.0), (2.0 * side, 17.0)], thread);
            canvas.stitches(&[(9.0 * side, 18.0), (5.5 * side, y - 6.0)], thread);
            canvas.stitches(&[(11.5 * side, 18.0), (8.5 * side, y - 6.0)], thread);
        }
    }
    if spec.garment == Garment::Blazer
        || (spec.garment == Garment::Coat && spec.waist == Waist::Nipped)
    {
        for side in [1.0, -1.0] {
            canvas.seam(
                &[
                    (9.5 * side, 20.0),
                    (7.6 * side, cut.waist_y),
                    (9.0 * side, 55.0),
                ],
                0.5,
            );
        }
    }
    let edge = |out: f32| {
        vec![
            (-cut.hem, y - 0.4 - out),
            (-cut.hem * 0.5, y + 0.6 - out),
            (0.0, y + 1.0 - out),
            (cut.hem * 0.5, y + 0.6 - out),
            (cut.hem, y - 0.4 - out),
        ]
    };
    match spec.trim {
        Trim::Band => {
            band_strip(
                canvas,
                cloth,
                &cut.body,
                (-hem, y - 9.0),
                (hem, y - 3.0),
                0.8,
            );
            if matches!(spec.garment, Garment::Dress | Garment::Coat) {
                band_strip(
                    canvas,
                    cloth,
                    &cut.body,
                    (-hem, y - 17.0),
                    (hem, y - 13.5),
                    0.6,
                );
            }
        }
        Trim::LaceEdge => scallops(canvas, &edge(-0.6), 1.9, Some(&cut.body)),
        Trim::Ruffle => {
            if matches!(spec.garment, Garment::Dress | Garment::Blouse) {
                ruffle(canvas, cloth, &edge(6.5), 7.0, Some(&cut.body));
            }
        }
        Trim::Piping if !ribbed => canvas.line(
            &Outline::line(&edge(0.9)),
            0.9,
            Some(cloth.print.second),
            0.9,
            None,
        ),
        _ => {}
    }
    if spec.garment == Garment::Dress && spec.waist != Waist::Straight {
        canvas.seam(
            &[
                (-cut.waist - 1.0, cut.waist_y - 0.4),
                (0.0, cut.waist_y + 0.6),
                (cut.waist + 1.0, cut.waist_y - 0.4),
            ],
            0.9,
        );
    }
}

/// Everything that lies on top.
pub(crate) fn details(canvas: &mut Canvas, spec: &ItemSpec, cut: &Cut, cloth: &Cloth) {
    pockets(canvas, spec, cut, cloth);
    let open_from = match spec.neck {
        Neck::Vee | Neck::Lapel | Neck::Hood => cut.depth + 0.6,
        Neck::Stand if matches!(spec.garment, Garment::Jacket | Garment::Coat) => cut.depth - 3.4,
        _ => cut.depth + 0.2,
    };
    closure(canvas, spec, cut, cloth, open_from);
    if spec.waist == Waist::Belted {
        belt(canvas, spec, cut, cloth);
    }
    emblem_on(canvas, spec, cut, cloth);
    let neckline = |out: f32| cut.neckline(spec.neck, out);
    match spec.trim {
        Trim::Bow if spec.neck != Neck::Sailor => {
            let at = match spec.neck {
                Neck::Vee | Neck::Lapel | Neck::Hood => (0.0, cut.depth + 1.4),
                _ => (0.0, cut.depth + 2.2),
            };
            bow(canvas, cloth, at, 1.15, cloth.print.second);
        }
        Trim::Ruffle => {
            let deep = if spec.neck == Neck::Vee { 5.0 } else { 4.2 };
            if !matches!(spec.neck, Neck::Lapel | Neck::Hood | Neck::Turtle) {
                ruffle(canvas, cloth, &neckline(1.2), deep, Some(&cut.body));
            }
        }
        Trim::LaceEdge => {
            if !matches!(spec.neck, Neck::Hood | Neck::Turtle) {
                let out = match spec.neck {
                    Neck::PeterPan => 7.2,
                    Neck::Collar => 4.8,
                    Neck::Lapel => 0.6,
                    _ => 2.2,
                };
                scallops(canvas, &neckline(out), 1.5, None);
            }
        }
        Trim::Pearls => {
            let out = match spec.neck {
                Neck::Collar | Neck::PeterPan => 5.4,
                Neck::Lapel => 1.2,
                Neck::Turtle => 2.6,
                _ => 1.5,
            };
            beads(canvas, &neckline(out), 1.5, 0.62, linear(0xF6F0E6));
            if spec.garment != Garment::Tee {
                let w = cut.waist * 0.9;
                if spec.waist == Waist::Nipped && spec.garment == Garment::Dress {
                    beads(
                        canvas,
                        &[
                            (-w, cut.waist_y - 1.6),
                            (0.0, cut.waist_y - 0.6),
                            (w, cut.waist_y - 1.6),
                        ],
                        1.8,
                        0.55,
                        linear(0xF6F0E6),
                    );
                }
            }
        }
        Trim::Band => {
            if !matches!(
                spec.neck,
                Neck::Lapel | Neck::Hood | Neck::Turtle | Neck::Collar
            ) {
                for (out, k) in [(1.4, 0usize), (2.6, 1), (3.8, 2)] {
                    let rgb = [cloth.print.second, [0.55, 0.35, 0.05], cloth.print.third][k];
                    beads(canvas, &neckline(out), 1.15, 0.5, rgb);
                }
            }
        }
        Trim::Studs => {
            let metal = linear(0xC9CCD2);
            let (n, s) = (cut.neck + 1.5, cut.shoulder);
            for side in [1.0, -1.0] {
                for row in 0..3 {
                    let d = row as f32 * 1.7;
                    beads(
                        canvas,
                        &[
                            ((n + 1.0) * side, cut.neck_y + 1.6 + d),
                            ((s.0 - 2.2) * side, s.1 + 1.4 + d),
                        ],
                        1.7,
                        0.55,
                        metal,
                    );
                }
            }
        }
        Trim::Piping => {
            if spec.closure == Closure::Buttons || spec.neck == Neck::Lapel {
                let line = Outline::line(&[(1.4, open_from), (1.6, cut.hem_y - 1.0)]);
                canvas.line(&line, 0.7, Some(cloth.print.second), 0.9, None);
            }
        }
        _ => {}
    }
}

/// What runs down a sleeve or round its end.
pub(crate) fn sleeve(canvas: &mut Canvas, spec: &ItemSpec, sleeve: &SleeveCut, cloth: &Cloth) {
    let end = sleeve.axis[2];
    let frame = Frame::along(sleeve.axis[1], end, 0.0);
    let d = frame.down;
    let ring = |back: f32, half: f32| {
        vec![
            (
                end.0 - d.0 * back - d.1 * half,
                end.1 - d.1 * back + d.0 * half,
            ),
            (
                end.0 - d.0 * back + d.1 * half,
                end.1 - d.1 * back - d.0 * half,
            ),
        ]
    };
    match spec.trim {
        Trim::SideStripe => {
            let rgb = if spec.look % 3 == 0 {
                cloth.print.third
            } else {
                cloth.print.second
            };
            for shift in [-1.5f32, 0.0, 1.5] {
                let line: Vec<_> = sleeve
                    .outer
                    .iter()
                    .map(|p| (p.0 + (shift - 1.4) * sleeve.side, p.1 + 0.2))
                    .collect();
                canvas.line(&Outline::line(&line), 0.95, Some(rgb), 0.92, None);
            }
        }
        Trim::Band => {
            let k = sleeve.half;
            let quad = |from: f32, to: f32| {
                let (a, b) = (ring(from, k), ring(to, k));
                Outline::new()
                    .to(a[0].0, a[0].1)
                    .to(a[1].0, a[1].1)
                    .to(b[1].0, b[1].1)
                    .to(b[0].0, b[0].1)
            };
            folk_strip(
                canvas,
                cloth,
                &quad(2.0, 6.5),
                &sleeve.outline,
                Frame {
                    origin: end,
                    down: d,
                    half: 0.0,
                },
            );
        }
        Trim::LaceEdge => scallops(canvas, &ring(-0.3, sleeve.half * 0.72), 1.5, None),
        Trim::Piping => canvas.line(
            &Outline::line(&ring(2.4, sleeve.half * 0.66)),
            0.8,
            Some(cloth.print.second),
            0.9,
            None,
        ),
        _ => {}
    }
}

fn pockets(canvas: &mut Canvas, spec: &ItemSpec, cut: &Cut, cloth: &Cloth) {
    let own = cloth.clone();
    let boxy = |x: f32, y: f32, w: f32, h: f32| {
        Outline::new()
            .to(x, y)
            .to(x + w, y)
            .to(x + w, y + h * 0.82)
            .to(x + w * 0.5, y + h)
            .to(x, y + h * 0.82)
    };
    let low = (cut.waist_y + 7.0).min(cut.hem_y - 14.0);
    match spec.pocket {
        Pocket::None => {}
        Pocket::Chest => {
            let (x, y) = (4.6, 18.0);
            patch(canvas, &boxy(x, y, 8.6, 9.6), &own, Some(&cut.body), 0.5);
            canvas.seam(&[(x, y), (x + 8.6, y)], 1.0);
            canvas.stitches(&[(x + 0.6, y + 1.4), (x + 8.0, y + 1.4)], None);
            canvas.stitches(
                &[
                    (x + 0.6, y + 0.6),
                    (x + 0.6, y + 7.4),
                    (x + 4.3, y + 9.0),
                    (x + 8.0, y + 7.4),
                    (x + 8.0, y + 0.6),
                ],
                None,
            );
        }
        Pocket::Patch => {
            for side in [1.0f32, -1.0] {
                let piece = boxy(4.6, low, 10.2, 11.0);
                let piece = if side < 0.0 { piece.flipped() } else { piece };
                patch(canvas, &piece, &own, Some(&cut.body), 0.6);
                canvas.stitches(&[(5.2 * side, low + 1.6), (14.2 * side, low + 1.6)], None);
                canvas.seam(&[(4.6 * side, low), (14.8 * side, low)], 1.0);
                canvas.seam(
                    &[
                        (4.6 * side, low),
                        (4.6 * side, low + 9.0),
                        (9.7 * side, low + 11.0),
                        (14.8 * side, low + 9.0),
                        (14.8 * side, low),
                    ],
                    0.8,
                );
            }
        }
        Pocket::Kangaroo => {
            let top = (cut.hem_y - 20.0).max(34.0);
            let piece = Outline::new()
                .to(7.4, top)
                .to(13.4, top + 9.0)
                .to(13.6, cut.hem_y - 5.0)
                .to(-13.6, cut.hem_y - 5.0)
                .to(-13.4, top + 9.0)
                .to(-7.4, top);
            patch(canvas, &piece, &own, Some(&cut.body), 0.8);
            for side in [1.0, -1.0] {
                canvas.stitches(
                    &[
                        (7.0 * side, top + 1.0),
                        (12.6 * side, top + 9.4),
                        (12.8 * side, cut.hem_y - 6.0),
                    ],
                    None,
                );
            }
        }
        Pocket::Flap => {
            for side in [1.0f32, -1.0] {
                let piece = Outline::new()
                    .to(4.9, low)
                    .to(14.6, low - 0.7)
                    .to(14.7, low + 3.6)
                    .to(4.8, low + 4.3);
                let piece = if side < 0.0 { piece.flipped() } else { piece };
                patch(canvas, &piece, &own, Some(&cut.body), 0.7);
                canvas.seam(&[(4.8 * side, low + 4.3), (14.7 * side, low + 3.6)], 1.0);
            }
        }
    }
}

fn closure(canvas: &mut Canvas, spec: &ItemSpec, cut: &Cut, cloth: &Cloth, from: f32) {
    let to = cut.hem_y - 0.5;
    let size = match spec.garment {
        Garment::Coat => 1.25,
        Garment::Blazer => 1.0,
        Garment::Knit | Garment::Jacket => 0.85,
        _ => 0.6,
    };
    match spec.closure {
        Closure::Buttons if matches!(spec.garment, Garment::Blazer | Garment::Coat) => {
            canvas.seam(&[(0.0, from), (0.9, cut.waist_y + 6.0), (1.4, to)], 1.0);
            let step = if spec.garment == Garment::Coat {
                14.0
            } else {
                9.5
            };
            let n = if spec.garment == Garment::Coat { 3 } else { 2 };
            for i in 0..n {
                button(
                    canvas,
                    spec,
                    cloth,
                    (0.4, from + 1.6 + i as f32 * step),
                    size,
                );
            }
        }
        Closure::Buttons => {
            for x in [-1.5, 1.5] {
                canvas.seam(&[(x, from), (x, to)], 0.7);
            }
            let step = if spec.garment == Garment::Shirt {
                7.8
            } else {
                8.6
            };
            let mut y = from + 1.6;
            while y < to - 3.0 {
                button(canvas, spec, cloth, (0.0, y), size);
                y += step;
            }
        }
        Closure::Double => {
            canvas.seam(&[(-4.0, from - 5.0), (-6.8, from + 4.0), (-6.8, to)], 1.0);
            let rows = if spec.garment == Garment::Coat { 4 } else { 3 };
            for i in 0..rows {
                for side in [1.0, -1.0] {
                    button(
                        canvas,
                        spec,
                        cloth,
                        (5.6 * side, from - 4.0 + i as f32 * 11.5),
                        size,
                    );
                }
            }
        }
        Closure::Zip => {
            let metal = if spec.hardware == Hardware::Gold {
                linear(0xC79A4A)
            } else {
                linear(0xB9BDC4)
            };
            let from = if spec.neck == Neck::Stand {
                from
            } else {
                from - 0.6
            };
            canvas.line(
                &Outline::line(&[(0.0, from), (0.0, to)]),
                2.2,
                None,
                0.35,
                None,
            );
            canvas.line(
                &Outline::line(&[(0.0, from), (0.0, to)]),
                0.75,
                Some(metal),
                0.85,
                Some((0.35, 0.22)),
            );
            let pull = |_: f32, _: f32, _: (f32, f32)| Texel {
                gloss: 0.6,
                ..Texel::flat(metal)
            };
            canvas.paint(
                &Outline::rounded(-0.55, from + 0.4, 0.55, from + 3.4, 0.4),
                &Paint::new(Class::Garment, &pull)
                    .round(0.5, 0.5)
                    .shadow(0.5, 0.4),
            );
        }
        Closure::Placket => {
            patch(
                canvas,
                &Outline::new()
                    .to(-1.6, from)
                    .to(1.6, from)
                    .to(1.6, from + 14.0)
                    .to(-1.6, from + 14.0),
                cloth,
                Some(&cut.body),
                0.5,
            );
            for i in 0..3 {
                button(canvas, spec, cloth, (0.0, from + 2.2 + i as f32 * 4.6), 0.6);
            }
        }
        _ => {}
    }
}

fn button(canvas: &mut Canvas, spec: &ItemSpec, cloth: &Cloth, at: (f32, f32), r: f32) {
    let (rgb, gloss, r) = match spec.hardware {
        Hardware::Pearl => (linear(0xF4EEE4), 0.7, r * 1.1),
        Hardware::Wood => (linear(0x9A6A3E), 0.12, r * 1.15),
        Hardware::Gold => (linear(0xC99B45), 0.75, r),
        Hardware::Silver => (linear(0xBFC3CA), 0.75, r),
        Hardware::Plain => {
            let g = cloth.print.ground;
            (
                if luma(g) > 0.3 {
                    scale(g, 0.72)
                } else {
                    scale(g, 1.7).map(|c| c + 0.02)
                },
                0.3,
                r,
            )
        }
    };
    let texel = |_: f32, _: f32, _: (f32, f32)| Texel {
        gloss,
        ..Texel::flat(rgb)
    };
    canvas.paint(
        &Outline::ellipse(at.0, at.1, r, r),
        &Paint::new(Class::Garment, &texel)
            .round(r * 0.7, r * 0.9)
            .shadow(0.5, 0.5),
    );
    if spec.hardware != Hardware::Pearl && r > 0.5 {
        for dx in [-0.22, 0.22] {
            canvas.line(
                &Outline::line(&[(at.0 + dx * r, at.1 - 0.1), (at.0 + dx * r, at.1 + 0.1)]),
                0.22,
                None,
                0.6,
                None,
            );
        }
    }
}

fn belt(canvas: &mut Canvas, spec: &ItemSpec, cut: &Cut, cloth: &Cloth) {
    let (w, y) = (cut.waist + 3.0, cut.waist_y);
    let tied = matches!(
        spec.garment,
        Garment::Coat | Garment::Blouse | Garment::Shirt | Garment::Knit
    ) || spec.look % 3 == 0;
    let own = if tied {
        cloth.clone()
    } else {
        cloth.trim(
            Fabric::Leather,
            if luma(cloth.print.ground) < 0.08 {
                linear(0x8A5A34)
            } else {
                linear(0x2B2624)
            },
        )
    };
    let strip = Outline::new()
        .to(-w, y - 2.1)
        .via(0.0, y - 1.2)
        .to(w, y - 2.1)
        .to(w, y + 1.7)
        .via(0.0, y + 2.6)
        .to(-w, y + 1.7);
    patch(canvas, &strip, &own, Some(&cut.body), 0.9);
    if tied {
        for (dx, len) in [(-1.2f32, 17.0f32), (2.6, 14.0)] {
            let tail = Outline::new()
                .to(-1.0, y + 1.0)
                .to(1.2, y + 1.0)
                .via(dx + 1.4, y + len * 0.5)
                .to(dx + 1.8, y + len)
                .to(dx - 1.6, y + len - 0.8)
                .via(dx * 0.6 - 1.2, y + len * 0.5);
            patch(canvas, &tail, &own, None, 0.6);
        }
        patch(
            canvas,
            &Outline::rounded(-1.9, y - 1.9, 1.9, y + 2.9, 1.0),
            &own,
            None,
            0.9,
        );
    } else {
        let metal = if spec.hardware == Hardware::Silver {
            linear(0xC4C7CC)
        } else {
            linear(0xCFA452)
        };
        let texel = |_: f32, _: f32, _: (f32, f32)| Texel {
            gloss: 0.7,
            ..Texel::flat(metal)
        };
        canvas.paint(
            &Outline::rounded(-2.3, y - 1.9, 2.3, y + 3.2, 0.8),
            &Paint::new(Class::Garment, &texel)
                .round(0.5, 0.5)
                .shadow(0.5, 0.5),
        );
        patch(
            canvas,
            &Outline::rounded(-1.4, y - 1.0, 1.4, y + 2.3, 0.4),
            &own,
            None,
            0.3,
        );
    }
}

fn emblem_on(canvas: &mut Canvas, spec: &ItemSpec, cut: &Cut, cloth: &Cloth) {
    let ink = if spec.pattern == Pattern::Plain
        || (cloth.print.second[1] - cloth.print.ground[1]).abs() > 0.15
    {
        cloth.print.second
    } else {
        linear(0xF2F2F2)
    };
    let middle = cut.depth.max(9.0);
    match spec.logo {
        Logo::None => {}
        Logo::Small => emblem::mark(
            canvas,
            (
                if spec.pocket == Pocket::Chest {
                    8.9
                } else {
                    8.2
                },
                if spec.pocket == Pocket::Chest {
                    23.0
                } else {
                    18.5
                },
            ),
            2.2,
            ink,
            spec.look,
        ),
        Logo::Word => emblem::word(canvas, (0.0, middle + 12.0), 18.0, ink, spec.look),
        Logo::Emblem => emblem::graphic(
            canvas,
            (0.0, middle + 14.5),
            8.6,
            [ink, cloth.print.third],
            spec.look,
        ),
    }
}

/// A bow of two loops, a knot and two tails.
pub(crate) fn bow(canvas: &mut Canvas, cloth: &Cloth, at: (f32, f32), size: f32, rgb: [f32; 3]) {
    let own = cloth.trim(Fabric::Satin, rgb);
    let (x, y, k) = (at.0, at.1, size);
    for side in [1.0f32, -1.0] {
        let tail = Outline::new()
            .to(x, y)
            .via(x + 2.6 * k * side, y + 4.4 * k)
            .to(x + 3.6 * k * side, y + 8.6 * k)
            .to(x + 1.2 * k * side, y + 8.0 * k)
            .via(x + 0.8 * k * side, y + 4.0 * k);
        patch(canvas, &tail, &own, None, 0.7);
        let wing = Outline::new()
            .to(x, y - 0.3)
            .via(x + 2.6 * k * side, y - 2.5 * k)
            .via(x + 5.2 * k * side, y - 2.2 * k)
            .via(x + 5.6 * k * side, y + 1.4 * k)
            .via(x + 2.8 * k * side, y + 1.6 * k);
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

/// Small raised beads along a line.
pub(crate) fn beads(canvas: &mut Canvas, points: &[(f32, f32)], step: f32, r: f32, rgb: [f32; 3]) {
    let texel = |_: f32, _: f32, _: (f32, f32)| Texel {
        gloss: 0.6,
        ..Texel::flat(rgb)
    };
    along(points, step, |x, y, _| {
        canvas.paint(
            &Outline::ellipse(x, y, r, r),
            &Paint::new(Class::Garment, &texel)
                .round(r * 0.9, r)
                .shadow(0.45, 0.3),
        );
    });
}

/// A lace edging: white scallops with holes.
fn scallops(canvas: &mut Canvas, points: &[(f32, f32)], size: f32, _within: Option<&Outline>) {
    let white = linear(0xF8F5EF);
    let texel = |x: f32, y: f32, _: (f32, f32)| {
        let hole = saw((x + y) / 0.8) < 0.13 || saw((x - y) / 0.8) < 0.13;
        Texel {
            height: 0.03 * wave(x * 1.3),
            ..Texel::flat(scale(white, if hole { 0.72 } else { 1.0 }))
        }
    };
    along(points, size * 1.25, |x, y, _| {
        canvas.paint(
            &Outline::ellipse(x, y, size * 0.8, size * 0.8),
            &Paint::new(Class::Garment, &texel)
                .round(0.2, 0.5)
                .shadow(0.35, 0.4),
        );
    });
    let line: Vec<_> = points.iter().map(|p| (p.0, p.1 - size * 0.15)).collect();
    canvas.line(&Outline::line(&line), 0.6, Some(white), 0.9, None);
}

/// A gathered frill that hangs from a line.
fn ruffle(
    canvas: &mut Canvas,
    cloth: &Cloth,
    points: &[(f32, f32)],
    deep: f32,
    _within: Option<&Outline>,
) {
    let mut top = Vec::new();
    along(points, 1.4, |x, y, i| top.push((x, y, i)));
    if top.len() < 3 {
        return;
    }
    let mut o = Outline::new();
    for p in &top {
        o = o.via(p.0, p.1);
    }
    for p in top.iter().rev() {
        let w = wave(p.2 as f32 * 0.31);
        o = o.via(p.0 * 1.03, p.1 + deep * (0.86 + 0.12 * w));
    }
    let frame = Frame::straight(0.0);
    let texel = |x: f32, y: f32, s: (f32, f32)| {
        let mut t = cloth.texel(&frame, x, y, s);
        t.height += 0.55 * wave(x / 2.9 + 0.1 * wave(y / 3.0));
        t
    };
    canvas.paint(
        &o,
        &Paint::new(Class::Garment, &texel)
            .round(0.8, 1.0)
            .shadow(0.5, 1.0),
    );
    canvas.line(&Outline::line(points), 0.35, None, 0.4, None);
}

fn band_strip(
    canvas: &mut Canvas,
    cloth: &Cloth,
    within: &Outline,
    from: (f32, f32),
    to: (f32, f32),
    _lift: f32,
) {
    let strip = Outline::new()
        .to(from.0, from.1)
        .via(0.0, from.1 + 1.2)
        .to(to.0, from.1)
        .to(to.0, to.1)
        .via(0.0, to.1 + 1.2)
        .to(from.0, to.1);
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

/// An embroidered band: zigzag and lozenges in the item's colours.
fn folk_strip(canvas: &mut Canvas, cloth: &Cloth, strip: &Outline, within: &Outline, frame: Frame) {
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
            .inside(within),
    );
}

/// Calls `f` at even steps along a polyline.
pub(crate) fn along(points: &[(f32, f32)], step: f32, mut f: impl FnMut(f32, f32, usize)) {
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
