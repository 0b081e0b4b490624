//! The server's own auth endpoints for clients (protocol.md 10).

mod audit;
mod body;
mod endpoints;
pub mod fields;
mod grants;
mod multipart;
pub mod openapi;
mod request;

pub use endpoints::routes;
