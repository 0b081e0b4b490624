//! PROTOCOL 1.6 (4200): a server that is told to stop sends everybody elsewhere first.

use serde_json::json;

use crate::support::*;

#[tokio::test]
async fn s1_6_sigterm_and_sigint_close_with_4200_and_end_with_success() {
    for signal in ["TERM", "INT"] {
        let server = TestServer::start(&config("")).await;
        let mut clients = Vec::new();
        for i in 0..10 {
            let mut client = server.connect().await;
            client.subscribe("news").await;
            if i % 2 == 0 {
                client.subscribe("private-x").await;
            }
            clients.push(client);
        }
        server.signal(signal);
        for client in &mut clients {
            loop {
                match client.incoming().await {
                    // 1.4: an error frame may come before the close.
                    Incoming::Text(text) => assert!(text.contains("4200"), "{signal}: {text}"),
                    Incoming::Closed(code, reason) => {
                        assert_eq!(code, Some(4200), "{signal}: {reason}");
                        break;
                    }
                }
            }
        }
        drop(clients);
        server.exited().await;
    }
}

#[tokio::test]
async fn s1_6_members_of_both_dialects_are_told_too() {
    let server = TestServer::start(&config("")).await;
    let mut pusher = server.connect().await;
    let mut jetsocket = server.connect_with("protocol=7&dialect=jetsocket").await;
    for client in [&mut pusher, &mut jetsocket] {
        client.join("presence-x", &json!({"user_id": client.dialect})).await;
        client.sign_in(&json!({"id": client.dialect})).await;
    }
    server.signal("TERM");
    for client in [&mut pusher, &mut jetsocket] {
        let code = loop {
            // Members who see others go first may be told so.
            if let Incoming::Closed(code, _) = client.incoming().await {
                break code;
            }
        };
        assert_eq!(code, Some(4200), "{}", client.dialect);
    }
    drop((pusher, jetsocket));
    server.exited().await;
}

#[tokio::test]
async fn s1_6_nobody_can_keep_a_stopping_server_alive() {
    let server = TestServer::start(&config("")).await;
    // A socket that answers nothing, half a handshake, half a request, and an idle connection.
    let deaf = Raw::open(&server).await;
    let mut half_upgrade = Raw::dial(&server).await;
    half_upgrade.write(&upgrade_request(&server.socket_path(), "")[..40]).await;
    let mut half_post = Raw::dial(&server).await;
    half_post
        .write(b"POST /apps/it/events HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf")
        .await;
    let mut idle = server.line().await;
    idle.send(&Request::new("GET", "/health")).await.expect(200, "health");
    server.signal("TERM");
    server.exited().await;
    drop((deaf, half_upgrade, half_post, idle));
}

#[tokio::test]
async fn s1_6_a_server_without_sockets_stops_at_once() {
    let server = TestServer::start(&config("")).await;
    server.signal("TERM");
    server.exited().await;
}
