//! protocol.md 10: CORS of the auth endpoints for listed origins.

use crate::support::*;

const GOOD: &str = "https://good.example";

fn app() -> String {
    config(&format!("authorizer = \"open\"\norigins = [\"{GOOD}\", \"http://localhost:3000\"]"))
}

const PATHS: [&str; 5] = [
    "/apps/it/auth/channel",
    "/apps/it/auth/user",
    "/pusher/auth",
    "/pusher/user-auth",
    "/broadcasting/auth",
];

const STRANGERS: [&str; 6] = [
    "https://evil.example",
    "https://good.example.evil.example",
    "http://good.example",
    "https://good.example:8443",
    "https://sub.good.example",
    "null",
];

fn allowed(response: &Response) -> Option<&str> {
    response.header("Access-Control-Allow-Origin")
}

fn preflight(path: &str, origin: &str) -> Request {
    Request::new("OPTIONS", path)
        .header("Origin", origin)
        .header("Access-Control-Request-Method", "POST")
        .header("Access-Control-Request-Headers", "authorization,content-type,x-csrf-token")
}

#[tokio::test]
async fn s10_preflight_of_a_listed_origin_is_answered() {
    let server = TestServer::start(&app()).await;
    for path in PATHS {
        for origin in [GOOD, "http://localhost:3000"] {
            let input = format!("{path} from {origin}");
            let response = server.send(preflight(path, origin)).await;
            assert!([200, 204].contains(&response.status), "{input}: {response:?}");
            assert_eq!(allowed(&response), Some(origin), "{input}");
            let list = |name: &str| response.header(name).unwrap_or_default().to_lowercase();
            assert!(list("Access-Control-Allow-Methods").contains("post"), "{input}: {response:?}");
            let headers = list("Access-Control-Allow-Headers");
            for wanted in ["authorization", "content-type", "x-csrf-token"] {
                assert!(headers.contains(wanted), "{input}: {response:?}");
            }
        }
        for origin in STRANGERS {
            let response = server.send(preflight(path, origin)).await;
            assert_eq!(allowed(&response), None, "{path} from {origin}");
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn s10_responses_are_readable_by_listed_origins_only() {
    let server = TestServer::start(&app()).await;
    let client = server.connect().await;
    let form = client.auth_form("private-x") + "&user_id=u1";
    for path in PATHS {
        for (body, status) in [(form.as_str(), 200), ("socket_id=x", 400)] {
            let request = || Request::new("POST", path).form(body);
            let response = server.send(request().header("Origin", GOOD)).await;
            assert_eq!(response.status, status, "{path} {body}: {}", response.text());
            assert_eq!(allowed(&response), Some(GOOD), "{path} {body}");
            let vary = response.header("Vary").unwrap_or_default().to_lowercase();
            assert!(vary.contains("origin"), "{path} {body}: Vary is {vary:?}");
            for origin in STRANGERS {
                let response = server.send(request().header("Origin", origin)).await;
                assert_eq!(allowed(&response), None, "{path} {body} from {origin}");
                let code = response.refused(403, format!("{path} {body} from {origin}"));
                assert_eq!(code, "origin_not_allowed", "{path} {body} from {origin}");
            }
            let response = server.send(request()).await;
            assert_eq!(
                (response.status, allowed(&response)),
                (status, None),
                "{path} {body} without an origin"
            );
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn s10_without_origins_there_are_no_cors_headers() {
    let server = TestServer::start(&config("authorizer = \"open\"")).await;
    let client = server.connect().await;
    let form = client.auth_form("private-x") + "&user_id=u1";
    for path in PATHS {
        let response = server.send(preflight(path, GOOD)).await;
        assert_eq!(allowed(&response), None, "{path}");
        let request = Request::new("POST", path).form(&form).header("Origin", GOOD);
        assert_eq!(allowed(&server.send(request).await), None, "{path}");
    }
    server.stop().await;
}

#[tokio::test]
async fn s7_9_http_api_has_no_cors_headers() {
    let server = TestServer::start(&app()).await;
    for path in ["/apps/it/events", "/apps/it/channels"] {
        let response = server.send(preflight(path, GOOD)).await;
        assert_eq!(allowed(&response), None, "{path}");
    }
    let target = signed_target(APP, "GET", "/apps/it/channels", &[], b"");
    let response = server.send(Request::new("GET", target).header("Origin", GOOD)).await;
    assert_eq!((response.status, allowed(&response)), (200, None));
    server.stop().await;
}

#[tokio::test]
async fn s10_star_matches_one_label_or_a_port() {
    let origins = r#"["https://*.good.example", "http://localhost:*"]"#;
    let app = config(&format!("authorizer = \"open\"\norigins = {origins}"));
    let server = TestServer::start(&app).await;
    let asking = server.connect().await;
    let form = asking.auth_form("private-x");
    for (origin, good) in [
        ("https://a.good.example", true),
        ("http://localhost:3000", true),
        ("http://localhost", true),
        ("https://good.example", false),
        ("https://a.b.good.example", false),
        ("http://a.good.example", false),
        ("https://a.good.example:8443", false),
        ("https://a.good.example.evil.example", false),
        ("https://evilgood.example", false),
        ("https://localhost:3000", false),
        ("http://localhost:3000.evil.example", false),
        ("http://localhost.evil.example", false),
        ("null", false),
    ] {
        let request = Request::new("POST", "/pusher/auth").form(&form).header("Origin", origin);
        let response = server.send(request).await;
        assert_eq!(allowed(&response), good.then_some(origin), "{origin}: {response:?}");
        assert_eq!(response.status == 403, !good, "{origin}: {response:?}");
        let headers = [("Origin", origin)];
        let mut client = Client::dial(&server, APP, &server.socket_path(), &headers).await;
        if good {
            client.handshake().await;
        } else {
            client.expect_rejection(4009).await;
        }
    }
    server.stop().await;
}
