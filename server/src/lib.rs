//! Selvedge server.
