//! The full module: WebGPU, and the CPU backend beside it. Loaded only after an adapter was found.

// Linked for its exports; wasm-bindgen finds them in the module.
use web as _;

fn main() {}
