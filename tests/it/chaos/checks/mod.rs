//! What must be true. Each check says in plain words what is not.

pub mod cached;
pub mod events;
pub mod facts;
pub mod log;
pub mod members;
pub mod remains;
pub mod state;
