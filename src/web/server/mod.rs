//! Listeners, transports and services: they assemble the other shelves.

pub mod accepted_stream;
pub mod client_faults;
pub mod deadlines;
pub mod drain;
pub mod front;
pub mod http_connections;
pub mod http_intake;
pub mod http_stream;
pub mod http_usage;
pub mod listeners;
pub mod proxy_header_failures;
pub mod proxy_protocol;
pub mod public;
pub mod routes;
pub mod serve;
pub mod server_context;
pub mod services;
pub mod streams;
pub mod tls;
pub mod worker_thread;
