//! Prints and weaves: colour, relief and opacity at a point of the cloth, given in centimetres along weft and warp.

use super::attributes::Pattern;
use super::noise::{blend, cloud, lattice, ramp, saw, scale, value, wave};

/// Colours and scale of a print.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Print {
    pub(crate) ground: [f32; 3],
    pub(crate) second: [f32; 3],
    pub(crate) third: [f32; 3],
    pub(crate) size: f32,
    pub(crate) variant: usize,
    pub(crate) seed: u32,
}

/// Periodic band with period 1: 1 within `half` of an integer and 0 outside, with an edge of width `soft`.
fn band(x: f32, half: f32, soft: f32) -> f32 {
    1.0 - ramp(half - soft, half + soft, saw(x))
}

/// Returns colour, relief in centimetres and opacity of a print at a point.
pub(crate) fn print(pattern: Pattern, p: &Print, u: f32, v: f32) -> ([f32; 3], f32, f32) {
    let solid = |rgb| (rgb, 0.0, 1.0);
    match pattern {
        Pattern::Plain => solid(p.ground),
        Pattern::Stripe => solid(stripe(p, v)),
        Pattern::Pinstripe => solid(blend(p.ground, p.second, 0.75 * band(u / (1.9 * p.size), 0.075, 0.05))),
        Pattern::Gingham => {
            let period = 2.6 * p.size;
            let check = band(u / period, 0.25, 0.04) + band(v / period, 0.25, 0.04);
            solid(blend(p.ground, p.second, 0.5 * check))
        }
        Pattern::Tartan => {
            let period = 9.5 * p.size;
            let (a, b) = (sett(p, u / period), sett(p, v / period));
            let twill = 0.5 + 0.22 * wave((u + v) / 0.6);
            solid(blend(a, b, twill))
        }
        Pattern::Houndstooth => {
            let t = 0.42 * p.size;
            let (i, j) = ((u / t).floor() as i32, (v / t).floor() as i32);
            let warp = (i + j).rem_euclid(4) < 2;
            let dark = if warp { i.rem_euclid(8) < 4 } else { j.rem_euclid(8) < 4 };
            solid(if dark { p.second } else { p.ground })
        }
        Pattern::Dot => {
            let period = [2.4, 3.4, 4.6, 6.0][p.variant] * p.size;
            let row = (v / period).floor();
            let (cu, cv) = (u / period + 0.5 * (row as i32).rem_euclid(2) as f32, v / period);
            let (du, dv) = (cu - cu.floor() - 0.5, cv - row - 0.5);
            let r = (du * du + dv * dv).sqrt();
            solid(blend(p.ground, p.second, 1.0 - ramp(0.22, 0.28, r)))
        }
        Pattern::Floral => solid(floral(p, u, v)),
        Pattern::Lace => lace(p, u, v),
        Pattern::Leopard => solid(leopard(p, u, v)),
        Pattern::Camo => {
            let (x, y) = (u / (7.0 * p.size), v / (5.0 * p.size));
            let a = cloud(x, y, p.seed);
            let b = cloud(x + 31.0, y, p.seed ^ 9);
            let base = p.ground;
            solid(if a > 0.58 {
                [0.045, 0.05, 0.04]
            } else if b > 0.55 {
                blend(base, [0.10, 0.16, 0.07], 0.8)
            } else if a < 0.40 {
                [0.42, 0.38, 0.25]
            } else {
                base
            })
        }
        Pattern::Folk => solid(folk(p, u, v)),
    }
}

fn stripe(p: &Print, v: f32) -> [f32; 3] {
    let (period, half) = [(2.6, 0.22), (4.4, 0.25), (6.5, 0.16), (1.7, 0.25)][p.variant];
    let t = v / (period * p.size);
    let rgb = blend(p.ground, p.second, band(t, half, 0.03));
    if p.variant == 2 {
        blend(rgb, p.third, band(t + 0.5, 0.05, 0.02))
    } else {
        rgb
    }
}

/// Colour of a tartan's thread at a fraction of its period.
fn sett(p: &Print, t: f32) -> [f32; 3] {
    let f = saw(t) * 2.0;
    let thin = |at: f32, w: f32| (f - at).abs() < w;
    if thin(0.5, 0.02) || thin(0.93, 0.025) {
        p.third
    } else if f < 0.32 {
        p.second
    } else if thin(0.40, 0.025) {
        scale(p.second, 0.4)
    } else {
        p.ground
    }
}

/// Colour of a floral print with at most one flower per cell.
fn floral(p: &Print, u: f32, v: f32) -> [f32; 3] {
    let period = [3.4, 4.6, 6.4, 8.5][p.variant] * p.size;
    let (gu, gv) = (u / period, v / period);
    let (ci, cj) = (gu.floor() as i32, gv.floor() as i32);
    let mut rgb = p.ground;
    for dj in -1..=1 {
        for di in -1..=1 {
            let (i, j) = (ci + di, cj + dj);
            let r0 = lattice(i, j, p.seed);
            if r0 < 0.16 {
                continue;
            }
            let (ju, jv) = (lattice(i, j, p.seed ^ 3), lattice(i, j, p.seed ^ 7));
            let (du, dv) = (gu - i as f32 - 0.2 - 0.6 * ju, gv - j as f32 - 0.2 - 0.6 * jv);
            let r2 = du * du + dv * dv;
            if r2 > 0.34 {
                continue;
            }
            let size = 0.24 + 0.16 * lattice(i, j, p.seed ^ 11);
            let r = r2.sqrt();
            let rotation = lattice(i, j, p.seed ^ 13);
            let angle = pseudo_angle(du, dv) + rotation;
            let petal = size * (0.72 + 0.28 * wave(angle * 5.0));
            let tint = if r0 > 0.62 { p.third } else { p.second };
            let leaf_at = angle * 2.0 + 0.3;
            let leaf = size * 1.45 * (1.0 - 5.5 * saw(leaf_at)).max(0.0);
            if r < petal {
                let shade = 0.75 + 0.45 * (r / petal);
                rgb = scale(tint, shade.min(1.1));
                if r < size * 0.26 {
                    rgb = [0.72, 0.46, 0.08];
                }
            } else if r < leaf {
                rgb = blend(p.ground, [0.09, 0.21, 0.09], 0.85);
            }
        }
    }
    rgb
}

/// Approximate angle in full rotations, in `[0, 1)`, without trigonometry.
fn pseudo_angle(x: f32, y: f32) -> f32 {
    let s = x.abs() + y.abs();
    if s < 1e-6 {
        return 0.0;
    }
    let t = x / s;
    if y >= 0.0 { 0.25 * (1.0 - t) } else { 0.75 + 0.25 * t }
}

/// Lace: a net with motifs, whose gaps show a darker lining.
fn lace(p: &Print, u: f32, v: f32) -> ([f32; 3], f32, f32) {
    let size = 5.5 * p.size;
    let row = (v / size).floor();
    let cu = u / size + 0.5 * (row as i32).rem_euclid(2) as f32;
    let (du, dv) = (cu - cu.floor() - 0.5, v / size - row - 0.5);
    let r = (du * du + dv * dv).sqrt();
    let angle = pseudo_angle(du, dv);
    let petal = 0.36 + 0.10 * wave(angle * 6.0);
    let motif = (r < petal && r > petal * 0.72)
        || r < 0.10
        || (r < petal && wave(angle * 12.0) > 0.75)
        || (r > 0.50 && r < 0.56);
    let net = saw((u + v) / 0.95) < 0.16 || saw((u - v) / 0.95) < 0.16;
    let lining = scale(blend(p.ground, p.second, 0.12), 0.42);
    if motif {
        (p.ground, 0.07, 1.0)
    } else if net {
        (scale(p.ground, 0.9), 0.02, 1.0)
    } else {
        (lining, -0.03, 0.93)
    }
}

fn leopard(p: &Print, u: f32, v: f32) -> [f32; 3] {
    let size = 2.7 * p.size;
    let warp = value(u / 3.0, v / 3.0, p.seed ^ 21) - 0.5;
    let (gu, gv) = (u / size + 0.5 * warp, v / size + 0.4 * warp);
    let (ci, cj) = (gu.floor() as i32, gv.floor() as i32);
    let mut nearest = (9.0f32, 0.0f32, 0.0f32, 0.0f32);
    for dj in -1..=1 {
        for di in -1..=1 {
            let (i, j) = (ci + di, cj + dj);
            let (du, dv) = (
                gu - i as f32 - 0.15 - 0.7 * lattice(i, j, p.seed),
                gv - j as f32 - 0.15 - 0.7 * lattice(i, j, p.seed ^ 3),
            );
            let d = du * du + 1.5 * dv * dv;
            if d < nearest.0 {
                nearest = (d, du, dv, lattice(i, j, p.seed ^ 5));
            }
        }
    }
    let r = nearest.0.sqrt();
    let gap = wave(pseudo_angle(nearest.1, nearest.2) * 2.0 + nearest.3) > 0.55;
    let coat = p.ground;
    if r < 0.20 {
        scale(coat, 0.55)
    } else if r < 0.38 && !gap {
        [0.03, 0.022, 0.018]
    } else {
        coat
    }
}

/// Colour of woven bands of zigzags and diamonds on a plain ground.
fn folk(p: &Print, u: f32, v: f32) -> [f32; 3] {
    let period = 13.0 * p.size;
    let t = v / period - (v / period).floor();
    let x = u / (2.6 * p.size);
    let zig = saw(x) * 2.0;
    let extra = [0.55, 0.35, 0.05];
    if (t - 0.16).abs() < 0.14 {
        let h = ((t - 0.16) / 0.14).abs();
        if h > 0.88 {
            p.third
        } else if h + zig * 0.8 < 0.75 {
            p.second
        } else if h + zig * 0.8 < 0.98 {
            extra
        } else {
            scale(p.ground, 0.55)
        }
    } else if (t - 0.42).abs() < 0.055 {
        let h = (t - 0.42) / 0.055;
        if (h - (zig * 2.0 - 1.0)).abs() < 0.55 {
            p.third
        } else {
            p.ground
        }
    } else if (t - 0.62).abs() < 0.10 {
        let h = ((t - 0.62) / 0.10).abs();
        let d = h + (1.0 - zig) * 1.1;
        if h > 0.86 {
            p.second
        } else if d < 0.5 {
            extra
        } else if d < 0.85 {
            p.second
        } else {
            scale(p.third, 0.8)
        }
    } else if (t - 0.86).abs() < 0.012 {
        p.second
    } else {
        p.ground
    }
}
