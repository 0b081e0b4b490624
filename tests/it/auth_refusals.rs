//! 401 and 403 of the auth endpoints: their form and their timing.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::*;

const JWT: &str = "jwt-secret-of-the-refusal-tests";

fn app() -> String {
    config(&format!(
        "authorizer = \"jwt\"\njwt_secret = \"{JWT}\"\nmaster_key = \"{}\"\nlimits.auth_per_ip = 0\nlimits.auth_per_socket = 0\nlimits.auth_per_user = 0",
        base64(&master_key("refusals"))
    ))
}

fn bearer(channels: &[&str]) -> String {
    let claims = json!({"sub": "u1", "exp": unix_now() + 600, "channels": channels});
    format!("Bearer {}", token(&json!({"alg": "HS256"}), &claims, JWT))
}

fn question(form: &str, bearer: &str) -> Request {
    let request = Request::new("POST", "/pusher/auth").form(form);
    request.header("Authorization", bearer)
}

/// The median of many responses, all kinds in turn so that load affects them alike.
async fn medians(server: &TestServer, kinds: &[Request], status: u16) -> Vec<Duration> {
    const ROUNDS: usize = 300;
    let mut line = server.http_connection().await;
    let mut times = vec![Vec::with_capacity(ROUNDS); kinds.len()];
    for _ in 0..ROUNDS {
        for (request, times) in kinds.iter().zip(&mut times) {
            let start = Instant::now();
            let response = line.send(request).await;
            times.push(start.elapsed());
            response.refused(status, format!("{request:?}"));
        }
    }
    let median = |mut times: Vec<Duration>| {
        times.sort();
        times[times.len() / 2]
    };
    times.into_iter().map(median).collect()
}

/// Only gross differences, such as a lookup of the channel or the socket before the decision: the
/// machine is shared.
fn same(times: &[Duration], kinds: &[&str]) {
    let (least, most) = (times.iter().min().expect("times"), times.iter().max().expect("times"));
    assert!(*most < *least * 3, "{kinds:?} take {times:?}");
}

#[tokio::test]
async fn s10_channels_of_others_are_refused_alike() {
    let server = TestServer::start(&app()).await;
    let client = server.connect().await;
    let mut member = server.connect().await;
    // An occupied channel, and an unknown one.
    member.subscribe("private-encrypted-there").await;
    let mine = bearer(&["private-mine"]);
    let kinds = ["occupied", "unknown", "private", "presence", "a dead socket"];
    let forms = [
        client.auth_form("private-encrypted-there"),
        client.auth_form("private-encrypted-nobody"),
        client.auth_form("private-other"),
        client.auth_form("presence-other"),
        "socket_id=1.2&channel_name=private-encrypted-there".to_owned(),
    ];
    let requests = forms.map(|form| question(&form, &mine));
    let mut bodies = Vec::new();
    for request in &requests {
        let response = server.send(request.clone()).await;
        let mut body = response.expect(403, format!("{request:?}"));
        body.as_object_mut().expect("an object").remove("id").expect("an id");
        bodies.push(body);
    }
    assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:?}");
    same(&medians(&server, &requests, 403).await, &kinds);
    server.stop().await;
}

#[tokio::test]
async fn s10_unauthenticated_requests_are_refused_alike() {
    let server = TestServer::start(&app()).await;
    let client = server.connect().await;
    let mut member = server.connect().await;
    member.subscribe("private-encrypted-there").await;
    let claims = json!({"sub": "u1", "exp": unix_now() + 600, "channels": ["*"]});
    let forged = format!("Bearer {}", token(&json!({"alg": "HS256"}), &claims, "not the secret"));
    let kinds = ["occupied", "unknown", "a dead socket"];
    let forms = [
        client.auth_form("private-encrypted-there"),
        client.auth_form("private-encrypted-nobody"),
        "socket_id=1.2&channel_name=private-encrypted-there".to_owned(),
    ];
    let requests = forms.map(|form| question(&form, &forged));
    same(&medians(&server, &requests, 401).await, &kinds);
    server.stop().await;
}

#[tokio::test]
async fn s10_duplicate_parameters_are_rejected() {
    let server = TestServer::start(&app()).await;
    let client = server.connect().await;
    let (id, other) = (client.socket_id.as_str(), server.connect().await);
    let good = bearer(&["private-x"]);
    let form = client.auth_form("private-x");
    let json =
        format!(r#"{{"socket_id":"{id}","channel_name":"private-y","channel_name":"private-x"}}"#);
    let rows = [
        question(&format!("{form}&channel_name=private-y"), &good),
        question(&format!("{form}&socket_id={}", other.socket_id), &good),
        Request::new("POST", "/pusher/auth")
            .body("application/json", json)
            .header("Authorization", &good),
        Request::new("POST", format!("/pusher/auth?app_key={}&app_key=x", APP.key)).form(&form),
        Request::new("POST", "/pusher/auth?app_key=x").form(&format!("{form}&app_key={}", APP.key)),
    ];
    for request in rows {
        let code = server.send(request.clone()).await.refused(400, format!("{request:?}"));
        assert_eq!(code, "duplicate_parameter", "{request:?}");
    }
    let twice = question(&form, &good).header("Authorization", &bearer(&["*"]));
    assert_eq!(server.send(twice).await.refused(400, "two tokens"), "duplicate_header");
    server.send(question(&form, &good)).await.expect(200, "once each");
    server.stop().await;
}

#[tokio::test]
async fn s10_responses_are_never_scripts() {
    let server = TestServer::start(&app()).await;
    let client = server.connect().await;
    let good = bearer(&["private-*"]);
    for channel in ["private-x", "private-encrypted-x"] {
        let form = client.auth_form(channel) + "&callback=Pusher.auth_callbacks%5B%270%27%5D";
        for method in ["GET", "HEAD", "PUT"] {
            let target = format!("/pusher/auth?{form}");
            let request = Request::new(method, target).header("Authorization", &good);
            let response = server.send(request).await;
            assert_eq!(response.status, 405, "{method} {channel}");
            assert_eq!(response.header("Allow"), Some("POST"), "{method} {channel}");
            assert!(!response.text().contains("callback"), "{}", response.text());
        }
        let response = server.send(question(&form, &good)).await;
        response.expect(200, channel);
        assert_eq!(response.header("X-Content-Type-Options"), Some("nosniff"), "{response:?}");
        assert!(!response.text().contains("Pusher"), "{}", response.text());
    }
    server.stop().await;
}
