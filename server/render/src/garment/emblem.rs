//! Drawing of invented logos: marks, words and graphics.

use crate::canvas::Canvas;
use crate::outline::Outline;
use crate::random::Dice;

/// Draws a small mark of about `r` centimetres in radius.
pub(crate) fn mark(canvas: &mut Canvas, at: (f32, f32), r: f32, ink: [f32; 3], look: u64) {
    let (x, y) = at;
    match Dice::new(look, 0x3A).index(4) {
        0 => {
            canvas.line(
                &Outline::line(&[(x - r, y), (x - r * 0.2, y + r * 0.6), (x + r, y - r * 0.7)]),
                r * 0.34,
                Some(ink),
                0.95,
                None,
            );
        }
        1 => {
            for i in 0..3 {
                let dx = (i as f32 - 1.0) * r * 0.62;
                canvas.line(
                    &Outline::line(&[(x + dx - r * 0.25, y + r * 0.6), (x + dx + r * 0.25, y - r * 0.6)]),
                    r * 0.26,
                    Some(ink),
                    0.95,
                    None,
                );
            }
        }
        2 => {
            canvas.line(
                &Outline::ellipse(x, y, r * 0.8, r * 0.8),
                r * 0.22,
                Some(ink),
                0.95,
                None,
            );
            canvas.line(
                &Outline::line(&[(x - r * 0.4, y), (x + r * 0.4, y)]),
                r * 0.26,
                Some(ink),
                0.95,
                None,
            );
        }
        _ => {
            let tri = Outline::new()
                .corner(x, y - r * 0.8)
                .corner(x + r * 0.9, y + r * 0.7)
                .corner(x - r * 0.9, y + r * 0.7);
            canvas.line(&tri, r * 0.26, Some(ink), 0.95, None);
        }
    }
}

/// Draws a word in capital letters, `width` centimetres wide.
pub(crate) fn word(canvas: &mut Canvas, at: (f32, f32), width: f32, ink: [f32; 3], look: u64) {
    const WORDS: [&str; 8] = ["NOVA", "KITE", "ATLAS", "VOLT", "LINEN", "OKTAV", "MIX", "EAST"];
    let mut dice = Dice::new(look, 0x30D);
    let text = dice.pick(&WORDS);
    let n = text.len() as f32;
    let pitch = width / n;
    let (w, h) = (pitch * 0.68, pitch * dice.range(0.9, 1.5));
    let x0 = at.0 - width * 0.5 + (pitch - w) * 0.5;
    for (i, letter) in text.bytes().enumerate() {
        let left = x0 + i as f32 * pitch;
        for stroke in strokes(letter) {
            let points: Vec<(f32, f32)> = stroke
                .iter()
                .map(|&(x, y)| (left + x * w, at.1 + (y - 0.5) * h))
                .collect();
            for pair in points.windows(2) {
                canvas.line(&Outline::line(pair), pitch * 0.17, Some(ink), 0.93, None);
            }
        }
    }
}

/// Strokes of a capital letter in the unit square.
fn strokes(letter: u8) -> &'static [&'static [(f32, f32)]] {
    match letter {
        b'A' => &[&[(0.0, 1.0), (0.5, 0.0), (1.0, 1.0)], &[(0.22, 0.62), (0.78, 0.62)]],
        b'E' => &[
            &[(1.0, 0.0), (0.0, 0.0), (0.0, 1.0), (1.0, 1.0)],
            &[(0.0, 0.5), (0.8, 0.5)],
        ],
        b'I' => &[&[(0.5, 0.0), (0.5, 1.0)]],
        b'K' => &[&[(0.0, 0.0), (0.0, 1.0)], &[(1.0, 0.0), (0.0, 0.55), (1.0, 1.0)]],
        b'L' => &[&[(0.0, 0.0), (0.0, 1.0), (1.0, 1.0)]],
        b'M' => &[&[(0.0, 1.0), (0.0, 0.0), (0.5, 0.6), (1.0, 0.0), (1.0, 1.0)]],
        b'N' => &[&[(0.0, 1.0), (0.0, 0.0), (1.0, 1.0), (1.0, 0.0)]],
        b'O' => &[&[
            (0.0, 0.2),
            (0.2, 0.0),
            (0.8, 0.0),
            (1.0, 0.2),
            (1.0, 0.8),
            (0.8, 1.0),
            (0.2, 1.0),
            (0.0, 0.8),
            (0.0, 0.2),
        ]],
        b'S' => &[&[
            (1.0, 0.1),
            (0.2, 0.0),
            (0.0, 0.28),
            (0.9, 0.6),
            (1.0, 0.85),
            (0.8, 1.0),
            (0.0, 0.92),
        ]],
        b'T' => &[&[(0.0, 0.0), (1.0, 0.0)], &[(0.5, 0.0), (0.5, 1.0)]],
        b'V' => &[&[(0.0, 0.0), (0.5, 1.0), (1.0, 0.0)]],
        _ => &[&[(0.0, 0.0), (1.0, 1.0)], &[(1.0, 0.0), (0.0, 1.0)]],
    }
}

/// Draws a large graphic of about `r` centimetres in radius.
pub(crate) fn graphic(canvas: &mut Canvas, at: (f32, f32), r: f32, inks: [[f32; 3]; 2], look: u64) {
    let (x, y) = at;
    let mut dice = Dice::new(look, 0x6F);
    match dice.index(4) {
        0 => {
            for i in 0..9 {
                let t = (i as f32 + 0.5) / 9.0 * 2.0 - 1.0;
                let half = (1.0 - t * t).max(0.0).sqrt() * r;
                canvas.line(
                    &Outline::line(&[(x - half, y + t * r), (x + half, y + t * r)]),
                    r * 0.13,
                    Some(inks[i % 2]),
                    0.92,
                    None,
                );
            }
        }
        1 => {
            let bolt = Outline::new()
                .corner(x + r * 0.25, y - r)
                .corner(x - r * 0.55, y + r * 0.1)
                .corner(x - r * 0.05, y + r * 0.1)
                .corner(x - r * 0.25, y + r)
                .corner(x + r * 0.6, y - r * 0.2)
                .corner(x + r * 0.1, y - r * 0.2);
            canvas.line(&bolt, r * 0.2, Some(inks[0]), 0.95, None);
            canvas.line(
                &Outline::ellipse(x, y, r * 1.05, r * 1.05),
                r * 0.12,
                Some(inks[1]),
                0.95,
                None,
            );
        }
        2 => {
            // A skull with eyes and teeth.
            let crown = Outline::new()
                .corner(x - r * 0.45, y + r * 0.5)
                .smooth(x - r * 0.85, y - r * 0.1)
                .smooth(x - r * 0.5, y - r * 0.85)
                .smooth(x, y - r)
                .smooth(x + r * 0.5, y - r * 0.85)
                .smooth(x + r * 0.85, y - r * 0.1)
                .corner(x + r * 0.45, y + r * 0.5)
                .corner(x + r * 0.4, y + r * 0.95)
                .corner(x - r * 0.4, y + r * 0.95);
            canvas.line(&crown, r * 0.14, Some(inks[0]), 0.95, None);
            for side in [1.0, -1.0] {
                canvas.line(
                    &Outline::ellipse(x + 0.36 * r * side, y - r * 0.1, r * 0.13, r * 0.15),
                    r * 0.2,
                    Some(inks[0]),
                    0.95,
                    None,
                );
            }
            for i in -1..=1 {
                canvas.line(
                    &Outline::line(&[
                        (x + i as f32 * r * 0.2, y + r * 0.6),
                        (x + i as f32 * r * 0.2, y + r * 0.92),
                    ]),
                    r * 0.09,
                    Some(inks[0]),
                    0.95,
                    None,
                );
            }
        }
        _ => {
            let mut star = Outline::new();
            const TIPS: [(f32, f32); 10] = [
                (0.0, -1.0),
                (0.22, -0.31),
                (0.95, -0.31),
                (0.36, 0.12),
                (0.59, 0.81),
                (0.0, 0.38),
                (-0.59, 0.81),
                (-0.36, 0.12),
                (-0.95, -0.31),
                (-0.22, -0.31),
            ];
            for (dx, dy) in TIPS {
                star = star.corner(x + dx * r, y + dy * r);
            }
            canvas.line(&star, r * 0.16, Some(inks[0]), 0.95, None);
            canvas.line(
                &Outline::ellipse(x, y, r * 0.16, r * 0.16),
                r * 0.22,
                Some(inks[1]),
                0.95,
                None,
            );
        }
    }
}
