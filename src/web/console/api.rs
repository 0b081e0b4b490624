//! The admin API below `/console/api`, for the pages of a session.

use actix_web::{
    Error, HttpMessage as _, Resource,
    dev::{Service, ServiceRequest, ServiceResponse},
    web,
};
use futures_util::future::{Either, ready};

use super::{Console, access, name};
use crate::web::{
    http::methods::get,
    ops::{
        admin::{
            self,
            auth::{AdminAuth, SessionName},
        },
        pages,
    },
};

/// `document`: the resource of the OpenAPI document.
pub fn routes(config: &mut web::ServiceConfig, document: Resource) {
    let api = web::scope("/api")
        .wrap_fn(admit)
        .configure(|config| admin::api_routes(config, AdminAuth::Session))
        .service(get(web::resource("/stats"), pages::stats))
        .service(document);
    config.service(api);
}

/// Notes the session for `AdminAuth`. A request without one reaches no handler.
fn admit<S>(
    request: ServiceRequest,
    routes: &S,
) -> impl Future<Output = Result<ServiceResponse, Error>> + use<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse, Error = Error>,
{
    match access::session(request.request(), Console::of(request.request())) {
        Ok(session) => {
            request.extensions_mut().insert(SessionName(name(session.number)));
            Either::Left(routes.call(request))
        }
        Err(refusal) => Either::Right(ready(Ok(request.error_response(refusal)))),
    }
}
