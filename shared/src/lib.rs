//! Selvedge: what server and browser must agree on.
pub mod api;
