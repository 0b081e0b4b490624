//! The routes of each listener.

use actix_web::{Resource, Route, web};

use super::{front, listeners::ListenerRole};
use crate::web::{
    api, auth, client_api,
    context::{request_metrics::Routes, worker::Worker},
    event_stream,
    http::{error, methods},
    ops::probes,
};

pub fn routes(config: &mut web::ServiceConfig, worker: &Worker, role: ListenerRole) {
    let routes = &mut Routes::new(config, worker);
    probes::routes(routes);
    probes::capacity_routes(routes);
    routes.resource("/", |resource| index_route(resource, role));
    if role != ListenerRole::Clients {
        api::routes(routes);
    }
    if role != ListenerRole::Backends {
        auth::routes(routes);
        client_api::routes(routes);
        event_stream::routes(routes);
        for path in ["/app/{key}", "/app/{key}/"] {
            routes.resource(path, |resource| methods::handshake(resource, front::no_upgrade));
        }
    }
    if role == ListenerRole::Clients {
        config
            .route("/apps/{path:.*}", web::to(error::api_not_served_here))
            .route("/users/{path:.*}", web::to(error::api_not_served_here));
    }
    if !worker.start_settings.path_prefix.is_empty() {
        // The prefix itself, without a final slash.
        config.service(index_route(web::resource(""), role));
    }
    config.default_service(not_found_route(role));
}

pub fn index_route(resource: Resource, role: ListenerRole) -> Resource {
    match role {
        ListenerRole::Everybody | ListenerRole::Clients => {
            methods::get(resource, front::clients_index)
        }
        ListenerRole::Backends => methods::get(resource, front::backends_index),
    }
}

pub fn not_found_route(role: ListenerRole) -> Route {
    match role {
        ListenerRole::Everybody | ListenerRole::Clients => web::to(front::clients_not_found),
        ListenerRole::Backends => web::to(front::backends_not_found),
    }
}
