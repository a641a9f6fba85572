//! Selection of the best candidates, independent of their order.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// A score and its key. A higher score is better. Of equal scores, the smaller key is better.
#[derive(Debug, Clone, Copy)]
struct Ranked<K> {
    score: f32,
    key: K,
}

impl<K: Ord> Ord for Ranked<K> {
    fn cmp(&self, other: &Self) -> Ordering {
        shared::score::descending(other.score, self.score).then_with(|| other.key.cmp(&self.key))
    }
}

impl<K: Ord> PartialOrd for Ranked<K> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<K: Ord> PartialEq for Ranked<K> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<K: Ord> Eq for Ranked<K> {}

/// The best candidates so far, in a heap with the worst one on top. Each key is offered once.
pub(crate) struct Best<K> {
    limit: usize,
    heap: BinaryHeap<Reverse<Ranked<K>>>,
}

impl<K: Ord> Best<K> {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            heap: BinaryHeap::new(),
        }
    }

    /// Adds a candidate if it is among the best. NaN is worse than every number.
    pub(crate) fn offer(&mut self, score: f32, key: K) {
        if score.is_nan() {
            return;
        }
        let ranked = Ranked { score, key };
        if self.heap.len() < self.limit {
            self.heap.push(Reverse(ranked));
        } else if let Some(mut worst) = self.heap.peek_mut()
            && ranked > worst.0
        {
            *worst = Reverse(ranked);
        }
    }

    pub(crate) fn merge(mut self, other: Self) -> Self {
        other
            .heap
            .into_iter()
            .for_each(|Reverse(Ranked { score, key })| self.offer(score, key));
        self
    }

    /// Returns the candidates, best first.
    pub(crate) fn sorted(self) -> Vec<(f32, K)> {
        self.heap
            .into_sorted_vec()
            .into_iter()
            .map(|Reverse(Ranked { score, key })| (score, key))
            .collect()
    }
}
