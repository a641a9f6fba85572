//! Random choices of the renderer.
//!
//! All distributions are built from raw words of ChaCha8. The same seed therefore gives the same numbers on every machine
//! and with every version of a library for distributions.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// Hashes two words to one (finaliser of SplitMix64).
pub(crate) fn mix(a: u64, b: u64) -> u64 {
    let mut z = a ^ b
        .wrapping_mul(0x9E37_79B9_7F4A_7C15)
        .wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Seeded stream of random choices.
pub(crate) struct Dice(ChaCha8Rng);

impl Dice {
    /// Creates the stream of `purpose` under `seed`.
    pub(crate) fn new(seed: u64, purpose: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(mix(seed, purpose)))
    }

    /// Draws a raw word, for seeding.
    pub(crate) fn word(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Draws uniformly from `[0, 1)`.
    pub(crate) fn unit(&mut self) -> f32 {
        (self.0.next_u32() >> 8) as f32 / 16_777_216.0
    }

    /// Draws uniformly from `[low, high)`.
    pub(crate) fn range(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// Returns true with probability `p`.
    pub(crate) fn chance(&mut self, p: f32) -> bool {
        self.unit() < p
    }

    /// Draws uniformly from `0..n`. Returns 0 if `n` is 0.
    pub(crate) fn index(&mut self, n: usize) -> usize {
        ((u64::from(self.0.next_u32()) * n as u64) >> 32) as usize
    }

    /// Draws one of `choices`, which must not be empty.
    pub(crate) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.index(choices.len())]
    }

    /// Draws one of `choices` in proportion to its weight.
    pub(crate) fn weighted<T: Copy>(&mut self, choices: &[(T, f32)]) -> T {
        let total: f32 = choices.iter().map(|c| c.1).sum();
        let mut at = self.unit() * total;
        for &(value, weight) in choices {
            at -= weight;
            if at < 0.0 {
                return value;
            }
        }
        choices[choices.len() - 1].0
    }

    /// Draws from about a normal distribution with mean 0 and deviation 1: a sum of four uniform values, bounded by ±3.5.
    pub(crate) fn bell(&mut self) -> f32 {
        (self.unit() + self.unit() + self.unit() + self.unit() - 2.0) * 1.732
    }
}
