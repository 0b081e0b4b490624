//! Close reasons, their codes, and the reaction of clients (protocol.md 1.6).
//!
//! | code | clients |
//! |---|---|
//! | 4000 to 4099 | give up: only for what a retry cannot mend (4000 itself: retry with TLS) |
//! | 4100 to 4199 | back off, then reconnect: faults of ours, overload |
//! | 4200 to 4299 | reconnect at once: shutdown, dead connections |
//! | 1002, 1003, 1007, 1009 | WebSocket's own; clients back off and reconnect |
//!
//! Codes from 4300 make pusher-js give up, so they are sent in error frames alone.

use super::disconnect::DisconnectCode;

/// Matched everywhere without a catch-all arm, so that a new variant is considered in each place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Close {
    UnknownApp {
        key: String,
    },
    AppDisabled,
    OverConnectionQuota,
    /// Too many connections from one address.
    ConnectsTooOften,
    PathNotFound {
        mistake: String,
    },
    InvalidVersion,
    UnsupportedProtocol,
    MissingProtocol,
    OriginRefused {
        /// How to admit the origin; set in development alone.
        advice: Option<String>,
    },
    NotAuthorizedInTime,
    Terminated,
    TooSlow,
    /// The peer reads nothing of its queue.
    Stalled,
    TooManyFrames,
    /// The server is short of memory, and this connection holds more of it than its share.
    Shed,
    ShuttingDown,
    /// A new connection during a shutdown. Not 4200: clients would reconnect at once, and as long
    /// as they are routed here, again and again.
    Draining,
    /// A new connection to a server that is short of memory or file descriptors.
    OverCapacity,
    /// The other nodes of the cluster cannot be reached, and `when_away` is `close`.
    ClusterAway,
    /// The client's secret for a channel is no longer served, and the client has not fetched the
    /// next one.
    SecretRetired,
    /// No more of its ended authorizations can be remembered, and none may be forgotten.
    TooManyAuthorizations,
    /// One of the subscriptions of an event stream is over, and with it the stream.
    SubscriptionEnded,
    /// Another stream of the same ticket was opened.
    StreamReplaced,
    /// An operator has closed it.
    Disconnected(DisconnectCode),
    PongNotReceived,
    ProtocolViolation(&'static str),
    BinaryFrame,
    NotUtf8,
    MessageTooBig {
        limit: usize,
    },
    /// The client closed first; its code is echoed.
    ByClient(Option<u16>),
}

impl Close {
    pub fn code(&self) -> Option<u16> {
        Some(match self {
            Self::UnknownApp { .. } => 4001,
            Self::AppDisabled => 4003,
            Self::OverConnectionQuota => 4004,
            Self::PathNotFound { .. } => 4005,
            Self::InvalidVersion => 4006,
            Self::UnsupportedProtocol => 4007,
            Self::MissingProtocol => 4008,
            Self::OriginRefused { .. } | Self::NotAuthorizedInTime | Self::Terminated => 4009,
            Self::TooSlow
            | Self::Stalled
            | Self::TooManyFrames
            | Self::Shed
            | Self::Draining
            | Self::OverCapacity
            | Self::ClusterAway
            | Self::ConnectsTooOften => 4100,
            Self::ShuttingDown
            | Self::SecretRetired
            | Self::TooManyAuthorizations
            | Self::SubscriptionEnded
            | Self::StreamReplaced => 4200,
            Self::Disconnected(code) => code.number(),
            Self::PongNotReceived => 4201,
            Self::ProtocolViolation(_) => 1002,
            Self::BinaryFrame => 1003,
            Self::NotUtf8 => 1007,
            Self::MessageTooBig { .. } => 1009,
            Self::ByClient(code) => return *code,
        })
    }

    /// All close reasons with their codes; empty where the client or an operator chooses the code.
    pub const REASONS: [(&str, &str); 30] = [
        ("unknown_app", "4001"),
        ("app_disabled", "4003"),
        ("over_connection_quota", "4004"),
        ("connects_too_often", "4100"),
        ("path_not_found", "4005"),
        ("invalid_version", "4006"),
        ("unsupported_protocol", "4007"),
        ("missing_protocol", "4008"),
        ("origin_refused", "4009"),
        ("not_authorized_in_time", "4009"),
        ("terminated", "4009"),
        ("too_slow", "4100"),
        ("stalled", "4100"),
        ("too_many_frames", "4100"),
        ("shed", "4100"),
        ("shutting_down", "4200"),
        ("draining", "4100"),
        ("over_capacity", "4100"),
        ("cluster_away", "4100"),
        ("secret_retired", "4200"),
        ("too_many_authorizations", "4200"),
        ("subscription_ended", "4200"),
        ("stream_replaced", "4200"),
        ("disconnected", ""),
        ("pong_not_received", "4201"),
        ("protocol_violation", "1002"),
        ("binary_frame", "1003"),
        ("not_utf8", "1007"),
        ("message_too_big", "1009"),
        ("by_client", ""),
    ];

    /// One of `REASONS`. It contains no text from clients, unlike the message.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::UnknownApp { .. } => "unknown_app",
            Self::AppDisabled => "app_disabled",
            Self::OverConnectionQuota => "over_connection_quota",
            Self::ConnectsTooOften => "connects_too_often",
            Self::PathNotFound { .. } => "path_not_found",
            Self::InvalidVersion => "invalid_version",
            Self::UnsupportedProtocol => "unsupported_protocol",
            Self::MissingProtocol => "missing_protocol",
            Self::OriginRefused { .. } => "origin_refused",
            Self::NotAuthorizedInTime => "not_authorized_in_time",
            Self::Terminated => "terminated",
            Self::TooSlow => "too_slow",
            Self::Stalled => "stalled",
            Self::TooManyFrames => "too_many_frames",
            Self::Shed => "shed",
            Self::ShuttingDown => "shutting_down",
            Self::Draining => "draining",
            Self::OverCapacity => "over_capacity",
            Self::ClusterAway => "cluster_away",
            Self::SecretRetired => "secret_retired",
            Self::TooManyAuthorizations => "too_many_authorizations",
            Self::SubscriptionEnded => "subscription_ended",
            Self::StreamReplaced => "stream_replaced",
            Self::Disconnected(_) => "disconnected",
            Self::PongNotReceived => "pong_not_received",
            Self::ProtocolViolation(_) => "protocol_violation",
            Self::BinaryFrame => "binary_frame",
            Self::NotUtf8 => "not_utf8",
            Self::MessageTooBig { .. } => "message_too_big",
            Self::ByClient(_) => "by_client",
        }
    }

    /// `message` for logs and the live feed: without the parts that a stranger has chosen, since a
    /// secret may stand in the place of a key.
    pub fn public_message(&self) -> String {
        match self {
            Self::UnknownApp { .. } => "App key not in this cluster".into(),
            Self::PathNotFound { .. } => "Path not found".into(),
            Self::OriginRefused { .. } => "Origin not allowed".into(),
            other => other.message(),
        }
    }

    pub fn message(&self) -> String {
        match self {
            Self::UnknownApp { key } => {
                format!("App key {key} not in this cluster. Did you forget to specify the cluster?")
            }
            Self::AppDisabled => "Application is disabled".into(),
            Self::OverConnectionQuota => "Application is over its connection quota".into(),
            Self::ConnectsTooOften => {
                "Too many connections are opened from this address, please wait and reconnect".into()
            }
            Self::PathNotFound { mistake } => format!("Path not found: {mistake}"),
            Self::InvalidVersion => "Invalid protocol version: not a number".into(),
            Self::UnsupportedProtocol => "Unsupported protocol version: 4 to 7 are served".into(),
            Self::MissingProtocol => "No protocol version supplied".into(),
            Self::OriginRefused { advice: None } => "Origin not allowed".into(),
            Self::OriginRefused { advice: Some(advice) } => format!("Origin not allowed: {advice}"),
            Self::NotAuthorizedInTime => {
                "Connection not authorized within timeout: sign in or subscribe to an authorized channel".into()
            }
            Self::Terminated => "You got disconnected by the app.".into(),
            Self::TooSlow => "Too many messages are waiting for this connection to read them".into(),
            Self::Stalled => "This connection reads nothing of what waits for it".into(),
            Self::TooManyFrames => {
                "This connection sends too many frames, please slow down (limits.frames_per_second)".into()
            }
            Self::Shed => {
                "Server is short of memory and closes the connections that hold most of it, please try again in a moment".into()
            }
            Self::ShuttingDown => "Server is shutting down, please reconnect".into(),
            Self::Draining => {
                "Server is shutting down and takes no new connections, please try again in a moment".into()
            }
            Self::OverCapacity => {
                "Server is at its capacity and takes no new connections, please try again in a moment".into()
            }
            Self::ClusterAway => {
                "Server cannot reach the other servers at the moment, please try again in a moment".into()
            }
            Self::SecretRetired => {
                "The secret of an encrypted channel has been replaced, please reconnect".into()
            }
            Self::TooManyAuthorizations => {
                "This connection has been authorized for more channels than the server remembers, please reconnect".into()
            }
            Self::SubscriptionEnded => {
                "One of the subscriptions of this stream has ended, please reconnect".into()
            }
            Self::StreamReplaced => "Another stream has been opened with this ticket".into(),
            Self::Disconnected(code) => code.message().into(),
            Self::PongNotReceived => "Pong reply not received in time".into(),
            Self::ProtocolViolation(what) => format!("WebSocket protocol error: {what}"),
            Self::BinaryFrame => "Binary frames are not supported".into(),
            Self::NotUtf8 => "Received text that is not valid UTF-8".into(),
            Self::MessageTooBig { limit } => format!("Message is larger than {limit} bytes"),
            Self::ByClient(_) => String::new(),
        }
    }

    /// The code in the `pusher:error` frame before the close. For rates it is 4301, which would
    /// make pusher-js give up as a close code.
    pub fn error_code(&self) -> Option<u16> {
        match self {
            Self::TooManyFrames => ErrorCode::ClientEventRate.number(),
            _ => self.code(),
        }
    }

    /// True if queued frames are dropped, because the peer does not read them.
    pub fn drops_what_waits(&self) -> bool {
        matches!(self, Self::TooSlow | Self::Stalled | Self::Shed)
    }

    /// True if a `pusher:error` frame precedes the close. Protocol violations get a WebSocket close
    /// frame alone.
    pub fn has_error_frame(&self) -> bool {
        self.code().is_some_and(|code| code >= 4000) && !matches!(self, Self::ByClient(_))
    }
}

/// Codes in `pusher:error` frames that leave the connection open.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ErrorCode {
    /// `null`, as Pusher's service sends for most refusals of one message.
    None,
    Unauthorized,
    ClientEventRate,
    WatchlistLimit,
}

impl ErrorCode {
    pub fn number(self) -> Option<u16> {
        match self {
            Self::None => None,
            Self::Unauthorized => Some(4009),
            Self::ClientEventRate => Some(4301),
            Self::WatchlistLimit => Some(4302),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_close_reason_is_listed_with_its_code() {
        let all = [
            Close::UnknownApp { key: String::new() },
            Close::AppDisabled,
            Close::OverConnectionQuota,
            Close::ConnectsTooOften,
            Close::PathNotFound { mistake: String::new() },
            Close::InvalidVersion,
            Close::UnsupportedProtocol,
            Close::MissingProtocol,
            Close::OriginRefused { advice: None },
            Close::NotAuthorizedInTime,
            Close::Terminated,
            Close::TooSlow,
            Close::Stalled,
            Close::TooManyFrames,
            Close::Shed,
            Close::ShuttingDown,
            Close::Draining,
            Close::OverCapacity,
            Close::ClusterAway,
            Close::SecretRetired,
            Close::TooManyAuthorizations,
            Close::SubscriptionEnded,
            Close::StreamReplaced,
            Close::Disconnected(DisconnectCode::RECONNECT),
            Close::PongNotReceived,
            Close::ProtocolViolation(""),
            Close::BinaryFrame,
            Close::NotUtf8,
            Close::MessageTooBig { limit: 0 },
            Close::ByClient(None),
        ];
        let chosen = |close: &Close| matches!(close, Close::Disconnected(_));
        let listed = all.map(|close| (close.reason(), close.code().filter(|_| !chosen(&close))));
        let codes = Close::REASONS.map(|(reason, code)| (reason, code.parse().ok()));
        assert_eq!(listed, codes);
    }
}
