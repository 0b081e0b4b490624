//! Request counts, statuses and durations by route.
//!
//! A resource carries its counters, and the outermost service finds them with the response. So the
//! duration covers the whole request, without a lookup by path and without an allocation.

use std::{rc::Rc, sync::Arc, time::Instant};

use actix_http::Request;
use actix_service::{Service, ServiceFactory, apply_fn_factory};
use actix_web::{
    FromRequest, Handler, HttpResponse, Resource, Responder,
    dev::ServiceResponse,
    http,
    web::{self, ServiceConfig},
};

use super::{
    http_counts::{HttpCounts, Method, RouteCounts, UNKNOWN},
    worker::Worker,
};
use crate::web::http::methods;

/// Registers routes with their counters.
pub struct Routes<'a> {
    config: &'a mut ServiceConfig,
    counts: &'a HttpCounts,
}

impl<'a> Routes<'a> {
    pub fn new(config: &'a mut ServiceConfig, worker: &'a Worker) -> Self {
        Self { config, counts: worker.http_counts() }
    }

    pub fn get<F, Args>(&mut self, path: &'static str, handler: F) -> &mut Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.resource(path, |resource| methods::get(resource, handler))
    }

    pub fn post<F, Args>(&mut self, path: &'static str, handler: F) -> &mut Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.resource(path, |resource| methods::post(resource, handler))
    }

    pub fn resource(
        &mut self,
        path: &'static str,
        with: impl FnOnce(Resource) -> Resource,
    ) -> &mut Self {
        let counted = web::resource(path).app_data(self.counts.route(path));
        self.config.service(with(counted));
        self
    }

    /// The same with an optional slash at the end, counted as one route.
    pub fn resource_or_slash(
        &mut self,
        path: &'static str,
        with: impl FnOnce(Resource) -> Resource,
    ) -> &mut Self {
        let both = [path.to_owned(), format!("{path}/")];
        let counted = web::resource(both).app_data(self.counts.route(path));
        self.config.service(with(counted));
        self
    }
}

/// Counts the responses of the app.
pub fn with_request_metrics<A>(
    app: A,
    worker: &Worker,
) -> impl ServiceFactory<
    Request,
    Config = A::Config,
    Response = ServiceResponse,
    Error = HttpResponse,
    InitError = A::InitError,
    Service: Service<Request, Future: 'static>,
    Future: 'static,
> + use<A>
where
    A: ServiceFactory<Request, Response = ServiceResponse, Error = HttpResponse>,
    A: 'static,
{
    let unknown = Rc::new(worker.http_counts().route(UNKNOWN));
    apply_fn_factory(app, move |request: Request, app: &A::Service| {
        let (start, method) = (Instant::now(), known(request.method()));
        let (answer, unknown) = (app.call(request), unknown.clone());
        async move {
            let answer = answer.await;
            let route = answer.as_ref().ok().and_then(|answer| answer.request().app_data());
            let route: &Arc<RouteCounts> = route.unwrap_or(&unknown);
            let status = answer.as_ref().map_or_else(HttpResponse::status, ServiceResponse::status);
            route.add(method, status.as_u16(), start.elapsed());
            answer
        }
    })
}

/// Copied, since the request is consumed before its response is ready.
fn known(method: &http::Method) -> Method {
    match *method {
        http::Method::GET => Method::Get,
        http::Method::HEAD => Method::Head,
        http::Method::POST => Method::Post,
        http::Method::DELETE => Method::Delete,
        http::Method::OPTIONS => Method::Options,
        _ => Method::Other,
    }
}
