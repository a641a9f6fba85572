//! The full module with the WebGPU backend and the CPU backend. The page loads it only after it has found an adapter.

// The crate is linked for its exports, which wasm-bindgen reads from the module.
use web as _;

fn main() {}
