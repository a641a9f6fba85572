//! Value noise and periodic functions in basic arithmetic, which gives equal bits on every machine.

/// Hash of a lattice point, uniform in `[0, 1)`.
pub(crate) fn lattice(x: i32, y: i32, seed: u32) -> f32 {
    let mut h =
        (x as u32).wrapping_mul(0x85EB_CA6B) ^ (y as u32).wrapping_mul(0xC2B2_AE35) ^ seed.wrapping_mul(0x27D4_EB2F);
    h ^= h >> 15;
    h = h.wrapping_mul(0x2C1B_3C6D);
    h ^= h >> 12;
    h = h.wrapping_mul(0x297A_2D39);
    h ^= h >> 15;
    (h >> 8) as f32 / 16_777_216.0
}

/// Smooth value noise in `[0, 1)` with lattice spacing 1.
pub(crate) fn value(x: f32, y: f32, seed: u32) -> f32 {
    let (fx, fy) = (x.floor(), y.floor());
    let (ix, iy) = (fx as i32, fy as i32);
    let (tx, ty) = (ease(x - fx), ease(y - fy));
    let a = lattice(ix, iy, seed);
    let b = lattice(ix + 1, iy, seed);
    let c = lattice(ix, iy + 1, seed);
    let d = lattice(ix + 1, iy + 1, seed);
    let top = a + (b - a) * tx;
    let bottom = c + (d - c) * tx;
    top + (bottom - top) * ty
}

/// Sum of three octaves of [`value`], in `[0, 1)`.
pub(crate) fn cloud(x: f32, y: f32, seed: u32) -> f32 {
    (value(x, y, seed) * 4.0 + value(x * 2.1, y * 2.1, seed ^ 0x51) * 2.0 + value(x * 4.3, y * 4.3, seed ^ 0xA7)) / 7.0
}

/// Smooth step of degree five, `6t^5 - 15t^4 + 10t^3`.
pub(crate) fn ease(t: f32) -> f32 {
    t * t * t * (t * (t * 6.0 - 15.0) + 10.0)
}

/// Smooth step: 0 below `low`, 1 above `high`.
pub(crate) fn ramp(low: f32, high: f32, x: f32) -> f32 {
    let t = ((x - low) / (high - low)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// Wave of period 1 in `[-1, 1]`, similar to a sine, composed of two parabolas.
pub(crate) fn wave(x: f32) -> f32 {
    let t = x - x.floor();
    if t < 0.5 {
        16.0 * t * (0.5 - t)
    } else {
        -16.0 * (t - 0.5) * (1.0 - t)
    }
}

/// Distance of `x` to the nearest integer, in `[0, 0.5]`.
pub(crate) fn saw(x: f32) -> f32 {
    let t = x - x.floor();
    t.min(1.0 - t)
}

/// Interpolates linearly from `a` (`t` = 0) to `b` (`t` = 1).
pub(crate) fn blend(a: [f32; 3], b: [f32; 3], t: f32) -> [f32; 3] {
    [
        a[0] + (b[0] - a[0]) * t,
        a[1] + (b[1] - a[1]) * t,
        a[2] + (b[2] - a[2]) * t,
    ]
}

/// Multiplies all channels by `k`.
pub(crate) fn scale(a: [f32; 3], k: f32) -> [f32; 3] {
    [a[0] * k, a[1] * k, a[2] * k]
}
