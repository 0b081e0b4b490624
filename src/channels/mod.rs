//! The state of a channel, without delivery: members, counts, the last event.

pub mod change;
mod count_throttle;
pub mod departures;
pub mod fact;
pub mod fact_receipt;
pub mod last_event;
pub mod log;
pub mod members;
pub mod state;
