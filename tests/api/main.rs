//! The service over real HTTP: every test talks to a process of its own or to one that all share.

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
mod search;
mod starting;
mod whitened;
