//! Learned projection whitening: fewer numbers an embedding, in which photos of one identity differ equally in all
//! directions (Mikolajczyk & Matas 2007; Radenović, Tolias & Chum 2018).

use anyhow::{Context, ensure};
use burn::tensor::Device;
use shared::server_models::Projection;
use std::collections::BTreeMap;

/// Share of the mean variance that is added to every direction of the scatter within identities, so that a direction
/// in which the training photos hardly differ is not blown up.
const SHRINKAGE: f64 = 0.1;
/// QL steps that an eigenvalue may take.
const MAX_STEPS: usize = 60;

/// The `dims` principal directions of `rows`, `[n][d]`, whitened by the scatter of each identity's photos about their
/// mean. `ids[i]` is row `i`'s.
///
/// # Errors
/// If there are no more rows than `dims`, `dims` is none or more than `d`, or no identity has two photos.
pub fn whitening(rows: &[Vec<f32>], ids: &[&str], dims: usize, device: &Device) -> anyhow::Result<Projection> {
    let (mean, principal) = pca(rows, dims)?;
    let reduced: Vec<Vec<f64>> = rows.iter().map(|row| project(&mean, &principal, row)).collect();
    let mut by_id: BTreeMap<&str, Vec<&Vec<f64>>> = BTreeMap::new();
    ids.iter()
        .zip(&reduced)
        .for_each(|(id, row)| by_id.entry(id).or_default().push(row));
    by_id.retain(|_, photos| photos.len() > 1);
    ensure!(
        !by_id.is_empty(),
        "no identity has two training photos, so there is nothing to whiten by"
    );
    let within = by_id.values().flat_map(|photos| {
        let middle = |d: usize| photos.iter().map(|photo| photo[d]).sum::<f64>() / photos.len() as f64;
        let middle: Vec<f64> = (0..dims).map(middle).collect();
        photos
            .iter()
            .map(move |photo| photo.iter().zip(&middle).map(|(a, b)| a - b).collect::<Vec<f64>>())
    });
    let mut scatter = covariance(within, dims);
    let added = SHRINKAGE * (0..dims).map(|d| scatter[d][d]).sum::<f64>() / dims as f64;
    (0..dims).for_each(|d| scatter[d][d] += added);
    let (values, vectors) = eigen(scatter)?;
    let whitened = values.iter().zip(&vectors).map(|(value, vector)| {
        let scale = value.max(f64::MIN_POSITIVE).sqrt();
        let mut line = vec![0.0; mean.len()];
        for (weight, direction) in vector.iter().zip(&principal) {
            line.iter_mut()
                .zip(direction)
                .for_each(|(sum, value)| *sum += weight / scale * value);
        }
        line
    });
    let narrow = |values: &[f64]| -> Vec<f32> { values.iter().map(|value| *value as f32).collect() };
    let directions: Vec<Vec<f32>> = whitened.map(|line| narrow(&line)).collect();
    let finite = directions.iter().flatten().all(|value| value.is_finite());
    ensure!(
        finite,
        "the photos of each identity do not differ in {dims} directions; ask for fewer dimensions"
    );
    Ok(Projection::new(narrow(&mean), &directions, device))
}

/// The mean of `rows`, `[n][d]`, and their `dims` principal directions, the greatest variance first.
///
/// # Errors
/// If there are no more rows than `dims`, or `dims` is none or more than `d`.
fn pca(rows: &[Vec<f32>], dims: usize) -> anyhow::Result<(Vec<f64>, Vec<Vec<f64>>)> {
    let width = rows.first().map_or(0, Vec::len);
    ensure!(
        (1..=width).contains(&dims) && rows.len() > dims,
        "{} embeddings of {width} numbers cannot be projected to {dims}; ask for fewer dimensions",
        rows.len()
    );
    let mut mean = vec![0.0; width];
    for row in rows {
        mean.iter_mut()
            .zip(row)
            .for_each(|(mean, value)| *mean += f64::from(*value) / rows.len() as f64);
    }
    let centred = rows.iter().map(|row| {
        row.iter()
            .zip(&mean)
            .map(|(value, mean)| f64::from(*value) - mean)
            .collect()
    });
    let (_, mut vectors) = eigen(covariance(centred, width))?;
    vectors.truncate(dims);
    Ok((mean, vectors))
}

fn project(mean: &[f64], directions: &[Vec<f64>], row: &[f32]) -> Vec<f64> {
    let centred: Vec<f64> = row
        .iter()
        .zip(mean)
        .map(|(value, mean)| f64::from(*value) - mean)
        .collect();
    directions
        .iter()
        .map(|line| line.iter().zip(&centred).map(|(a, b)| a * b).sum())
        .collect()
}

/// Mean outer product.
fn covariance(rows: impl Iterator<Item = Vec<f64>>, width: usize) -> Vec<Vec<f64>> {
    let mut sum = vec![vec![0.0; width]; width];
    let mut n = 0.0f64;
    for row in rows {
        n += 1.0;
        for (line, a) in sum.iter_mut().zip(&row) {
            line.iter_mut().zip(&row).for_each(|(sum, b)| *sum += a * b);
        }
    }
    sum.iter_mut().flatten().for_each(|value| *value /= n.max(1.0));
    sum
}

/// Eigenvalues of a symmetric matrix from the greatest down, and their unit eigenvectors, one a line: Householder
/// reflections to three diagonals, then implicit QL (Golub & Van Loan, 8.3). The sign makes the greatest part positive.
///
/// # Errors
/// If QL does not converge, as with values that are not finite.
#[allow(clippy::many_single_char_names)] // as in the book
fn eigen(mut a: Vec<Vec<f64>>) -> anyhow::Result<(Vec<f64>, Vec<Vec<f64>>)> {
    let n = a.len();
    // The rows of `q` are the columns of the orthogonal matrix, so that the loops below walk along memory.
    let mut q: Vec<Vec<f64>> = (0..n)
        .map(|i| (0..n).map(|j| f64::from(u8::from(i == j))).collect())
        .collect();
    let mut reflections = Vec::new();
    for k in 0..n.saturating_sub(2) {
        let mut v: Vec<f64> = a[k][k + 1..].to_vec();
        let length = v.iter().map(|x| x * x).sum::<f64>().sqrt();
        if length == 0.0 {
            continue;
        }
        v[0] += length.copysign(v[0]);
        let norm = v.iter().map(|x| x * x).sum::<f64>().sqrt();
        v.iter_mut().for_each(|x| *x /= norm);
        let below = &mut a[k + 1..];
        let p: Vec<f64> = below
            .iter()
            .map(|line| line[k + 1..].iter().zip(&v).map(|(x, y)| x * y).sum())
            .collect();
        let half: f64 = p.iter().zip(&v).map(|(x, y)| x * y).sum();
        let w: Vec<f64> = p.iter().zip(&v).map(|(x, y)| 2.0 * (x - half * y)).collect();
        for (i, line) in below.iter_mut().enumerate() {
            for (j, x) in line[k + 1..].iter_mut().enumerate() {
                *x -= v[i] * w[j] + w[i] * v[j];
            }
        }
        // Exactly what the reflection leaves of row and column k.
        let sub = -length.copysign(a[k][k + 1]);
        a[k][k + 1] = sub;
        a[k + 1][k] = sub;
        reflections.push((k, v));
    }
    for (k, v) in reflections.iter().rev() {
        for line in &mut q[k + 1..] {
            let along = 2.0 * line[k + 1..].iter().zip(v).map(|(x, y)| x * y).sum::<f64>();
            line[k + 1..].iter_mut().zip(v).for_each(|(x, y)| *x -= along * y);
        }
    }
    let mut d: Vec<f64> = (0..n).map(|i| a[i][i]).collect();
    let mut e: Vec<f64> = (0..n).map(|i| if i + 1 < n { a[i][i + 1] } else { 0.0 }).collect();
    for l in 0..n {
        for step in 0.. {
            let end = (l..n - 1).find(|m| e[*m].abs() <= f64::EPSILON * (d[*m].abs() + d[*m + 1].abs()));
            let m = end.unwrap_or(n - 1);
            if m == l {
                break;
            }
            (step < MAX_STEPS && d[l].is_finite())
                .then_some(())
                .context("the embeddings have no finite covariance")?;
            let mut g = (d[l + 1] - d[l]) / (2.0 * e[l]);
            let mut r = g.hypot(1.0);
            g = d[m] - d[l] + e[l] / (g + r.copysign(g));
            let (mut s, mut c, mut p) = (1.0, 1.0, 0.0);
            let mut whole = true;
            for i in (l..m).rev() {
                let (f, b) = (s * e[i], c * e[i]);
                r = f.hypot(g);
                e[i + 1] = r;
                if r == 0.0 {
                    d[i + 1] -= p;
                    e[m] = 0.0;
                    whole = false;
                    break;
                }
                (s, c) = (f / r, g / r);
                g = d[i + 1] - p;
                r = (d[i] - g) * s + 2.0 * c * b;
                p = s * r;
                d[i + 1] = g + p;
                g = c * r - b;
                let (left, right) = q.split_at_mut(i + 1);
                for (x, y) in left[i].iter_mut().zip(&mut right[0]) {
                    (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
                }
            }
            if whole {
                d[l] -= p;
                e[l] = g;
                e[m] = 0.0;
            }
        }
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|a, b| d[*b].total_cmp(&d[*a]));
    let signed = |at: &usize| {
        let greatest = q[*at]
            .iter()
            .copied()
            .fold(0.0f64, |best, x| if x.abs() > best.abs() { x } else { best });
        q[*at].iter().map(|x| x * 1f64.copysign(greatest)).collect()
    };
    Ok((
        order.iter().map(|at| d[*at]).collect(),
        order.iter().map(signed).collect(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eigenvectors_are_orthonormal_and_solve_the_equation() {
        for n in [1usize, 2, 3, 7, 40] {
            let value = |i: usize, j: usize| ((i * 7 + j * 7 + i * j * 3) % 23) as f64 / 5.0 - 2.0;
            let a: Vec<Vec<f64>> = (0..n).map(|i| (0..n).map(|j| value(i, j)).collect()).collect();
            let (values, vectors) = eigen(a.clone()).expect("converges");
            assert!(values.is_sorted_by(|x, y| x >= y));
            for (at, (value, vector)) in values.iter().zip(&vectors).enumerate() {
                for (line, x) in a.iter().zip(vector) {
                    let image: f64 = line.iter().zip(vector).map(|(a, x)| a * x).sum();
                    assert!((image - value * x).abs() < 1e-9, "{n} {at}");
                }
                for (other, line) in vectors.iter().enumerate() {
                    let product: f64 = line.iter().zip(vector).map(|(a, b)| a * b).sum();
                    assert!(
                        (product - f64::from(u8::from(at == other))).abs() < 1e-9,
                        "{n} {at} {other}"
                    );
                }
            }
        }
    }
}
