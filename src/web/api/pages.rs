//! Pages that call the signed API of an app with `api_cors`. Such a page holds the app's secret.

use std::{future::Future, iter, sync::Arc};

use actix_service::Service;
use actix_web::{
    Error,
    dev::{ServiceRequest, ServiceResponse},
    http::{
        Method,
        header::{self, HeaderName, HeaderValue},
    },
};

use crate::{
    app::App,
    web::{
        browser::cors::{self, AllowedHeaders, CorsPermission, CorsRoute},
        context::worker::worker,
    },
};

const SENT: &str = "Content-Type, If-Match, If-None-Match";
const EXPOSED: (HeaderName, HeaderValue) =
    (header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("ETag, Retry-After"));

/// Lets pages read the answers, and answers their preflights.
pub fn answer_pages<S>(
    request: ServiceRequest,
    routes: &S,
) -> impl Future<Output = Result<ServiceResponse, Error>> + use<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse, Error = Error>,
{
    let has_origin = request.headers().contains_key(header::ORIGIN);
    let answer = routes.call(request);
    async move {
        let answer = answer.await?;
        Ok(if has_origin { with_permission(answer) } else { answer })
    }
}

fn with_permission(mut answer: ServiceResponse) -> ServiceResponse {
    let Some(app) = app_of_pages(&answer) else { return answer };
    if answer.request().method() == Method::OPTIONS {
        return preflight(answer, &app);
    }
    let permission = CorsPermission::of(answer.request(), iter::once(&*app));
    let exposed = permission.is_given().then_some(EXPOSED);
    cors::add(answer.headers_mut(), permission.headers().chain(exposed));
    answer
}

/// Routes whose answers depend on the origin in any case have said so.
fn app_of_pages(answer: &ServiceResponse) -> Option<Arc<App>> {
    if answer.headers().contains_key(header::VARY) {
        return None;
    }
    let request = answer.request();
    let id = request.match_info().get("app")?;
    let app = worker(request).engine.runtimes().by_id(id)?.app_snapshot();
    app.api_cors.then_some(app)
}

/// Takes the methods from the refusal of the method OPTIONS.
fn preflight(refused: ServiceResponse, app: &App) -> ServiceResponse {
    let allowed = refused.headers().get(header::ALLOW).cloned();
    let Some(methods) = allowed.as_ref().and_then(|methods| methods.to_str().ok()) else {
        return refused;
    };
    let route = CorsRoute { methods, headers: AllowedHeaders::These(SENT) };
    let answer = cors::preflight(refused.request(), iter::once(app), route);
    refused.into_response(answer)
}
