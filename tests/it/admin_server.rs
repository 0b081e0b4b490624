//! The server itself as operators see it: audit facts, reloads, nodes.

use serde_json::{Value, json};

use crate::support::*;

async fn get(admin: &AdminClient, path: &str) -> Response {
    admin.send(&Request::new("GET", path)).await
}

async fn post(admin: &AdminClient, path: &str, body: &Value) -> Response {
    admin.send(&Request::new("POST", path).json(body)).await
}

fn events(page: &Value) -> Vec<&str> {
    let facts = page["facts"].as_array().expect("facts");
    facts.iter().map(|fact| fact["event"].as_str().expect("a name")).collect()
}

#[tokio::test]
async fn l_newest_facts_are_listed_without_a_log() {
    let server = Launch::serve_plain(&config("authorizer = \"open\"")).start().await;
    let admin = AdminClient::of(&server);
    let first = get(&admin, "/admin/audit").await.expect(200, "facts");
    assert_eq!(events(&first), ["server_started"]);
    assert_eq!((&first["last_hash"], &first["file"]), (&Value::Null, &json!(false)));
    let client = server.connect().await;
    let form = client.auth_form("private-a");
    server.send(Request::new("POST", "/apps/it/auth/channel").form(&form)).await;
    let page = get(&admin, "/admin/audit?limit=1").await.expect(200, "the newest");
    let fact = &page["facts"][0];
    assert_eq!(
        (fact["event"].as_str(), &fact["channel"]),
        (Some("auth_granted"), &json!("private-a"))
    );
    assert!(fact["time"].is_string() && fact.get("seq").is_none(), "{fact}");
    assert_eq!(page["facts"].as_array().map(Vec::len), Some(1));
    for limit in ["0", "1001", "x"] {
        let response = get(&admin, &format!("/admin/audit?limit={limit}")).await;
        assert_eq!(response.refused(400, limit), "invalid_limit");
    }
    server.stop().await;
}

#[tokio::test]
async fn l_newest_facts_are_the_lines_of_the_log() {
    let dir = TempDir::new();
    let file = dir.path().join("audit.log");
    let text = config_of(&format!("audit_file = \"{}\"", file.display()), &[(APP, "")]);
    let server = Launch::serve_plain(&text).start().await;
    let admin = AdminClient::of(&server);
    post(&admin, "/admin/reload", &json!({})).await.expect(200, "a reload");
    let page = until("the fact is written", async || {
        let page = get(&admin, "/admin/audit").await.expect(200, "facts");
        (events(&page).first() == Some(&"config_reloaded")).then_some(page)
    })
    .await;
    assert_eq!(events(&page), ["config_reloaded", "admin_action", "server_started"]);
    let lines = std::fs::read_to_string(&file).expect("the log");
    let lines: Vec<Value> =
        lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let newest_first: Vec<_> = lines.into_iter().rev().collect();
    assert_eq!(page["facts"], json!(newest_first));
    assert_eq!(page["last_hash"], page["facts"][0]["hash"]);
    assert_eq!(page["file"], json!(true));
    server.stop().await;
}

#[tokio::test]
async fn l_reload_answers_what_it_has_changed() {
    let server = Launch::serve_plain(&config("")).start().await;
    let admin = AdminClient::of(&server);
    let shown = get(&admin, "/admin/config").await.expect(200, "config");
    assert_eq!((&shown["waits_for_restart"], &shown["last_reload"]), (&json!([]), &Value::Null));

    server.write_config(&config_of("workers = 3", &[(APP, "client_events = true")]));
    let answer = post(&admin, "/admin/reload", &json!({})).await.expect(200, "a reload");
    let names = json!({"applied": ["apps.it.client_events"], "waits_for_restart": ["workers"]});
    assert_eq!(answer, names);
    let shown = get(&admin, "/admin/config").await.expect(200, "config");
    assert_eq!(shown["waits_for_restart"], json!(["workers"]));
    assert_eq!(shown["last_reload"]["error"], Value::Null);
    assert!(shown["last_reload"]["at"].as_u64() > Some(1_700_000_000), "{shown}");

    server.write_config("drain_secods = 1\n");
    let refused = post(&admin, "/admin/reload", &json!({})).await;
    let error = refused.json()["error"].as_str().map(str::to_owned).expect("a sentence");
    assert_eq!(refused.refused(422, "a fault"), "config_refused");
    assert!(error.contains("drain_secods"), "{error}");
    let shown = get(&admin, "/admin/config").await.expect(200, "config");
    assert_eq!(shown["last_reload"]["error"], json!(error));
    assert_eq!(shown["waits_for_restart"], json!(["workers"]), "those of the last good one");
    let client_events = shown["settings"].as_array().expect("settings").iter();
    let client_events = client_events.filter(|it| it["setting"] == "apps.it.client_events");
    assert_eq!(client_events.map(|it| &it["value"]).collect::<Vec<_>>(), [&json!(true)]);

    let response = post(&admin, "/admin/reload", &json!({"x": 1})).await;
    assert_eq!(response.refused(400, "a field"), "invalid_json");
    server.stop().await;
}

#[tokio::test]
async fn l_server_on_its_own_is_one_node_and_drains() {
    let text = config_of("drain_seconds = 0", &[(APP, "")]);
    let server = Launch::serve_plain(&text).start().await;
    let admin = AdminClient::of(&server);
    let mut client = server.connect().await;
    let list = get(&admin, "/admin/nodes").await.expect(200, "nodes");
    assert_eq!(list["cluster"], json!(false));
    let nodes = list["nodes"].as_array().expect("nodes");
    assert_eq!(nodes.len(), 1, "{list}");
    let node = &nodes[0];
    for (field, value) in [
        ("node", json!("self")),
        ("this", json!(true)),
        ("ready", json!(true)),
        ("connections", json!(1)),
        ("keys_agree", json!(true)),
        ("draining", json!(false)),
        ("version", json!(env!("CARGO_PKG_VERSION"))),
    ] {
        assert_eq!(node[field], value, "{field} of {node}");
    }
    assert!(node["since"].as_u64() > Some(1_700_000_000), "{node}");
    for name in ["7", "other", "99999999"] {
        let response = post(&admin, &format!("/admin/nodes/{name}/drain"), &json!({})).await;
        assert_eq!(response.refused(404, name), "unknown_node");
    }
    let answer = post(&admin, "/admin/nodes/self/drain", &json!({})).await.expect(200, "drain");
    assert_eq!(answer, json!({"draining": true}));
    loop {
        if let Incoming::Closed(code, reason) = client.incoming().await {
            assert_eq!(code, Some(4200), "{reason}");
            break;
        }
    }
    drop(client);
    let output = server.exited().await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(output.stderr.contains("shutting down"), "{output:?}");
}

/// Scripts with the token ask the operations listener.
#[tokio::test]
async fn l_new_routes_want_the_token() {
    let text = config_of("admin_token = \"token-of-the-operators-1234\"", &[(APP, "")]);
    let server = Launch::serve_plain(&text).start().await;
    for (method, path) in [
        ("GET", "/admin/audit"),
        ("GET", "/admin/nodes"),
        ("POST", "/admin/nodes/self/drain"),
        ("POST", "/admin/reload"),
        ("GET", "/admin/config"),
        ("POST", "/admin/apps/it/auth/explain"),
        ("POST", "/admin/apps/it/auth/test"),
        ("POST", "/admin/apps/it/auth/answer"),
        ("POST", "/admin/apps/it/channels/cache-x/clear"),
        ("POST", "/admin/apps/it/channels/private-encrypted-x/revoke"),
    ] {
        let bare = exchange(server.ops(), &Request::new(method, path).json(&json!({}))).await;
        assert_eq!(bare.refused(401, path), "admin_token_missing");
        let wrong = Request::new(method, path).header("Authorization", "Bearer wrong");
        let wrong = exchange(server.ops(), &wrong.json(&json!({}))).await;
        assert_eq!(wrong.refused(401, path), "admin_token_wrong");
    }
    let good = Request::new("GET", "/admin/audit");
    let good = good.header("Authorization", "Bearer token-of-the-operators-1234");
    exchange(server.ops(), &good).await.expect(200, "the token");
    server.stop().await;
}

/// `tests/openapi` compares it with what the server answers.
#[tokio::test]
async fn l_document_of_the_apis_is_served_to_operators_alone() {
    let server = Launch::serve_plain(&config("")).start().await;
    let ask = Request::new("GET", "/openapi.json");
    let document = exchange(server.ops(), &ask).await.expect(200, "the document");
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    let publish = &document["paths"]["/apps/{app}/events"]["post"];
    let refused = publish["responses"]["413"]["description"].as_str().expect("codes");
    assert!(refused.contains("`event_too_large`"), "{refused}");
    assert_eq!(publish["security"][0]["auth_signature"], json!([]));
    let by_socket = get(&AdminClient::of(&server), "/openapi.json").await.expect(200, "admin.sock");
    assert_eq!(by_socket, document);
    assert_eq!(server.send(ask).await.refused(404, "in public"), "not_found");
    let text = document.to_string();
    assert!(!text.contains(APP.secret) && !text.contains(APP.key), "nothing of this server");
    server.stop().await;
}
