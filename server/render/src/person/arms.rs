//! Arms and hands of a person.

use super::Person;
use crate::body::Arm;
use crate::canvas::Canvas;
use crate::outline::Outline;

impl Person {
    /// Draws arms and hands. `covered` is the fraction of the arm's length that a sleeve covers.
    pub(crate) fn arms(&self, canvas: &mut Canvas, covered: f32) {
        for (side, arm) in [(1.0f32, self.body.arms[0]), (-1.0, self.body.arms[1])] {
            self.arm(canvas, arm, side, covered);
        }
    }

    /// Draws forearms that cross the body, in front of a garment without sleeves.
    pub(crate) fn crossed_forearms(&self, canvas: &mut Canvas) {
        for (side, arm) in [(1.0f32, self.body.arms[0]), (-1.0, self.body.arms[1])] {
            if arm.wrist.0 < self.body.hip {
                self.arm(canvas, arm, side, 0.48);
            }
        }
    }

    fn arm(&self, canvas: &mut Canvas, arm: Arm, side: f32, covered: f32) {
        // The skin begins slightly below the end of the sleeve.
        let start = if covered > 0.0 { covered - 0.07 } else { -0.02 };
        let stations: Vec<_> = [
            (start, 5.5 - 2.7 * start),
            (0.18, 5.0),
            (0.38, 4.5),
            (0.53, 4.1),
            (0.70, 3.9),
            (0.88, 3.1),
            (1.0, 2.6),
        ]
        .iter()
        .filter(|s| s.0 == start || s.0 > start + 0.06)
        .map(|&(t, w)| {
            let p = arm.point_at(t).0;
            (p.0 * side, p.1, w)
        })
        .collect();
        if stations.len() > 1 {
            self.paint_skin(canvas, &Outline::tube(&stations), 2.4, 2.8);
        }
        let (w, d) = (arm.point_at(1.0).0, arm.point_at(1.0).1);
        let at = |along: f32, out: f32| ((w.0 + d.0 * along + d.1 * out) * side, w.1 + d.1 * along - d.0 * out);
        let p: Vec<_> = [
            (-1.0, -2.5),
            (5.0, -4.2),
            (12.0, -3.2),
            (16.5, -0.6),
            (15.0, 2.0),
            (9.0, 3.6),
            (3.0, 3.6),
            (-1.0, 2.5),
        ]
        .iter()
        .map(|&(a, o)| at(a, o))
        .collect();
        let mut hand = Outline::new();
        for q in p {
            hand = hand.smooth(q.0, q.1);
        }
        self.paint_skin(canvas, &hand, 1.8, 2.0);
        for o in [-1.6, -0.2, 1.2] {
            let (a, b) = (at(9.5, o), at(14.5, o * 0.8));
            canvas.line(&Outline::line(&[a, b]), 0.3, None, 0.22, None);
        }
    }
}
