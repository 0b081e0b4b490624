//! For operators: probes, metrics, the admin API, the live feed.

pub mod admin;
pub mod live;
pub mod metrics;
pub mod ops_hosts;
pub mod pages;
pub mod probes;
