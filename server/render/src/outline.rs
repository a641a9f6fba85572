//! Closed shapes and open lines in garment space: centimetres, x to the right, y down, origin at the pit of the neck.

use tiny_skia::{Path, PathBuilder};

/// A point of an outline; the curve has a corner there or runs through smoothly.
#[derive(Clone, Copy, Debug)]
struct Knot {
    x: f32,
    y: f32,
    corner: bool,
}

/// A curve through points (Catmull-Rom between corners).
#[derive(Clone, Debug, Default)]
pub(crate) struct Outline {
    knots: Vec<Knot>,
    open: bool,
}

impl Outline {
    /// An empty closed outline.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Adds a corner.
    pub(crate) fn to(mut self, x: f32, y: f32) -> Self {
        self.knots.push(Knot { x, y, corner: true });
        self
    }

    /// Adds a smooth point.
    pub(crate) fn via(mut self, x: f32, y: f32) -> Self {
        self.knots.push(Knot { x, y, corner: false });
        self
    }

    /// An open line instead of a closed shape.
    pub(crate) fn open(mut self) -> Self {
        self.open = true;
        self
    }

    /// A smooth open line through points.
    pub(crate) fn line(points: &[(f32, f32)]) -> Self {
        let mut o = Self::new().open();
        let last = points.len().saturating_sub(1);
        for (i, &(x, y)) in points.iter().enumerate() {
            o.knots.push(Knot {
                x,
                y,
                corner: i == 0 || i == last,
            });
        }
        o
    }

    /// The right half given from top to bottom, completed by its mirror image about x = `axis`.
    pub(crate) fn mirrored(mut self, axis: f32) -> Self {
        for i in (0..self.knots.len()).rev() {
            let k = self.knots[i];
            if (k.x - axis).abs() > 0.05 {
                self.knots.push(Knot {
                    x: 2.0 * axis - k.x,
                    ..k
                });
            }
        }
        self
    }

    /// The mirror image about x = 0.
    pub(crate) fn flipped(&self) -> Self {
        let mut o = self.clone();
        for k in &mut o.knots {
            k.x = -k.x;
        }
        o
    }

    /// An ellipse.
    pub(crate) fn ellipse(cx: f32, cy: f32, rx: f32, ry: f32) -> Self {
        const D: f32 = std::f32::consts::FRAC_1_SQRT_2;
        let mut o = Self::new();
        for (dx, dy) in [
            (1.0, 0.0),
            (D, D),
            (0.0, 1.0),
            (-D, D),
            (-1.0, 0.0),
            (-D, -D),
            (0.0, -1.0),
            (D, -D),
        ] {
            o = o.via(cx + rx * dx, cy + ry * dy);
        }
        o
    }

    /// A rectangle with its corners cut round by `r`.
    pub(crate) fn rounded(x0: f32, y0: f32, x1: f32, y1: f32, r: f32) -> Self {
        let k = r * 0.3;
        Self::new()
            .to(x0 + r, y0)
            .to(x1 - r, y0)
            .via(x1 - k, y0 + k)
            .to(x1, y0 + r)
            .to(x1, y1 - r)
            .via(x1 - k, y1 - k)
            .to(x1 - r, y1)
            .to(x0 + r, y1)
            .via(x0 + k, y1 - k)
            .to(x0, y1 - r)
            .to(x0, y0 + r)
            .via(x0 + k, y0 + k)
    }

    /// A tube along stations `(x, y, half width)`; both ends are cut square.
    pub(crate) fn tube(stations: &[(f32, f32, f32)]) -> Self {
        let n = stations.len();
        let side = |i: usize, sign: f32| {
            let a = stations[i.saturating_sub(1)];
            let b = stations[(i + 1).min(n - 1)];
            let (dx, dy) = (b.0 - a.0, b.1 - a.1);
            let len = (dx * dx + dy * dy).sqrt().max(1e-3);
            let s = stations[i];
            (s.0 - dy / len * s.2 * sign, s.1 + dx / len * s.2 * sign)
        };
        let mut o = Self::new();
        for i in 0..n {
            let (x, y) = side(i, 1.0);
            o.knots.push(Knot {
                x,
                y,
                corner: i == 0 || i == n - 1,
            });
        }
        for i in (0..n).rev() {
            let (x, y) = side(i, -1.0);
            o.knots.push(Knot {
                x,
                y,
                corner: i == 0 || i == n - 1,
            });
        }
        o
    }

    /// Every point through `f`.
    pub(crate) fn mapped(&self, f: impl Fn(f32, f32) -> (f32, f32)) -> Self {
        let mut o = self.clone();
        for k in &mut o.knots {
            (k.x, k.y) = f(k.x, k.y);
        }
        o
    }

    /// The curve with each point through `f`, or nothing where it is degenerate.
    pub(crate) fn path(&self, f: &dyn Fn(f32, f32) -> (f32, f32)) -> Option<Path> {
        let n = self.knots.len();
        if n < 2 {
            return None;
        }
        let at = |i: usize| {
            let k = self.knots[i % n];
            let (x, y) = f(k.x, k.y);
            (x, y, k.corner)
        };
        // A smooth point's tangent is half the chord between its neighbours, held back on short sides so that
        // unevenly spaced points do not overshoot.
        let tangent = |i: usize, side: f32| {
            if self.open && (i == 0 || i == n - 1) {
                return (0.0, 0.0);
            }
            let (p, c, q) = (at(i + n - 1), at(i), at(i + 1));
            if c.2 {
                return (0.0, 0.0);
            }
            let (dx, dy) = (q.0 - p.0, q.1 - p.1);
            let chord = (dx * dx + dy * dy).sqrt().max(1e-3);
            let other = if side > 0.0 { q } else { p };
            let reach = ((other.0 - c.0) * (other.0 - c.0) + (other.1 - c.1) * (other.1 - c.1)).sqrt();
            (dx / chord * reach * side, dy / chord * reach * side)
        };
        let mut builder = PathBuilder::new();
        let start = at(0);
        builder.move_to(start.0, start.1);
        let segments = if self.open { n - 1 } else { n };
        for i in 0..segments {
            let (a, b) = (at(i), at(i + 1));
            let (ta, tb) = (tangent(i, 1.0), tangent((i + 1) % n, -1.0));
            let third = |from: (f32, f32, bool), to: (f32, f32, bool), t: (f32, f32)| {
                if t == (0.0, 0.0) {
                    (from.0 + (to.0 - from.0) / 3.0, from.1 + (to.1 - from.1) / 3.0)
                } else {
                    (from.0 + t.0 * 0.36, from.1 + t.1 * 0.36)
                }
            };
            let (c1, c2) = (third(a, b, ta), third(b, a, tb));
            builder.cubic_to(c1.0, c1.1, c2.0, c2.1, b.0, b.1);
        }
        if !self.open {
            builder.close();
        }
        builder.finish()
    }
}
