//! Disjoint sets.

/// Disjoint sets of the numbers from 0 (Tarjan 1975, with path halving).
pub(crate) struct UnionFind(Vec<usize>);

impl UnionFind {
    /// Creates `n` sets of one member each.
    pub(crate) fn new(n: usize) -> Self {
        Self((0..n).collect())
    }

    /// Returns the lowest member of the set that contains `member`.
    pub(crate) fn root(&mut self, mut member: usize) -> usize {
        while self.0[member] != member {
            self.0[member] = self.0[self.0[member]];
            member = self.0[member];
        }
        member
    }

    /// Unites the sets that contain `a` and `b`.
    pub(crate) fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.0[a.max(b)] = a.min(b);
    }
}
