//! Learned projection whitening: a projection to fewer dimensions in which photos of one item differ equally in all directions
//! (Mikolajczyk & Matas 2007; Radenović, Tolias & Chum 2018).

use anyhow::{Context, ensure};
use burn::tensor::Device;
use nalgebra::{DMatrix, DVector, SymmetricEigen};
use shared::server_models::Projection;
use std::collections::BTreeMap;

/// Share of the mean variance that is added to every direction of the scatter within items. It limits the scale of directions
/// in which the training photos hardly differ.
const SHRINKAGE: f64 = 0.1;
/// Maximum number of iterations of the eigenvalue solver per dimension.
const ITERATIONS: usize = 60;

/// Fits a projection of embeddings `[n][d]` to their `dims` principal directions, whitened by the scatter of each item's
/// photos about their mean. `ids` are the items of the rows.
///
/// # Errors
/// If there are not more rows than `dims`, `dims` is 0 or more than `d`, no item has two photos, or the covariance is not
/// finite.
pub fn whitening(rows: &[Vec<f32>], ids: &[&str], dims: usize, device: &Device) -> anyhow::Result<Projection> {
    let (n, width) = (rows.len(), rows.first().map_or(0, Vec::len));
    ensure!(
        (1..=width).contains(&dims) && n > dims,
        "{n} embeddings of {width} numbers cannot be projected to {dims}; ask for fewer dimensions"
    );
    let values = rows.iter().flatten().map(|value| f64::from(*value));
    let mut centred = DMatrix::from_row_iterator(n, width, values);
    let mean = centred.row_mean();
    centred.row_iter_mut().for_each(|mut row| row -= &mean);
    let (_, directions) = eigen(covariance(&centred))?;
    let principal = directions.columns(0, dims).into_owned();

    let within = within_items(&(centred * &principal), ids);
    ensure!(
        within.nrows() > 0,
        "no identity has two training photos, so there is nothing to whiten by"
    );
    let mut scatter = covariance(&within);
    let added = SHRINKAGE * scatter.trace() / dims as f64;
    for at in 0..dims {
        scatter[(at, at)] += added;
    }
    let (variances, rotation) = eigen(scatter)?;
    let scale = variances.map(|variance| 1.0 / variance.max(f64::MIN_POSITIVE).sqrt());
    let whitened = principal * rotation * DMatrix::from_diagonal(&scale);

    let narrow = |value: &f64| *value as f32;
    let directions: Vec<Vec<f32>> = whitened
        .column_iter()
        .map(|direction| direction.iter().map(narrow).collect())
        .collect();
    let is_finite = directions.iter().flatten().all(|value| value.is_finite());
    ensure!(
        is_finite,
        "the photos of each identity do not differ in {dims} directions; ask for fewer dimensions"
    );
    Ok(Projection::new(mean.iter().map(narrow).collect(), &directions, device))
}

/// Returns the rows of items with two or more rows, less the mean of their item.
fn within_items(rows: &DMatrix<f64>, ids: &[&str]) -> DMatrix<f64> {
    let mut by_item: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (row, id) in ids.iter().enumerate() {
        by_item.entry(id).or_default().push(row);
    }
    let mut differences = Vec::new();
    for photos in by_item.values().filter(|photos| photos.len() > 1) {
        let photos = rows.select_rows(photos);
        let mean = photos.row_mean();
        differences.extend(photos.row_iter().map(|photo| photo - &mean));
    }
    if differences.is_empty() {
        return DMatrix::zeros(0, rows.ncols());
    }
    DMatrix::from_rows(&differences)
}

/// Mean outer product of centred rows, `[d, d]`.
fn covariance(rows: &DMatrix<f64>) -> DMatrix<f64> {
    rows.tr_mul(rows) / rows.nrows() as f64
}

/// Eigenvalues of a symmetric matrix in falling order, and their unit eigenvectors as columns. The component of an eigenvector
/// with the largest magnitude is positive.
///
/// # Errors
/// If the matrix is not finite.
fn eigen(matrix: DMatrix<f64>) -> anyhow::Result<(DVector<f64>, DMatrix<f64>)> {
    let not_finite = "the embeddings have no finite covariance";
    ensure!(matrix.iter().all(|value| value.is_finite()), not_finite);
    let iterations = ITERATIONS * matrix.nrows();
    let found = SymmetricEigen::try_new(matrix, f64::EPSILON, iterations).context(not_finite)?;
    let mut order: Vec<usize> = (0..found.eigenvalues.len()).collect();
    order.sort_by(|a, b| found.eigenvalues[*b].total_cmp(&found.eigenvalues[*a]));
    let mut vectors = found.eigenvectors.select_columns(&order);
    for mut vector in vectors.column_iter_mut() {
        let sign = vector[vector.iamax()].signum();
        vector *= sign;
    }
    Ok((found.eigenvalues.select_rows(&order), vectors))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eigenvectors_are_orthonormal_and_solve_the_equation() {
        for n in [1usize, 2, 3, 7, 40] {
            let value = |i: usize, j: usize| ((i * 7 + j * 7 + i * j * 3) % 23) as f64 / 5.0 - 2.0;
            let matrix = DMatrix::from_fn(n, n, value);
            let (values, vectors) = eigen(matrix.clone()).expect("the matrix is finite");
            assert!(values.as_slice().is_sorted_by(|x, y| x >= y));
            let error = &matrix * &vectors - &vectors * DMatrix::from_diagonal(&values);
            assert!(error.amax() < 1e-9, "{n}: {}", error.amax());
            let error = vectors.tr_mul(&vectors) - DMatrix::identity(n, n);
            assert!(error.amax() < 1e-9, "{n}: {}", error.amax());
        }
    }

    #[test]
    fn a_matrix_that_is_not_finite_is_refused() {
        assert!(eigen(DMatrix::from_element(3, 3, f64::NAN)).is_err());
    }
}
