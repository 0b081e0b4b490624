//! The part of delivery that takes a subscription from one secret to the next without losing an
//! event.

pub mod channel_keys;
pub mod gate;
pub(super) mod gate_deadlines;
pub mod reauthorization;
pub mod rekey_policy;
pub mod rekey_scheduler;
pub(super) mod rekeying;
pub mod turn_limiter;
pub(super) mod turns;
