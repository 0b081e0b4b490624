//! Event streams: `GET /app/{key}/sse`, for clients without a WebSocket (docs/streams.md).

mod channels;
pub mod connection;
pub mod handover;
mod link;
mod open;
pub mod openapi;
mod opening;
mod pipe;
mod response;

pub use open::routes;
