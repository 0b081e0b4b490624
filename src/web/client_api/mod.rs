//! The client API, `/app/{key}/...`: what a page may do on a channel without a WebSocket.

mod encryption_settings;
mod tickets;

use actix_web::web;

use super::{
    client::{get, resource},
    context::request_metrics::Routes,
};

pub fn routes(routes: &mut Routes<'_>) {
    routes.resource("/app/{key}/channels/{channel}/encryption-settings", |route| {
        resource(route, "GET, HEAD").route(get().to(encryption_settings::show))
    });
    routes.resource("/app/{key}/tickets", |route| {
        resource(route, "POST").route(web::post().to(tickets::make))
    });
}
