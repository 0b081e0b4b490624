//! One listener of a server, and how to connect to it.

use super::{
    connect::{Connector, Destination},
    error::ClientError,
    http::{self, ClientRequest, ClientResponse, DEADLINE},
    patience,
    websocket::WebSocketClient,
};
use crate::cli::exit::CommandError;

#[derive(Clone)]
pub struct ListenerClient {
    pub connector: Connector,
    pub destination: Destination,
}

impl ListenerClient {
    pub fn new(connector: Connector, destination: Destination) -> Self {
        Self { connector, destination }
    }

    /// Sends a request and reads the whole answer, within 30 seconds.
    pub async fn send(&self, request: ClientRequest) -> Result<ClientResponse, ClientError> {
        patience::show_while(async {
            let stream = self.connector.connect(&self.destination).await?;
            http::send_on(stream, &self.destination, request, DEADLINE).await
        })
        .await
    }

    /// The error with the address of the listener.
    pub fn unreachable(&self, error: &ClientError) -> CommandError {
        CommandError::unreachable(error.at(&self.destination))
    }

    /// Opens a WebSocket. A message of more than `max_bytes` is an error.
    pub async fn websocket(
        &self,
        request: ClientRequest,
        max_bytes: usize,
    ) -> Result<WebSocketClient, ClientError> {
        patience::show_while(async {
            let stream = self.connector.connect(&self.destination).await?;
            WebSocketClient::open(stream, &self.destination, request, max_bytes).await
        })
        .await
    }
}
