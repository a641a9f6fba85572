//! Kernels for x86-64: AVX2, AVX-VNNI and AVX-512.
//!
//! The methods are inlined into functions that enable the instructions. A value of a type exists only if the CPU has them.

use std::arch::x86_64::*;

use super::block::{Block, LANES};
use super::tile::{Floats, Integers, floats, integers};

/// Proof of AVX2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Avx2(());

/// Proof of AVX2 and AVX-VNNI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AvxVnni(Avx2);

/// Proof of AVX2, AVX-512 F, BW and VNNI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Avx512(Avx2);

impl Avx2 {
    pub(super) fn detect() -> Option<Self> {
        is_x86_feature_detected!("avx2").then_some(Self(()))
    }
}

impl AvxVnni {
    pub(super) fn detect() -> Option<Self> {
        Avx2::detect().filter(|_| is_x86_feature_detected!("avxvnni")).map(Self)
    }
}

impl Avx512 {
    pub(super) fn detect() -> Option<Self> {
        let has_all = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vnni");
        Avx2::detect().filter(|_| has_all).map(Self)
    }
}

/// Size of a cache line in bytes.
const LINE: usize = 64;

#[inline(always)]
fn prefetch<T>(row: &[T]) {
    for at in (0..size_of_val(row)).step_by(LINE) {
        // SAFETY: a prefetch reads nothing that the program can observe, and `at` lies within the row.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(row.as_ptr().cast::<i8>().add(at)) };
    }
}

impl Avx2 {
    /// Adds lanes 0–7 to lanes 8–15, then lanes 0–3 to lanes 4–7.
    #[inline(always)]
    fn four<const P: usize>(self, sum: [__m256; P]) -> __m128 {
        // SAFETY: `self` proves AVX2.
        unsafe {
            let eight = _mm256_add_ps(sum[0], sum[1]);
            _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps::<1>(eight))
        }
    }

    /// Adds the four lanes of `a` in lane 0 and those of `b` in lane 1.
    #[inline(always)]
    fn two(self, a: __m128, b: __m128) -> [f32; 2] {
        // SAFETY: `self` proves AVX2.
        let bits = unsafe {
            let sums = _mm_add_ps(_mm_unpacklo_ps(a, b), _mm_unpackhi_ps(a, b));
            let sums = _mm_add_ps(sums, _mm_movehl_ps(sums, sums));
            _mm_cvtsi128_si64(_mm_castps_si128(sums)).cast_unsigned()
        };
        [bits as u32, (bits >> 32) as u32].map(f32::from_bits)
    }

    /// Adds the eight lanes of `a`, and those of `b`.
    #[inline(always)]
    fn two_integers(self, a: __m256i, b: __m256i) -> [i32; 2] {
        // SAFETY: `self` proves AVX2.
        let bits = unsafe {
            let a = _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256::<1>(a));
            let b = _mm_add_epi32(_mm256_castsi256_si128(b), _mm256_extracti128_si256::<1>(b));
            let sums = _mm_add_epi32(_mm_unpacklo_epi32(a, b), _mm_unpackhi_epi32(a, b));
            _mm_cvtsi128_si64(_mm_add_epi32(sums, _mm_unpackhi_epi64(sums, sums)))
        };
        [bits as i32, (bits >> 32) as i32]
    }

    #[inline(always)]
    fn row_of_16(self, codes: &[i8; 16]) -> __m256i {
        // SAFETY: `self` proves AVX2, and the reference is to 16 bytes.
        unsafe { _mm256_cvtepi8_epi16(_mm_loadu_si128(codes.as_ptr().cast())) }
    }

    #[inline(always)]
    fn query_of_16(self, codes: &[i16; 16]) -> __m256i {
        // SAFETY: `self` proves AVX2, and the reference is to 32 bytes.
        unsafe { _mm256_loadu_si256(codes.as_ptr().cast()) }
    }
}

impl Floats for Avx2 {
    type Part = __m256;

    #[inline(always)]
    fn zero(self) -> __m256 {
        // SAFETY: `self` proves AVX2.
        unsafe { _mm256_setzero_ps() }
    }

    #[inline(always)]
    fn load(self, numbers: &[f32; LANES], part: usize) -> __m256 {
        let eight = &numbers.as_chunks::<8>().0[part];
        // SAFETY: `self` proves AVX2, and the reference is to 32 bytes.
        unsafe { _mm256_loadu_ps(eight.as_ptr()) }
    }

    #[inline(always)]
    fn add_product(self, sum: __m256, x: __m256, y: __m256) -> __m256 {
        // SAFETY: `self` proves AVX2.
        unsafe { _mm256_add_ps(sum, _mm256_mul_ps(x, y)) }
    }

    #[inline(always)]
    fn reduce<const P: usize>(self, sum: [__m256; P]) -> f32 {
        let four = self.four(sum);
        self.two(four, four)[0]
    }

    #[inline(always)]
    fn reduce_pair<const P: usize>(self, a: [__m256; P], b: [__m256; P]) -> [f32; 2] {
        self.two(self.four(a), self.four(b))
    }

    #[inline(always)]
    fn prefetch<T>(self, row: &[T]) {
        prefetch(row);
    }
}

/// Implements the integers of a type whose partial sums are eight i32.
macro_rules! integers_of_256_bits {
    ($type:ty) => {
        impl Integers<16> for $type {
            type Numbers = __m256i;
            type Sum = __m256i;

            #[inline(always)]
            fn zero(self) -> __m256i {
                // SAFETY: `self` proves AVX2.
                unsafe { _mm256_setzero_si256() }
            }

            #[inline(always)]
            fn row(self, codes: &[i8; 16]) -> __m256i {
                self.avx2().row_of_16(codes)
            }

            #[inline(always)]
            fn query(self, codes: &[i16; 16]) -> __m256i {
                self.avx2().query_of_16(codes)
            }

            #[inline(always)]
            fn add_products(self, sum: __m256i, x: __m256i, y: __m256i) -> __m256i {
                self.add_256(sum, x, y)
            }

            #[inline(always)]
            fn reduce(self, sum: __m256i) -> i32 {
                self.avx2().two_integers(sum, sum)[0]
            }

            #[inline(always)]
            fn reduce_pair(self, a: __m256i, b: __m256i) -> [i32; 2] {
                self.avx2().two_integers(a, b)
            }

            #[inline(always)]
            fn prefetch<T>(self, row: &[T]) {
                prefetch(row);
            }
        }
    };
}

integers_of_256_bits!(Avx2);
integers_of_256_bits!(AvxVnni);

impl Avx2 {
    #[inline(always)]
    fn avx2(self) -> Self {
        self
    }

    #[inline(always)]
    fn add_256(self, sum: __m256i, x: __m256i, y: __m256i) -> __m256i {
        // SAFETY: `self` proves AVX2.
        unsafe { _mm256_add_epi32(sum, _mm256_madd_epi16(x, y)) }
    }
}

impl AvxVnni {
    #[inline(always)]
    pub(super) fn avx2(self) -> Avx2 {
        self.0
    }

    #[inline(always)]
    fn add_256(self, sum: __m256i, x: __m256i, y: __m256i) -> __m256i {
        // SAFETY: `self` proves AVX-VNNI.
        unsafe { _mm256_dpwssd_avx_epi32(sum, x, y) }
    }
}

impl Floats for Avx512 {
    type Part = __m512;

    #[inline(always)]
    fn zero(self) -> __m512 {
        // SAFETY: `self` proves AVX-512 F.
        unsafe { _mm512_setzero_ps() }
    }

    #[inline(always)]
    fn load(self, numbers: &[f32; LANES], _part: usize) -> __m512 {
        // SAFETY: `self` proves AVX-512 F, and the reference is to 64 bytes.
        unsafe { _mm512_loadu_ps(numbers.as_ptr()) }
    }

    #[inline(always)]
    fn add_product(self, sum: __m512, x: __m512, y: __m512) -> __m512 {
        // SAFETY: `self` proves AVX-512 F.
        unsafe { _mm512_add_ps(sum, _mm512_mul_ps(x, y)) }
    }

    #[inline(always)]
    fn reduce<const P: usize>(self, sum: [__m512; P]) -> f32 {
        Floats::reduce(self.0, self.halves(sum[0]))
    }

    #[inline(always)]
    fn reduce_pair<const P: usize>(self, a: [__m512; P], b: [__m512; P]) -> [f32; 2] {
        Floats::reduce_pair(self.0, self.halves(a[0]), self.halves(b[0]))
    }

    #[inline(always)]
    fn prefetch<T>(self, row: &[T]) {
        prefetch(row);
    }
}

impl Avx512 {
    #[inline(always)]
    fn halves(self, sum: __m512) -> [__m256; 2] {
        // SAFETY: `self` proves AVX-512 F.
        unsafe {
            let high = _mm512_extractf64x4_pd::<1>(_mm512_castps_pd(sum));
            [_mm512_castps512_ps256(sum), _mm256_castpd_ps(high)]
        }
    }

    #[inline(always)]
    fn integer_halves(self, sum: __m512i) -> __m256i {
        // SAFETY: `self` proves AVX2 and AVX-512 F.
        unsafe { _mm256_add_epi32(_mm512_castsi512_si256(sum), _mm512_extracti64x4_epi64::<1>(sum)) }
    }
}

impl Integers<32> for Avx512 {
    type Numbers = __m512i;
    type Sum = __m512i;

    #[inline(always)]
    fn zero(self) -> __m512i {
        // SAFETY: `self` proves AVX-512 F.
        unsafe { _mm512_setzero_si512() }
    }

    #[inline(always)]
    fn row(self, codes: &[i8; 32]) -> __m512i {
        // SAFETY: `self` proves AVX2 and AVX-512 BW, and the reference is to 32 bytes.
        unsafe { _mm512_cvtepi8_epi16(_mm256_loadu_si256(codes.as_ptr().cast())) }
    }

    #[inline(always)]
    fn query(self, codes: &[i16; 32]) -> __m512i {
        // SAFETY: `self` proves AVX-512 F, and the reference is to 64 bytes.
        unsafe { _mm512_loadu_si512(codes.as_ptr().cast()) }
    }

    #[inline(always)]
    fn add_products(self, sum: __m512i, x: __m512i, y: __m512i) -> __m512i {
        // SAFETY: `self` proves AVX-512 VNNI.
        unsafe { _mm512_dpwssd_epi32(sum, x, y) }
    }

    #[inline(always)]
    fn reduce(self, sum: __m512i) -> i32 {
        Integers::reduce(self.0, self.integer_halves(sum))
    }

    #[inline(always)]
    fn reduce_pair(self, a: __m512i, b: __m512i) -> [i32; 2] {
        self.0.two_integers(self.integer_halves(a), self.integer_halves(b))
    }

    #[inline(always)]
    fn prefetch<T>(self, row: &[T]) {
        prefetch(row);
    }
}

/// Defines a kernel as a function that enables instructions, and a safe function that calls it.
macro_rules! kernel {
    ($name:ident, $features:literal, $type:ty, $number:ty, $query:ty, $out:ty, $kernel:expr) => {
        pub(super) fn $name(cpu: $type, block: &Block<'_, $number>, queries: &[$query], out: &mut [$out]) {
            #[target_feature(enable = $features)]
            fn inner(cpu: $type, block: &Block<'_, $number>, queries: &[$query], out: &mut [$out]) {
                $kernel(cpu, block, queries, out);
            }
            // SAFETY: `cpu` proves the instructions.
            unsafe { inner(cpu, block, queries, out) }
        }
    };
}

kernel!(avx2_floats, "avx2", Avx2, f32, f32, f32, floats::<_, 3, 2>);
kernel!(avx2_integers, "avx2", Avx2, i8, i16, i32, integers::<_, 6, 16>);
kernel!(
    vnni_integers,
    "avx2,avxvnni",
    AvxVnni,
    i8,
    i16,
    i32,
    integers::<_, 6, 16>
);
kernel!(avx512_floats, "avx2,avx512f", Avx512, f32, f32, f32, floats::<_, 6, 1>);
kernel!(
    avx512_integers,
    "avx2,avx512f,avx512bw,avx512vnni",
    Avx512,
    i8,
    i16,
    i32,
    integers::<_, 6, 32>
);
