//! `POST /admin/console/code`: a one-time link to the console, for the server's own user.

use std::time::Instant;

use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};

use super::{Console, session::CODE_LIFETIME};
use crate::{
    domain::{refusal::RefusalCode, time::UnixSeconds},
    platform::clock::unix_now,
    web::{context::worker::worker, http::error::ApiError, settings::console::ConsoleAccess},
};

/// A link that signs in once.
#[derive(Serialize, Deserialize)]
pub struct ConsoleLink {
    pub code: String,
    /// The code is in the fragment, which browsers send to no server.
    pub url: String,
    pub expires: UnixSeconds,
}

pub async fn make(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    if worker(&request).settings().console.access == ConsoleAccess::Off {
        let message = "The console is off: set console = \"local\"";
        return Err(ApiError::new(RefusalCode::ConsoleRefused, message));
    }
    let link = Console::of(&request).link()?;
    Ok(HttpResponse::Ok().json(link))
}

impl Console {
    pub fn link(&self) -> Result<ConsoleLink, ApiError> {
        let Some(operations) = &self.origin.operations else {
            let message = "No operations listener is open that a browser could reach: set ops_listen to a free address, such as \"127.0.0.1:6003\", and start the server again";
            return Err(ApiError::new(RefusalCode::ConsoleRefused, message));
        };
        let code = self.sessions.lock().new_code(Instant::now()).map_err(|_| {
            ApiError::new(RefusalCode::NoRandomness, "The operating system gave no random bytes")
        })?;
        Ok(ConsoleLink {
            url: format!("{operations}/console#{}", *code),
            code: code.to_string(),
            expires: unix_now() + CODE_LIFETIME.as_secs(),
        })
    }
}
