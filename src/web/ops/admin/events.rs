//! Publishing for operators, as a backend does with the signed API.

use actix_web::{FromRequest, HttpRequest, HttpResponse, dev::Payload};

use std::{future::Future, pin::Pin};

use super::AdminRequest;
use crate::{
    observe::audit::AdminSubject,
    web::{
        context::call_recorder::CallRecorder,
        http::{error::ApiError, query::Query},
        trigger::TriggerScope,
    },
};

/// A request with the body of an event, which may be larger than that of other commands.
pub struct AdminEventRequest(AdminRequest);

impl FromRequest for AdminEventRequest {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let admitted =
            AdminRequest::admit(request, payload, |worker| worker.settings().http_body_bytes);
        Box::pin(async move { admitted.await.map(Self) })
    }
}

pub async fn publish(
    AdminEventRequest(admin): AdminEventRequest,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let (app, recorder) = (admin.runtime.app_snapshot(), CallRecorder::default());
    let scope = TriggerScope {
        engine: &admin.worker.engine,
        runtime: &admin.runtime,
        app: &app,
        recorder: &recorder,
    };
    let query = Query::of(request.uri())?;
    let headers = request.headers();
    let note = |channels: &[_]| admin.note_about("publish", AdminSubject::channels(channels));
    scope.trigger(&admin.body, &query, headers, |event| note(&event.channels)).await
}
