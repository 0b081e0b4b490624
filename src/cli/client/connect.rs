//! Streams to a server: TCP, TLS, or a Unix socket.

use std::{
    fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use hyper::Uri;
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    net::{TcpStream, UnixStream, lookup_host},
    time::timeout,
};
use tokio_rustls::TlsConnector;

use super::error::ClientError;
use crate::{
    cli::{
        exit::{CliResult, CommandError},
        unverified,
    },
    platform::http::client_tls,
};

/// For one address.
pub const CONNECT_DEADLINE: Duration = Duration::from_secs(3);

/// Sent before the request if the listener expects a PROXY header. UNKNOWN says that the connection
/// is the sender's own.
const PROXY_HEADER: &[u8] = b"PROXY UNKNOWN\r\n";

pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}

pub type BoxedStream = Box<dyn ByteStream>;

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    pub transport: ServerTransport,
    /// The beginning of all paths, without a slash at its end.
    pub prefix: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerTransport {
    /// `host`: a name or an address; one of IPv6 without brackets.
    Tcp {
        host: String,
        port: u16,
        tls: bool,
    },
    Unix(PathBuf),
}

impl Destination {
    pub fn unix(file: PathBuf) -> Self {
        Self { transport: ServerTransport::Unix(file), prefix: String::new() }
    }

    /// `http`, `https`, `ws` or `wss`, a host, and optionally a port and a prefix of paths.
    pub fn parse(url: &str) -> CliResult<Self> {
        let wrong = |why: &str| {
            CommandError::usage(format_args!(
                "{url:?} {why}: expected is http://HOST:PORT or https://HOST:PORT"
            ))
        };
        let uri: Uri = url.parse().map_err(|_| wrong("is no URL"))?;
        let tls = match uri.scheme_str() {
            Some("http" | "ws") => false,
            Some("https" | "wss") => true,
            _ => return Err(wrong("does not begin with http:// or https://")),
        };
        let authority = uri.authority().ok_or_else(|| wrong("has no host"))?;
        if authority.as_str().contains('@') {
            return Err(CommandError::usage("a URL here has no user name and no password"));
        }
        if uri.query().is_some() {
            return Err(wrong("has a query"));
        }
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        let port = match (authority.port_u16(), authority.as_str().ends_with(authority.host())) {
            (Some(port), _) => port,
            (None, true) => {
                if tls {
                    443
                } else {
                    80
                }
            }
            (None, false) => return Err(wrong("has no valid port")),
        };
        let prefix = uri.path().trim_end_matches('/').to_owned();
        Ok(Self { transport: ServerTransport::Tcp { host, port, tls }, prefix })
    }

    /// The `Host` header: without the port that the scheme implies.
    pub fn authority(&self) -> String {
        match &self.transport {
            ServerTransport::Unix(_) => "localhost".into(),
            ServerTransport::Tcp { host, port: 443, tls: true } => bracketed(host),
            ServerTransport::Tcp { host, port: 80, tls: false } => bracketed(host),
            ServerTransport::Tcp { host, port, .. } => format!("{}:{port}", bracketed(host)),
        }
    }
}

fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

/// For messages.
impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.transport {
            ServerTransport::Unix(file) => write!(f, "{}", file.display()),
            ServerTransport::Tcp { tls, .. } => {
                let scheme = if *tls { "https" } else { "http" };
                write!(f, "{scheme}://{}{}", self.authority(), self.prefix)
            }
        }
    }
}

/// Connects within [`CONNECT_DEADLINE`] to each address in turn.
#[derive(Clone)]
pub struct Connector {
    tls: Arc<ClientConfig>,
    proxy_header: bool,
}

impl Connector {
    /// With `ca_file`, only its certificates are trusted, otherwise those trusted by browsers.
    pub fn new(ca_file: Option<&Path>) -> CliResult<Self> {
        let tls = client_tls(ca_file).map_err(CommandError::failed)?;
        Ok(Self { tls: Arc::new(tls), proxy_header: false })
    }

    /// Accepts every certificate: see `unverified`.
    pub fn unverified() -> CliResult<Self> {
        Ok(Self { tls: Arc::new(unverified::config()?), proxy_header: false })
    }

    /// Whether each connection begins with a PROXY header.
    pub fn with_proxy_header(self, proxy_header: bool) -> Self {
        Self { proxy_header, ..self }
    }

    pub async fn connect(&self, to: &Destination) -> Result<BoxedStream, ClientError> {
        match &to.transport {
            ServerTransport::Unix(file) => self.connect_file(file).await,
            ServerTransport::Tcp { host, port, .. } => {
                let mut failure = None;
                for address in resolve(host, *port).await? {
                    match self.connect_at(to, address).await {
                        Err(error @ ClientError::Refused { .. }) => failure = Some(error),
                        connected => return connected,
                    }
                }
                Err(failure.unwrap_or_else(|| unresolved(host, "there is none")))
            }
        }
    }

    /// To one of the destination's addresses.
    pub async fn connect_at(
        &self,
        to: &Destination,
        address: SocketAddr,
    ) -> Result<BoxedStream, ClientError> {
        let mut stream = tcp(address).await?;
        self.send_proxy_header(&mut stream).await?;
        match &to.transport {
            ServerTransport::Tcp { host, tls: true, .. } => self.tls(stream, host, address).await,
            _ => Ok(Box::new(stream)),
        }
    }

    async fn connect_file(&self, file: &Path) -> Result<BoxedStream, ClientError> {
        let connected = UnixStream::connect(file).await;
        let mut stream =
            connected.map_err(|error| ClientError::NoSocket { file: file.to_owned(), error })?;
        self.send_proxy_header(&mut stream).await?;
        Ok(Box::new(stream))
    }

    async fn send_proxy_header(
        &self,
        stream: &mut (impl AsyncWrite + Unpin),
    ) -> Result<(), ClientError> {
        if self.proxy_header {
            let sent = stream.write_all(PROXY_HEADER).await;
            sent.map_err(|error| ClientError::Lost(error.to_string()))?;
        }
        Ok(())
    }

    async fn tls(
        &self,
        stream: TcpStream,
        host: &str,
        address: SocketAddr,
    ) -> Result<BoxedStream, ClientError> {
        let place = address.to_string();
        let name = ServerName::try_from(host.to_owned()).map_err(|error| ClientError::Tls {
            address: place.clone(),
            reason: error.to_string(),
        })?;
        let handshake = TlsConnector::from(self.tls.clone()).connect(name, stream);
        match timeout(CONNECT_DEADLINE, handshake).await {
            Ok(Ok(stream)) => Ok(Box::new(stream)),
            Ok(Err(error)) => Err(ClientError::of_tls(place, &error)),
            Err(_) => Err(ClientError::Tls { address: place, reason: "no answer in time".into() }),
        }
    }
}

/// Each address once, in the order of the system's resolver.
pub async fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, ClientError> {
    let found = match timeout(CONNECT_DEADLINE, lookup_host((host, port))).await {
        Ok(found) => found.map_err(|error| unresolved(host, error))?,
        Err(_) => return Err(unresolved(host, "the resolver does not answer in time")),
    };
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for address in found {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    match addresses.is_empty() {
        true => Err(unresolved(host, "there is none")),
        false => Ok(addresses),
    }
}

fn unresolved(host: &str, reason: impl fmt::Display) -> ClientError {
    ClientError::Unresolved { host: host.to_owned(), reason: reason.to_string() }
}

pub async fn tcp(address: SocketAddr) -> Result<TcpStream, ClientError> {
    let refused = |error| ClientError::Refused { address: address.to_string(), error };
    let connected = timeout(CONNECT_DEADLINE, TcpStream::connect(address)).await;
    let in_time = connected.map_err(|_| refused(std::io::ErrorKind::TimedOut.into()))?;
    in_time.map_err(refused)
}
