//! Logs of channels: the stores that a server opens, and the command that shows one.

pub mod show;
pub mod stores;
