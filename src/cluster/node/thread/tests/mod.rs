//! Nodes that talk over a real Redis, with holders that do what the engine does.

mod record;
mod scene;
mod stories;
