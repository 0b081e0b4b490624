//! Tokens in cookies: accepted from exactly listed pages only.

use serde_json::json;

use crate::support::*;

const JWT: &str = "jwt-secret-of-the-cookie-tests";
const PAGE: &str = "https://app.example.com";

fn app(more: &str) -> String {
    config(&format!(
        "authorizer = \"jwt\"\njwt_secret = \"{JWT}\"\norigins = [\"{PAGE}\", \"https://*.example.org\"]\n{more}"
    ))
}

fn session() -> String {
    let claims = json!({"sub": "u1", "exp": unix_now() + 600, "channels": ["private-*"]});
    token(&json!({"alg": "HS256"}), &claims, JWT)
}

#[tokio::test]
async fn s10_cookie_counts_for_listed_same_site_pages() {
    let server = TestServer::start(&app("jwt.cookie = \"session\"")).await;
    let client = server.connect().await;
    let form = client.auth_form("private-x");
    let good = format!("other=1; session={}", session());
    let twice = format!("session={0}; session={0}", session());
    let sub = "https://shop.example.org";
    for (origin, site, cookie, status, code) in [
        (PAGE, "same-site", good.as_str(), 200, ""),
        (PAGE, "same-origin", &good, 200, ""),
        (PAGE, "", &good, 200, ""),
        (PAGE, "cross-site", &good, 401, "cookie_not_accepted"),
        (PAGE, "none", &good, 401, "cookie_not_accepted"),
        ("", "same-origin", &good, 401, "cookie_not_accepted"),
        (sub, "same-site", &good, 401, "cookie_not_accepted"),
        ("https://evil.example", "same-site", &good, 403, "origin_not_allowed"),
        (PAGE, "same-site", &twice, 401, "cookie_not_accepted"),
        (PAGE, "same-site", "session=rubbish", 401, "unauthenticated"),
        (PAGE, "same-site", "xsession=1", 401, "unauthenticated"),
    ] {
        for path in ["/pusher/auth", "/pusher/user-auth"] {
            let headers = [("Origin", origin), ("Sec-Fetch-Site", site), ("Cookie", cookie)];
            let request = headers
                .iter()
                .filter(|(_, value)| !value.is_empty())
                .fold(Request::new("POST", path).form(&form), |request, (name, value)| {
                    request.header(name, value)
                });
            let response = server.send(request.clone()).await;
            if status == 200 {
                response.expect(200, format!("{request:?}"));
            } else {
                assert_eq!(response.refused(status, format!("{request:?}")), code, "{request:?}");
            }
            let credentials = response.header("Access-Control-Allow-Credentials");
            assert_eq!(credentials, (origin == PAGE).then_some("true"), "{request:?}");
        }
    }
    // A header wins over the cookie, and then the page does not matter.
    let request =
        Request::new("POST", "/pusher/auth").form(&form).header("Cookie", "session=rubbish");
    let request =
        request.header("Authorization", &format!("Bearer {}", session())).header("Origin", sub);
    server.send(request).await.expect(200, "a header and a cookie");
    server.stop().await;
}

#[tokio::test]
async fn s10_without_the_setting_cookies_are_ignored() {
    let server = TestServer::start(&app("")).await;
    let client = server.connect().await;
    let request = Request::new("POST", "/pusher/auth").form(&client.auth_form("private-x"));
    let request =
        request.header("Origin", PAGE).header("Cookie", &format!("session={}", session()));
    let response = server.send(request).await;
    assert_eq!(response.refused(401, "a cookie"), "unauthenticated");
    assert_eq!(response.header("Access-Control-Allow-Origin"), Some(PAGE));
    assert_eq!(response.header("Access-Control-Allow-Credentials"), None);
    server.stop().await;
}
