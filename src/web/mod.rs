//! The edge: the only place that knows actix.

mod admin;
mod audited;
pub mod auth;
mod channels;
mod cors;
mod credentials;
mod drain;
mod entrance;
mod error;
mod events;
mod explain;
mod fields;
mod forwarded;
mod http_stream;
mod listeners;
mod ops;
mod parts;
mod probes;
mod public;
mod query;
mod rates;
mod refusal;
mod server;
mod services;
mod socket;
mod streams;
mod tokens;
mod transport;
mod upgrade;
mod users;
mod verify;
mod worker;

pub use admin::{AdminToken, Deliveries, Revoked, Rotated, TestResults};
pub use forwarded::{ForwardedHeader, Proxies};
pub use listeners::Listeners;
pub use server::{Signals, serve};

use actix_web::web;

/// What handlers and sockets need of the configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Empty, or `/something`: in front of every path.
    pub path_prefix: String,
    pub strict_protocol: bool,
    pub activity_timeout: std::time::Duration,
    pub pong_timeout: std::time::Duration,
    /// Over which sockets are closed when the server ends.
    pub drain: std::time::Duration,
    pub message_bytes: usize,
    pub outbox_bytes: usize,
    pub http_body_bytes: usize,
    pub proxies: Proxies,
    /// Without one, the operations listener has no admin API.
    pub admin_token: Option<AdminToken>,
}

fn routes(config: &mut web::ServiceConfig) {
    config
        .configure(probes::routes)
        .route("/apps/{app}/events", web::post().to(events::trigger))
        .route("/apps/{app}/batch_events", web::post().to(events::trigger_batch))
        .route("/apps/{app}/channels", web::get().to(channels::list))
        .route("/apps/{app}/channels/{channel}", web::get().to(channels::show))
        .route("/apps/{app}/channels/{channel}/users", web::get().to(channels::users))
        .route("/apps/{app}/channels/{channel}/events", web::post().to(events::trigger_raw))
        .route("/apps/{app}/channels/{channel}/revoke", web::post().to(users::revoke))
        .route("/apps/{app}/tokens", web::post().to(tokens::mint))
        .route("/apps/{app}/tokens/revoke", web::post().to(tokens::revoke))
        .route("/apps/{app}/users/{user}/terminate_connections", web::post().to(users::terminate))
        .route("/apps/{app}/auth/explain", web::post().to(explain::explain))
        // Where the official Python SDK sends it (PROTOCOL 5.4).
        .route("/users/{user}/terminate_connections", web::post().to(users::terminate))
        .configure(auth::routes)
        .default_service(web::to(error::not_found));
}
