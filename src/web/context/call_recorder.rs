//! Records API calls for the live feed, and makes a span of each request.

use std::{
    cell::RefCell,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use actix_web::{
    Error, HttpMessage, HttpRequest, HttpResponse,
    dev::{Service, ServiceRequest, ServiceResponse},
};

use super::worker::worker;
use crate::{
    domain::channel::Channel,
    engine::{AppRuntime, Engine, facts::Fact},
    observe::live::ApiCallDetail,
    platform::traces::Span,
    web::http::error::ApiError,
};

/// Collects facts about a request for the live feed. Empty if no one watches.
#[derive(Clone, Default)]
pub struct CallRecorder(Option<Rc<RefCell<CallFacts>>>);

#[derive(Default)]
struct CallFacts {
    app: Option<Arc<str>>,
    bytes: usize,
    events: Vec<String>,
    channels: Vec<Arc<str>>,
}

impl CallRecorder {
    pub fn of(request: &HttpRequest) -> Self {
        request.extensions().get::<Self>().cloned().unwrap_or_default()
    }

    pub fn request(&self, runtime: &AppRuntime, bytes: usize) {
        if let Some(facts) = &self.0 {
            let mut facts = facts.borrow_mut();
            (facts.app, facts.bytes) = (Some(runtime.id.clone()), bytes);
        }
    }

    /// The app of a request whose path does not name it.
    pub fn app(&self, runtime: &AppRuntime) {
        if let Some(facts) = &self.0 {
            facts.borrow_mut().app = Some(runtime.id.clone());
        }
    }

    pub fn event<'a>(&self, name: &str, channels: impl IntoIterator<Item = &'a Channel>) {
        if let Some(facts) = &self.0 {
            let mut facts = facts.borrow_mut();
            facts.events.push(name.to_owned());
            facts.channels.extend(channels.into_iter().map(|channel| channel.name().clone()));
        }
    }
}

/// Wraps all routes of the public listener.
pub fn record<S>(
    request: ServiceRequest,
    routes: &S,
) -> impl Future<Output = Result<ServiceResponse, Error>> + use<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse, Error = Error>,
{
    let watched = worker(request.request()).engine.live().is_watched().then(|| {
        let call_recorder = CallRecorder(Some(Rc::default()));
        request.extensions_mut().insert(call_recorder.clone());
        (Instant::now(), call_recorder)
    });
    let parent = || request.headers().get("traceparent")?.to_str().ok();
    let span = Span::request(request.method().as_str(), parent);
    let answer = span.around(routes.call(request));
    async move {
        let answer = answer.await?;
        span.answered(|| (answer.request().match_pattern(), answer.status().as_u16()));
        if let Some((start, CallRecorder(Some(facts)))) = watched {
            emit(answer.request(), answer.response(), &facts.borrow(), start.elapsed());
        }
        Ok(answer)
    }
}

fn emit(request: &HttpRequest, answer: &HttpResponse, facts: &CallFacts, took: Duration) {
    let Some(route) = request.match_pattern() else { return };
    let code = answer.error().and_then(|error| error.as_error::<ApiError>()).map(ApiError::code);
    let call = ApiCallDetail {
        method: request.method().as_str(),
        route: &route,
        status: answer.status().as_u16(),
        code,
        events: &facts.events,
        channels: &facts.channels,
        bytes: facts.bytes,
        microseconds: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
    };
    let engine = &worker(request).engine;
    let app = facts.app.clone().or_else(|| app_of_path(request, engine));
    engine.note(Fact::ApiCall(app.as_deref(), call));
}

/// The app of a request that no handler got, or whose handler records none.
fn app_of_path(request: &HttpRequest, engine: &Engine) -> Option<Arc<str>> {
    let (parts, runtimes) = (request.match_info(), engine.runtimes());
    let by_id = || runtimes.by_id(parts.get("app")?);
    let by_key = || runtimes.by_key(parts.get("key")?);
    by_id().or_else(by_key).map(|runtime| runtime.id.clone())
}
