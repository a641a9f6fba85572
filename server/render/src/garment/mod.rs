//! Drawing of garments, shoes and bags on a canvas in garment space.

mod bags;
mod collars;
mod cut;
mod emblem;
mod fastenings;
mod patch;
mod sewn;
mod shoes;
mod tops;
mod trims;

pub(crate) use bags::draw_bag;
pub(crate) use cut::Cut;
pub(crate) use shoes::{draw_pair, draw_shoe};
pub(crate) use tops::{draw_back, draw_body, draw_sleeves};
