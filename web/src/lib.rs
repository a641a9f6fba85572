//! Selvedge in the browser.
