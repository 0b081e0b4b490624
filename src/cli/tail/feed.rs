//! The client side of the live feed's WebSocket.

use crate::cli::{
    CliResult, CommandError,
    client::{
        AdminClient,
        websocket::{WebSocketClient, WebSocketEvent},
    },
};

pub struct FeedClient(WebSocketClient);

pub enum FeedMessage {
    Entry(String),
    End(TailEnd),
}

pub enum TailEnd {
    Lost,
    Closed { code: u16, reason: String },
}

pub enum FeedError {
    /// The server may be there later.
    Passing(CommandError),
    Final(CommandError),
}

/// Larger than any entry: an entry holds a request body as an envelope, which is a third longer.
const ENTRY_BYTES: usize = 64 * 1024 * 1024;
const SHUTTING_DOWN: &str = "shutting_down";
const SERVER_ENDS: u16 = 1001;
const NO_SUCH_PATH: u16 = 4005;

impl TailEnd {
    pub fn may_reconnect(&self) -> bool {
        matches!(self, Self::Lost | Self::Closed { code: SERVER_ENDS, .. })
    }

    pub fn sentence(&self) -> String {
        match self {
            Self::Lost => "the connection to the server is lost".into(),
            Self::Closed { code: SERVER_ENDS, .. } => "the server has ended".into(),
            Self::Closed { code: NO_SUCH_PATH, .. } => {
                "that is the public listener, and the live feed is on the operations listener (ops_listen)".into()
            }
            Self::Closed { code, reason } if reason.is_empty() => {
                format!("the server has closed the feed ({code})")
            }
            Self::Closed { code, reason } => {
                format!("the server has closed the feed ({code}): {reason}")
            }
        }
    }
}

impl From<TailEnd> for CommandError {
    fn from(end: TailEnd) -> Self {
        let message = end.sentence();
        match end {
            TailEnd::Closed { code, .. } if !end.may_reconnect() => {
                Self::Refused { message, code: code.to_string() }
            }
            _ => Self::Unreachable(message),
        }
    }
}

impl FeedClient {
    pub async fn open(admin: &AdminClient, path: &str) -> Result<Self, FeedError> {
        let opened = admin.websocket(path, ENTRY_BYTES).await.map_err(FeedError::Final)?;
        opened.map(Self).map_err(|error| {
            let is_passing = error.is_passing();
            match admin.unreachable(error) {
                error if is_passing || error.code() == SHUTTING_DOWN => FeedError::Passing(error),
                error => FeedError::Final(error),
            }
        })
    }

    pub async fn next(&mut self) -> CliResult<FeedMessage> {
        loop {
            match self.0.next().await? {
                // The public listener sends other messages; its close frame gives the reason.
                WebSocketEvent::Text(text) if !text.starts_with("{\"time\":") => {}
                WebSocketEvent::Text(text) => return Ok(FeedMessage::Entry(text)),
                WebSocketEvent::Closed { code, reason } => {
                    return Ok(FeedMessage::End(TailEnd::Closed { code, reason }));
                }
                WebSocketEvent::Lost => return Ok(FeedMessage::End(TailEnd::Lost)),
                WebSocketEvent::Ping | WebSocketEvent::Pong | WebSocketEvent::Binary(_) => {}
            }
        }
    }
}

impl FeedError {
    pub fn into_inner(self) -> CommandError {
        match self {
            Self::Passing(error) | Self::Final(error) => error,
        }
    }
}
