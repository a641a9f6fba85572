//! Kernels: inner products of blocks of rows and batches of queries, with the instructions that the CPU has.
//!
//! Products of integers are exact. Products of f32 are added in one fixed order, with a rounding after every multiplication
//! and every addition, so all CPUs give the same bits. A fused multiply-add would round once, and CPUs without it would have
//! to emulate it. **Invariant:** all kernels return the same numbers. [`Kernels::best`] checks this on the running CPU.

#![allow(unsafe_code)] // Instructions that only some CPUs have. Each block states why it is sound.

mod block;
mod portable;
mod tile;

#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(target_arch = "x86_64")]
mod x86;

use std::sync::OnceLock;

pub(crate) use block::padded;
pub use block::{Block, CODES, LANES, Pick};

/// A set of kernels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kernels(Cpu);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cpu {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2(x86::Avx2),
    #[cfg(target_arch = "x86_64")]
    AvxVnni(x86::AvxVnni),
    #[cfg(target_arch = "x86_64")]
    Avx512(x86::Avx512),
    #[cfg(target_arch = "aarch64")]
    Neon(neon::Neon),
}

impl Kernels {
    /// Returns the fastest kernels of this CPU. Kernels whose products differ from the portable ones are not returned.
    pub fn best() -> Self {
        static BEST: OnceLock<Kernels> = OnceLock::new();
        *BEST.get_or_init(|| {
            let right = |kernels: &Self| kernels.agrees_with(Self::portable());
            Self::all().into_iter().rev().find(right).unwrap_or(Self::portable())
        })
    }

    /// Returns the kernels for every CPU.
    pub const fn portable() -> Self {
        Self(Cpu::Portable)
    }

    /// Returns all kernels that this CPU can run, the fastest one last.
    pub fn all() -> Vec<Self> {
        #[cfg(target_arch = "x86_64")]
        let special = [
            x86::Avx2::detect().map(Cpu::Avx2),
            x86::AvxVnni::detect().map(Cpu::AvxVnni),
            x86::Avx512::detect().map(Cpu::Avx512),
        ];
        #[cfg(target_arch = "aarch64")]
        let special = [neon::Neon::detect().map(Cpu::Neon)];
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        let special: [Option<Cpu>; 0] = [];
        let all = std::iter::once(Cpu::Portable).chain(special.into_iter().flatten());
        all.map(Self).collect()
    }

    /// Name of the instructions.
    pub const fn name(self) -> &'static str {
        match self.0 {
            Cpu::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Cpu::Avx2(_) => "AVX2",
            #[cfg(target_arch = "x86_64")]
            Cpu::AvxVnni(_) => "AVX-VNNI",
            #[cfg(target_arch = "x86_64")]
            Cpu::Avx512(_) => "AVX-512 VNNI",
            #[cfg(target_arch = "aarch64")]
            Cpu::Neon(_) => "NEON",
        }
    }

    /// Computes the inner products of `block` and `queries`. A query has the block's dimension, padded with zeros to a multiple
    /// of [`LANES`]. `out` is `[query][row]`.
    ///
    /// # Panics
    /// If the lengths do not agree.
    pub fn products(self, block: &Block<'_, f32>, queries: &[f32], out: &mut [f32]) {
        let width = block.dim.next_multiple_of(LANES);
        assert!(
            block.dim > 0 && out.len() * width == queries.len() * block.len(),
            "lengths of queries and products"
        );
        if block.pick.is_empty() {
            return;
        }
        match self.0 {
            Cpu::Portable => portable::floats_of(block, queries, out),
            #[cfg(target_arch = "x86_64")]
            Cpu::Avx2(cpu) => x86::avx2_floats(cpu, block, queries, out),
            #[cfg(target_arch = "x86_64")]
            Cpu::AvxVnni(cpu) => x86::avx2_floats(cpu.avx2(), block, queries, out),
            #[cfg(target_arch = "x86_64")]
            Cpu::Avx512(cpu) => x86::avx512_floats(cpu, block, queries, out),
            #[cfg(target_arch = "aarch64")]
            Cpu::Neon(cpu) => neon::neon_floats(cpu, block, queries, out),
        }
    }

    /// As [`products`](Self::products) for integers. A query is padded to a multiple of [`CODES`]. The sum of its magnitudes is
    /// less than 2³¹ / 128, so no sum overflows.
    ///
    /// # Panics
    /// If the lengths do not agree.
    pub fn integer_products(self, block: &Block<'_, i8>, queries: &[i16], out: &mut [i32]) {
        let width = block.dim.next_multiple_of(CODES);
        assert!(
            block.dim > 0 && out.len() * width == queries.len() * block.len(),
            "lengths of queries and products"
        );
        if block.pick.is_empty() {
            return;
        }
        match self.0 {
            Cpu::Portable => portable::integers_of(block, queries, out),
            #[cfg(target_arch = "x86_64")]
            Cpu::Avx2(cpu) => x86::avx2_integers(cpu, block, queries, out),
            #[cfg(target_arch = "x86_64")]
            Cpu::AvxVnni(cpu) => x86::vnni_integers(cpu, block, queries, out),
            #[cfg(target_arch = "x86_64")]
            Cpu::Avx512(cpu) => x86::avx512_integers(cpu, block, queries, out),
            #[cfg(target_arch = "aarch64")]
            Cpu::Neon(cpu) => neon::neon_integers(cpu, block, queries, out),
        }
    }

    /// True if both compute the same bits for a few rows and queries.
    fn agrees_with(self, other: Self) -> bool {
        [1, 17, 75].into_iter().all(|dim| {
            let (rows, queries) = (5, 9);
            let wave = |at: usize| (at as f32 * 0.7).sin();
            let numbers: Vec<f32> = (0..rows * dim).map(wave).collect();
            let codes: Vec<i8> = (0..rows * dim).map(|at| (wave(at + 5) * 127.0) as i8).collect();
            let vectors = padded(
                (0..queries).map(|query| (0..dim).map(move |at| wave(query * 91 + at))),
                LANES,
            );
            let steps = |query| (0..dim).map(move |at| (wave(query * 77 + at) * 32767.0) as i16);
            let steps = padded((0..queries).map(steps), CODES);
            let products = |kernels: Self| {
                let (mut floats, mut integers) = (vec![0.0; rows * queries], vec![0; rows * queries]);
                let pick = Pick::Range(0..rows);
                let numbers = &numbers;
                kernels.products(&Block { numbers, dim, pick }, &vectors, &mut floats);
                let (numbers, list) = (&codes, [4, 0, 3, 1, 2]);
                let pick = Pick::List(&list);
                kernels.integer_products(&Block { numbers, dim, pick }, &steps, &mut integers);
                (floats.into_iter().map(f32::to_bits).collect::<Vec<_>>(), integers)
            };
            products(self) == products(other)
        })
    }
}
