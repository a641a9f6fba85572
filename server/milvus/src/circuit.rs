//! A circuit breaker: it spares a server that does not answer, and the time of those who would wait for it.

use std::time::{Duration, Instant};

/// Counts failures in a row. After `limit` of them, requests are refused for `pause`, and then one request tries again.
#[derive(Debug)]
pub(crate) struct Circuit {
    limit: u32,
    pause: Duration,
    failures: u32,
    /// Time until which requests are refused.
    open_until: Option<Instant>,
}

impl Circuit {
    /// Creates a breaker that admits requests.
    pub(crate) fn new(limit: u32, pause: Duration) -> Self {
        Self {
            limit: limit.max(1),
            pause,
            failures: 0,
            open_until: None,
        }
    }

    /// Admits a request.
    ///
    /// # Errors
    /// The time until the next try.
    pub(crate) fn admit(&mut self, now: Instant) -> Result<(), Duration> {
        match self.open_until {
            Some(until) if now < until => Err(until - now),
            Some(_) => {
                // This request tries. Others are refused until it ends.
                self.open_until = Some(now + self.pause);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Counts an answer.
    pub(crate) fn succeed(&mut self) {
        self.failures = 0;
        self.open_until = None;
    }

    /// Counts a failure. Returns the time until the next try is worthwhile.
    pub(crate) fn fail(&mut self, now: Instant) -> Duration {
        self.failures = self.failures.saturating_add(1);
        if self.failures >= self.limit {
            self.open_until = Some(now + self.pause);
        }
        self.pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSE: Duration = Duration::from_secs(5);

    /// A breaker after `failures` failures at `now`.
    fn after(failures: u32, now: Instant) -> Circuit {
        let mut circuit = Circuit::new(3, PAUSE);
        for _ in 0..failures {
            assert_eq!(circuit.admit(now), Ok(()));
            circuit.fail(now);
        }
        circuit
    }

    #[test]
    fn requests_are_refused_after_failures_in_a_row() {
        let now = Instant::now();
        assert_eq!(after(2, now).admit(now), Ok(()));
        assert_eq!(after(3, now).admit(now + PAUSE / 5), Err(PAUSE * 4 / 5));
    }

    #[test]
    fn an_answer_resets_the_count() {
        let now = Instant::now();
        let mut circuit = after(2, now);
        circuit.succeed();
        circuit.fail(now);
        assert_eq!(circuit.admit(now), Ok(()));
    }

    #[test]
    fn one_request_tries_after_the_pause() {
        let (start, later) = (Instant::now(), Instant::now() + PAUSE);
        let mut circuit = after(3, start);
        assert_eq!(circuit.admit(later), Ok(()));
        assert_eq!(circuit.admit(later), Err(PAUSE));
        circuit.fail(later);
        assert!(circuit.admit(later).is_err());
        assert_eq!(circuit.admit(later + PAUSE), Ok(()));
        circuit.succeed();
        assert_eq!(circuit.admit(later + PAUSE), Ok(()));
    }
}
