//! `GET /app/{key}/channels/{channel}/encryption-settings`: how a page makes a key of a passphrase,
//! for end-to-end encryption that this server has no part in.

use actix_web::HttpResponse;
use serde::Serialize;

use crate::{
    auth::Ability,
    crypto::{encoding::base64, salt::encryption_salt},
    web::{client::Client, http::error::ApiError},
};

/// The parameters of `crypto.subtle.deriveKey`. Other ones get another version.
#[derive(Serialize, utoipa::ToSchema)]
pub struct EncryptionSettings {
    salt: String,
    kdf: &'static str,
    hash: &'static str,
    iterations: u32,
    version: u32,
}

/// Enough with SHA-256 to make guesses expensive, and well under a second on a phone.
const ITERATIONS: u32 = 600_000;

pub async fn show(client: Client) -> HttpResponse {
    let settings = settings(&client).await;
    client.answer(settings.map(|settings| HttpResponse::Ok().json(settings)))
}

async fn settings(client: &Client) -> Result<EncryptionSettings, ApiError> {
    let channel = client.path_channel()?;
    let _may_join = client.decide(&channel, Ability::Subscribe).await?;
    let salt = encryption_salt(&client.app.secret, &client.app.id, channel.name());
    Ok(EncryptionSettings {
        salt: base64(&salt),
        kdf: "PBKDF2",
        hash: "SHA-256",
        iterations: ITERATIONS,
        version: 1,
    })
}
