//! What one node asks another: authorizations, revoked tokens and terminations reach a connection of
//! any node.

use serde_json::{Value, json};

use crate::support::*;

const SEALED: &str = "private-encrypted-x";

fn sealed(more: &str) -> String {
    let key = base64(&master_key("first"));
    config(&format!("master_key = \"{key}\"\nauthorizer = \"open\"\n{more}"))
}

fn tokens() -> String {
    config("authorizer = \"deny\"\nexplain = true")
}

async fn mint(node: &TestServer, user: &str) -> Value {
    node.post("/tokens", &json!({"user_id": user, "channels": ["private-*"]}))
        .await
        .expect(200, user)
}

async fn ask(node: &TestServer, client: &Client, channel: &str, minted: &Value) -> Response {
    let token = minted["token"].as_str().expect("a token");
    let request = Request::new("POST", "/apps/it/auth/channel")
        .header("Authorization", &format!("Bearer {token}"))
        .form(&client.auth_form(channel));
    node.send(request).await
}

/// With an authorization that this node has given.
async fn join(node: &TestServer, client: &mut Client, channel: &str, minted: &Value) {
    let answer = ask(node, client, channel, minted).await.expect(200, channel);
    let data = json!({"channel": channel, "auth": answer["auth"]});
    client.send(&json!({"event": "pusher:subscribe", "data": data})).await;
    client.expect_subscribed(channel).await;
}

async fn expect_end(client: &mut Client, channel: &str) {
    let frame = client.next().await;
    assert_eq!(frame["data"]["type"], "AuthRevoked", "{frame}");
    assert_eq!(frame["channel"], channel);
}

#[tokio::test]
async fn j_authorization_of_either_node_is_good_for_any_socket() {
    let cluster = Cluster::start(2, &tokens()).await;
    let minted = mint(&cluster[0], "u1").await;
    for (asked, connected) in [(0, 1), (1, 0), (0, 0), (1, 1)] {
        let mut client = cluster[connected].connect().await;
        join(&cluster[asked], &mut client, "private-a", &minted).await;
        let request = Request::new("POST", "/apps/it/auth/user")
            .header("Authorization", &format!("Bearer {}", minted["token"].as_str().expect("text")))
            .form(&format!("socket_id={}", client.socket_id));
        let answer = cluster[asked].send(request).await.expect(200, "a sign-in");
        client.send(&json!({"event": "pusher:signin", "data": answer})).await;
        client.expect_event("pusher:signin_success").await;
        client.close().await;
    }
    cluster.stop().await;
}

#[tokio::test]
async fn j_secret_of_a_sealed_channel_is_given_by_any_node() {
    let cluster = Cluster::start(2, &sealed("")).await;
    for (asked, connected) in [(0, 1), (1, 0)] {
        let client = cluster[connected].connect().await;
        let mut reader = SealedSubscriber::authorized(&cluster[asked], client, SEALED).await;
        reader.client.subscribe(SEALED).await;
        cluster[asked].publish(SEALED, "e", "hello").await;
        reader.expect(&cluster[asked], "e", "hello").await;
        assert_eq!(reader.auth_requests, 0, "the secret of the first answer opens it");
        reader.client.close().await;
    }
    cluster.stop().await;
}

#[tokio::test]
async fn j_page_names_its_connection_to_any_node() {
    let cluster = Cluster::start(2, &config("")).await;
    let (mut sender, mut other) = (cluster[1].connect().await, cluster[1].connect().await);
    for client in [&mut sender, &mut other] {
        client.subscribe("private-a").await;
    }
    let token = cluster[0].token(&["subscribe", "trigger"]).await;
    let mut body = json!({"name": "client-x", "channel": "private-a", "data": "hi"});
    for unknown in ["1.2", &sender.socket_id.replace('.', ".1")] {
        body["socket_id"] = json!(unknown);
        let response = cluster[0].page_post(&token, "/events", &body).await;
        assert_eq!(response.refused(403, unknown), "unknown_socket");
    }
    body["socket_id"] = json!(sender.socket_id);
    cluster[0].page_post(&token, "/events", &body).await.expect(200, &body);
    let event = json!({"event": "client-x", "channel": "private-a", "data": "hi", "user_id": "u1"});
    other.expect(event).await;
    sender.expect_silence().await;
    cluster.stop().await;
}

#[tokio::test]
async fn j_frozen_node_holds_no_request_up_for_ever_and_its_sockets_come_back() {
    let cluster = Cluster::start(2, &tokens()).await;
    let minted = mint(&cluster[0], "u1").await;
    let mut client = cluster[1].connect().await;
    cluster[1].signal("STOP");
    let response = ask(&cluster[0], &client, "private-a", &minted).await;
    assert_eq!(response.refused(503, "frozen"), "overloaded");
    cluster[1].signal("CONT");
    until_ready(&cluster[1]).await;
    join(&cluster[0], &mut client, "private-a", &minted).await;
    cluster.stop().await;
}

/// The node of the connection answers before it hears of the revocation, and the asking node has to
/// look again.
#[tokio::test]
async fn ji25_token_revoked_between_question_and_answer_gets_nothing() {
    let redis = Redis::start();
    let cluster = Cluster::start_with(2, &tokens(), ClusterSection::on(&redis)).await;
    let minted = mint(&cluster[0], "u1").await;
    let (near, far) = (cluster[0].connect().await, cluster[1].connect().await);
    let monitor = redis.monitor();
    let asked = async {
        let frozen = cluster[1].while_frozen(async {
            // The question waits in the connection of the other node, and the revocation behind it.
            until("the question is sent", async || {
                monitor.text().contains("{ctl}t:n").then_some(())
            })
            .await;
            let body = json!({"jti": minted["jti"]});
            let revoking = cluster[0].post("/tokens/revoke", &body);
            let told = until("the revocation holds here", async || {
                let answer = ask(&cluster[0], &near, "private-b", &minted).await;
                (answer.status == 401).then_some(())
            });
            tokio::select! {
                () = told => {}
                _ = revoking => panic!("the other node cannot have confirmed it"),
            }
        });
        frozen.await;
    };
    let (response, ()) = tokio::join!(ask(&cluster[0], &far, "private-a", &minted), asked);
    assert_eq!(response.refused(401, "revoked meanwhile"), "token_revoked");
    cluster.stop().await;
}

#[tokio::test]
async fn j_unknown_sockets_are_refused_by_all_nodes() {
    let mut cluster = Cluster::start(3, &tokens()).await;
    let minted = mint(&cluster[0], "u1").await;
    let mut client = cluster[1].connect().await;
    let known = client.socket_id.clone();
    let (first, second) = known.split_once('.').expect("two numbers");
    let first: u64 = first.parse().expect("a number");
    let made_up = [
        "1.2".to_owned(),
        format!("{}.{second}", first ^ 1 << 41),
        format!("{}.{second}", first ^ 1 << 20),
        format!("{}.{second}", first ^ 1),
        format!("{}.{}", u64::MAX, u64::MAX),
    ];
    for id in made_up {
        client.socket_id.clone_from(&id);
        for node in cluster.running() {
            let response = ask(node, &client, "private-a", &minted).await;
            assert_eq!(response.refused(403, &id), "unknown_socket");
        }
    }
    client.socket_id = known;
    ask(&cluster[0], &client, "private-a", &minted).await.expect(200, "the real one");
    cluster.kill(1).await;
    let response = ask(&cluster[0], &client, "private-a", &minted).await;
    assert_eq!(response.refused(403, "of a killed node"), "unknown_socket");
    cluster.stop().await;
}

#[tokio::test]
async fn j18_revoked_token_is_refused_and_its_subscriptions_end_on_all_nodes() {
    let mut cluster = Cluster::start(2, &tokens()).await;
    for revoking in [0, 1] {
        let (one, other) = (mint(&cluster[0], "u1").await, mint(&cluster[1], "u1").await);
        let mut clients = Vec::new();
        for connected in [0, 1] {
            let mut client = cluster[connected].connect().await;
            join(&cluster[1 - connected], &mut client, "private-a", &one).await;
            let mut stays = cluster[connected].connect().await;
            join(&cluster[connected], &mut stays, "private-a", &other).await;
            clients.push((client, stays));
        }
        let body = json!({"jti": one["jti"]});
        let answer = cluster[revoking].post("/tokens/revoke", &body).await;
        assert_eq!(answer.expect(200, "revoked"), json!({}));
        for (client, stays) in &mut clients {
            expect_end(client, "private-a").await;
            for node in cluster.running() {
                let response = ask(node, client, "private-b", &one).await;
                assert_eq!(response.refused(401, "revoked"), "token_revoked");
                ask(node, stays, "private-b", &other).await.expect(200, "another token");
            }
        }
        let body = json!({"user_id": "u1"});
        cluster[revoking].post("/tokens/revoke", &body).await.expect(200, "all of the user");
        for (_, stays) in &mut clients {
            expect_end(stays, "private-a").await;
            for node in cluster.running() {
                let response = ask(node, stays, "private-b", &other).await;
                assert_eq!(response.refused(401, "revoked"), "token_revoked");
            }
        }
    }
    // A node without a state of its own learns it from Redis before it is ready.
    let minted = mint(&cluster[0], "u2").await;
    cluster.terminate(1).await;
    cluster[0].post("/tokens/revoke", &json!({"jti": minted["jti"]})).await;
    cluster.revive(1).await;
    let client = cluster[1].connect().await;
    let response = ask(&cluster[1], &client, "private-b", &minted).await;
    assert_eq!(response.refused(401, "revoked while it was down"), "token_revoked");
    cluster.stop().await;
}

#[tokio::test]
async fn j_revocation_waits_for_a_killed_node_until_its_lease_is_over() {
    let mut cluster = Cluster::start(2, &tokens()).await;
    let minted = mint(&cluster[0], "u1").await;
    cluster.kill(1).await;
    let body = json!({"jti": minted["jti"]});
    let mut client = cluster[0].connect().await;
    ask(&cluster[0], &client, "private-a", &minted).await.expect(200, "not revoked yet");
    join(&cluster[0], &mut client, "private-a", &minted).await;
    let answer = cluster[0].post("/tokens/revoke", &body).await;
    // Unless the lease was over in time, the answer says that it holds here.
    if answer.status != 200 {
        assert_eq!(answer.refused(504, "unacknowledged"), "cluster_unacknowledged");
    }
    expect_end(&mut client, "private-a").await;
    until("the lease is over", async || {
        let answer = cluster[0].post("/tokens/revoke", &body).await;
        (answer.status == 200).then_some(())
    })
    .await;
    cluster.stop().await;
}

#[tokio::test]
async fn j_termination_closes_the_user_on_both_nodes_and_later_connections_stay() {
    let cluster = Cluster::start(2, &config("")).await;
    for asked in [0, 1] {
        let mut tabs = [cluster[0].connect().await, cluster[1].connect().await];
        for tab in &mut tabs {
            tab.sign_in(&json!({"id": "u1"})).await;
        }
        let mut other = cluster[1 - asked].connect().await;
        other.sign_in(&json!({"id": "u2"})).await;
        let answer = cluster[asked].post("/users/u1/terminate_connections", &json!({})).await;
        assert_eq!(answer.expect(200, "terminate"), json!({}));
        for tab in &mut tabs {
            tab.expect_rejection(4009).await;
        }
        // A later connection of the user stays.
        let mut again = cluster[1 - asked].connect().await;
        again.sign_in(&json!({"id": "u1"})).await;
        again.expect_silence().await;
        other.expect_silence().await;
        other.close().await;
        again.close().await;
    }
    cluster.stop().await;
}

#[tokio::test]
async fn j_termination_reaches_a_node_that_was_cut_off() {
    let redis = Redis::start();
    let cluster = Cluster::start_with(2, &config(""), ClusterSection::on(&redis)).await;
    let mut tab = cluster[1].connect().await;
    tab.sign_in(&json!({"id": "u1"})).await;
    // It hears nothing, and Redis does not keep anything for it.
    cluster[1].signal("STOP");
    for kind in ["normal", "pubsub"] {
        redis.ask(&["CLIENT", "KILL", "TYPE", kind]).expect("closed connections");
    }
    until_ready(&cluster[0]).await;
    let answer = cluster[0].post("/users/u1/terminate_connections", &json!({})).await;
    // Unless the lease was over in time.
    if answer.status != 200 {
        assert_eq!(answer.refused(504, "cut off"), "cluster_unacknowledged");
    }
    cluster[1].signal("CONT");
    tab.expect_rejection(4009).await;
    until_ready(&cluster[1]).await;
    let mut again = cluster[1].connect().await;
    again.sign_in(&json!({"id": "u1"})).await;
    again.expect_silence().await;
    cluster.stop().await;
}
