//! Reading and writing of networks as safetensors, f32, f16 or int8, with torchvision's parameter names and layouts.
//!
//! **Invariant:** a network is loaded completely or not at all. Every key matches, every shape fits, every number is finite
//! and no variance is negative. Otherwise the error names the key. Values that could not be loaded are not written.

mod check;
mod error;
pub(crate) mod load;
mod save;
pub(crate) mod walk;

pub use crate::model::keys::TorchKeys;
pub use error::{Resemblance, WeightsError};
pub use load::load;
pub use save::{Precision, layout, save};
