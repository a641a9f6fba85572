//! Decoded pixels → model input. All cropping, resizing and normalisation of the project is here.
//!
//! **Invariant:** the same pixels give the same bits on every machine, wasm included. Everything is IEEE addition,
//! multiplication and division in a fixed order. No function of a maths library is called.

mod intake;
mod pixels;
mod place;
mod resize;
pub mod saliency;
mod spec;
mod view;

pub use intake::Intake;
pub use pixels::{CropBox, InputError, Pixels};
pub use spec::{Fit, IMAGENET_MEAN, IMAGENET_STD, InputSpec, MAX_SIDE, STD_RANGE};
pub use view::{Labels, View};

#[cfg(test)]
mod tests;
