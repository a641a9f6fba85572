//! The small module: the CPU backend alone, for browsers without a real GPU adapter.

// Linked for its exports; wasm-bindgen finds them in the module.
use web as _;

fn main() {}
