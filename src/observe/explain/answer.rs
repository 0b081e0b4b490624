//! The verdict of `auth explain`, on the command line and in the API.

use serde::Serialize;

use super::{Subject, Verdict};
use crate::domain::ids::SocketId;

#[derive(Serialize, Debug, utoipa::ToSchema)]
pub struct Explanation {
    pub correct: bool,
    pub code: &'static str,
    pub cause: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<&'static str>,
    /// One of the texts that must be signed.
    pub expected: Vec<String>,
    /// True if the app has a connection with this socket id now; `None` if unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connected: Option<bool>,
}

impl Explanation {
    pub fn new(
        verdict: &Verdict,
        socket: SocketId,
        subject: &Subject<'_>,
        connected: Option<bool>,
    ) -> Self {
        let (code, cause, fix) = match verdict {
            Verdict::Wrong(cause) => (cause.code(), cause.to_string(), Some(cause.fix())),
            Verdict::Correct if connected == Some(false) => (
                "socket_gone",
                "the auth string is right, but the app has no connection with that socket_id now"
                    .to_owned(),
                Some("authorize anew: every connection has a socket_id of its own"),
            ),
            Verdict::Correct => ("correct", "the auth string is right".to_owned(), None),
        };
        Self {
            correct: *verdict == Verdict::Correct,
            code,
            cause,
            fix,
            expected: subject.accepted(socket),
            connected,
        }
    }
}
