//! L-BFGS-B: minimisation of a smooth function within bounds (Byrd, Lu, Nocedal & Zhu 1995, SIAM J. Sci. Comput. 16).
//!
//! The limited-memory matrix is stored as a full matrix, `[n, n]`, instead of in its compact form, because problems are small.
//! The code follows sections 4 and 5 of the paper.

use std::collections::VecDeque;

/// Number of pairs of steps and changes of gradient in the matrix.
const MEMORY: usize = 10;
/// Maximum number of iterations.
const ITERATIONS: usize = 200;
/// Maximum coordinate of the projected gradient at which the search stops.
const GRADIENT_TOLERANCE: f64 = 1e-7;
/// Minimum relative decrease of the value per step. The search stops at a smaller one.
const VALUE_TOLERANCE: f64 = 1e-12;
/// Minimum decrease of the value as a share of the decrease that the slope predicts (Armijo).
const DECREASE: f64 = 1e-4;
/// Maximum slope after a step as a share of the slope before, unless the step is a full one (Wolfe).
const CURVATURE: f64 = 0.9;

/// Result of the search.
#[derive(Debug, Clone, PartialEq)]
pub struct Minimum {
    /// The point, within the bounds.
    pub x: Vec<f64>,
    /// Value of the function at the point.
    pub value: f64,
}

/// Searches from `start` for a local minimum within `lower..=upper`, all `[n]`.
///
/// `function` returns the value at a point within the bounds and writes the gradient, `[n]`, into its second argument.
/// A start outside is moved to the nearest bound. The result is never above the value at the start.
pub fn minimise(
    mut function: impl FnMut(&[f64], &mut [f64]) -> f64,
    start: &[f64],
    lower: &[f64],
    upper: &[f64],
) -> Minimum {
    let n = start.len();
    let mut x: Vec<f64> = (0..n).map(|i| start[i].clamp(lower[i], upper[i])).collect();
    let mut gradient = vec![0.0; n];
    let mut value = function(&x, &mut gradient);
    let mut pairs: VecDeque<(Vec<f64>, Vec<f64>)> = VecDeque::with_capacity(MEMORY);
    for _ in 0..ITERATIONS {
        let steepest = (0..n).map(|i| ((x[i] - gradient[i]).clamp(lower[i], upper[i]) - x[i]).abs());
        if steepest.fold(0.0, f64::max) <= GRADIENT_TOLERANCE {
            break;
        }
        let model = Model {
            x: &x,
            gradient: &gradient,
            lower,
            upper,
            matrix: matrix(&pairs, n),
        };
        let target = model.minimum();
        let direction: Vec<f64> = (0..n).map(|i| target[i] - x[i]).collect();
        let slope = dot(&gradient, &direction);
        let found = (slope < 0.0)
            .then(|| line_search(&mut function, &model, &direction, (value, slope), pairs.is_empty()))
            .flatten();
        let Some((next, next_value, next_gradient)) = found else {
            // The matrix can be wrong if the curvature changes quickly. Without memory, no other direction is left.
            if pairs.is_empty() {
                break;
            }
            pairs.clear();
            continue;
        };
        let step: Vec<f64> = (0..n).map(|i| next[i] - x[i]).collect();
        let change: Vec<f64> = (0..n).map(|i| next_gradient[i] - gradient[i]).collect();
        // Keeps the matrix positive definite.
        if dot(&step, &change) > f64::EPSILON * dot(&change, &change) {
            if pairs.len() == MEMORY {
                pairs.pop_front();
            }
            pairs.push_back((step, change));
        }
        let gained = value - next_value;
        (x, value, gradient) = (next, next_value, next_gradient);
        if gained <= VALUE_TOLERANCE * value.abs().max(1.0) {
            break;
        }
    }
    Minimum { x, value }
}

/// Searches by bisection for a step along `direction`, at most a full one, that satisfies the Wolfe conditions. Returns point,
/// value and gradient; `None` if rounding leaves no step that lowers the value.
#[allow(clippy::type_complexity)] // The caller destructures the step at once.
fn line_search(
    function: &mut impl FnMut(&[f64], &mut [f64]) -> f64,
    model: &Model<'_>,
    direction: &[f64],
    (value, slope): (f64, f64),
    cautious: bool,
) -> Option<(Vec<f64>, f64, Vec<f64>)> {
    let length = dot(direction, direction).sqrt();
    // Without memory, the scale of the function is unknown.
    let mut step: f64 = if cautious { (1.0 / length).min(1.0) } else { 1.0 };
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..40 {
        let next: Vec<f64> = (0..direction.len())
            .map(|i| (model.x[i] + step * direction[i]).clamp(model.lower[i], model.upper[i]))
            .collect();
        let mut gradient = vec![0.0; direction.len()];
        let next_value = function(&next, &mut gradient);
        let lowered = next_value <= value + DECREASE * step * slope;
        if lowered && (step >= 1.0 || dot(&gradient, direction) >= CURVATURE * slope) {
            return Some((next, next_value, gradient));
        }
        if lowered {
            low = step;
            step = if high == 1.0 {
                (2.0 * step).min(1.0)
            } else {
                (low + high) / 2.0
            };
        } else {
            high = step;
            step = (low + high) / 2.0;
        }
    }
    None
}

/// Computes the BFGS matrix of the pairs, oldest first, starting from a multiple of the identity.
fn matrix(pairs: &VecDeque<(Vec<f64>, Vec<f64>)>, n: usize) -> Vec<Vec<f64>> {
    let scale = pairs
        .back()
        .map_or(1.0, |(step, change)| dot(change, change) / dot(step, change));
    let mut matrix: Vec<Vec<f64>> = (0..n)
        .map(|i| (0..n).map(|j| if i == j { scale } else { 0.0 }).collect())
        .collect();
    for (step, change) in pairs {
        let moved = times(&matrix, step);
        let (along, curvature) = (dot(step, &moved), dot(step, change));
        for (i, row) in matrix.iter_mut().enumerate() {
            for (j, cell) in row.iter_mut().enumerate() {
                *cell += change[i] * change[j] / curvature - moved[i] * moved[j] / along;
            }
        }
    }
    matrix
}

/// Quadratic model of the function around `x`, within the bounds.
struct Model<'a> {
    x: &'a [f64],
    gradient: &'a [f64],
    lower: &'a [f64],
    upper: &'a [f64],
    matrix: Vec<Vec<f64>>,
}

impl Model<'_> {
    /// Computes the minimum over the free coordinates of the Cauchy point, truncated at the bounds.
    fn minimum(&self) -> Vec<f64> {
        let mut at = self.cauchy_point();
        let free: Vec<usize> = (0..at.len())
            .filter(|i| self.lower[*i] < at[*i] && at[*i] < self.upper[*i])
            .collect();
        let moved: Vec<f64> = (0..at.len()).map(|i| at[i] - self.x[i]).collect();
        let bent = times(&self.matrix, &moved);
        let residual: Vec<f64> = free.iter().map(|i| -(self.gradient[*i] + bent[*i])).collect();
        let reduced = free
            .iter()
            .map(|i| free.iter().map(|j| self.matrix[*i][*j]).collect())
            .collect();
        let Some(step) = solve(reduced, residual) else {
            return at;
        };
        let room = |(i, step): (&usize, &f64)| match step.total_cmp(&0.0) {
            std::cmp::Ordering::Greater => (self.upper[*i] - at[*i]) / step,
            std::cmp::Ordering::Less => (self.lower[*i] - at[*i]) / step,
            std::cmp::Ordering::Equal => f64::INFINITY,
        };
        let share = free.iter().zip(&step).map(room).fold(1.0, f64::min);
        for (i, step) in free.into_iter().zip(step) {
            at[i] = (at[i] + share * step).clamp(self.lower[i], self.upper[i]);
        }
        at
    }

    /// Computes the Cauchy point: the first minimum along the steepest descent, projected onto the bounds.
    fn cauchy_point(&self) -> Vec<f64> {
        let n = self.x.len();
        let meets = |i: usize| match self.gradient[i].total_cmp(&0.0) {
            std::cmp::Ordering::Less => (self.x[i] - self.upper[i]) / self.gradient[i],
            std::cmp::Ordering::Greater => (self.x[i] - self.lower[i]) / self.gradient[i],
            std::cmp::Ordering::Equal => f64::INFINITY,
        };
        let times_met: Vec<f64> = (0..n).map(meets).collect();
        let mut direction: Vec<f64> = (0..n)
            .map(|i| if times_met[i] > 0.0 { -self.gradient[i] } else { 0.0 })
            .collect();
        let mut order: Vec<usize> = (0..n).filter(|i| times_met[*i] > 0.0).collect();
        order.sort_by(|a, b| times_met[*a].total_cmp(&times_met[*b]));
        let mut moved = vec![0.0; n];
        let mut time = 0.0;
        for bound in order.into_iter().map(Some).chain([None]) {
            let bent = times(&self.matrix, &direction);
            let slope = dot(self.gradient, &direction) + dot(&bent, &moved);
            let curvature = dot(&direction, &bent);
            let best = if slope < 0.0 && curvature > 0.0 {
                -slope / curvature
            } else {
                0.0
            };
            let length = bound.map_or(f64::INFINITY, |i| times_met[i] - time);
            for (moved, direction) in moved.iter_mut().zip(&direction) {
                *moved += best.min(length) * direction;
            }
            let Some(i) = bound.filter(|_| best >= length) else {
                break;
            };
            // This avoids the rounding error of the sum.
            moved[i] = if direction[i] > 0.0 {
                self.upper[i]
            } else {
                self.lower[i]
            } - self.x[i];
            direction[i] = 0.0;
            time = times_met[i];
        }
        (0..n)
            .map(|i| (self.x[i] + moved[i]).clamp(self.lower[i], self.upper[i]))
            .collect()
    }
}

/// Solves `matrix · x = right` by Cholesky decomposition; `None` unless the matrix is positive definite.
fn solve(mut matrix: Vec<Vec<f64>>, mut right: Vec<f64>) -> Option<Vec<f64>> {
    let n = right.len();
    for i in 0..n {
        for j in 0..=i {
            let sum: f64 = matrix[i][j] - (0..j).map(|k| matrix[i][k] * matrix[j][k]).sum::<f64>();
            if i == j && sum <= 0.0 {
                return None;
            }
            matrix[i][j] = if i == j { sum.sqrt() } else { sum / matrix[j][j] };
        }
    }
    for i in 0..n {
        right[i] = (right[i] - (0..i).map(|k| matrix[i][k] * right[k]).sum::<f64>()) / matrix[i][i];
    }
    for i in (0..n).rev() {
        right[i] = (right[i] - (i + 1..n).map(|k| matrix[k][i] * right[k]).sum::<f64>()) / matrix[i][i];
    }
    Some(right)
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn times(matrix: &[Vec<f64>], vector: &[f64]) -> Vec<f64> {
    matrix.iter().map(|row| dot(row, vector)).collect()
}
