//! `api_cors`: pages that call the signed API, only where an app says so.

use serde_json::json;

use crate::support::*;

const GOOD: &str = "https://good.example";
const EVIL: &str = "https://evil.example";
const HISTORY: &str = "/apps/it/channels/room/history";

fn app(api_cors: &str) -> String {
    config(&format!("authorizer = \"open\"\norigins = [\"{GOOD}\"]\n{api_cors}"))
}

fn preflight(path: &str, origin: &str) -> Request {
    let request = Request::new("OPTIONS", path).header("Origin", origin);
    request.header("Access-Control-Request-Method", "POST")
}

fn event(origin: &str) -> Request {
    let body = json!({"name": "e", "channel": "room", "data": "d"}).to_string();
    let target = signed_target(APP, "POST", "/apps/it/events", &[], body.as_bytes());
    Request::new("POST", target).body("application/json", body).header("Origin", origin)
}

fn allowed(response: &Response) -> Vec<&str> {
    let named = |(name, _): &&(String, String)| name == "access-control-allow-origin";
    response.headers.iter().filter(named).map(|(_, value)| value.as_str()).collect()
}

#[tokio::test]
async fn api_cors_is_off_by_default() {
    let server = TestServer::start(&app("")).await;
    let refused = server.send(preflight("/apps/it/events", GOOD)).await;
    assert_eq!((refused.status, allowed(&refused).len()), (405, 0));
    let sent = server.send(event(GOOD)).await;
    assert_eq!((sent.status, allowed(&sent).len()), (200, 0));
    server.stop().await;
}

#[tokio::test]
async fn api_cors_lets_listed_pages_call_the_signed_api() {
    let server = TestServer::start(&app("api_cors = true")).await;
    for (path, methods) in [("/apps/it/events", "POST"), (HISTORY, "GET, HEAD, DELETE")] {
        let answer = server.send(preflight(path, GOOD)).await;
        assert_eq!((answer.status, allowed(&answer)), (204, vec![GOOD]), "{path}");
        assert_eq!(answer.header("Access-Control-Allow-Methods"), Some(methods));
        let stranger = server.send(preflight(path, EVIL)).await;
        assert_eq!((stranger.status, allowed(&stranger).len()), (204, 0), "{path}");
    }
    let sent = server.send(event(GOOD)).await;
    assert_eq!((sent.status, allowed(&sent)), (200, vec![GOOD]));
    assert_eq!(sent.header("Vary"), Some("Origin"));
    let unsigned = Request::new("GET", "/apps/it/channels").header("Origin", GOOD);
    let unsigned = server.send(unsigned).await;
    assert_eq!((unsigned.status, allowed(&unsigned)), (401, vec![GOOD]), "the cause can be read");
    assert_eq!(allowed(&server.send(event(EVIL)).await).len(), 0);
    let without = server.send(Request::new("OPTIONS", "/apps/it/events")).await;
    assert_eq!((without.status, without.header("Vary")), (405, None));
    // Routes with rules of their own stay as they are.
    let auth = server.send(preflight("/apps/it/auth/channel", GOOD)).await;
    assert_eq!((auth.status, allowed(&auth)), (204, vec![GOOD]));
    server.reload(&app("")).await;
    assert_eq!(server.send(preflight("/apps/it/events", GOOD)).await.status, 405);
    let output = server.stop().await;
    assert!(output.stderr.contains("holds the app's secret"), "{}", output.stderr);
}

#[tokio::test]
async fn api_cors_needs_origins() {
    let refused = Launch::serve(&config("api_cors = true")).output("").await;
    assert!(!refused.status.success());
    let sentence = "apps.it.api_cors is true, and apps.it.origins is empty";
    assert!(refused.stderr.contains(sentence), "{}", refused.stderr);
}
