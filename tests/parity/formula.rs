//! Random numbers of `tests/golden/formula.py`: splitmix64 with a name as the seed.

/// Computes the 64-bit FNV-1a hash.
pub(crate) fn fnv1a64(data: &[u8]) -> u64 {
    data.iter().fold(0xCBF2_9CE4_8422_2325, |state, byte| {
        (state ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3)
    })
}

/// Returns the random number `i` of `key` in [0, 1).
pub(crate) fn uniform(key: &str, i: usize) -> f64 {
    let mut z = fnv1a64(key.as_bytes()).wrapping_add((i as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^= z >> 31;
    (z >> 40) as f64 / f64::from(1u32 << 24)
}
