//! For operators: probes, metrics, the admin API, the live feed.

pub mod admin;
pub mod host_check;
pub mod live;
pub mod metrics;
pub mod pages;
pub mod probes;
