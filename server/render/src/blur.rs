//! Box blur in place by running sums, at a cost independent of the radius.

/// Blurs a plane of `w` × `h` values with a box of side `2 r + 1`, `passes` times. Values outside count as 0.
pub(crate) fn blur(plane: &mut [f32], w: usize, h: usize, r: usize, passes: usize) {
    if r == 0 || w == 0 || h == 0 {
        return;
    }
    let norm = 1.0 / (2 * r + 1) as f32;
    let mut row = vec![0.0f32; w];
    let mut sums = vec![0.0f32; w];
    let mut copy = vec![0.0f32; plane.len()];
    for _ in 0..passes {
        for y in 0..h {
            let line = &mut plane[y * w..(y + 1) * w];
            row.copy_from_slice(line);
            let mut sum: f32 = row[..r.min(w)].iter().sum();
            for x in 0..w {
                if x + r < w {
                    sum += row[x + r];
                }
                if x > r {
                    sum -= row[x - r - 1];
                }
                line[x] = sum * norm;
            }
        }
        copy.copy_from_slice(plane);
        sums.fill(0.0);
        for y in 0..r.min(h) {
            add(&mut sums, &copy[y * w..(y + 1) * w], 1.0);
        }
        for y in 0..h {
            if y + r < h {
                add(&mut sums, &copy[(y + r) * w..(y + r + 1) * w], 1.0);
            }
            if y > r {
                add(&mut sums, &copy[(y - r - 1) * w..(y - r) * w], -1.0);
            }
            for (p, s) in plane[y * w..(y + 1) * w].iter_mut().zip(&sums) {
                *p = s * norm;
            }
        }
    }
}

fn add(sums: &mut [f32], row: &[f32], sign: f32) {
    for (s, v) in sums.iter_mut().zip(row) {
        *s += sign * v;
    }
}
