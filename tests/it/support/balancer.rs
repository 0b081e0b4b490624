//! Connections through balancers with the PROXY protocol, and over Unix sockets.

use std::net::IpAddr;
use std::path::Path;

use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;

use super::{
    APP, BoxedStream, Client, DisconnectGuard, HttpConnection, RawSocket, TestServer, within,
};

/// A header of version 1.
pub fn proxy_line(client: &str) -> Vec<u8> {
    let (kind, own) = if client.contains(':') { ("TCP6", "::1") } else { ("TCP4", "10.0.0.1") };
    format!("PROXY {kind} {client} {own} 40000 443\r\n").into_bytes()
}

/// A header of version 2 with a few bytes after the addresses.
pub fn proxy_v2(client: &str) -> Vec<u8> {
    let address: IpAddr = client.parse().expect("an address");
    let (family, octets) = match address {
        IpAddr::V4(v4) => (0x11, v4.octets().to_vec()),
        IpAddr::V6(v6) => (0x21, v6.octets().to_vec()),
    };
    let body = [&octets[..], &octets, &[0x9c, 0x40, 0x01, 0xbb], &[4, 0, 2, 0, 0]].concat();
    proxy_v2_of(1, family, &body)
}

/// Command 0 is LOCAL, 1 is PROXY.
pub fn proxy_v2_of(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    header.extend([0x20 | command, family]);
    header.extend(u16::try_from(body.len()).expect("a short body").to_be_bytes());
    header.extend(body);
    header
}

/// A connection that starts with these bytes, followed by TLS if the server uses it.
pub async fn behind(server: &TestServer, header: &[u8]) -> (BoxedStream, DisconnectGuard) {
    let (mut stream, line) = server.dial_tcp();
    within("a header", stream.write_all(header)).await.expect("the server reads");
    (server.wire(stream).await, line)
}

pub async fn raw_behind(server: &TestServer, header: &[u8]) -> RawSocket {
    let (wire, line) = behind(server, header).await;
    RawSocket::over(wire, line)
}

pub async fn line_behind(server: &TestServer, header: &[u8]) -> (HttpConnection, DisconnectGuard) {
    let (wire, line) = behind(server, header).await;
    (HttpConnection::over(wire), line)
}

pub async fn file_wire(path: &Path) -> BoxedStream {
    let stream = within("connecting", UnixStream::connect(path)).await;
    Box::new(stream.unwrap_or_else(|err| panic!("{}: {err}", path.display())))
}

pub async fn file_line(path: &Path) -> HttpConnection {
    HttpConnection::over(file_wire(path).await)
}

/// A client of [`APP`] on the Unix socket at this path, with its handshake done.
pub async fn file_client(path: &Path) -> Client {
    let mut client = file_dial(path, &[]).await;
    client.handshake().await;
    client
}

pub async fn file_dial(path: &Path, headers: &[(&'static str, &str)]) -> Client {
    let url = format!("ws://localhost/app/{}?protocol=7", APP.key);
    let mut request = url.into_client_request().expect("a good URL");
    for (name, value) in headers {
        request.headers_mut().append(*name, HeaderValue::from_str(value).expect("a value"));
    }
    Client::over(file_wire(path).await, DisconnectGuard::none(), APP, request).await
}
