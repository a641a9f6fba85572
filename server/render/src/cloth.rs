//! Surfaces of materials: weave or grain, gloss and pattern, in coordinates of the cloth.

use super::attributes::{Fabric, Pattern};
use super::noise::{blend, cloud, lattice, scale, value, wave};
use super::paint::Texel;
use super::palette::luma;
use super::pattern::{Print, print};
use super::random::Dice;
use super::spec::ItemSpec;

/// Material with its print.
#[derive(Clone, Debug)]
pub(crate) struct Cloth {
    pub(crate) fabric: Fabric,
    pub(crate) pattern: Pattern,
    pub(crate) print: Print,
    pub(crate) seed: u32,
}

/// Coordinate system of a piece of cloth in garment space.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame {
    pub(crate) origin: (f32, f32),
    /// Unit vector along the warp.
    pub(crate) down: (f32, f32),
    /// Half width of the round body below, towards whose sides patterns become denser. 0 for flat.
    pub(crate) half: f32,
}

impl Frame {
    /// Frame that hangs straight down from the origin.
    pub(crate) fn straight(half: f32) -> Self {
        Self {
            origin: (0.0, 0.0),
            down: (0.0, 1.0),
            half,
        }
    }

    /// Frame along the line between two points.
    pub(crate) fn along(from: (f32, f32), to: (f32, f32), half: f32) -> Self {
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let len = (dx * dx + dy * dy).sqrt().max(1e-3);
        Self {
            origin: from,
            down: (dx / len, dy / len),
            half,
        }
    }

    /// Converts a point of garment space to coordinates along weft and warp.
    fn uv(&self, x: f32, y: f32) -> (f32, f32) {
        let (px, py) = (x - self.origin.0, y - self.origin.1);
        let u = px * self.down.1 - py * self.down.0;
        let v = px * self.down.0 + py * self.down.1;
        let side = if self.half > 0.0 {
            (u / self.half).clamp(-1.2, 1.2)
        } else {
            0.0
        };
        (u * (1.0 + 0.22 * side * side), v)
    }
}

impl Cloth {
    /// Returns the main cloth of an item.
    pub(crate) fn from_spec(spec: &ItemSpec) -> Self {
        let mut dice = Dice::new(spec.look, 0xC107);
        let mut print = Print {
            ground: spec.colours[0].rgb(),
            second: spec.colours[1].rgb(),
            third: spec.colours[2].rgb(),
            size: dice.range(0.75, 1.35),
            variant: dice.index(4),
            seed: dice.word() as u32,
        };
        // Prints with their own ground set the colour of plain parts too.
        match spec.pattern {
            Pattern::Leopard => print.ground = blend([0.50, 0.31, 0.13], print.ground, 0.3),
            Pattern::Camo => print.ground = blend([0.16, 0.18, 0.09], print.ground, 0.2),
            _ => {}
        }
        // A random tint, like that of a dye lot.
        let lot = [dice.range(0.92, 1.08), dice.range(0.94, 1.06), dice.range(0.92, 1.08)];
        for c in [&mut print.ground, &mut print.second, &mut print.third] {
            for k in 0..3 {
                c[k] = (c[k] * lot[k]).min(0.96);
            }
        }
        if spec.garment.category() != "tops" {
            print.size *= 0.75;
        }
        Self {
            fabric: spec.fabric,
            pattern: spec.pattern,
            print,
            seed: dice.word() as u32,
        }
    }

    /// Returns the same material in one colour.
    pub(crate) fn plain(&self, rgb: [f32; 3]) -> Self {
        let mut c = self.clone();
        c.pattern = Pattern::Plain;
        c.print.ground = rgb;
        c
    }

    /// Returns another material in one colour.
    pub(crate) fn trim(&self, fabric: Fabric, rgb: [f32; 3]) -> Self {
        let mut c = self.plain(rgb);
        c.fabric = fabric;
        c
    }

    /// Factor of the height of folds.
    pub(crate) fn drape(&self) -> f32 {
        match self.fabric {
            Fabric::Chiffon => 1.15,
            Fabric::Satin => 1.25,
            Fabric::Cotton => 1.0,
            Fabric::Linen => 1.1,
            Fabric::Rib => 0.55,
            Fabric::Cable => 0.5,
            Fabric::Wool | Fabric::Tweed => 0.7,
            Fabric::Fleece => 0.85,
            Fabric::Denim | Fabric::Canvas => 0.8,
            Fabric::Leather => 0.9,
            Fabric::Suede => 0.6,
        }
    }

    /// Surface at a point of garment space. `slope` is the slope of the drape, which shifts the cloth sideways.
    pub(crate) fn texel(&self, frame: &Frame, x: f32, y: f32, slope: (f32, f32)) -> Texel {
        let (u, v) = frame.uv(x - slope.0 * 0.9, y - slope.1 * 0.9);
        let mut cover = 1.0;
        let mut relief = 0.0;
        let mut rgb = if self.pattern == Pattern::Plain {
            self.print.ground
        } else {
            let (rgb, h, c) = print(self.pattern, &self.print, u, v);
            (relief, cover) = (h, c);
            rgb
        };
        let bright = luma(self.print.ground);
        let grain = lattice((u * 6.0).floor() as i32, (v * 6.0).floor() as i32, self.seed) - 0.5;
        let mut gloss = 0.0;
        match self.fabric {
            Fabric::Cotton => {
                rgb = scale(rgb, 1.0 + 0.05 * grain);
                relief += 0.010 * grain;
            }
            Fabric::Canvas => {
                rgb = scale(rgb, 1.0 + 0.09 * grain);
                relief += 0.03 * grain;
                gloss = 0.02;
            }
            Fabric::Linen => {
                let warp = value(u * 4.2, v * 0.35, self.seed);
                let weft = value(u * 0.35, v * 4.2, self.seed ^ 5);
                let slub = warp + weft - 1.0;
                rgb = scale(rgb, 1.0 + 0.20 * slub + 0.06 * grain);
                relief += 0.06 * slub;
            }
            Fabric::Rib => {
                let rib = wave(u / 0.95);
                relief += 0.10 * rib + 0.015 * wave(v / 0.5);
                rgb = scale(rgb, 0.94 + 0.08 * rib + 0.06 * grain);
            }
            Fabric::Cable => {
                let (h, shade) = cable(u, v);
                relief += h;
                rgb = scale(rgb, shade + 0.05 * grain);
            }
            Fabric::Denim => {
                let fade = cloud(u / 7.0, v / 11.0, self.seed);
                let twill = wave((u + v) / 0.42);
                let white = (0.10 + 0.16 * fade * fade + 0.07 * twill + 0.10 * grain) * (1.0 - 0.5 * bright);
                rgb = blend(rgb, [0.70, 0.76, 0.82], white.clamp(0.0, 0.6));
                relief += 0.02 * twill;
            }
            Fabric::Leather => {
                let pebble = value(u * 3.1, v * 3.1, self.seed);
                relief += 0.045 * pebble;
                rgb = scale(rgb, 0.90 + 0.14 * pebble);
                gloss = 0.34;
            }
            Fabric::Suede => {
                let nap = value(u * 1.3, v * 1.3, self.seed) + 0.5 * grain;
                rgb = scale(rgb, 0.94 + 0.10 * nap);
            }
            Fabric::Satin => {
                rgb = scale(rgb, 1.0 + 0.015 * grain);
                gloss = 0.16 + 0.5 * bright.min(0.4);
            }
            Fabric::Chiffon => {
                rgb = scale(rgb, 1.0 + 0.04 * grain);
                cover *= 0.965;
                relief += 0.012 * grain;
                gloss = 0.03;
            }
            Fabric::Wool => {
                let melange = value(u * 2.2, v * 2.2, self.seed);
                rgb = scale(rgb, 0.95 + 0.10 * melange + 0.10 * grain);
                relief += 0.03 * melange;
            }
            Fabric::Tweed => {
                let fleck = lattice((u * 2.6).floor() as i32, (v * 2.6).floor() as i32, self.seed);
                let thread = if fleck > 0.80 {
                    blend(rgb, self.print.second, 0.75)
                } else if fleck < 0.16 {
                    blend(rgb, self.print.third, 0.55)
                } else {
                    scale(rgb, 0.8 + 0.4 * fleck)
                };
                rgb = scale(thread, 1.0 + 0.16 * grain);
                relief += 0.09 * fleck;
            }
            Fabric::Fleece => {
                rgb = scale(rgb, 0.97 + 0.07 * value(u * 1.6, v * 1.6, self.seed) + 0.05 * grain);
                relief += 0.02 * grain;
            }
        }
        Texel {
            rgb,
            height: relief,
            gloss,
            cover,
        }
    }
}

/// Relief and brightness of twisted cables between ribs.
fn cable(u: f32, v: f32) -> (f32, f32) {
    let column = (u / 7.2 + 0.5).floor();
    let c = u - column * 7.2;
    if c.abs() < 2.1 {
        let swing = 1.0 * wave(v / 8.0);
        let (a, b) = ((c - swing) / 1.15, (c + swing) / 1.15);
        let front = wave(v / 8.0 + 0.25) > 0.0;
        let bump = |t: f32| (1.0 - t * t).max(0.0);
        let (ha, hb) = (bump(a), bump(b));
        let (top, under) = if front { (ha, hb) } else { (hb, ha) };
        let h = if top > 0.05 { top } else { under * 0.75 };
        let yarn = wave((v + 0.8 * c) / 0.8);
        (0.42 * h + 0.03 * yarn * h, 0.86 + 0.16 * h)
    } else {
        let rib = wave(c / 1.0);
        let stitch = wave(v / 0.7);
        (0.05 * rib + 0.03 * stitch, 0.92 + 0.05 * rib)
    }
}
