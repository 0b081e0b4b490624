//! Translations that rows of several servers share.

pub mod app;
pub mod limits;
pub mod server;
pub mod webhooks;
