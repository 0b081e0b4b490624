//! The server's own auth endpoints for clients (protocol.md 10).

pub mod auth_audit;
pub mod auth_body;
pub mod auth_error_response;
pub mod cors;
pub mod credentials;
pub mod endpoints;
pub mod fields;
pub mod multipart;
