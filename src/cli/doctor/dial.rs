//! Connections to the one address under examination.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use rustls::{ClientConfig, pki_types::ServerName};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::answer::HttpAnswer;
use crate::cli::client::{
    ClientError,
    connect::{BoxedStream, CONNECT_DEADLINE, Destination, ServerTransport, resolve, tcp},
    http::{ClientRequest, send_on},
    websocket::WebSocketClient,
};

/// Host, port and scheme of an address on the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkPlace {
    pub host: String,
    pub port: u16,
    pub tls: bool,
}

impl NetworkPlace {
    /// `None` for a Unix socket.
    pub fn of(to: &Destination) -> Option<Self> {
        match &to.transport {
            ServerTransport::Tcp { host, port, tls } => {
                Some(Self { host: host.clone(), port: *port, tls: *tls })
            }
            ServerTransport::Unix(_) => None,
        }
    }

    /// The address if the host is one.
    pub fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    pub fn server_name(&self) -> Result<ServerName<'static>, ClientError> {
        ServerName::try_from(self.host.clone()).map_err(|error| ClientError::Tls {
            address: self.host.clone(),
            reason: error.to_string(),
        })
    }
}

/// Connects to one address, again and again.
#[derive(Clone)]
pub struct Dialer {
    pub to: Destination,
    place: NetworkPlace,
    address: SocketAddr,
    tls: Arc<ClientConfig>,
}

/// For a whole answer.
const ANSWER_DEADLINE: Duration = Duration::from_secs(10);
/// Of one message on a WebSocket.
const MAX_MESSAGE_BYTES: usize = 1024 * 1024;

impl Dialer {
    /// `tls` is used if the scheme asks for it.
    pub fn new(
        to: Destination,
        place: NetworkPlace,
        address: SocketAddr,
        tls: Arc<ClientConfig>,
    ) -> Self {
        Self { to, place, address, tls }
    }

    /// Takes the first address of the name that answers.
    pub async fn find(
        to: Destination,
        place: NetworkPlace,
        tls: Arc<ClientConfig>,
    ) -> Result<Self, ClientError> {
        let mut failure = None;
        for address in resolve(&place.host, place.port).await? {
            match tcp(address).await {
                Ok(_) => return Ok(Self::new(to, place, address, tls)),
                Err(error) => failure = Some(error),
            }
        }
        let reason = "there is none".to_owned();
        Err(failure.unwrap_or(ClientError::Unresolved { host: place.host, reason }))
    }

    /// `path` is below the prefix.
    pub async fn send(&self, request: ClientRequest) -> Result<HttpAnswer, ClientError> {
        let (stream, local) = self.dial().await?;
        let response = send_on(stream, &self.to, request, ANSWER_DEADLINE).await?;
        Ok(HttpAnswer { response, local })
    }

    pub async fn websocket(&self, request: ClientRequest) -> Result<WebSocketClient, ClientError> {
        let (stream, _) = self.dial().await?;
        WebSocketClient::open(stream, &self.to, request, MAX_MESSAGE_BYTES).await
    }

    /// A stream, and this machine's end of it.
    async fn dial(&self) -> Result<(BoxedStream, IpAddr), ClientError> {
        let stream = tcp(self.address).await?;
        let local = stream.local_addr().map_err(|error| ClientError::Lost(error.to_string()))?;
        let local = local.ip().to_canonical();
        if !self.place.tls {
            return Ok((Box::new(stream), local));
        }
        let address = self.address.to_string();
        let shaking =
            TlsConnector::from(self.tls.clone()).connect(self.place.server_name()?, stream);
        match timeout(CONNECT_DEADLINE, shaking).await {
            Ok(Ok(stream)) => Ok((Box::new(stream), local)),
            Ok(Err(error)) => Err(ClientError::Tls { address, reason: error.to_string() }),
            Err(_) => Err(ClientError::Deadline(CONNECT_DEADLINE)),
        }
    }
}
