//! Signatures of the app's backend for its clients, and their verification.

use crate::{
    crypto::signature::{AppSecret, Signature},
    domain::{channel::Channel, ids::SocketId, refusal::RefusalCode},
};

pub fn verify_auth(
    app_key: &str,
    secret: &AppSecret,
    auth: &str,
    signed: &str,
) -> Result<(), AuthError> {
    let (key, signature) = auth.rsplit_once(':').ok_or(AuthError::Malformed)?;
    // One client lower-cases the whole text; the key is not secret.
    if !key.eq_ignore_ascii_case(app_key) {
        return Err(AuthError::ForeignKey);
    }
    let signature = Signature::parse(signature).ok_or(AuthError::Malformed)?;
    if secret.verify(&[signed.as_bytes()], &signature) { Ok(()) } else { Err(AuthError::Signature) }
}

/// The signed text for a subscription (protocol.md 2.3).
pub fn signed_for_channel(
    socket_id: SocketId,
    channel: &Channel,
    channel_data: Option<&str>,
) -> String {
    match channel_data {
        Some(data) => format!("{socket_id}:{channel}:{data}"),
        None => format!("{socket_id}:{channel}"),
    }
}

/// The signed text for a sign-in (protocol.md 5.1).
pub fn signed_for_user(socket_id: SocketId, user_data: &str) -> String {
    format!("{socket_id}::user::{user_data}")
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum AuthError {
    #[error("Invalid auth: expected app_key:signature with 64 hex digits")]
    Malformed,
    #[error("Invalid key in subscription auth data")]
    ForeignKey,
    #[error("Invalid signature")]
    Signature,
}

impl AuthError {
    pub fn code(&self) -> RefusalCode {
        match self {
            Self::Malformed => RefusalCode::AuthMalformed,
            Self::ForeignKey => RefusalCode::AuthForeignKey,
            Self::Signature => RefusalCode::AuthSignature,
        }
    }
}
