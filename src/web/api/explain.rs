//! `POST /apps/{id}/auth/explain`: explains the refusal of an auth string.

use actix_web::HttpResponse;
use serde::Deserialize;

use super::verify::SignedRequest;
use crate::{
    domain::{ids::SocketId, refusal::RefusalCode},
    observe::explain::{Explanation, Subject},
    web::http::{body::json, error::ApiError},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExplainRequest {
    auth: String,
    socket_id: String,
    channel_name: Option<String>,
    channel_data: Option<String>,
    user_data: Option<String>,
    #[serde(default)]
    other_socket_ids: Vec<String>,
}

/// Bounds the work of one request.
const MAX_OTHER_SOCKETS: usize = 100;

pub async fn explain(signed: SignedRequest) -> Result<HttpResponse, ApiError> {
    let request: ExplainRequest = json(&signed.body)?;
    if request.other_socket_ids.len() > MAX_OTHER_SOCKETS {
        let message = format!("More than {MAX_OTHER_SOCKETS} other_socket_ids");
        return Err(ApiError::new(RefusalCode::TooManyParameters, message));
    }
    let socket = socket_id(&request.socket_id)?;
    let others = request.other_socket_ids.iter().map(|id| socket_id(id));
    let others = others.collect::<Result<Vec<_>, _>>()?;
    let subject = subject(&request)?;
    let (engine, runtime) = (signed.engine(), &signed.runtime);
    let verdict = engine.explain(runtime, &request.auth, socket, &subject, &others);
    let connected = engine.check_connection(runtime, socket).await.is_ok();
    Ok(HttpResponse::Ok().json(Explanation::new(&verdict, socket, &subject, Some(connected))))
}

fn socket_id(text: &str) -> Result<SocketId, ApiError> {
    text.parse().map_err(|e: crate::domain::ids::InvalidSocketId| {
        ApiError::new(RefusalCode::InvalidSocketId, e.to_string())
    })
}

fn subject(request: &ExplainRequest) -> Result<Subject<'_>, ApiError> {
    let data = request.channel_data.as_deref();
    match (&request.channel_name, &request.user_data) {
        (Some(name), None) => Ok(Subject::Channel { name, data }),
        (None, Some(data)) => Ok(Subject::User { data }),
        _ => Err(ApiError::new(
            RefusalCode::MissingParameter,
            "Send channel_name (and channel_data) for a channel, or user_data for a sign-in",
        )),
    }
}
