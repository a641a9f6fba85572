//! Learned projection whitening: a projection to fewer dimensions in which photos of one item differ equally in all directions
//! (Mikolajczyk & Matas 2007; Radenović, Tolias & Chum 2018).

use anyhow::{Context, ensure};
use burn::tensor::Device;
use nalgebra::{DMatrix, DVector, SymmetricEigen};
use serde::Serialize;
use shared::server_models::Projection;
use std::collections::BTreeMap;

/// Maximum number of iterations of the eigenvalue solver per dimension.
const ITERATIONS: usize = 60;
/// Rows whose outer products are computed at once; bounds the memory of a covariance.
const BLOCK: usize = 2048;
/// Share of the largest variance below which a direction has no variance but rounding errors.
const NEGLIGIBLE: f64 = 1e-10;

/// Order of the two steps of a whitening, which decides the kept directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// Keep the directions with the largest variance, then whiten by the scatter within items.
    #[default]
    Pca,
    /// Whiten by the scatter within items, then keep the directions with the largest variance (Radenović et al.'s Lw, as in a
    /// linear discriminant analysis).
    Lda,
}

/// Description of a whitening.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, clap::Args)]
pub struct Whitening {
    /// Dimensions of the whitened embeddings.
    #[arg(skip)]
    pub dims: usize,
    /// Order of whitening: pca (reduce to the directions with the largest variance, then whiten) or lda (whiten, then reduce)
    #[arg(
        id = "whiten_order",
        long = "whiten-order",
        default_value = "pca",
        hide_possible_values = true
    )]
    pub order: Order,
    /// Share of the mean variance that whitening adds to every direction of the scatter within items, at least 0. It limits
    /// the scale of directions in which the training photos hardly differ
    #[arg(
        id = "whiten_shrinkage",
        long = "whiten-shrinkage",
        value_name = "SHARE",
        default_value_t = 0.1
    )]
    pub shrinkage: f64,
}

impl Whitening {
    /// Returns the default whitening to `dims` dimensions.
    pub fn to(dims: usize) -> Self {
        Self {
            dims,
            order: Order::default(),
            shrinkage: 0.1,
        }
    }
}

/// Names the numbers that differ from the default, after the dimension.
impl std::fmt::Display for Whitening {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let default = Self::to(self.dims);
        write!(f, "{}", self.dims)?;
        if self.order != default.order {
            write!(f, " in the order lda")?;
        }
        if self.shrinkage != default.shrinkage {
            write!(f, " with shrinkage {}", self.shrinkage)?;
        }
        Ok(())
    }
}

/// Fits a projection of embeddings `[n][d]` to fewer directions, whitened by the scatter of each item's photos about their
/// mean. `ids` are the items of the rows.
///
/// The variance of all photos stands for Radenović et al.'s covariance of pairs that do not match: with many items nearly all
/// pairs do not match. With fewer rows than values, all steps are in the space that the rows span.
///
/// # Errors
/// If there are not more rows than dimensions, they are 0 or more than `d`, the shrinkage is negative, no item has two photos,
/// or the covariance is not finite.
pub fn whitening(rows: &[Vec<f32>], ids: &[&str], options: Whitening, device: &Device) -> anyhow::Result<Projection> {
    let (n, width) = (rows.len(), rows.first().map_or(0, Vec::len));
    let Whitening { dims, order, shrinkage } = options;
    ensure!(
        (1..=width).contains(&dims) && n > dims,
        "{n} embeddings of {width} numbers cannot be projected to {dims}; ask for fewer dimensions"
    );
    ensure!(
        shrinkage >= 0.0 && shrinkage.is_finite(),
        "the shrinkage of a whitening must be 0 or a positive number"
    );
    let values = rows.iter().flatten().map(|value| f64::from(*value));
    let mut centred = DMatrix::from_row_iterator(n, width, values);
    let mean = centred.row_mean();
    centred.row_iter_mut().for_each(|mut row| row -= &mean);
    let whitened = match order {
        Order::Pca => {
            let principal = principal(&centred, dims)?;
            let white = within_whitening(&(centred * &principal), ids, shrinkage)?;
            principal * white
        }
        Order::Lda => {
            // Directions without variance are not kept in any case.
            let span = (n <= width)
                .then(|| principal(&centred, (n - 1).min(width)))
                .transpose()?;
            let reduced = span.as_ref().map_or_else(|| centred.clone(), |span| &centred * span);
            let white = within_whitening(&reduced, ids, shrinkage)?;
            let kept = principal(&(reduced * &white), dims)?;
            let whitened = white * kept;
            span.map_or_else(|| whitened.clone(), |span| span * &whitened)
        }
    };

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

/// Returns the `dims` unit directions `[d, dims]` with the largest variance of centred rows `[n, d]`. With fewer rows than
/// values they come from the Gram matrix `[n, n]`, which has the same eigenvalues.
fn principal(centred: &DMatrix<f64>, dims: usize) -> anyhow::Result<DMatrix<f64>> {
    let (n, width) = centred.shape();
    if n < width {
        let (variances, vectors) = eigen(covariance(&centred.transpose()) * width as f64 / n as f64)?;
        // The rows span fewer than `dims` directions if one of their variances is negligible.
        if variances.len() >= dims && variances[dims - 1] > NEGLIGIBLE * variances[0] {
            let mut directions = centred.tr_mul(&vectors.columns(0, dims));
            directions.column_iter_mut().for_each(|mut direction| {
                direction.normalize_mut();
            });
            return Ok(directions);
        }
    }
    let (_, directions) = eigen(covariance(centred))?;
    Ok(directions.columns(0, dims).into_owned())
}

/// Returns the linear map `[d, d]` that whitens rows `[n, d]` by the scatter within items.
///
/// # Errors
/// If no item has two rows, or the scatter is not finite.
fn within_whitening(rows: &DMatrix<f64>, ids: &[&str], shrinkage: f64) -> anyhow::Result<DMatrix<f64>> {
    let within = within_items(rows, ids);
    ensure!(
        within.nrows() > 0,
        "no identity has two training photos, so there is nothing to whiten by"
    );
    let mut scatter = covariance(&within);
    let dims = scatter.nrows();
    let added = shrinkage * scatter.trace() / dims as f64;
    for at in 0..dims {
        scatter[(at, at)] += added;
    }
    let (variances, rotation) = eigen(scatter)?;
    let scale = variances.map(|variance| 1.0 / variance.max(f64::MIN_POSITIVE).sqrt());
    Ok(rotation * DMatrix::from_diagonal(&scale))
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

/// Mean outer product of centred rows `[n, d]`, `[d, d]`. Rows are multiplied in blocks, as matrices.
fn covariance(rows: &DMatrix<f64>) -> DMatrix<f64> {
    let (n, width) = rows.shape();
    let mut sum = DMatrix::zeros(width, width);
    for start in (0..n).step_by(BLOCK) {
        let block = rows.rows(start, BLOCK.min(n - start));
        sum.gemm(1.0, &block.transpose(), &block, 1.0);
    }
    sum / n as f64
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
