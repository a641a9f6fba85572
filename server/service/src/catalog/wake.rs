//! Waiting for changes of the store.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// A signal that the store has changed.
#[derive(Default)]
pub(crate) struct Wake {
    changes: Mutex<u64>,
    signal: Condvar,
}

impl Wake {
    /// Wakes all waiting threads.
    pub(crate) fn ring(&self) {
        *self.changes.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.signal.notify_all();
    }

    /// Waits for a signal after the one numbered `seen`, or until the time is over. Returns the number of the last signal.
    pub(crate) fn wait(&self, seen: u64, most: Duration) -> u64 {
        let changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self
            .signal
            .wait_timeout_while(changes, most, |changes| *changes == seen);
        let (changes, _) = waited.unwrap_or_else(PoisonError::into_inner);
        *changes
    }
}
