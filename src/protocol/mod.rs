//! The wire (PROTOCOL sections 1 to 6 and 12): frames in, frames out, codes, dialects.

pub mod client;
pub mod code;
pub mod depth;
pub mod dialect;
pub mod server;
pub mod version;
pub mod websocket;
