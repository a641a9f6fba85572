//! Iterator over values that a background thread makes ahead of the consumer.
//!
//! Parallel iterators on that thread run on Rayon's global pool.

use std::sync::mpsc::{Receiver, sync_channel};

/// Iterator over values that a thread makes ahead of the consumer.
#[derive(Debug)]
pub struct Prefetch<T> {
    receiver: Receiver<T>,
}

impl<T> Iterator for Prefetch<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.receiver.recv().ok()
    }
}

/// Starts a thread that makes `values`, at most `ahead` of them before the consumer asks for them.
///
/// The thread ends with the values, or when the iterator is dropped.
pub fn prefetch<T: Send + 'static>(ahead: usize, values: impl Iterator<Item = T> + Send + 'static) -> Prefetch<T> {
    let (sender, receiver) = sync_channel(ahead);
    std::thread::spawn(move || {
        for value in values {
            // The consumer was dropped.
            if sender.send(value).is_err() {
                return;
            }
        }
    });
    Prefetch { receiver }
}

/// Ends `results` after the first error, which is the last item.
pub fn until_error<T, E>(mut results: impl Iterator<Item = Result<T, E>>) -> impl Iterator<Item = Result<T, E>> {
    let mut failed = false;
    std::iter::from_fn(move || {
        if failed {
            return None;
        }
        let next = results.next();
        failed = matches!(next, Some(Err(_)));
        next
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_error_ends_the_values() {
        let results = [Ok(1), Ok(2), Err("broken"), Ok(4)];
        let found: Vec<Result<i32, &str>> = prefetch(1, until_error(results.into_iter())).collect();
        assert_eq!(found, [Ok(1), Ok(2), Err("broken")]);
    }

    #[test]
    fn the_thread_ends_when_the_consumer_is_dropped() {
        let alive = std::sync::Arc::new(());
        let held = std::sync::Arc::clone(&alive);
        let mut endless = prefetch(
            1,
            std::iter::repeat_with(move || {
                let _ = &held;
            }),
        );
        endless.next();
        drop(endless);
        while std::sync::Arc::strong_count(&alive) > 1 {
            std::thread::yield_now();
        }
    }
}
