//! Batches of augmented images and label maps for training and evaluation.

mod augment;
mod garments;
mod images;
mod loader;
mod rotations;

pub use augment::Augment;
pub use garments::{Garments, Recolouring};
pub use images::Images;
pub use loader::{Batch, Loader, Plan, Source};
pub use rotations::Rotations;

#[cfg(test)]
mod tests;
