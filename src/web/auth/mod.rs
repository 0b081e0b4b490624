//! The server's own auth endpoints for clients (protocol.md 10).

mod audit;
mod body;
mod cors;
mod credentials;
mod endpoints;
mod error_response;
pub mod fields;
mod grants;
mod multipart;
mod request;

pub use endpoints::routes;
