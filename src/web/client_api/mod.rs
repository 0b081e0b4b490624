//! The client API, `/app/{key}/...`: what a page may do on a channel without a WebSocket.

mod encryption_settings;
mod events;
mod history;
pub mod openapi;
mod reader;
mod tickets;

use actix_web::web;

use super::{
    client::{get, resource},
    context::request_metrics::Routes,
};

pub fn routes(routes: &mut Routes<'_>) {
    routes
        .resource("/app/{key}/channels/{channel}/history", |route| {
            let route = resource(route, "GET, HEAD, DELETE");
            route.route(get().to(history::show)).route(web::delete().to(history::clear))
        })
        .resource("/app/{key}/channels/{channel}/last", |route| {
            resource(route, "GET, HEAD").route(get().to(history::last))
        })
        .resource("/app/{key}/channels/{channel}/encryption-settings", |route| {
            resource(route, "GET, HEAD").route(get().to(encryption_settings::show))
        })
        .resource("/app/{key}/events", |route| {
            resource(route, "POST").route(web::post().to(events::publish))
        })
        .resource("/app/{key}/tickets", |route| {
            resource(route, "POST").route(web::post().to(tickets::make))
        });
}
