//! The database: schema, and the statements of each table.

pub(crate) mod generations;
pub(crate) mod images;
pub(crate) mod outbox;
pub(crate) mod products;
mod schema;
pub(crate) mod segments;

pub(crate) use schema::{check, open};
