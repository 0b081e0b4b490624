//! The client API, `/app/{key}/...`: what a page may do on a channel without a WebSocket.

mod encryption_settings;

use super::{
    client::{get, resource},
    context::request_metrics::Routes,
};

pub fn routes(routes: &mut Routes<'_>) {
    routes.resource("/app/{key}/channels/{channel}/encryption-settings", |route| {
        resource(route, "GET, HEAD").route(get().to(encryption_settings::show))
    });
}
