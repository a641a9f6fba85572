//! Selvedge: what server and browser must agree on.
