//! Keys of requests, with which a client can repeat a request without a second task.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::http::request::Parts;
use serde_json::Value;
use store::{Store, StoreError, Task, TaskState};

use crate::http::error::ApiError;

/// Header of the key.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// Time for which a key stands for its task.
const VALID: Duration = Duration::from_secs(24 * 60 * 60);

/// Maximum number of tasks that are read at the start.
const READ: usize = 10_000;

/// Keys of a task's detail.
const KEY: &str = "idempotency_key";
const REQUEST: &str = "request_sha256";

/// Key that a client gave a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RequestKey {
    key: String,
    /// SHA-256 of the request.
    request: String,
}

/// The key in the head of a request, if there is one.
///
/// # Errors
/// If it is not 1 to 255 visible ASCII characters.
pub(crate) fn key_of(head: &Parts) -> Result<Option<String>, ApiError> {
    let Some(key) = head.headers.get(IDEMPOTENCY_KEY) else {
        return Ok(None);
    };
    let key = key.to_str().ok().map(str::trim);
    let key = key.filter(|key| (1..=255).contains(&key.len()));
    key.map(|key| Some(key.to_owned())).ok_or_else(|| {
        ApiError::field(
            "Idempotency-Key",
            "it is not 1 to 255 visible ASCII characters; send a UUID",
        )
    })
}

impl RequestKey {
    /// The key of a request whose body has the SHA-256 `body`.
    ///
    /// # Errors
    /// As [`key_of`].
    pub(crate) fn of(head: &Parts, body: [u8; 32]) -> Result<Option<Self>, ApiError> {
        let request = format!("{} {} {body:?}", head.method, head.uri);
        Ok(key_of(head)?.map(|key| Self {
            key,
            request: shared::bundle::sha256_hex(request.as_bytes()),
        }))
    }

    /// Writes the key into the detail of its task.
    pub(super) fn write(&self, detail: &mut Value) {
        detail[KEY] = self.key.as_str().into();
        detail[REQUEST] = self.request.as_str().into();
    }

    fn read(detail: &Value) -> Option<Self> {
        let text = |name: &str| Some(detail.get(name)?.as_str()?.to_owned());
        Some(Self {
            key: text(KEY)?,
            request: text(REQUEST)?,
        })
    }
}

/// Relation of a request to the requests of the last day.
pub(super) enum Repeated {
    /// No request had the key.
    New,
    /// The request made this task.
    Task(i64),
    /// Another request had the key.
    Other,
}

/// Keys of the last day.
#[derive(Default)]
pub(super) struct KnownKeys(HashMap<String, Known>);

struct Known {
    request: String,
    task: i64,
    created_at: i64,
}

impl KnownKeys {
    /// Reads the keys of ended tasks. A task that a killed process left can be sent again with its key.
    ///
    /// # Errors
    /// Errors of the database.
    pub(super) fn read(store: &Store) -> Result<Self, StoreError> {
        let mut known = Self::default();
        for task in store.tasks(READ)?.iter().rev() {
            if let Some(key) = RequestKey::read(&task.detail)
                && task.state.is_end()
                && task.state != TaskState::Interrupted
            {
                known.add(key, task);
            }
        }
        Ok(known)
    }

    /// Looks for the key of a request.
    pub(super) fn find(&mut self, key: &RequestKey) -> Repeated {
        let oldest = time_before(VALID);
        self.0.retain(|_, known| known.created_at >= oldest);
        match self.0.get(&key.key) {
            None => Repeated::New,
            Some(known) if known.request == key.request => Repeated::Task(known.task),
            Some(_) => Repeated::Other,
        }
    }

    /// Adds the key of a task.
    pub(super) fn add(&mut self, key: RequestKey, task: &Task) {
        let known = Known {
            request: key.request,
            task: task.number,
            created_at: task.created_at,
        };
        self.0.insert(key.key, known);
    }
}

/// Time that was `ago` before now, in milliseconds since 1970, as tasks have it.
pub(super) fn time_before(ago: Duration) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.saturating_sub(ago).as_millis()).unwrap_or_default()
}
