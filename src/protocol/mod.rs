//! The wire (protocol.md 1 to 6 and 12): frames in, messages and their forms out, codes, dialects.

pub mod ciphertext;
pub mod client;
pub mod code;
pub mod content;
pub mod dialect;
pub mod disconnect;
pub mod escape;
pub mod form;
pub mod frame;
pub mod json;
pub mod logged;
pub mod message;
pub mod sealed;
pub mod signed;
pub mod stream_text;
pub mod tripwire;
pub mod version;
pub mod websocket;
pub mod well_formed;
