//! The service over HTTP. Every test uses its own process or a shared one.

mod bad_input;
mod connections;
mod floor;
mod folders;
mod harness;
mod lifecycle;
mod openapi;
mod overload;
mod page;
mod photos;
mod pieces;
mod search;
mod starting;
mod views;
mod whitened;
