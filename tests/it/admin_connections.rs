//! Connections as operators see them, and their end.

use serde_json::{Value, json};

use crate::support::*;

const SEALED: &str = "private-encrypted-x";
const TOKEN: &str = "admin-token-5d20c9f1b7e84a63";

async fn start(top: &str) -> (TestServer, AdminClient) {
    let key = base64(&master_key("admin connections"));
    let app = format!("authorizer = \"open\"\nmaster_key = \"{key}\"");
    let text = config_of(&format!("admin_token = \"{TOKEN}\"\n{top}"), &[(APP, &app), (OTHER, "")]);
    let server = Launch::serve_plain(&text).start().await;
    let admin = AdminClient::of(&server);
    (server, admin)
}

async fn ask(admin: &AdminClient, path: &str) -> Response {
    admin.send(&Request::new("GET", format!("/admin/apps/it/connections{path}"))).await
}

async fn disconnect(admin: &AdminClient, socket: &str, body: &Value) -> Response {
    let path = format!("/admin/apps/it/connections/{socket}/disconnect");
    admin.send(&Request::new("POST", path).json(body)).await
}

fn sockets(page: &Value) -> Vec<String> {
    let rows = page["connections"].as_array().expect("connections");
    rows.iter().map(|row| row["socket_id"].as_str().expect("an id").to_owned()).collect()
}

#[tokio::test]
async fn k_connections_are_paged_and_found_by_user_and_channel() {
    let (server, admin) = start("").await;
    let mut clients = Vec::new();
    for n in 0..7 {
        let mut client = server.connect_with("protocol=7&client=js&version=8.4.0").await;
        if n < 3 {
            client.subscribe("room").await;
        }
        if n < 2 {
            client.sign_in(&json!({"id": "alice"})).await;
        }
        clients.push(client);
    }
    let foreign = server.connect_as(OTHER).await;
    let all: Vec<String> = clients.iter().map(|client| client.socket_id.clone()).collect();
    let (mut found, mut after) = (Vec::new(), String::new());
    loop {
        let page = ask(&admin, &format!("?limit=2{after}")).await.expect(200, "a page");
        found.extend(sockets(&page));
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    let sorted = |mut ids: Vec<String>| {
        ids.sort();
        ids
    };
    assert_eq!(sorted(found), sorted(all.clone()), "each once, and none of the other app");

    let of_room = ask(&admin, "?channel=room").await.expect(200, "subscribers");
    assert_eq!(sorted(sockets(&of_room)), sorted(all[..3].to_vec()));
    let alice = ask(&admin, "?user=alice").await.expect(200, "a user");
    assert_eq!(sorted(sockets(&alice)), sorted(all[..2].to_vec()));
    let row = &alice["connections"][0];
    for (field, value) in [
        ("transport", json!("websocket")),
        ("client", json!("js")),
        ("version", json!("8.4.0")),
        ("protocol", json!(7)),
        ("user_id", json!("alice")),
        ("waiting_bytes", json!(0)),
    ] {
        assert_eq!(row[field], value, "{row}");
    }
    assert!(row["since"].as_i64() <= Some(unix_now()) && row["silent_seconds"].is_u64(), "{row}");
    let both = ask(&admin, "?channel=room&user=bob").await.expect(200, "nobody");
    assert_eq!(both, json!({"connections": []}));
    for (query, code) in [
        ("?after=x", "invalid_filter"),
        ("?limit=0", "invalid_limit"),
        ("?user=a%20b", "invalid_user_id"),
        ("?channel=a%20b", "invalid_channel"),
    ] {
        assert_eq!(ask(&admin, query).await.refused(400, query), code, "{query}");
    }
    let forged = ask(&admin, "?after=99-4294967295").await.expect(200, "a forged place");
    assert_eq!(forged, json!({"connections": []}));
    drop(foreign);
    server.stop().await;
}

#[tokio::test]
async fn k_one_connection_shows_its_channels_and_their_keys() {
    let (server, admin) = start("").await;
    let client = server.connect().await;
    let socket = client.socket_id.clone();
    let mut reader = SealedSubscriber::join(&server, client, SEALED).await;
    reader.client.join("presence-x", &json!({"user_id": "alice"})).await;
    let view = ask(&admin, &format!("/{socket}")).await.expect(200, "a connection");
    let key = id(&admin.report().await["keys"][0]);
    assert_eq!(
        view["channels"],
        json!([
            {"name": "presence-x", "user_id": "alice"},
            {"name": SEALED, "key": key, "epoch": 0},
        ])
    );
    assert_eq!((&view["channel_count"], &view["socket_id"]), (&json!(2), &json!(socket)));
    assert!(!view.to_string().contains("127.0.0.1"), "no address: {view}");
    for (id, status, code) in [
        ("1.2", 404, "unknown_socket"),
        ("nonsense", 400, "invalid_socket_id"),
        ("99999999999999999999.1", 404, "unknown_socket"),
    ] {
        assert_eq!(ask(&admin, &format!("/{id}")).await.refused(status, id), code);
    }
    let foreign = server.connect_as(OTHER).await;
    let response = ask(&admin, &format!("/{}", foreign.socket_id)).await;
    assert_eq!(response.refused(404, "of another app"), "unknown_socket");
    server.stop().await;
}

#[tokio::test]
async fn k_operator_closes_a_connection_with_a_code_that_clients_understand() {
    let audit = TempDir::new();
    let file = audit.path().join("audit.jsonl");
    let (server, admin) = start(&format!("audit_file = \"{}\"", file.display())).await;
    for (body, code) in [
        (json!({}), 4200),
        (json!({"code": 4009}), 4009),
        (json!({"code": 4100}), 4100),
        (json!({"code": 4299}), 4299),
    ] {
        let mut client = server.connect().await;
        let answer = disconnect(&admin, &client.socket_id, &body).await.expect(200, &body);
        assert_eq!(answer, json!({"disconnected": client.socket_id, "code": code}));
        client.expect_error(Some(code)).await;
        client.expect_close(code).await;
        let again = disconnect(&admin, &client.socket_id, &body).await;
        assert_eq!(again.refused(404, "it is closed"), "unknown_socket");
    }
    let mut client = server.connect().await;
    for (body, code) in [
        (json!({"code": 1000}), "invalid_close_code"),
        (json!({"code": 4000}), "invalid_close_code"),
        (json!({"code": 4300}), "invalid_close_code"),
        (json!({"code": 70_000}), "invalid_json"),
        (json!({"code": "4200"}), "invalid_json"),
        (json!({"reason": "x"}), "invalid_json"),
    ] {
        let response = disconnect(&admin, &client.socket_id, &body).await;
        assert_eq!(response.refused(400, &body), code, "{body}");
    }
    client.expect_silence().await;
    let foreign = server.connect_as(OTHER).await;
    let response = disconnect(&admin, &foreign.socket_id, &json!({})).await;
    assert_eq!(response.refused(404, "of another app"), "unknown_socket");
    server.stop().await;
    let facts = std::fs::read_to_string(&file).expect("the audit log");
    let of_commands = facts.lines().filter(|line| line.contains("\"action\":\"disconnect\""));
    let of_commands: Vec<&str> = of_commands.collect();
    assert!(of_commands.len() >= 4, "{facts}");
    assert!(of_commands.iter().all(|line| line.contains("\"socket_id\":\"")), "{of_commands:?}");
}

#[tokio::test]
async fn k_routes_for_operators_need_their_token_and_are_not_public() {
    let (server, _admin) = start("").await;
    let requests = [
        ("GET", "/admin/config"),
        ("GET", "/admin/apps/it/top"),
        ("GET", "/admin/apps/it/channels"),
        ("GET", "/admin/apps/it/channels/room"),
        ("GET", "/admin/apps/it/connections"),
        ("GET", "/admin/apps/it/connections/1.2"),
        ("POST", "/admin/apps/it/connections/1.2/disconnect"),
        ("POST", "/admin/apps/it/events"),
    ];
    for (method, path) in requests {
        let request = || match method {
            "POST" => Request::new(method, path).json(&json!({})),
            _ => Request::new(method, path),
        };
        let input = format!("{method} {path}");
        let missing = exchange(server.ops(), &request()).await;
        assert_eq!(missing.refused(401, &input), "admin_token_missing", "{input}");
        let wrong = request().header("Authorization", "Bearer wrong-token-wrong-token");
        let wrong = exchange(server.ops(), &wrong).await;
        assert_eq!(wrong.refused(401, &input), "admin_token_wrong", "{input}");
        let right = request().header("Authorization", &format!("Bearer {TOKEN}"));
        let status = exchange(server.ops(), &right).await.status;
        assert!(matches!(status, 200 | 400 | 404), "{input}: {status}");
        let public = request().header("Authorization", &format!("Bearer {TOKEN}"));
        server.send(public).await.refused(404, &input);
        let other = if method == "GET" { "DELETE" } else { "GET" };
        let other = Request::new(other, path).header("Authorization", &format!("Bearer {TOKEN}"));
        let other = exchange(server.ops(), &other).await;
        assert_eq!(other.refused(405, &input), "method_not_allowed", "{input}");
    }
    server.stop().await;
}
