//! Listeners, TLS, HTTP connections and worker threads; assembles the services of all shelves.

mod accepted_stream;
mod client_faults;
mod deadlines;
mod drain;
mod front;
mod http_connections;
mod http_intake;
mod http_stream;
mod http_usage;
pub mod listeners;
pub mod openapi;
mod proxy_header_failures;
pub mod proxy_protocol;
mod public;
mod routes;
pub mod serve;
mod server_context;
mod services;
mod streams;
pub mod tls;
pub mod worker_thread;
