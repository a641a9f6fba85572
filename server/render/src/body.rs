//! Proportions and pose of a body in garment space, for both the shop's invisible mannequin and users.

use super::random::Dice;

/// Joints of an arm on the right side of the image. The left arm is mirrored when drawn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arm {
    pub(crate) shoulder: (f32, f32),
    pub(crate) elbow: (f32, f32),
    pub(crate) wrist: (f32, f32),
}

impl Arm {
    /// Returns the point at fraction `t` from shoulder to wrist, rounded at the elbow, and the direction there.
    pub(crate) fn point_at(&self, t: f32) -> ((f32, f32), (f32, f32)) {
        let (s, e, w) = (self.shoulder, self.elbow, self.wrist);
        let upper = 0.53;
        let lerp = |a: (f32, f32), b: (f32, f32), t: f32| (a.0 + (b.0 - a.0) * t, a.1 + (b.1 - a.1) * t);
        let point = |t: f32| {
            if t < upper {
                lerp(s, e, t / upper)
            } else {
                lerp(e, w, (t - upper) / (1.0 - upper))
            }
        };
        let soft = 0.08;
        let (a, b) = (point((t - soft).max(-0.2)), point((t + soft).min(1.2)));
        let mid = point(t);
        let near = if (upper - t).abs() < soft { 0.35 } else { 0.0 };
        let centre = lerp(mid, lerp(a, b, 0.5), near);
        let (dx, dy) = (b.0 - a.0, b.1 - a.1);
        let len = (dx * dx + dy * dy).sqrt().max(1e-3);
        (centre, (dx / len, dy / len))
    }

    /// Creates an arm. `out` is the sine of the upper arm's angle from vertical, and `fore` the direction of the forearm.
    pub(crate) fn posed(out: f32, fore: (f32, f32)) -> Self {
        let shoulder = (17.0, 7.5);
        let down = (1.0 - out * out).max(0.0).sqrt();
        let elbow = (shoulder.0 + 29.5 * out, shoulder.1 + 29.5 * down);
        let len = (fore.0 * fore.0 + fore.1 * fore.1).sqrt().max(1e-3);
        let wrist = (elbow.0 + 26.5 * fore.0 / len, elbow.1 + 26.5 * fore.1 / len);
        Self { shoulder, elbow, wrist }
    }
}

/// Body seen from the front. Widths are half widths in centimetres.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Body {
    pub(crate) shoulder: f32,
    pub(crate) bust: f32,
    pub(crate) waist: f32,
    pub(crate) hip: f32,
    /// Right and left arm in the image. The left one is mirrored when drawn.
    pub(crate) arms: [Arm; 2],
    /// Half distance between the feet.
    pub(crate) stance: f32,
}

// Heights in centimetres below the base of the neck.
pub(crate) const WAIST_Y: f32 = 39.0;
pub(crate) const HIP_Y: f32 = 57.0;
pub(crate) const CROTCH_Y: f32 = 71.0;
pub(crate) const KNEE_Y: f32 = 108.0;
pub(crate) const ANKLE_Y: f32 = 150.0;

impl Body {
    /// Draws a mannequin with arms slightly away from the body.
    pub(crate) fn mannequin(dice: &mut Dice) -> Self {
        let out = dice.range(0.27, 0.40);
        let arm = Arm::posed(out, (out * 0.75, 1.0));
        Self {
            shoulder: 19.0,
            bust: 16.6,
            waist: 13.4,
            hip: 17.6,
            arms: [arm, arm],
            stance: 8.0,
        }
    }

    /// Draws a user with random proportions and poses.
    pub(crate) fn user(dice: &mut Dice) -> Self {
        let build = dice.range(0.93, 1.10);
        let pose = |dice: &mut Dice| match dice.index(5) {
            // Hanging, slightly away from the body.
            0 | 1 => {
                let out = dice.range(0.10, 0.26);
                Arm::posed(out, (out - dice.range(0.0, 0.2), 1.0))
            }
            // Hand on the hip.
            2 => Arm::posed(dice.range(0.48, 0.62), (-0.75, dice.range(0.55, 0.8))),
            // Across the body.
            3 => Arm::posed(dice.range(0.22, 0.32), (-0.75, dice.range(0.25, 0.6))),
            // Raised, as with a telephone.
            _ if dice.chance(0.5) => Arm::posed(dice.range(0.25, 0.38), (-1.0, dice.range(-0.25, 0.1))),
            _ => Arm::posed(dice.range(0.35, 0.5), (0.75, dice.range(-0.75, -0.35))),
        };
        Self {
            shoulder: 18.6 * build,
            bust: 16.4 * build,
            waist: 13.3 * build * dice.range(0.95, 1.08),
            hip: 17.8 * build,
            arms: [pose(dice), pose(dice)],
            stance: dice.range(6.0, 11.0),
        }
    }
}
