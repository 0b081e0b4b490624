//! Bounds of the memory that one HTTP/2 connection can take.

use std::sync::Arc;

use tokio_rustls::TlsConnector;

use crate::support::*;

type Client = h2::client::SendRequest<bytes::Bytes>;

/// A connection whose client takes no bodies, and its end.
async fn closed_window(
    server: &TestServer,
    pair: &TestCertificate,
) -> (Client, tokio::task::JoinHandle<()>, DisconnectGuard) {
    let (stream, line) = server.dial_tcp();
    let connector = TlsConnector::from(Arc::new(pair.config(&["h2"])));
    let stream = try_tls(&connector, stream).await.expect("a handshake");
    let mut builder = h2::client::Builder::new();
    builder.initial_window_size(0).initial_max_send_streams(10_000);
    let (client, connection) =
        within("HTTP/2", builder.handshake(stream)).await.expect("an HTTP/2 connection");
    let end = tokio::spawn(async move {
        let _ = connection.await;
    });
    (within("readiness", client.ready()).await.expect("a ready client"), end, line)
}

/// Asks so often, as far as the connection goes.
fn ask(client: &mut Client, count: usize) -> Vec<h2::client::ResponseFuture> {
    let get = || http::Request::get("https://localhost/nowhere").body(()).expect("a request");
    (0..count).map_while(|_| client.send_request(get(), true).ok()).map(|(r, _)| r).collect()
}

#[tokio::test]
async fn f14_answers_that_are_not_taken_count_and_end_the_connection() {
    let pair = TestCertificate::new();
    let top = "stalled_seconds = 2";
    let server = Launch::serve_plain(&config_of(top, &[(APP, "")])).tls(&pair).start().await;
    let (mut client, end, _line) = closed_window(&server, &pair).await;
    let mut responses = ask(&mut client, 251);
    let last = responses.pop().expect("the last");
    let refused = within("an answer", last).await.expect("an answer");
    assert_eq!(refused.status(), 503, "the first 250 have not been sent");
    tokio::time::timeout(DEADLINE, end).await.expect("an end").expect("a task");
    drop((client, responses));
    // Nor does one live on refusals.
    let (mut client, end, _second) = closed_window(&server, &pair).await;
    let responses = ask(&mut client, 2000);
    within("the end of a greedy connection", end).await.expect("a task");
    drop((client, responses));
    server.stop().await;
}
