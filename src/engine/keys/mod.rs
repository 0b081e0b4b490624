//! The keys of sealing apps: rotation, revocation, and what both leave to be done later.

pub(super) mod key_counts;
pub(super) mod key_deadlines;
pub(super) mod key_errors;
pub mod key_report;
pub(super) mod key_store;
pub mod keyfile;
pub mod pending_revocations;
pub(super) mod reconcile;
mod revocation;
pub mod rotation;
pub(super) mod sealed_channels;
pub(super) mod stragglers;
mod taking;
pub mod waiting_keys;
