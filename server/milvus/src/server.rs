//! Requests to a server, with repetitions and the circuit breaker.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use engine::EngineError;

use crate::answer::Fault;
use crate::circuit::Circuit;
use crate::client::Client;
use crate::options::MilvusOptions;

/// A server that may be away.
pub(crate) struct Server {
    options: MilvusOptions,
    client: Client,
    circuit: Mutex<Circuit>,
}

impl Server {
    /// Creates the connection without opening it.
    pub(crate) fn new(options: &MilvusOptions) -> Result<Self, EngineError> {
        let client = Client::new(options).map_err(|error| EngineError::Refused {
            action: "start",
            message: error.to_string(),
        })?;
        Ok(Self {
            circuit: Mutex::new(Circuit::new(options.failures, options.pause)),
            options: options.clone(),
            client,
        })
    }

    /// Sends a request, and repeats it while the server is away and time is left.
    ///
    /// `generation` is the one that the request names.
    pub(crate) fn call<T>(
        &self,
        action: &'static str,
        generation: i64,
        send: impl Fn(&Client, Duration) -> Result<T, Fault>,
    ) -> Result<T, EngineError> {
        self.call_within(self.options.timeout, action, send)?
            .ok_or_else(|| EngineError::unknown(generation))
    }

    /// As [`Self::call`] within `limit`, with `None` if the collection or the alias is missing.
    pub(crate) fn call_within<T>(
        &self,
        limit: Duration,
        action: &'static str,
        send: impl Fn(&Client, Duration) -> Result<T, Fault>,
    ) -> Result<Option<T>, EngineError> {
        let start = Instant::now();
        self.circuit().admit(start).map_err(|retry_after| EngineError::Away {
            retry_after,
            message: "the last requests failed".into(),
        })?;
        let mut backoff = self.options.backoff;
        let mut tries = 1;
        loop {
            match send(&self.client, limit.saturating_sub(start.elapsed())) {
                Err(Fault::Away(message)) => {
                    if tries >= self.options.tries || start.elapsed() + backoff >= limit {
                        let retry_after = self.circuit().fail(Instant::now());
                        return Err(EngineError::Away { retry_after, message });
                    }
                }
                answer => {
                    self.circuit().succeed();
                    return match answer {
                        Ok(value) => Ok(Some(value)),
                        Err(Fault::Missing) => Ok(None),
                        Err(Fault::Refused(message) | Fault::Away(message)) => {
                            Err(EngineError::Refused { action, message })
                        }
                    };
                }
            }
            thread::sleep(backoff);
            backoff *= 2;
            tries += 1;
        }
    }

    fn circuit(&self) -> MutexGuard<'_, Circuit> {
        self.circuit.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
