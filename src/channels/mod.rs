//! The state of a channel, without delivery: members, counts, the last event.

pub mod count_throttle;
pub mod members;
