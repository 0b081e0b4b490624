//! Reasons for which a server gave no usable answer.

use std::{io, path::PathBuf, time::Duration};

use super::{connect::Destination, http::ClientResponse};
use crate::cli::exit::CommandError;

/// Not a `std::error::Error`: a command that passes it on must end with the exit code of a server
/// that was not reached (see `CommandError`).
#[derive(Debug)]
pub enum ClientError {
    /// The name has no address.
    Unresolved {
        host: String,
        reason: String,
    },
    /// No connection to an address, or to the last of several.
    Refused {
        address: String,
        error: io::Error,
    },
    /// No connection to a Unix socket.
    NoSocket {
        file: PathBuf,
        error: io::Error,
    },
    /// TLS failed: the certificate, or the protocol.
    Tls {
        address: String,
        reason: String,
    },
    /// The peer answered in plain text.
    NoTls {
        address: String,
    },
    /// The peer closed the connection, or it broke.
    Lost(String),
    /// The answer is not HTTP.
    NotHttp,
    Deadline(Duration),
    TooLarge(usize),
    /// A handshake that was answered without a WebSocket.
    NoUpgrade(Box<ClientResponse>),
    /// The peer broke the rules of the WebSocket protocol.
    Protocol(String),
}

impl std::fmt::Display for ClientError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unresolved { host, reason } => write!(f, "{host} has no address: {reason}"),
            Self::Refused { address, error } => write!(f, "{address} does not answer: {error}"),
            Self::NoSocket { file, error } => {
                write!(f, "{} does not answer: {error}", file.display())
            }
            Self::Tls { address, reason } => write!(f, "no TLS connection to {address}: {reason}"),
            Self::NoTls { address } => {
                write!(f, "{address} speaks no TLS: ask with http://")
            }
            Self::Lost(reason) => write!(f, "the connection is lost: {reason}"),
            Self::NotHttp => f.write_str(
                "the answer is not HTTP, or its head is damaged or too large; is it TLS that is spoken there?",
            ),
            Self::Deadline(after) => {
                write!(f, "there is no whole answer after {} seconds", after.as_secs())
            }
            Self::TooLarge(bytes) => write!(f, "the answer is larger than {bytes} bytes"),
            Self::NoUpgrade(answer) => write!(
                f,
                "the handshake of the WebSocket is answered with {} and not with 101: `sealcast doctor URL` finds out why",
                answer.status
            ),
            Self::Protocol(reason) => write!(f, "the WebSocket breaks its protocol: {reason}"),
        }
    }
}

impl ClientError {
    /// From an error of a TLS handshake.
    pub(super) fn of_tls(address: String, error: &io::Error) -> Self {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        match inner {
            Some(rustls::Error::InvalidMessage(_)) => Self::NoTls { address },
            Some(inner) => Self::Tls { address, reason: inner.to_string() },
            None => Self::Tls { address, reason: error.to_string() },
        }
    }

    pub(super) fn of_hyper(error: &hyper::Error) -> Self {
        if error.is_parse() {
            return Self::NotHttp;
        }
        if error.is_incomplete_message() {
            return Self::Lost("the server has closed it before the end of its answer".into());
        }
        Self::Lost(innermost(error))
    }

    /// With the destination, unless the sentence names an address already.
    pub(in crate::cli) fn at(&self, destination: &Destination) -> String {
        match self {
            Self::Unresolved { .. }
            | Self::Refused { .. }
            | Self::NoSocket { .. }
            | Self::Tls { .. }
            | Self::NoTls { .. } => self.to_string(),
            _ => format!("{destination}: {self}"),
        }
    }

    /// True if the server may answer at another time.
    pub fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::Refused { .. } | Self::NoSocket { .. } | Self::Lost(_) | Self::Deadline(_)
        )
    }
}

/// The innermost error is the most useful one.
pub(super) fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

impl From<ClientError> for CommandError {
    fn from(error: ClientError) -> Self {
        Self::Unreachable(error.to_string())
    }
}
