//! Closed shapes and open lines in garment space. Units are centimetres, x points right, y points down, and the origin is at
//! the base of the neck.

use tiny_skia::{Path, PathBuilder};

/// Point of an outline, either a corner or a smooth point.
#[derive(Clone, Copy, Debug)]
struct Knot {
    x: f32,
    y: f32,
    corner: bool,
}

/// Curve through points, smooth between corners (Catmull-Rom).
#[derive(Clone, Debug, Default)]
pub(crate) struct Outline {
    knots: Vec<Knot>,
    open: bool,
}

impl Outline {
    /// Creates an empty closed outline.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Adds a corner.
    pub(crate) fn corner(mut self, x: f32, y: f32) -> Self {
        self.knots.push(Knot { x, y, corner: true });
        self
    }

    /// Adds a smooth point.
    pub(crate) fn smooth(mut self, x: f32, y: f32) -> Self {
        self.knots.push(Knot { x, y, corner: false });
        self
    }

    /// Makes the outline an open line.
    pub(crate) fn open(mut self) -> Self {
        self.open = true;
        self
    }

    /// Creates a smooth open line through points.
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

    /// Completes a right half, given from top to bottom, by its mirror image about x = `axis`.
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

    /// Mirrors about x = 0.
    pub(crate) fn flipped(&self) -> Self {
        let mut o = self.clone();
        for k in &mut o.knots {
            k.x = -k.x;
        }
        o
    }

    /// Creates an ellipse.
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
            o = o.smooth(cx + rx * dx, cy + ry * dy);
        }
        o
    }

    /// Creates a rectangle with corners rounded by `r`.
    pub(crate) fn rounded(x0: f32, y0: f32, x1: f32, y1: f32, r: f32) -> Self {
        let k = r * 0.3;
        Self::new()
            .corner(x0 + r, y0)
            .corner(x1 - r, y0)
            .smooth(x1 - k, y0 + k)
            .corner(x1, y0 + r)
            .corner(x1, y1 - r)
            .smooth(x1 - k, y1 - k)
            .corner(x1 - r, y1)
            .corner(x0 + r, y1)
            .smooth(x0 + k, y1 - k)
            .corner(x0, y1 - r)
            .corner(x0, y0 + r)
            .smooth(x0 + k, y0 + k)
    }

    /// Creates a tube along stations `(x, y, half width)` with square ends.
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

    /// Maps every point.
    pub(crate) fn mapped(&self, f: impl Fn(f32, f32) -> (f32, f32)) -> Self {
        let mut o = self.clone();
        for k in &mut o.knots {
            (k.x, k.y) = f(k.x, k.y);
        }
        o
    }

    /// Converts to a path with every point mapped by `f`. `None` if the outline is degenerate.
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
        // The tangent of a smooth point is parallel to the chord between its neighbours. It is shorter towards a near
        // neighbour, so that unevenly spaced points do not overshoot.
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
