//! One listener of a server, and how to connect to it.

use super::{
    connect::{Connector, Destination},
    error::ClientError,
    http::{self, ClientRequest, ClientResponse, DEADLINE, StreamedResponse},
    websocket::WebSocketClient,
};

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
        let stream = self.connector.connect(&self.destination).await?;
        http::send_on(stream, &self.destination, request, DEADLINE).await
    }

    /// Sends a request and reads the head of the answer, within 30 seconds.
    pub async fn open(&self, request: ClientRequest) -> Result<StreamedResponse, ClientError> {
        let stream = self.connector.connect(&self.destination).await?;
        let opened = http::open_on(stream, &self.destination, request);
        tokio::time::timeout(DEADLINE, opened).await.map_err(|_| ClientError::Deadline(DEADLINE))?
    }

    /// Opens a WebSocket. A message of more than `max_bytes` is an error.
    pub async fn websocket(
        &self,
        request: ClientRequest,
        max_bytes: usize,
    ) -> Result<WebSocketClient, ClientError> {
        let stream = self.connector.connect(&self.destination).await?;
        WebSocketClient::open(stream, &self.destination, request, max_bytes).await
    }
}
