//! An app's connections to this server. Never their addresses.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;

use super::{AdminRequest, paging};
use crate::{
    domain::{ids::SocketId, refusal::RefusalCode},
    engine::{
        inspection::connections::{ConnectionCursor, ConnectionsQuery, WorkerBusy},
        users::check_user_id,
    },
    observe::audit::AdminSubject,
    protocol::disconnect::DisconnectCode,
    web::http::{error::ApiError, query::Query},
};

pub async fn list(admin: AdminRequest, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let query = Query::of(request.uri())?;
    let app = admin.runtime.app_snapshot();
    let user = query.first("user");
    if let Some(user) = user {
        check_user_id(user, app.limits.user_id_chars).map_err(|error| {
            let message = format!("The user id cannot be used: it {error}");
            ApiError::new(RefusalCode::InvalidUserId, message)
        })?;
    }
    let query = ConnectionsQuery {
        user: user.map(Into::into),
        channel: query.first("channel").map(|name| app.channel(name)).transpose()?,
        after: query.first("after").map(cursor).transpose()?,
        limit: paging::limit(&query)?,
    };
    let rows = admin.worker.engine.connections(&admin.runtime, &query).await?;
    Ok(HttpResponse::Ok().json(rows))
}

fn cursor(text: &str) -> Result<ConnectionCursor, ApiError> {
    ConnectionCursor::parse(text).ok_or_else(|| {
        let message = "after must be the value of next in the page before";
        ApiError::new(RefusalCode::InvalidFilter, message)
    })
}

pub async fn show(
    admin: AdminRequest,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, ApiError> {
    let socket = socket(&path.1)?;
    let found = admin.worker.engine.connection(&admin.runtime, socket).await?;
    let found = found.ok_or_else(|| admin.no_such_connection(socket))?;
    Ok(HttpResponse::Ok().json(found))
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Disconnect {
    code: Option<u16>,
}

#[derive(serde::Serialize, utoipa::ToSchema)]
pub struct Disconnected {
    disconnected: String,
    /// The close code.
    code: u16,
}

pub async fn disconnect(
    admin: AdminRequest,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, ApiError> {
    let socket = socket(&path.1)?;
    let Disconnect { code } =
        admin.parse_body("an object of code (a close code), which may be left out")?;
    let code = code.map_or(Ok(DisconnectCode::RECONNECT), DisconnectCode::new);
    let code =
        code.map_err(|error| ApiError::new(RefusalCode::InvalidCloseCode, capitalized(&error)))?;
    if !admin.worker.engine.disconnect(&admin.runtime, socket, code).await? {
        return Err(admin.no_such_connection(socket));
    }
    admin.note_about("disconnect", AdminSubject::connection(socket));
    let answer = Disconnected { disconnected: socket.to_string(), code: code.number() };
    Ok(HttpResponse::Ok().json(answer))
}

fn capitalized(error: &impl std::fmt::Display) -> String {
    let text = error.to_string();
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

fn socket(text: &str) -> Result<SocketId, ApiError> {
    text.parse().map_err(|error: crate::domain::ids::InvalidSocketId| {
        ApiError::new(RefusalCode::InvalidSocketId, capitalized(&error))
    })
}

impl AdminRequest {
    fn no_such_connection(&self, socket: SocketId) -> ApiError {
        let elsewhere = match self.worker.engine.cluster.node() {
            Some(_) => ": each node knows its own connections, so ask the others as well",
            None => "",
        };
        let id = &self.runtime.id;
        let message = format!("The app {id} has no connection {socket} to this server{elsewhere}");
        ApiError::new(RefusalCode::NoSuchConnection, message)
    }
}

impl From<WorkerBusy> for ApiError {
    fn from(error: WorkerBusy) -> Self {
        Self::new(RefusalCode::Overloaded, capitalized(&error))
    }
}
