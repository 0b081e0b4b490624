//! What a handler finds with its request: the worker, and the limits and counters of its client.

pub mod call_recorder;
pub mod client_rate_limits;
pub mod http_counts;
pub mod rates;
pub mod request_metrics;
pub mod worker;
