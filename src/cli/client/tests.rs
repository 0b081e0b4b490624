//! Against sockets of the test that answer with prepared bytes.

use std::{sync::Arc, time::Duration};

use hyper::header::{HeaderValue, ORIGIN};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::{
    AdminClient, ClientError,
    connect::{Connector, Destination, ServerTransport},
    http::{ClientRequest, MAX_RESPONSE_BYTES, send_on},
    listener::ListenerClient,
    websocket::WebSocketEvent,
};
use crate::{cli::exit::CommandError, web::AppList};

/// Answers one connection after another, each with one of these texts after the request's head.
/// The requests come back as texts.
async fn server(
    answers: Vec<&'static [u8]>,
) -> (ListenerClient, tokio::task::JoinHandle<Vec<String>>) {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = socket.local_addr().unwrap().port();
    let task = tokio::spawn(async move {
        let mut requests = Vec::new();
        for answer in answers {
            let (mut stream, _) = socket.accept().await.unwrap();
            requests.push(head(&mut stream).await);
            stream.write_all(answer).await.unwrap();
        }
        requests
    });
    let transport = ServerTransport::Tcp { host: "127.0.0.1".into(), port, tls: false };
    let to = Destination { transport, prefix: "/ws".into() };
    (ListenerClient::new(Connector::new(None).unwrap(), to), task)
}

async fn head(stream: &mut TcpStream) -> String {
    let mut read = Vec::new();
    while !read.ends_with(b"\r\n\r\n") && stream.read_buf(&mut read).await.unwrap() > 0 {}
    String::from_utf8(read).unwrap()
}

#[test]
fn urls_are_parsed() {
    let parsed = |url: &str| Destination::parse(url).map(|to| (to.authority(), to.prefix));
    for (url, authority, prefix) in [
        ("http://h", "h", ""),
        ("https://h:443/a/b/", "h", "/a/b"),
        ("http://h:443", "h:443", ""),
        ("wss://[::1]:6001/", "[::1]:6001", ""),
        ("ws://127.0.0.1:80", "127.0.0.1", ""),
    ] {
        assert_eq!(parsed(url).unwrap(), (authority.to_owned(), prefix.to_owned()), "{url}");
    }
    for url in ["h:1", "ftp://h", "http://", "http://u:p@h", "http://h/?a=1", "http://h:99999", ""]
    {
        let error = parsed(url).expect_err(url);
        assert_eq!(error.exit(), 2, "{url}");
        assert!(!error.to_string().contains("u:p"), "{error}");
    }
}

#[tokio::test]
async fn chunked_answers_are_read_whole() {
    let chunked = b"HTTP/1.1 409 Conflict\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    let (client, requests) = server(vec![chunked]).await;
    let answer = client.send(ClientRequest::get("/a?b=c")).await.unwrap();
    assert_eq!((answer.status, answer.text()), (409, "abcde".into()));
    let request = requests.await.unwrap().remove(0);
    assert!(request.starts_with("GET /ws/a?b=c HTTP/1.1\r\n"), "{request}");
    assert!(request.to_lowercase().contains("\r\nhost: 127.0.0.1:"), "{request}");
}

#[tokio::test]
async fn unusable_answers_are_told_apart() {
    let (client, _requests) = server(vec![
        b"\x15\x03\x03\x00\x02\x02\x46",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc",
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n",
    ])
    .await;
    let ask = || client.send(ClientRequest::get("/"));
    assert!(matches!(ask().await, Err(ClientError::NotHttp)));
    assert!(matches!(ask().await, Err(ClientError::Lost(_))));
    assert!(matches!(ask().await, Err(ClientError::Lost(_))));
    assert!(matches!(ask().await, Err(ClientError::Lost(_))));
    let refused = ask().await.unwrap_err();
    assert!(matches!(refused, ClientError::Refused { .. }) && refused.is_passing());
    assert_eq!(CommandError::from(refused).exit(), 3);
}

#[tokio::test]
async fn answers_are_bounded_in_size_and_time() {
    let (ours, mut theirs) = tokio::io::duplex(64 * 1024);
    let flood = tokio::spawn(async move {
        assert!(theirs.read(&mut [0; 1024]).await.unwrap() > 0);
        let _ = theirs.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n").await;
        while theirs.write_all(&[b'a'; 4096]).await.is_ok() {}
    });
    let to = Destination::unix("/x".into());
    let whole = send_on(Box::new(ours), &to, ClientRequest::get("/"), Duration::from_secs(60));
    assert!(matches!(whole.await, Err(ClientError::TooLarge(MAX_RESPONSE_BYTES))));
    flood.await.unwrap();

    let (ours, _theirs) = tokio::io::duplex(1024);
    let deadline = Duration::from_millis(20);
    let silent = send_on(Box::new(ours), &to, ClientRequest::get("/"), deadline).await;
    assert!(matches!(silent, Err(ClientError::Deadline(_))));
}

#[tokio::test]
async fn admin_errors_keep_the_code_and_name_the_versions() {
    let (client, requests) = server(vec![
        b"HTTP/1.1 401 U\r\nContent-Length: 47\r\n\r\n{\"error\":\"No token\",\"code\":\"admin_token_wrong\"}",
        b"HTTP/1.1 502 Bad\r\nContent-Length: 4\r\n\r\noops",
        b"HTTP/1.1 200 OK\r\nSealcast-Version: 9.9.9\r\nContent-Length: 2\r\n\r\n[]",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 32\r\n\r\n{\"apps\":[{\"id\":\"a\"},{\"id\":\"b\"}]}",
    ])
    .await;
    let url = client.destination.to_string();
    let admin = AdminClient::remote(&url, "secret-token".to_owned().into(), None).unwrap();
    let ask = || admin.get::<AppList>("/admin/apps");
    let error = ask().await.err().unwrap();
    assert_eq!((error.exit(), error.code()), (4, "admin_token_wrong"), "{error}");
    let error = ask().await.err().unwrap();
    assert_eq!((error.exit(), error.code()), (3, "unreachable"), "{error}");
    let error = ask().await.err().unwrap();
    let own = env!("CARGO_PKG_VERSION");
    assert_eq!(error.exit(), 3);
    assert!(error.to_string().contains("9.9.9") && error.to_string().contains(own), "{error}");
    assert!(ask().await.err().unwrap().to_string().contains("does not say its version"));
    let error = admin.only_app().await.unwrap_err();
    assert_eq!((error.exit(), error.to_string().contains("--app: a, b")), (2, true), "{error}");
    for request in requests.await.unwrap() {
        assert!(request.to_lowercase().contains("authorization: bearer secret-token"), "{request}");
    }
}

#[tokio::test]
async fn websocket_reads_messages_pings_and_the_close() {
    let (client, _) = server(Vec::new()).await;
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = socket.local_addr().unwrap().port();
    let transport = ServerTransport::Tcp { host: "127.0.0.1".into(), port, tls: false };
    let client =
        ListenerClient { destination: Destination { transport, prefix: String::new() }, ..client };
    let peer = tokio::spawn(async move {
        let (stream, _) = socket.accept().await.unwrap();
        let origin = Arc::new(parking_lot::Mutex::new(None));
        let seen = origin.clone();
        let mut socket = tokio_tungstenite::accept_hdr_async(
            stream,
            #[expect(clippy::result_large_err, reason = "the library's type")]
            move |request: &hyper::Request<()>, response| {
                *seen.lock() = request.headers().get(ORIGIN).cloned();
                Ok(response)
            },
        )
        .await
        .unwrap();
        use futures_util::{SinkExt as _, StreamExt as _};
        use tokio_tungstenite::tungstenite::Message;
        socket.send(Message::text("one")).await.unwrap();
        socket.send(Message::Ping("p".into())).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), Message::Pong("p".into()));
        assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("two"));
        socket.close(None).await.unwrap();
        origin.lock().clone()
    });
    let request =
        ClientRequest::get("/app/k").header(ORIGIN, HeaderValue::from_static("https://a.example"));
    let mut socket = client.websocket(request, 1024).await.unwrap();
    assert_eq!(socket.next().await.unwrap(), WebSocketEvent::Text("one".into()));
    assert_eq!(socket.next().await.unwrap(), WebSocketEvent::Ping);
    socket.send_text("two").await.unwrap();
    let closed = WebSocketEvent::Closed { code: 1005, reason: String::new() };
    assert_eq!(socket.next().await.unwrap(), closed);
    assert_eq!(peer.await.unwrap().unwrap(), "https://a.example");
}

#[tokio::test]
async fn handshake_without_a_websocket_is_an_error() {
    let (client, _requests) = server(vec![
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: other\r\nConnection: Upgrade\r\n\r\n",
    ])
    .await;
    let open = async || client.websocket(ClientRequest::get("/"), 1024).await.err();
    match open().await {
        Some(ClientError::NoUpgrade(answer)) => {
            assert_eq!((answer.status, answer.text()), (404, "no".into()));
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(open().await, Some(ClientError::Protocol(_))));
    assert!(matches!(open().await, Some(ClientError::Protocol(_))));
}
