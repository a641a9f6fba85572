//! Selvedge server.
pub mod catalog;
pub mod embed;
pub mod http;
pub mod shutdown;
pub mod telemetry;
