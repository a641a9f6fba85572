//! The service over HTTP. Every test uses its own process or a shared one.

mod adapted;
mod bad_input;
mod connections;
mod cors;
mod engine;
mod floor;
mod harness;
mod int8;
mod lifecycle;
mod living;
mod openapi;
mod options;
mod overload;
mod page;
mod photos;
mod pieces;
mod rollout;
mod search;
mod starting;
mod uploads;
mod variants;
mod views;
mod whitened;
