//! The state behind a request: its worker, the limits of its client, and its counters.

pub mod call_recorder;
pub mod client_rate_limits;
pub mod http_counts;
pub mod request_metrics;
pub mod revoking;
pub mod worker;
