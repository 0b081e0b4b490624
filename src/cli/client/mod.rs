//! The client side of commands: HTTP/1.1 and WebSockets over TCP, TLS and Unix sockets.
//!
//! `connect` makes the stream, `http` one request on it, `websocket` a WebSocket; `admin` speaks to
//! the admin API, `public` finds the listener for clients and backends. It shares the trusted
//! certificates with the server's own requests (`platform::http`), but no pool: a command sends a
//! few requests, and `doctor` looks at every step.

pub mod admin;
pub mod auth_endpoint;
pub mod connect;
pub mod error;
pub mod http;
pub mod listener;
pub mod patience;
pub mod public;
pub mod runtime;
pub mod signed;
#[cfg(test)]
mod tests;
pub mod websocket;

pub use admin::{AdminClient, AppClient};
pub use error::ClientError;
