//! The signed HTTP API for backends (protocol.md 7).

mod caller;
mod channels;
mod events;
mod explain;
mod history;
pub mod openapi;
mod pages;
mod timestamp;
mod tokens;
mod users;
mod verify;

pub use pages::answer_pages;

use super::{context::request_metrics::Routes, http::methods};

pub fn routes(routes: &mut Routes<'_>) {
    routes
        .post("/apps/{app}/events", events::trigger)
        .post("/apps/{app}/batch_events", events::trigger_batch)
        .get("/apps/{app}/channels", channels::list)
        .get("/apps/{app}/channels/{channel}", channels::show)
        .get("/apps/{app}/channels/{channel}/users", channels::users)
        .post("/apps/{app}/channels/{channel}/events", events::trigger_raw)
        .resource("/apps/{app}/channels/{channel}/history", |resource| {
            methods::get_or_delete(resource, history::show, history::clear)
        })
        .post("/apps/{app}/channels/{channel}/revoke", users::revoke)
        .post("/apps/{app}/tokens", tokens::mint)
        .post("/apps/{app}/tokens/revoke", tokens::revoke)
        .post("/apps/{app}/users/{user}/terminate_connections", users::terminate)
        .post("/apps/{app}/auth/explain", explain::explain)
        .get("/apps/{app}/caller", caller::show)
        // The official Python SDK sends it here (protocol.md 7.7).
        .post("/users/{user}/terminate_connections", users::terminate);
}
