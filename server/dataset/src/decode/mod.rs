//! Decoding of images and label maps: bytes of unknown origin become upright sRGB pixels or label ids.
//!
//! **Invariant:** no file makes decoding panic, or take more memory than its headers announce.

mod colour;
mod crop;
mod declared;
mod error;
mod jpeg;
mod kind;
mod mask;
mod photo;
mod png;
mod rotate;
mod samples;

pub use crop::Crop;
pub use error::PhotoError;
pub use kind::{format_of, is_image, media_type};
pub use mask::{Mask, OUTSIDE};
pub use photo::Photo;
