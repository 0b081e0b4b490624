//! Nodes that talk over a real Redis, with holders that do what the engine does.

mod asking;
mod host;
mod mirrors;
mod outages;
mod record;
mod revoking;
mod scene;
mod secrecy;
mod stalls;
mod stories;
mod tables;
