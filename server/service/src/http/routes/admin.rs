//! The routes of the admin API, with which a shop changes its catalog. All require the admin key.

mod access;
pub(super) mod catalog;
pub(super) mod images;
pub(super) mod imports;
mod incoming;
pub(super) mod products;
pub(super) mod tasks;
