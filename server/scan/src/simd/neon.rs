//! Kernels for AArch64, whose CPUs all have NEON.

use std::arch::aarch64::*;

use super::block::{Block, LANES};
use super::tile::{Floats, Integers, floats, integers};

/// Proof of NEON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Neon(());

impl Neon {
    pub(super) fn detect() -> Option<Self> {
        std::arch::is_aarch64_feature_detected!("neon").then_some(Self(()))
    }
}

impl Floats for Neon {
    type Part = float32x4_t;

    #[inline(always)]
    fn zero(self) -> float32x4_t {
        // SAFETY: `self` proves NEON.
        unsafe { vdupq_n_f32(0.0) }
    }

    #[inline(always)]
    fn load(self, numbers: &[f32; LANES], part: usize) -> float32x4_t {
        let four = &numbers.as_chunks::<4>().0[part];
        // SAFETY: `self` proves NEON, and the reference is to 16 bytes.
        unsafe { vld1q_f32(four.as_ptr()) }
    }

    #[inline(always)]
    fn add_product(self, sum: float32x4_t, x: float32x4_t, y: float32x4_t) -> float32x4_t {
        // SAFETY: `self` proves NEON.
        unsafe { vaddq_f32(sum, vmulq_f32(x, y)) }
    }

    #[inline(always)]
    fn reduce<const P: usize>(self, sum: [float32x4_t; P]) -> f32 {
        // SAFETY: `self` proves NEON.
        unsafe {
            let four = vaddq_f32(vaddq_f32(sum[0], sum[2]), vaddq_f32(sum[1], sum[3]));
            let two = vadd_f32(vget_low_f32(four), vget_high_f32(four));
            vget_lane_f32::<0>(two) + vget_lane_f32::<1>(two)
        }
    }
}

impl Integers<16> for Neon {
    type Numbers = [int16x8_t; 2];
    type Sum = int32x4_t;

    #[inline(always)]
    fn zero(self) -> int32x4_t {
        // SAFETY: `self` proves NEON.
        unsafe { vdupq_n_s32(0) }
    }

    #[inline(always)]
    fn row(self, codes: &[i8; 16]) -> Self::Numbers {
        // SAFETY: `self` proves NEON, and the reference is to 16 bytes.
        unsafe {
            let codes = vld1q_s8(codes.as_ptr());
            [vmovl_s8(vget_low_s8(codes)), vmovl_high_s8(codes)]
        }
    }

    #[inline(always)]
    fn query(self, codes: &[i16; 16]) -> Self::Numbers {
        let (halves, _) = codes.as_chunks::<8>();
        // SAFETY: `self` proves NEON, and each reference is to 16 bytes.
        unsafe { [vld1q_s16(halves[0].as_ptr()), vld1q_s16(halves[1].as_ptr())] }
    }

    #[inline(always)]
    fn add_products(self, mut sum: int32x4_t, x: Self::Numbers, y: Self::Numbers) -> int32x4_t {
        for (x, y) in x.into_iter().zip(y) {
            // SAFETY: `self` proves NEON.
            sum = unsafe { vmlal_high_s16(vmlal_s16(sum, vget_low_s16(x), vget_low_s16(y)), x, y) };
        }
        sum
    }

    #[inline(always)]
    fn reduce(self, sum: int32x4_t) -> i32 {
        // SAFETY: `self` proves NEON.
        unsafe { vaddvq_s32(sum) }
    }
}

pub(super) fn neon_floats(cpu: Neon, block: &Block<'_, f32>, queries: &[f32], out: &mut [f32]) {
    floats::<_, 3, 4>(cpu, block, queries, out);
}

pub(super) fn neon_integers(cpu: Neon, block: &Block<'_, i8>, queries: &[i16], out: &mut [i32]) {
    integers::<_, 6, 16>(cpu, block, queries, out);
}
