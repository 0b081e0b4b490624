//! The web layer: the only place that knows actix.

mod accepted_stream;
mod admin;
pub mod auth;
mod auth_audit;
mod auth_body;
mod auth_error_response;
mod call_recorder;
mod channels;
mod client_faults;
mod client_rate_limits;
mod cors;
mod credentials;
mod drain;
mod error;
mod events;
mod explain;
mod fields;
mod forwarded;
mod front;
#[cfg(fuzzing)]
pub mod fuzzing;
mod handshake_rejections;
mod headers;
mod http_connections;
mod http_intake;
mod http_stream;
mod http_usage;
mod listeners;
mod live;
mod methods;
pub mod metrics;
mod multipart;
mod ops;
mod ops_hosts;
mod probes;
mod proxy_header_failures;
mod proxy_protocol;
mod public;
mod query;
mod remote;
mod request_metrics;
mod server;
mod server_context;
mod services;
mod socket;
mod socket_path;
mod streams;
mod timestamp;
pub mod tls;
mod tokens;
mod transport;
mod upgrade;
mod users;
mod verify;
mod worker;

pub use admin::{AdminToken, Deliveries, Discard, RevokeResponse, RotateResponse, TestResults};
pub use forwarded::{ForwardedHeader, Proxies};
pub use listeners::{Addresses, Listeners};
pub use live::LiveFeedAccess;
pub use ops_hosts::{OpsHosts, bare};
pub use server::serve;

use actix_web::{Resource, Route, web};
use request_metrics::Routes;
use worker::Worker;

/// The settings of handlers and sockets.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// Empty, or `/something`; the prefix of every path.
    pub path_prefix: String,
    pub strict_protocol: bool,
    pub activity_timeout: std::time::Duration,
    pub pong_timeout: std::time::Duration,
    /// Time limit for a connection that takes none of its waiting bytes.
    pub stalled: std::time::Duration,
    /// Time over which connections are closed at shutdown.
    pub drain: std::time::Duration,
    /// From this usage on, load balancers are told to send new connections elsewhere.
    pub capacity_percent: u64,
    pub message_bytes: usize,
    pub outbox_bytes: usize,
    pub http_body_bytes: usize,
    pub proxies: Proxies,
    pub proxied: Proxied,
    /// Time limit between two requests of an HTTP connection.
    pub keep_alive: std::time::Duration,
    /// Time limit for the whole body of a request.
    pub body_timeout: std::time::Duration,
    /// `None` switches the admin API of the operations listener off.
    pub admin_token: Option<AdminToken>,
    pub live_feed: LiveFeedAccess,
    pub ops_hosts: OpsHosts,
}

/// Listeners that require a PROXY header from a load balancer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Proxied {
    pub public: bool,
    pub api: bool,
}

/// The kind of peers that a listener is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListenerRole {
    Everybody,
    /// Browsers and other clients; the API is on another listener.
    Clients,
    /// Backends only.
    Backends,
}

fn routes(config: &mut web::ServiceConfig, worker: &Worker, role: ListenerRole) {
    let routes = &mut Routes::new(config, worker);
    probes::routes(routes);
    probes::capacity_routes(routes);
    routes.resource("/", |resource| index_route(resource, role));
    if role != ListenerRole::Clients {
        api(routes);
    }
    if role != ListenerRole::Backends {
        auth::routes(routes);
        for path in ["/app/{key}", "/app/{key}/"] {
            routes.resource(path, |resource| methods::handshake(resource, front::no_upgrade));
        }
    }
    if role == ListenerRole::Clients {
        config
            .route("/apps/{path:.*}", web::to(error::api_not_served_here))
            .route("/users/{path:.*}", web::to(error::api_not_served_here));
    }
    if !worker.settings().path_prefix.is_empty() {
        // The prefix itself, without a final slash.
        config.service(index_route(web::resource(""), role));
    }
    config.default_service(not_found_route(role));
}

fn index_route(resource: Resource, role: ListenerRole) -> Resource {
    match role {
        ListenerRole::Everybody | ListenerRole::Clients => {
            methods::get(resource, front::clients_index)
        }
        ListenerRole::Backends => methods::get(resource, front::backends_index),
    }
}

fn not_found_route(role: ListenerRole) -> Route {
    match role {
        ListenerRole::Everybody | ListenerRole::Clients => web::to(front::clients_not_found),
        ListenerRole::Backends => web::to(front::backends_not_found),
    }
}

/// The signed API for backends.
fn api(routes: &mut Routes<'_>) {
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
        // The official Python SDK sends it here (protocol.md 7.7).
        .post("/users/{user}/terminate_connections", users::terminate);
}
