//! History of channels beside the logs themselves: positions in the hands of clients, and events
//! under keys of their own.

pub mod at_rest;
pub mod position;
