//! Kernel of exact search for NVIDIA GPUs: the greatest bound of each strip of rows, in one pass over the rows' codes.

use burn::backend::Cuda;
use burn::tensor::{DType, Int, Tensor};
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use crate::strips::{STRIP, STRIP_ROWS, Strips};

/// Threads of a plane.
const PLANE: usize = 32;
/// Planes of a cube. Each computes one strip.
const PLANES: usize = STRIP_ROWS / STRIP;
/// Threads of a cube.
const UNITS: usize = PLANE * PLANES;
/// Codes of a vector, which a thread reads at once.
const VECTOR: usize = 16;
/// Words of a vector. A word has four codes.
const WORDS: usize = 4;

/// Writes the greatest bound of each strip.
///
/// A cube copies `depth` vectors of each of its rows, and the same part of `count` queries, to shared memory. Each thread sums the
/// products of two rows, `near` and `far`. `codes` is `[rows, code_stride]` and `digits` is `[2 * queries, digit_stride]`, both in vectors;
/// `factors` is `[queries]`, `scales` and `errors` are `[rows]`, and `maxima` is `[queries, rows / STRIP]`. `width` is a multiple of
/// `depth`.
#[cube(launch_unchecked)]
fn strip_maxima<N: Size>(
    codes: &[Vector<i32, N>],
    digits: &[Vector<i32, N>],
    factors: &[f32],
    scales: &[f32],
    errors: &[f32],
    maxima: &mut [f32],
    width: u32,
    code_stride: u32,
    digit_stride: u32,
    queries: u32,
    strips: u32,
    #[comptime] count: usize,
    #[comptime] depth: usize,
) {
    let mut rows = Shared::<[Vector<i32, N>]>::new_slice(comptime!(STRIP_ROWS * (depth + 1)));
    let mut asked = Shared::<[Vector<i32, N>]>::new_slice(comptime!(2 * count * depth));
    let queries = queries as usize;
    let lane = UNIT_POS as usize % PLANE;
    let plane = UNIT_POS as usize / PLANE;
    let first_row = CUBE_POS * STRIP_ROWS;
    let near = plane * STRIP + lane;
    let strip = CUBE_POS * PLANES + plane;

    let mut first = 0usize;
    while first < queries {
        // High digits of the near row, low ones, high ones of the far row, low ones; each of all queries.
        let mut sums = Array::<i32>::new(comptime!(4 * count));
        #[unroll]
        for at in 0..comptime!(4 * count) {
            sums[at] = 0i32;
        }
        let mut start = 0usize;
        while start < width as usize {
            sync_cube();
            let begin = first_row * code_stride as usize + start;
            copy_rows::<N>(codes, &mut rows, begin, code_stride as usize, depth);
            let stride = digit_stride as usize;
            copy_queries::<N>(digits, &mut asked, first, queries, start, stride, count, depth);
            sync_cube();
            multiply::<N>(&rows, &asked, near, &mut sums, count, depth);
            start += depth;
        }
        #[unroll]
        for q in 0..count {
            if first + q < queries {
                let factor = factors[first + q];
                let row = first_row + near;
                let far = row + PLANE;
                let near_bound = bound(sums[q], sums[count + q], scales[row], factor, errors[row]);
                let high = sums[2 * count + q];
                let far_bound = bound(high, sums[3 * count + q], scales[far], factor, errors[far]);
                let greatest = plane_max(max(near_bound, far_bound));
                if lane == 0 {
                    maxima[(first + q) * strips as usize + strip] = greatest;
                }
            }
        }
        first += count;
    }
}

/// Bound of a row's score in units of the query.
#[cube]
fn bound(high: i32, low: i32, scale: f32, factor: f32, error: f32) -> f32 {
    f32::cast_from(high * 256i32 + low) * scale * factor + error
}

/// Copies `depth` vectors of each row of a cube, from `start` on. One more vector per row puts the rows that adjacent threads read into
/// different banks.
#[cube]
fn copy_rows<N: Size>(
    codes: &[Vector<i32, N>],
    rows: &mut Shared<[Vector<i32, N>]>,
    start: usize,
    stride: usize,
    #[comptime] depth: usize,
) {
    #[unroll]
    for part in 0..comptime!(STRIP_ROWS * depth / UNITS) {
        let at = part * UNITS + UNIT_POS as usize;
        let row = at / depth;
        let column = at % depth;
        rows[row * comptime!(depth + 1) + column] = codes[start + row * stride + column];
    }
}

/// Copies `depth` vectors of both digits of `count` queries, from the query `first` and the vector `start` on.
#[cube]
#[allow(clippy::too_many_arguments)] // a kernel has no other state
fn copy_queries<N: Size>(
    digits: &[Vector<i32, N>],
    asked: &mut Shared<[Vector<i32, N>]>,
    first: usize,
    queries: usize,
    start: usize,
    stride: usize,
    #[comptime] count: usize,
    #[comptime] depth: usize,
) {
    let mut at = UNIT_POS as usize;
    while at < comptime!(2 * count * depth) {
        let line = at / depth;
        let column = at % depth;
        let query = min(first + line % count, queries - 1);
        asked[at] = digits[((line / count) * queries + query) * stride + start + column];
        at += UNITS;
    }
}

/// Adds the products of the copied part of two rows and the digits of all queries.
#[cube]
fn multiply<N: Size>(
    rows: &Shared<[Vector<i32, N>]>,
    asked: &Shared<[Vector<i32, N>]>,
    near: usize,
    sums: &mut Array<i32>,
    #[comptime] count: usize,
    #[comptime] depth: usize,
) {
    let pitch = comptime!(depth + 1);
    for column in 0..depth {
        let row = rows[near * pitch + column];
        let far = rows[(near + PLANE) * pitch + column];
        #[unroll]
        for q in 0..count {
            let high = asked[q * depth + column];
            let low = asked[(count + q) * depth + column];
            #[unroll]
            for word in 0..WORDS {
                sums[q] = dp4a(row.extract(word), high.extract(word), sums[q]);
                sums[count + q] = dp4a(row.extract(word), low.extract(word), sums[count + q]);
                sums[2 * count + q] = dp4a(far.extract(word), high.extract(word), sums[2 * count + q]);
                sums[3 * count + q] = dp4a(far.extract(word), low.extract(word), sums[3 * count + q]);
            }
        }
    }
}

/// Computes the greatest bound of each strip, `[queries, rows / STRIP]`; `None` on a device without the kernel.
pub(crate) fn maxima(strips: &Strips<'_>) -> Option<Tensor<2>> {
    let [rows, width] = strips.codes.dims();
    let queries = strips.factors.dims()[0];
    let integers = |tensor: &Tensor<2, Int>| tensor.clone().try_into_primitive::<Cuda>().ok();
    let floats = |tensor: &Tensor<2>| tensor.clone().try_into_primitive::<Cuda>().ok();
    let (codes, digits) = (integers(strips.codes)?, integers(strips.digits)?);
    let (scales, errors, factors) = (floats(strips.scales)?, floats(strips.errors)?, floats(strips.factors)?);
    let client = codes.client.clone();
    let shape = [queries, rows / STRIP];
    let maxima = empty_device_contiguous_dtype(client.clone(), codes.device.clone(), shape.into(), DType::F32);
    let count = queries.next_power_of_two().min(8);
    let depth = if width % (8 * VECTOR) == 0 { 8 } else { 4 };
    let stride = |tensor: &CubeTensor| tensor.meta.strides()[0] / VECTOR;
    let (code_stride, digit_stride) = (stride(&codes), stride(&digits));
    // SAFETY: the lengths are those of the tensors. The kernel stays within them, because whole cubes of rows and whole parts of
    // their width exist, and it compares no query after the last one.
    #[allow(unsafe_code)]
    unsafe {
        strip_maxima::launch_unchecked(
            &client,
            CubeCount::Static((rows / STRIP_ROWS) as u32, 1, 1),
            CubeDim::new_1d(UNITS as u32),
            WORDS,
            BufferArg::from_raw_parts(codes.handle, rows * code_stride * WORDS),
            BufferArg::from_raw_parts(digits.handle, 2 * queries * digit_stride * WORDS),
            BufferArg::from_raw_parts(factors.handle, queries),
            BufferArg::from_raw_parts(scales.handle, rows),
            BufferArg::from_raw_parts(errors.handle, rows),
            BufferArg::from_raw_parts(maxima.handle.clone(), queries * (rows / STRIP)),
            (width / VECTOR) as u32,
            code_stride as u32,
            digit_stride as u32,
            queries as u32,
            (rows / STRIP) as u32,
            count,
            depth,
        );
    }
    Some(Tensor::from_primitive::<Cuda>(maxima))
}
