//! The first to see every request: while the catalogue and the models are being read, it answers itself, then hands over
//! to the routes.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use axum::extract::State;
use axum::routing::get;
use axum::{Router, middleware};

use super::App;
use super::error::ApiError;
use super::observe::observe;
use super::routes::{router, well};
use crate::shutdown::{Lifecycle, Phase};

/// Handler of requests at this moment.
pub(super) struct Front {
    lifecycle: Arc<Lifecycle>,
    doing: Arc<Mutex<String>>,
    starting: Router,
    routes: OnceLock<Router>,
}

impl Front {
    pub(super) fn new(lifecycle: Arc<Lifecycle>) -> Self {
        let doing = Arc::new(Mutex::new(String::from("the server is starting")));
        let starting = Router::new()
            .route("/livez", get(async || well()))
            .fallback(unready)
            .layer(middleware::from_fn(observe))
            .with_state(Arc::clone(&doing));
        Self {
            lifecycle,
            doing,
            starting,
            routes: OnceLock::new(),
        }
    }

    /// Says what is being done before the routes can answer.
    pub(super) fn says(&self, doing: impl Into<String>) {
        let doing = doing.into();
        tracing::info!("{doing}");
        *self.doing.lock().unwrap_or_else(PoisonError::into_inner) = doing;
    }

    /// Lets the routes of `app` answer from now on.
    pub(super) fn open(&self, app: &Arc<App>) {
        // It is called once; a second call would change nothing.
        let _ = self.routes.set(router(Arc::clone(app)));
    }

    pub(super) fn router(&self) -> Router {
        self.routes.get().unwrap_or(&self.starting).clone()
    }

    /// True if clients should take their next request elsewhere.
    pub(super) fn is_ending(&self) -> bool {
        self.lifecycle.phase() == Phase::Draining
    }
}

async fn unready(State(doing): State<Arc<Mutex<String>>>) -> ApiError {
    ApiError::Unready(doing.lock().unwrap_or_else(PoisonError::into_inner).clone())
}
