//! Finds the cause of a refused `auth` string: common mistakes are reproduced until one of them
//! gives the same signature (protocol.md 2.3, 5.1).
//!
//! Nothing here grants access: only [`verify_auth`] does.

mod answer;
mod endpoint_answer;
mod json_forms;
mod refusal_log;
mod secrets;
mod signing_mistake;

pub use answer::Explanation;
pub use endpoint_answer::{AnswerFault, AnswerReport, EndpointAnswer, judge_secret};
pub use refusal_log::{RefusalId, RefusalLine, RefusalLog};
pub use secrets::{SecretMistake, SimilarSecrets};
pub use signing_mistake::SigningMistake;

use crate::{
    crypto::{
        encoding::from_any_base64,
        signature::{AppSecret, Signature},
    },
    domain::{channel::ChannelKind, ids::SocketId},
    protocol::signed::{signed_for_user, verify_auth},
};

/// The request to authorize. The channel name is as sent.
#[derive(Clone, Copy, Debug)]
pub enum Subject<'a> {
    Channel { name: &'a str, data: Option<&'a str> },
    User { data: &'a str },
}

impl Subject<'_> {
    /// User or member data, as JSON text.
    pub fn data(&self) -> Option<&str> {
        match self {
            Self::Channel { data, .. } => *data,
            Self::User { data } => Some(data),
        }
    }

    /// The accepted texts; one of them must have been signed.
    pub fn accepted(&self, socket: SocketId) -> Vec<String> {
        match self {
            Self::User { data } => vec![signed_for_user(socket, data)],
            Self::Channel { name, data: Some(data) } if !data.is_empty() => {
                let (with, without) =
                    (format!("{socket}:{name}:{data}"), format!("{socket}:{name}"));
                // The data of a member identifies a user, so it must be signed.
                if ChannelKind::of(name).has_members() { vec![with] } else { vec![with, without] }
            }
            Self::Channel { name, .. } => vec![format!("{socket}:{name}")],
        }
    }
}

/// The server's knowledge of the app.
pub struct AppKnowledge<'a> {
    pub key: &'a str,
    pub secret: &'a AppSecret,
    pub near: &'a SimilarSecrets,
    /// True if the key belongs to another app of this server.
    pub is_other_app: &'a dyn Fn(&str) -> bool,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    Correct,
    Wrong(AuthFault),
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AuthFault {
    Missing,
    /// Blanks or quotation marks around the string.
    Wrapped,
    WholeAnswer,
    KeyMissing,
    NoColon,
    Swapped,
    ForeignKey {
        of_this_server: bool,
    },
    Base64,
    Digest {
        name: &'static str,
        digits: usize,
    },
    Malformed,
    Secret(SecretMistake),
    Text(SigningMistake),
    /// None of the known mistakes.
    Unknown,
}

/// `others`: other sockets it may have been signed for.
pub fn explain(
    known: &AppKnowledge<'_>,
    auth: &str,
    socket: SocketId,
    subject: &Subject<'_>,
    others: &[SocketId],
) -> Verdict {
    let accepted = subject.accepted(socket);
    if accepted.iter().any(|text| verify_auth(known.key, known.secret, auth, text).is_ok()) {
        return Verdict::Correct;
    }
    Verdict::Wrong(match signature(known, auth) {
        Err(cause) => cause,
        Ok(signature) => find_mistake(known, &signature, &accepted, || {
            signing_mistake::signing_mistakes(socket, subject, others)
        }),
    })
}

fn find_mistake(
    known: &AppKnowledge<'_>,
    signature: &Signature,
    accepted: &[String],
    mistakes: impl FnOnce() -> Vec<(SigningMistake, String)>,
) -> AuthFault {
    let signed = |secret: &AppSecret, text: &String| secret.verify(&[text.as_bytes()], signature);
    let near = known.near.iter();
    let near = near.filter(|(_, secret)| accepted.iter().any(|text| signed(secret, text)));
    if let Some((mistake, _)) = near.into_iter().next() {
        return AuthFault::Secret(mistake);
    }
    let mistake = mistakes().into_iter().find(|(_, text)| signed(known.secret, text));
    mistake.map_or(AuthFault::Unknown, |(mistake, _)| AuthFault::Text(mistake))
}

/// The signature in the string, or the fault in its place.
fn signature(known: &AppKnowledge<'_>, auth: &str) -> Result<Signature, AuthFault> {
    let bare = auth.trim().trim_matches(['"', '\'']);
    if bare.is_empty() {
        return Err(AuthFault::Missing);
    }
    if bare.starts_with('{') {
        return Err(AuthFault::WholeAnswer);
    }
    if bare != auth {
        return Err(AuthFault::Wrapped);
    }
    let Some((key, digest)) = auth.rsplit_once(':') else {
        return Err(if Signature::parse(auth).is_some() {
            AuthFault::KeyMissing
        } else {
            AuthFault::NoColon
        });
    };
    if digest.eq_ignore_ascii_case(known.key) && Signature::parse(key).is_some() {
        return Err(AuthFault::Swapped);
    }
    if key.is_empty() {
        return Err(AuthFault::KeyMissing);
    }
    if !key.eq_ignore_ascii_case(known.key) {
        return Err(AuthFault::ForeignKey { of_this_server: (known.is_other_app)(key) });
    }
    Signature::parse(digest).ok_or_else(|| classify_digest(digest))
}

fn classify_digest(digest: &str) -> AuthFault {
    let digits = digest.len();
    let name = match digits {
        32 => "MD5",
        40 => "SHA-1",
        96 => "SHA-384",
        128 => "SHA-512",
        _ if digest.len() >= 42
            && from_any_base64(digest).is_some_and(|bytes| bytes.len() == 32) =>
        {
            return AuthFault::Base64;
        }
        _ => return AuthFault::Malformed,
    };
    match digest.bytes().all(|b| b.is_ascii_hexdigit()) {
        true => AuthFault::Digest { name, digits },
        false => AuthFault::Malformed,
    }
}

impl AuthFault {
    /// Stable code, shown by `auth explain`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing => "auth_missing",
            Self::Wrapped => "auth_wrapped",
            Self::WholeAnswer => "auth_is_whole_answer",
            Self::KeyMissing => "key_missing",
            Self::NoColon | Self::Malformed => "auth_malformed",
            Self::Swapped => "auth_swapped",
            Self::ForeignKey { of_this_server: true } => "key_of_another_app",
            Self::ForeignKey { of_this_server: false } => "unknown_key",
            Self::Base64 => "signature_in_base64",
            Self::Digest { .. } => "other_digest",
            Self::Secret(mistake) => mistake.code(),
            Self::Text(mistake) => mistake.code(),
            Self::Unknown => "wrong_secret",
        }
    }

    pub fn fix(&self) -> &'static str {
        match self {
            Self::Missing => {
                "pass the \"auth\" of the auth endpoint's answer; look at what that endpoint answers"
            }
            Self::Wrapped => {
                "pass the string as it is, without blanks or quotation marks around it"
            }
            Self::WholeAnswer => "pass the field \"auth\" of the answer, not the whole answer",
            Self::KeyMissing | Self::NoColon | Self::Malformed => {
                "make auth of the app's key, a colon, and the 64 hex digits of the HMAC-SHA256"
            }
            Self::Swapped => "put the key first: key:signature",
            Self::ForeignKey { of_this_server: true } => {
                "use the key and secret of one app on both sides: the client's key and the backend's belong to different apps"
            }
            Self::ForeignKey { of_this_server: false } => {
                "give the backend the key of this app, the one that the client connects with"
            }
            Self::Base64 => "write the signature in hex, not in base64",
            Self::Digest { .. } => "use HMAC-SHA256, which has 64 hex digits",
            Self::Secret(mistake) => mistake.fix(),
            Self::Text(mistake) => mistake.fix(),
            Self::Unknown => {
                "compare the secret of the backend with that of this app; if they are the same, compare what was signed: socket_id:channel_name, with :channel_data on presence channels"
            }
        }
    }
}

impl std::fmt::Display for AuthFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Digest { name, digits } => {
                return write!(f, "the signature has {digits} hex digits, as {name} has");
            }
            Self::Text(mistake) => return f.write_str(&mistake.cause()),
            Self::Missing => "there is no auth",
            Self::Wrapped => "there are blanks or quotation marks around the auth string",
            Self::WholeAnswer => "the auth string is the whole answer of an auth endpoint",
            Self::KeyMissing => "the auth string is a signature without the key in front of it",
            Self::NoColon => "the auth string has no colon between key and signature",
            Self::Swapped => "the auth string has key and signature the wrong way round",
            Self::ForeignKey { of_this_server: true } => {
                "the auth string has the key of another app of this server"
            }
            Self::ForeignKey { of_this_server: false } => {
                "the auth string has a key that is not this app's"
            }
            Self::Base64 => "the signature is written in base64",
            Self::Malformed => "what follows the key is not 64 hex digits",
            Self::Secret(mistake) => mistake.cause(),
            Self::Unknown => {
                "the signature fits nothing that is usually signed by mistake: most likely the secret is another one, or it was signed for another socket or channel"
            }
        })
    }
}

#[cfg(test)]
mod tests;
