//! Auth endpoints that refuse, sign wrongly, or hide their answers from pages, as `sealcast doctor`
//! sees them.

use serde_json::json;

use crate::support::*;

const PAGE: &str = "https://shop.example.com";
const CHANNEL: &str = "private-orders";

async fn start() -> TestServer {
    Launch::serve_plain(&config("authorizer = \"open\"")).start().await
}

fn asked(server: &TestServer, endpoint: &str) -> Doctor {
    Doctor::of(&format!("http://{}", server.addr)).arg("--auth", endpoint).arg("--channel", CHANNEL)
}

#[tokio::test]
async fn c_refusals_of_the_application_have_a_way_out() {
    let server = start().await;
    let application = StubServer::start(Reply::redirect("/login")).await;
    let page = || Reply::new(200, "text/html", "<html>");
    for (reply, words, line) in [
        (Reply::redirect("/login"), "answers 302 and leads to /login", "--header"),
        (
            Reply::json(401, &json!({"message": "who?"})),
            "answers 401 for private-orders",
            "--header",
        ),
        (Reply::json(403, &json!({})), "answers 403", "--channel"),
        (Reply::json(419, &json!({})), "answers 419", "CSRF"),
        (page(), "something else than JSON", "a page of the framework"),
        (Reply::json(200, &json!({"ok": true})), "no text in the field auth", "unchanged"),
        (Reply::Disconnect, "is not reached", "start the application"),
    ] {
        application.set_reply(reply);
        let endpoint = application.url("/auth?shop=1");
        let doctor = asked(&server, &endpoint).arg("--header", "Cookie: session=s3cr3t");
        let examined = doctor.examine().await;
        examined.expect_only_fault("auth", words, line);
        assert!(!examined.output.stdout.contains("s3cr3t"), "{examined:#?}");
    }
    let requests = application.requests();
    let first = requests.first().map(|request| request.to_ascii_lowercase()).unwrap_or_default();
    assert!(first.starts_with("post /auth?shop=1 "), "{first}");
    for wanted in ["cookie: session=s3cr3t", "socket_id=", "channel_name=private-orders"] {
        assert!(first.contains(wanted), "{wanted}: {first}");
    }
    server.stop().await;
}

/// The signature of a backend cannot be made here: it does not know the connection. So it signs for
/// another one, as a backend with a cache does.
#[tokio::test]
async fn c_wrong_signature_is_explained() {
    let server = start().await;
    let foreign = json!({"auth": OTHER.channel_auth("1.2", CHANNEL, None)});
    let application = StubServer::start(Reply::json(200, &foreign)).await;
    let examined = asked(&server, &application.url("/auth")).examine().await;
    examined.expect_only_fault("auth", "unknown_key: ", "the key of this app");
    application
        .set_reply(Reply::json(200, &json!({"auth": APP.channel_auth("1.2", CHANNEL, None)})));
    let examined = asked(&server, &application.url("/auth")).examine().await;
    examined.expect_only_fault("auth", "wrong_secret: ", "compare the secret");
    server.stop().await;
}

#[tokio::test]
async fn c_answer_hidden_from_the_page_is_told() {
    let server = start().await;
    let endpoint = format!("http://{}/apps/it/auth/channel", server.addr);
    // The server admits the page, and lets no page of another origin read its answers.
    let examined = asked(&server, &endpoint).arg("--origin", PAGE).examine().await;
    let line = format!("Access-Control-Allow-Origin: {PAGE}");
    examined.expect_only_fault("auth", "hides the auth endpoint's answer", &line);
    let header = "Authorization: Bearer t";
    let examined =
        asked(&server, &endpoint).arg("--origin", PAGE).arg("--header", header).examine().await;
    assert_eq!(examined.result("auth"), "fail", "the preflight: {examined:#?}");
    let examined = asked(&server, &endpoint).examine().await;
    assert_eq!(examined.message("auth"), "authorizes private-orders", "{examined:#?}");
    server.stop().await;
}

#[tokio::test]
async fn c_encrypted_channel_needs_its_secret() {
    let server = start().await;
    let endpoint = format!("http://{}/apps/it/auth/channel", server.addr);
    let doctor = Doctor::of(&format!("http://{}", server.addr)).arg("--auth", &endpoint);
    let examined = doctor.examine().await;
    // Without a master key the server knows no secret, and says so itself.
    examined.expect_only_fault("auth", "blind_channel", "--channel");
    assert!(examined.message("events").contains("none was encrypted"), "{examined:#?}");
    server.stop().await;
}

/// A backend that seals by itself, in front of a server without a key.
#[tokio::test]
async fn c_events_of_a_blind_app_are_sealed_by_the_doctor() {
    let server = start().await;
    let blind = "private-encrypted-sealcast-doctor";
    let backend = SigningBackend::start(blind).await;
    let doctor = Doctor::of(&format!("http://{}", server.addr)).arg("--auth", &backend.url());
    let examined = doctor.examine().await;
    assert_eq!(examined.output.status.code(), Some(0), "{examined:#?}");
    assert!(examined.message("auth").contains("with its secret"), "{examined:#?}");
    assert!(examined.message("events").contains("an encrypted one after"), "{examined:#?}");
    server.stop().await;
}

/// An endpoint of [`APP`] that signs for the connection that asks, with one secret.
struct SigningBackend {
    addr: std::net::SocketAddr,
    task: tokio::task::JoinHandle<()>,
}

impl SigningBackend {
    async fn start(channel: &'static str) -> Self {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let addr = listener.local_addr().expect("an address");
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut bytes = Vec::new();
                let mut chunk = [0; 1024];
                let asked = loop {
                    match stream.read(&mut chunk).await {
                        Ok(count @ 1..) => bytes.extend_from_slice(&chunk[..count]),
                        _ => break None,
                    }
                    let text = String::from_utf8_lossy(&bytes).into_owned();
                    if let Some((_, rest)) = text.split_once("socket_id=")
                        && let Some((id, _)) = rest.split_once('&')
                        && rest.contains(channel)
                    {
                        break Some(id.to_owned());
                    }
                };
                let Some(id) = asked else { continue };
                let auth = APP.channel_auth(&id, channel, None);
                let secret = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
                let body = json!({"auth": auth, "shared_secret": secret}).to_string();
                let head = format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
                    body.len()
                );
                let _ = stream.write_all((head + &body).as_bytes()).await;
            }
        });
        Self { addr, task }
    }

    fn url(&self) -> String {
        format!("http://{}/auth", self.addr)
    }
}

impl Drop for SigningBackend {
    fn drop(&mut self) {
        self.task.abort();
    }
}
