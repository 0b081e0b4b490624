//! Requests about the server itself, not about one of its apps.

use std::{future::Future, pin::Pin, rc::Rc, sync::Arc};

use actix_web::{FromRequest, HttpRequest, dev::Payload, web};
use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::{BODY_BYTES, EmptyBody, auth::AdminAuth, parse_body};
use crate::{
    engine::facts::Fact,
    observe::audit::{AdminSubject, AuditFact},
    web::{
        context::worker::{Worker, worker},
        http::{
            body::{read_body, unreadable},
            error::ApiError,
        },
    },
};

/// An authenticated request about the server.
pub struct ServerRequest {
    pub worker: Rc<Worker>,
    auth: Arc<str>,
    body: Bytes,
}

impl FromRequest for ServerRequest {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let payload = web::Payload::from_request(&request, payload).into_inner();
        Box::pin(async move {
            let auth = AdminAuth::of(&request);
            auth.admit(&request)?;
            let (auth, worker) = (auth.name_of(&request), worker(&request));
            let limits = worker.body_limits(BODY_BYTES);
            let body = read_body(&request, payload.map_err(unreadable)?, limits).await?;
            Ok(Self { worker, auth, body })
        })
    }
}

impl ServerRequest {
    pub fn parse_body<T: DeserializeOwned>(&self, expected: &str) -> Result<T, ApiError> {
        parse_body(&self.body, expected)
    }

    pub fn expect_empty_body(&self) -> Result<(), ApiError> {
        let EmptyBody {} = self.parse_body("empty, or an empty object")?;
        Ok(())
    }

    pub fn note(&self, action: &'static str, subject: AdminSubject) {
        let (app, by) = (None, Some(self.auth.clone()));
        self.worker.engine.note(Fact::Audited(AuditFact::AdminAction { action, app, by, subject }));
    }
}
