//! Ways of comparing the vectors in memory.

use scan::{Hit, Query, Scanner};

/// Way in which an [`ExactEngine`](crate::ExactEngine) compares vectors.
pub trait Compare: std::fmt::Debug + Send + Sync {
    /// Finds the hits that `scanner.search(queries)` finds. The rows of the scanner are `vectors`, `[row][dim]`.
    fn search(&self, vectors: &[f32], scanner: &Scanner<'_>, queries: &[Query<'_>]) -> Vec<Vec<Hit>>;
}

/// Comparison on the CPU.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct OnCpu;

impl Compare for OnCpu {
    fn search(&self, _vectors: &[f32], scanner: &Scanner<'_>, queries: &[Query<'_>]) -> Vec<Vec<Hit>> {
        scanner.search(queries)
    }
}
