//! The small module with the CPU backend alone, for browsers without a GPU adapter.

// The crate is linked for its exports, which wasm-bindgen reads from the module.
use web as _;

fn main() {}
