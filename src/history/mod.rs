//! History of channels beside the logs themselves: positions in the hands of clients, events under
//! keys of their own, and journals that outlive the server.

pub mod at_rest;
pub mod disk;
pub mod journal;
pub mod keys;
pub mod position;
