//! The edge: the only place that knows actix.

mod admin;
mod audited;
pub mod auth;
mod calls;
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
mod live;
mod measured;
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
pub use live::LiveFeed;
pub use server::serve;

use actix_web::web;
use measured::Routes;
use worker::Worker;

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
    /// From there on load balancers are told to lead new sockets elsewhere.
    pub capacity_percent: u64,
    pub message_bytes: usize,
    pub outbox_bytes: usize,
    pub http_body_bytes: usize,
    pub proxies: Proxies,
    /// Without one, the operations listener has no admin API.
    pub admin_token: Option<AdminToken>,
    pub live_feed: LiveFeed,
}

fn routes(config: &mut web::ServiceConfig, worker: &Worker) {
    let routes = &mut Routes::new(config, worker);
    probes::routes(routes);
    probes::gate(routes);
    routes
        .post("/apps/{app}/events", events::trigger)
        .post("/apps/{app}/batch_events", events::trigger_batch)
        .get("/apps/{app}/channels", channels::list)
        .get("/apps/{app}/channels/{channel}", channels::show)
        .get("/apps/{app}/channels/{channel}/users", channels::users)
        .post("/apps/{app}/channels/{channel}/events", events::trigger_raw)
        .post("/apps/{app}/channels/{channel}/revoke", users::revoke)
        .post("/apps/{app}/tokens", tokens::mint)
        .post("/apps/{app}/tokens/revoke", tokens::revoke)
        .post("/apps/{app}/users/{user}/terminate_connections", users::terminate)
        .post("/apps/{app}/auth/explain", explain::explain)
        // Where the official Python SDK sends it (PROTOCOL 5.4).
        .post("/users/{user}/terminate_connections", users::terminate);
    auth::routes(routes);
    config.default_service(web::to(error::not_found));
}
