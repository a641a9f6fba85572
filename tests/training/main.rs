//! Training through its public interface, on a shop small enough to learn in seconds: every task learns, an interrupted
//! run is resumed exactly, a bundle predicts as the trained network did, and invalid input is refused with the reason.

mod bundles;
mod categories;
mod families;
mod folds;
mod groups;
mod identities;
mod item_folds;
mod masks;
mod mistakes;
mod optimisers;
mod query;
mod resume;
mod small;
mod style;
mod techniques;
mod together;
mod whitened;
