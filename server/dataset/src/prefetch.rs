//! Iterator over values that a background thread makes ahead of the consumer.
//!
//! Parallel iterators on that thread run on Rayon's global pool.

use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;

/// Iterator over values that a thread makes ahead of the consumer.
#[derive(Debug)]
pub struct Prefetch<T> {
    receiver: Receiver<T>,
    thread: Option<JoinHandle<()>>,
}

impl<T> Iterator for Prefetch<T> {
    type Item = T;

    /// # Panics
    /// If the thread panicked, with its message.
    fn next(&mut self) -> Option<T> {
        if let Ok(value) = self.receiver.recv() {
            return Some(value);
        }
        if let Some(Err(panic)) = self.thread.take().map(JoinHandle::join) {
            std::panic::resume_unwind(panic);
        }
        None
    }
}

/// Starts a thread that makes `values`, at most `ahead` of them before the consumer asks for them.
///
/// The thread ends with the values, or when the iterator is dropped.
pub fn prefetch<T: Send + 'static>(ahead: usize, values: impl Iterator<Item = T> + Send + 'static) -> Prefetch<T> {
    let (sender, receiver) = sync_channel(ahead);
    let thread = std::thread::spawn(move || {
        for value in values {
            // The consumer was dropped.
            if sender.send(value).is_err() {
                return;
            }
        }
    });
    Prefetch {
        receiver,
        thread: Some(thread),
    }
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
    #[should_panic(expected = "broken value")]
    fn a_panic_of_the_thread_reaches_the_consumer() {
        let values = (0..3).map(|value| if value < 2 { value } else { panic!("broken value") });
        prefetch(1, values).for_each(drop);
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
