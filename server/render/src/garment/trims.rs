//! Drawing of trims on hems, necklines, sleeves and fronts, in the order of their layers.

use crate::attributes::*;
use crate::canvas::Canvas;
use crate::cloth::{Cloth, Frame};
use crate::noise::scale;
use crate::outline::Outline;
use crate::palette::linear;
use crate::spec::ItemSpec;

use super::cut::{Cut, SleeveCut};
use super::patch::patch;
use super::sewn::{band_strip, beads, bow, folk_strip, ruffle, scallops};
use super::{emblem, fastenings};

/// Draws bands, seams and edges of the body panel, below the sleeves.
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
            .corner(-hem, y - 5.6)
            .smooth(0.0, y - 4.6)
            .corner(hem, y - 5.6)
            .corner(hem, y + 3.0)
            .corner(-hem, y + 3.0);
        patch(canvas, &strip, &own, Some(&cut.body), 1.0);
    } else {
        canvas.stitches(
            &[(-cut.hem + 0.3, y - 2.2), (0.0, y - 1.0), (cut.hem - 0.3, y - 2.2)],
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
    if spec.garment == Garment::Blazer || (spec.garment == Garment::Coat && spec.waist == Waist::Nipped) {
        for side in [1.0, -1.0] {
            canvas.seam(
                &[(9.5 * side, 20.0), (7.6 * side, cut.waist_y), (9.0 * side, 55.0)],
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
            band_strip(canvas, cloth, &cut.body, (-hem, y - 9.0), (hem, y - 3.0));
            if matches!(spec.garment, Garment::Dress | Garment::Coat) {
                band_strip(canvas, cloth, &cut.body, (-hem, y - 17.0), (hem, y - 13.5));
            }
        }
        Trim::LaceEdge => scallops(canvas, &edge(-0.6), 1.9),
        Trim::Ruffle => {
            if matches!(spec.garment, Garment::Dress | Garment::Blouse) {
                ruffle(canvas, cloth, &edge(6.5), 7.0);
            }
        }
        Trim::Piping if !ribbed => canvas.line(&Outline::line(&edge(0.9)), 0.9, Some(cloth.print.second), 0.9, None),
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

/// Draws pockets, closure, belt, logo and trims on top of the body panel.
pub(crate) fn details(canvas: &mut Canvas, spec: &ItemSpec, cut: &Cut, cloth: &Cloth) {
    fastenings::pockets(canvas, spec, cut, cloth);
    let open_from = match spec.neck {
        Neck::Vee | Neck::Lapel | Neck::Hood => cut.depth + 0.6,
        Neck::Stand if matches!(spec.garment, Garment::Jacket | Garment::Coat) => cut.depth - 3.4,
        _ => cut.depth + 0.2,
    };
    fastenings::closure(canvas, spec, cut, cloth, open_from);
    if spec.waist == Waist::Belted {
        fastenings::belt(canvas, spec, cut, cloth);
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
                ruffle(canvas, cloth, &neckline(1.2), deep);
            }
        }
        Trim::LaceEdge if !matches!(spec.neck, Neck::Hood | Neck::Turtle) => {
            let out = match spec.neck {
                Neck::PeterPan => 7.2,
                Neck::Collar => 4.8,
                Neck::Lapel => 0.6,
                _ => 2.2,
            };
            scallops(canvas, &neckline(out), 1.5);
        }
        Trim::Pearls => {
            let out = match spec.neck {
                Neck::Collar | Neck::PeterPan => 5.4,
                Neck::Lapel => 1.2,
                Neck::Turtle => 2.6,
                _ => 1.5,
            };
            beads(canvas, &neckline(out), 1.5, 0.62, linear(0xF6F0E6));
            if spec.waist == Waist::Nipped && spec.garment == Garment::Dress {
                let w = cut.waist * 0.9;
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
        Trim::Band if !matches!(spec.neck, Neck::Lapel | Neck::Hood | Neck::Turtle | Neck::Collar) => {
            for (out, k) in [(1.4, 0usize), (2.6, 1), (3.8, 2)] {
                let rgb = [cloth.print.second, [0.55, 0.35, 0.05], cloth.print.third][k];
                beads(canvas, &neckline(out), 1.15, 0.5, rgb);
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
        Trim::Piping if spec.closure == Closure::Buttons || spec.neck == Neck::Lapel => {
            let line = Outline::line(&[(1.4, open_from), (1.6, cut.hem_y - 1.0)]);
            canvas.line(&line, 0.7, Some(cloth.print.second), 0.9, None);
        }
        _ => {}
    }
}

/// Draws trims along a sleeve or around its end.
pub(crate) fn sleeve(canvas: &mut Canvas, spec: &ItemSpec, sleeve: &SleeveCut, cloth: &Cloth) {
    let end = sleeve.axis[2];
    let frame = Frame::along(sleeve.axis[1], end, 0.0);
    let d = frame.down;
    let ring = |back: f32, half: f32| {
        vec![
            (end.0 - d.0 * back - d.1 * half, end.1 - d.1 * back + d.0 * half),
            (end.0 - d.0 * back + d.1 * half, end.1 - d.1 * back - d.0 * half),
        ]
    };
    match spec.trim {
        Trim::SideStripe => {
            let rgb = if spec.look.is_multiple_of(3) {
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
                    .corner(a[0].0, a[0].1)
                    .corner(a[1].0, a[1].1)
                    .corner(b[1].0, b[1].1)
                    .corner(b[0].0, b[0].1)
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
        Trim::LaceEdge => scallops(canvas, &ring(-0.3, sleeve.half * 0.72), 1.5),
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

/// Draws the logo of a top.
fn emblem_on(canvas: &mut Canvas, spec: &ItemSpec, cut: &Cut, cloth: &Cloth) {
    let ink = if spec.pattern == Pattern::Plain || (cloth.print.second[1] - cloth.print.ground[1]).abs() > 0.15 {
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
                if spec.pocket == Pocket::Chest { 8.9 } else { 8.2 },
                if spec.pocket == Pocket::Chest { 23.0 } else { 18.5 },
            ),
            2.2,
            ink,
            spec.look,
        ),
        Logo::Word => emblem::word(canvas, (0.0, middle + 12.0), 18.0, ink, spec.look),
        Logo::Emblem => emblem::graphic(canvas, (0.0, middle + 14.5), 8.6, [ink, cloth.print.third], spec.look),
    }
}
