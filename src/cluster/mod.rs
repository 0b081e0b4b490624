//! Several nodes as one server.

pub mod redis;
