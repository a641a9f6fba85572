//! Measurements and panels of a top for a body, shared by its panels, collars and trims.

use crate::attributes::*;
use crate::body::{Arm, Body, HIP_Y, WAIST_Y};
use crate::outline::Outline;
use crate::random::Dice;
use crate::spec::ItemSpec;

/// Measurements of a top in garment space, in centimetres.
pub(crate) struct Cut {
    /// Half width of the neckline at the shoulder.
    pub(crate) neck: f32,
    /// Height of the neckline at the shoulder.
    pub(crate) neck_y: f32,
    /// Height of the neckline in the middle.
    pub(crate) depth: f32,
    /// Tip of the shoulder.
    pub(crate) shoulder: (f32, f32),
    pub(crate) armpit: (f32, f32),
    /// Half width of the waist.
    pub(crate) waist: f32,
    pub(crate) waist_y: f32,
    /// Half width of the hem.
    pub(crate) hem: f32,
    pub(crate) hem_y: f32,
    /// Share of the arm that the sleeve covers, 0 to about 1.
    pub(crate) covered: f32,
    pub(crate) body: Outline,
    /// Right and left sleeve, or none.
    pub(crate) sleeves: Vec<SleeveCut>,
}

/// Measurements of a sleeve.
pub(crate) struct SleeveCut {
    pub(crate) outline: Outline,
    pub(crate) cuff: Outline,
    /// Points at the shoulder, the middle and the cuff.
    pub(crate) axis: [(f32, f32); 3],
    /// 1 for the right side of the image, -1 for the left.
    pub(crate) side: f32,
    /// Half width.
    pub(crate) half: f32,
    /// Line along its outer side.
    pub(crate) outer: Vec<(f32, f32)>,
    pub(crate) armhole: Vec<(f32, f32)>,
}

impl Cut {
    /// Measures an item for a body.
    pub(crate) fn new(spec: &ItemSpec, body: &Body) -> Self {
        use Garment::*;
        let mut dice = Dice::new(spec.look, 0xC07);
        let layer = match spec.garment {
            Coat => 2.2,
            Blazer | Jacket => 1.4,
            Hoodie | Knit => 1.0,
            _ => 0.2,
        };
        let ease = layer
            + match spec.fit {
                Fit::Fitted => 0.2,
                Fit::Regular => 1.4,
                Fit::Loose => 3.6,
                Fit::Oversize => 6.2,
            }
            + dice.range(-0.3, 0.5);
        let drop = match spec.fit {
            Fit::Oversize => 4.6,
            Fit::Loose => 2.0,
            _ => 0.0,
        };
        let (neck, depth) = match spec.neck {
            Neck::Crew => (dice.range(7.6, 9.0), dice.range(7.0, 9.0)),
            Neck::Vee => (dice.range(7.2, 8.6), dice.range(16.0, 21.0)),
            Neck::Boat => (dice.range(12.0, 14.0), dice.range(4.5, 6.0)),
            Neck::Square => (dice.range(9.5, 11.5), dice.range(10.5, 13.0)),
            Neck::Collar => (7.2, 7.6),
            Neck::PeterPan => (7.4, 7.4),
            Neck::Turtle => (6.8, 5.0),
            Neck::Stand => (7.0, 6.0),
            Neck::Lapel => (7.6, if spec.closure == Closure::Double { 27.0 } else { 31.0 }),
            Neck::Hood => (8.6, 10.0),
            Neck::Sailor => (8.2, 19.0),
            Neck::Wrap => (7.6, 24.0),
        };
        let sleeveless = spec.sleeve == Sleeve::None;
        let tip_x = body.shoulder + 0.5 * layer + drop - if sleeveless { dice.range(2.5, 5.5) } else { 0.0 };
        let tip_y = 4.0 + 0.55 * drop - if sleeveless { 0.6 } else { 0.0 };
        let neck_y = -0.5 + (neck - 6.0).max(0.0) / (tip_x - 6.0) * (tip_y + 0.5);
        let armpit_y = 20.0 + 0.5 * ease + if sleeveless { -1.5 } else { 0.0 };
        let armpit = (body.bust + ease * 0.9 + 0.4, armpit_y);
        let nip = match spec.waist {
            Waist::Straight => 0.75,
            Waist::Nipped if matches!(spec.garment, Knit | Tee | Shirt | Hoodie) => 0.42,
            Waist::Nipped => 0.25,
            Waist::Belted => 0.32,
        };
        let natural = body.waist + 0.7;
        let waist = natural
            + (body.bust + ease - natural) * (nip + if spec.fit == Fit::Oversize { 0.25 } else { 0.0 })
            + layer * 0.5;
        let hip = body.hip + ease * 0.8 + 0.5;
        let step = match spec.length {
            Length::Short => 0,
            Length::Regular => 1,
            Length::Long => 2,
        };
        let (hem_y, flare) = match spec.garment {
            Tee => ([50.0, 60.0, 68.0][step], 0.0),
            Shirt => ([58.0, 66.0, 74.0][step], 0.6),
            Blouse => ([50.0, 59.0, 66.0][step], 2.0),
            Knit => ([49.0, 57.0, 66.0][step], 0.2),
            Hoodie => ([54.0, 61.0, 67.0][step], 0.0),
            Blazer => ([54.0, 65.0, 72.0][step], 1.2),
            Jacket => ([50.0, 55.0, 62.0][step], -0.6),
            Coat => ([80.0, 94.0, 112.0][step], 3.5),
            _ => (
                [86.0, 100.0, 124.0][step],
                if spec.fit == Fit::Fitted {
                    dice.range(0.5, 2.5)
                } else {
                    dice.range(7.0, 15.0)
                },
            ),
        };
        let hem_y = hem_y + dice.range(-1.5, 1.5);
        let waist_y = WAIST_Y
            + if spec.waist == Waist::Nipped && spec.garment == Dress {
                -2.0
            } else {
                0.0
            };
        let at_hip = if hem_y > HIP_Y {
            hip
        } else {
            waist + (hip - waist) * ((hem_y - waist_y) / (HIP_Y - waist_y)).clamp(0.0, 1.0)
        };
        let hem = at_hip + flare * ((hem_y - waist_y) / 45.0).clamp(0.4, 1.4);
        let shirt_tail = spec.garment == Shirt && step > 0;
        let mut half = neckline_half(spec.neck, neck, neck_y, depth);
        let tip = (tip_x, tip_y);
        half = half.corner(tip.0, tip.1);
        let inset = if sleeveless { 1.4 } else { 1.8 };
        half = half
            .smooth(tip.0 - inset, tip.1 + (armpit.1 - tip.1) * 0.5)
            .corner(armpit.0, armpit.1);
        half = half
            .smooth(waist + (armpit.0 - waist) * 0.35, armpit.1 + (waist_y - armpit.1) * 0.5)
            .smooth(waist, waist_y);
        if hem_y > HIP_Y + 6.0 {
            half = half.smooth(hip + flare * 0.25, HIP_Y);
        }
        half = if shirt_tail {
            half.smooth(hem, hem_y - 6.5)
                .smooth(hem * 0.82, hem_y - 1.8)
                .smooth(hem * 0.45, hem_y + 0.6)
                .smooth(0.0, hem_y + 1.0)
        } else {
            half.corner(hem, hem_y - 0.4)
                .smooth(hem * 0.55, hem_y + 0.7)
                .smooth(0.0, hem_y + 1.0)
        };
        let outline = half.mirrored(0.0);
        let covered = sleeve_end(spec);
        let sleeves = if sleeveless {
            Vec::new()
        } else {
            [(1.0f32, body.arms[0]), (-1.0, body.arms[1])]
                .into_iter()
                .map(|(side, arm)| sleeve(spec, arm, side, tip, armpit, ease))
                .collect()
        };
        Self {
            neck,
            neck_y,
            depth,
            shoulder: tip,
            armpit,
            waist,
            waist_y,
            hem,
            hem_y,
            covered,
            body: outline,
            sleeves,
        }
    }

    /// Points of the neckline from left to right, offset outwards by `out` centimetres.
    pub(crate) fn neckline(&self, neck: Neck, out: f32) -> Vec<(f32, f32)> {
        let right: Vec<(f32, f32)> = match neck {
            Neck::Vee | Neck::Lapel | Neck::Sailor | Neck::Wrap => {
                vec![
                    (0.0, self.depth + out * 1.3),
                    (
                        self.neck * 0.52 + out * 0.8,
                        self.depth * 0.48 + self.neck_y * 0.4 + out * 0.4,
                    ),
                    (self.neck + out, self.neck_y + out * 0.2),
                ]
            }
            Neck::Square => vec![
                (0.0, self.depth + out),
                (self.neck * 0.9 + out * 0.9, self.depth + out),
                (self.neck + out, self.neck_y + out * 0.2),
            ],
            _ => vec![
                (0.0, self.depth + out),
                (self.neck * 0.55 + out * 0.65, self.depth * 0.82 + out * 0.75),
                (
                    self.neck * 0.92 + out,
                    self.depth * 0.38 + self.neck_y * 0.4 + out * 0.35,
                ),
                (self.neck + out, self.neck_y + out * 0.2),
            ],
        };
        let mut all: Vec<(f32, f32)> = right.iter().rev().map(|&(x, y)| (-x, y)).collect();
        all.pop();
        all.extend(right);
        all
    }
}

/// Starts the right half of the body panel with its neckline.
fn neckline_half(kind: Neck, neck: f32, neck_y: f32, depth: f32) -> Outline {
    let o = Outline::new();
    match kind {
        Neck::Vee | Neck::Lapel | Neck::Sailor | Neck::Wrap => o
            .corner(0.0, depth)
            .smooth(neck * 0.52, depth * 0.48 + neck_y * 0.4)
            .corner(neck, neck_y),
        Neck::Square => o.smooth(0.0, depth).corner(neck * 0.9, depth).corner(neck, neck_y),
        _ => o
            .smooth(0.0, depth)
            .smooth(neck * 0.55, depth * 0.82)
            .smooth(neck * 0.92, depth * 0.38 + neck_y * 0.4)
            .corner(neck, neck_y),
    }
}

/// End of the sleeve as a fraction of the arm.
fn sleeve_end(spec: &ItemSpec) -> f32 {
    let mut dice = Dice::new(spec.look, 0x51EE);
    match spec.sleeve {
        Sleeve::None => 0.0,
        Sleeve::Short => dice.range(0.26, 0.36),
        Sleeve::Puff => dice.range(0.28, 0.46),
        Sleeve::ThreeQuarter => dice.range(0.64, 0.74),
        Sleeve::Kimono => dice.range(0.72, 0.84),
        Sleeve::Long => dice.range(0.97, 1.04),
    }
}

fn sleeve(spec: &ItemSpec, arm: Arm, side: f32, tip: (f32, f32), armpit: (f32, f32), ease: f32) -> SleeveCut {
    let mut dice = Dice::new(spec.look, 0x51EF);
    let end = sleeve_end(spec);
    let bell = if spec.garment == Garment::Blouse && dice.chance(0.4) {
        3.5
    } else {
        0.0
    };
    // Half widths at four fractions of the length.
    let top = 6.6 + 0.45 * ease;
    let widths = match spec.sleeve {
        Sleeve::Puff => [top + 1.6, top + 3.2, top + 2.4, 5.6 + 0.2 * ease],
        Sleeve::Kimono => [top + 1.5, top + 3.0, top + 4.5, top + 5.2],
        Sleeve::Short => [top, top * 0.98, top * 0.97, top * 0.98],
        _ => [
            top,
            6.2 + 0.42 * ease,
            5.4 + 0.40 * ease + bell * 0.4,
            4.6 + 0.30 * ease + bell,
        ],
    };
    let flip = |p: (f32, f32)| (p.0 * side, p.1);
    let station = |t: f32, w: f32, sign: f32| {
        let ((x, y), (dx, dy)) = arm.point_at(t);
        // +1 is the outer side of the arm.
        flip((x + dy * w * sign, y - dx * w * sign))
    };
    let at = |f: f32| 0.10 + (end - 0.10) * f;
    let crown = if spec.sleeve == Sleeve::Puff { 1.6 } else { 0.5 };
    let mut outer = vec![flip(tip)];
    outer.push({
        let p = station(at(0.12), widths[0], 1.0);
        (p.0 + crown * 0.3 * side, p.1 - crown)
    });
    outer.push(station(at(0.38), widths[1], 1.0));
    outer.push(station(at(0.70), widths[2], 1.0));
    outer.push(station(at(1.0), widths[3], 1.0));
    let inner_end = station(at(1.0), widths[3], -1.0);
    let pit = flip((armpit.0 + 0.2, armpit.1));
    let mut o = Outline::new().corner(outer[0].0, outer[0].1);
    for p in &outer[1..4] {
        o = o.smooth(p.0, p.1);
    }
    o = o.corner(outer[4].0, outer[4].1).corner(inner_end.0, inner_end.1);
    if end > 0.5 {
        for (f, w) in [(0.70, widths[2]), (0.42, widths[1])] {
            let p = station(at(f), w, -1.0);
            o = o.smooth(p.0, p.1);
        }
    } else {
        let p = station(at(0.66), widths[2], -1.0);
        o = o.smooth(p.0, p.1);
    }
    let mid = flip((tip.0 - 1.8, tip.1 + (armpit.1 - tip.1) * 0.5));
    o = o.corner(pit.0, pit.1).smooth(mid.0, mid.1);
    let cuff_share = match spec.garment {
        Garment::Knit | Garment::Hoodie => 6.0,
        Garment::Shirt => 5.5,
        Garment::Jacket => 4.5,
        _ => 2.0,
    } / (53.0 * end).max(12.0);
    let grip = if matches!(spec.sleeve, Sleeve::Long)
        && matches!(spec.garment, Garment::Knit | Garment::Hoodie | Garment::Jacket)
    {
        0.88
    } else {
        1.04
    };
    let cuff = Outline::tube(&[
        (
            arm.point_at(at(1.0 - cuff_share)).0.0 * side,
            arm.point_at(at(1.0 - cuff_share)).0.1,
            (widths[3] + 0.25 * (widths[2] - widths[3]) * cuff_share * 3.0) * grip,
        ),
        (
            arm.point_at(at(1.0)).0.0 * side,
            arm.point_at(at(1.0)).0.1,
            widths[3] * grip,
        ),
    ]);
    SleeveCut {
        outline: o,
        cuff,
        axis: [
            flip(arm.point_at(0.0).0),
            flip(arm.point_at(end * 0.55).0),
            flip(arm.point_at(end).0),
        ],
        side,
        half: widths[1],
        outer: {
            let mut line = vec![flip((tip.0 - 1.0, tip.1 + 0.5))];
            for f in [0.2, 0.45, 0.72, 1.0] {
                let w = widths[((f * 3.0) as usize).min(3)];
                line.push(station(at(f), w * 0.42, 1.0));
            }
            line
        },
        armhole: vec![flip(tip), mid, pit],
    }
}
