//! First handler of every request. It answers itself until the routes can.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use axum::extract::State;
use axum::routing::get;
use axum::{Router, middleware};

use super::app::App;
use super::error::ApiError;
use super::observe::observe;
use super::routes::{healthy, router};
use crate::shutdown::{Lifecycle, Phase};

/// Router of the moment: a small one while the service starts, then all routes.
pub(super) struct Front {
    lifecycle: Arc<Lifecycle>,
    step: Arc<Mutex<String>>,
    starting: Router,
    routes: OnceLock<Router>,
}

impl Front {
    pub(super) fn new(lifecycle: Arc<Lifecycle>) -> Self {
        let step = Arc::new(Mutex::new(String::from("the server is starting")));
        let starting = Router::new()
            .route("/livez", get(async || healthy()))
            .fallback(unready)
            .layer(middleware::from_fn(observe))
            .with_state(Arc::clone(&step));
        Self {
            lifecycle,
            step,
            starting,
            routes: OnceLock::new(),
        }
    }

    /// Sets the current step of starting, which requests are answered with, and logs it.
    pub(super) fn report(&self, step: impl Into<String>) {
        let step = step.into();
        tracing::info!("{step}");
        *self.step.lock().unwrap_or_else(PoisonError::into_inner) = step;
    }

    /// Uses the routes of `app` from now on.
    pub(super) fn open(&self, app: &Arc<App>) {
        // This is called once; a second call has no effect.
        let _ = self.routes.set(router(Arc::clone(app)));
    }

    /// Router for the next request.
    pub(super) fn router(&self) -> Router {
        self.routes.get().unwrap_or(&self.starting).clone()
    }

    /// True if clients should send their next request to another server.
    pub(super) fn is_ending(&self) -> bool {
        self.lifecycle.phase() == Phase::Draining
    }
}

async fn unready(State(step): State<Arc<Mutex<String>>>) -> ApiError {
    ApiError::Starting(step.lock().unwrap_or_else(PoisonError::into_inner).clone())
}
