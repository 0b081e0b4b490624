//! Everything that tells people and programs what the server does: audit log, live feed, webhooks,
//! and the reasons of refusals.

pub mod audit;
pub mod explain;
pub mod live;
pub mod webhook;
