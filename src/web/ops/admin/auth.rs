//! Authentication for the admin API.

use std::sync::Arc;

use actix_web::{HttpMessage as _, HttpRequest, http::header};

use crate::{
    domain::refusal::RefusalCode,
    web::{
        context::worker::worker,
        http::{error::ApiError, headers::single},
        settings::admin_token::AdminToken,
    },
};

/// The authentication that a listener requires.
#[derive(Clone, Copy)]
pub enum AdminAuth {
    /// None: the mode of the socket's file admits only the server's own user.
    Socket,
    /// The admin token of the current configuration; without one every request is refused.
    Token,
    /// A session of the console, which the guard of its routes has noted.
    Session,
}

/// The session that a request belongs to, as the audit log names it.
#[derive(Clone)]
pub struct SessionName(pub Arc<str>);

impl AdminAuth {
    /// That of the request's listener.
    pub fn of(request: &HttpRequest) -> Self {
        *request.app_data().expect("each route has its admin auth")
    }

    /// The name in the audit log: it tells the means of access, since the person is unknown.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Socket => "socket",
            Self::Token => "token",
            Self::Session => "console",
        }
    }

    /// The same, with the session.
    pub fn name_of(&self, request: &HttpRequest) -> Arc<str> {
        match request.extensions().get() {
            Some(SessionName(name)) => name.clone(),
            None => self.name().into(),
        }
    }

    /// The console shows payloads by a reveal alone.
    pub fn shows_payloads(&self) -> bool {
        match self {
            Self::Socket | Self::Token => true,
            Self::Session => false,
        }
    }

    pub fn admit(&self, request: &HttpRequest) -> Result<(), ApiError> {
        match self {
            Self::Socket => Ok(()),
            Self::Session if request.extensions().contains::<SessionName>() => Ok(()),
            Self::Session => Err(ApiError::path_not_found(request)),
            Self::Token => match &worker(request).settings().admin_token {
                Some(token) => check_token(token, request),
                None => Err(ApiError::path_not_found(request)),
            },
        }
    }
}

fn check_token(token: &AdminToken, request: &HttpRequest) -> Result<(), ApiError> {
    let given = single(request.headers(), header::AUTHORIZATION)?;
    let given = given.and_then(|value| {
        let (scheme, given) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| given.trim())
    });
    match given {
        None => Err(ApiError::new(
            RefusalCode::AdminTokenMissing,
            "Send the admin token: Authorization: Bearer TOKEN",
        )),
        Some(given) if token.matches(given) => Ok(()),
        Some(_) => Err(ApiError::new(
            RefusalCode::AdminTokenWrong,
            "That is not the admin token of this server",
        )),
    }
}
