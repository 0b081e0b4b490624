//! The wire (protocol.md 1 to 6 and 12): frames in, frames out, codes, dialects.

pub mod client;
pub mod code;
pub mod dialect;
pub mod escape;
pub mod json;
pub mod sealed;
pub mod server;
pub mod signed;
pub mod tripwire;
pub mod version;
pub mod websocket;
pub mod well_formed;
