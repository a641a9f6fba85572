//! Renderer of a demo shop: procedurally drawn garments, with shop photos, user photos and exact masks.
//!
//! An item is drawn in three steps. First its specification is sampled from its style labels (`spec`; the rule is in
//! `styles`). Then panels of cloth on a body (`body`, `garment`) are shaded as a height field under one lamp (`canvas`,
//! `folds`, `cloth`). Finally a camera converts the canvas and a background to a photo (`scene`, `camera`, `photo`). Label
//! sets have the frequencies of a real dataset, so a small shop has few or no items of the rare styles.
//!
//! **Invariant:** the same options give the same bytes on every machine and with any number of threads. Every item has its
//! own seed, arithmetic is IEEE single precision, and transcendental functions are from `libm`.

mod attributes;
mod blur;
mod body;
mod camera;
mod canvas;
mod cloth;
mod folds;
mod garment;
mod names;
mod noise;
mod options;
mod outline;
mod paint;
mod palette;
mod pattern;
mod person;
mod photo;
mod priors;
mod random;
mod scene;
mod shop_folder;
mod signature;
mod spec;
mod styles;
mod surroundings;
#[cfg(test)]
mod tests;

pub use options::{RenderError, RenderOptions, RenderSummary};
pub use shop_folder::render_dataset;
pub use styles::StyleMix;
