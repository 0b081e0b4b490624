//! Key changes: the admin API, and subscribers that fetch their secrets as pusher-js does.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tokio::net::UnixStream;

use super::{
    APP, App, Client, HttpConnection, Request, Response, TestServer, try_open, unbase64, until,
    within,
};

/// The admin API on the socket of a state directory, for one app.
pub struct AdminClient {
    pub socket: PathBuf,
    pub app: App,
}

impl AdminClient {
    pub fn at(state_dir: &Path) -> Self {
        Self { socket: state_dir.join("admin.sock"), app: APP }
    }

    /// For a server with its state directory in the default place.
    pub fn of(server: &TestServer) -> Self {
        Self::at(&server.dir.path().join(".sealcast"))
    }

    pub async fn send(&self, request: &Request) -> Response {
        let stream = within("connecting", UnixStream::connect(&self.socket)).await;
        let stream = stream.unwrap_or_else(|err| panic!("{}: {err}", self.socket.display()));
        HttpConnection::over(Box::new(stream)).send(request).await
    }

    pub fn request(&self, method: &str, path: &str) -> Request {
        Request::new(method, format!("/admin/apps/{}/keys{path}", self.app.id))
    }

    pub async fn rotate(&self, body: &Value) -> Response {
        self.send(&self.request("POST", "/rotate").json(body)).await
    }

    /// Rotates to this key at once and returns its id.
    pub async fn rotate_to(&self, key: &[u8; 32]) -> String {
        let answer = self.rotate(&json!({"key": super::base64(key)})).await.expect(200, "rotate");
        assert_eq!(answer["state"], "active", "{answer}");
        id(&answer)
    }

    pub async fn revoke(&self, id: &str) -> Response {
        self.send(&self.request("POST", &format!("/{id}/revoke")).json(&json!({}))).await
    }

    pub async fn report(&self) -> Value {
        self.send(&self.request("GET", "")).await.expect(200, "keys")
    }

    /// The states of all keys, oldest key first.
    pub async fn states(&self) -> Vec<String> {
        let report = self.report().await;
        let keys = report["keys"].as_array().expect("a list of keys");
        keys.iter().map(|key| key["state"].as_str().expect("a state").to_owned()).collect()
    }

    pub async fn until_states(&self, wanted: &[&str]) {
        until(format!("{wanted:?}"), async || (self.states().await == wanted).then_some(())).await;
    }

    /// Waits until all subscribers have moved to the active key.
    pub async fn until_moved(&self) {
        until("all have moved", async || {
            (self.report().await["rotation"]["remaining"] == 0).then_some(())
        })
        .await;
    }
}

pub fn id(key: &Value) -> String {
    let id = key["id"].as_str().unwrap_or_else(|| panic!("no id: {key}"));
    assert!(id.len() == 12 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{key}");
    id.to_owned()
}

/// A subscriber of one encrypted channel. For an unreadable event it fetches a new authorization
/// and tries once more.
pub struct SealedSubscriber {
    pub client: Client,
    pub channel: String,
    pub user: Option<&'static str>,
    /// Token for the auth endpoint, if the app needs one.
    pub bearer: Option<String>,
    pub secret: [u8; 32],
    /// Authorizations after the first.
    pub auth_requests: usize,
}

impl SealedSubscriber {
    /// Connected and authorized, but not subscribed.
    pub async fn authorized(server: &TestServer, client: Client, channel: &str) -> Self {
        let (channel, secret) = (channel.to_owned(), [0; 32]);
        let mut reader =
            Self { client, channel, user: None, bearer: None, secret, auth_requests: 0 };
        reader.fetch_secret(server).await;
        reader
    }

    pub async fn join(server: &TestServer, client: Client, channel: &str) -> Self {
        let mut reader = Self::authorized(server, client, channel).await;
        reader.client.subscribe(channel).await;
        reader
    }

    pub async fn join_as(server: &TestServer, channel: &str, user: &'static str) -> Self {
        let (client, secret) = (server.connect().await, [0; 32]);
        let (channel, user) = (channel.to_owned(), Some(user));
        let mut reader = Self { client, channel, user, bearer: None, secret, auth_requests: 0 };
        reader.fetch_secret(server).await;
        reader.client.subscribe(&reader.channel).await;
        reader
    }

    pub async fn request_auth(&self, server: &TestServer) -> Response {
        let user = self.user.map(|user| format!("&user_id={user}")).unwrap_or_default();
        let path = format!("/apps/{}/auth/channel", self.client.app.id);
        let request = Request::new("POST", path);
        let request = request.form(&(self.client.auth_form(&self.channel) + &user));
        server
            .send(match &self.bearer {
                Some(token) => request.header("Authorization", &format!("Bearer {token}")),
                None => request,
            })
            .await
    }

    /// Fetches the current secret from the auth endpoint.
    pub async fn fetch_secret(&mut self, server: &TestServer) {
        let answer = self.request_auth(server).await.expect(200, &self.channel);
        let secret = unbase64(answer["shared_secret"].as_str().expect("a shared secret"));
        self.secret = secret.try_into().expect("32 bytes");
    }

    /// The next event's name and text.
    pub async fn read(&mut self, server: &TestServer) -> (String, String) {
        loop {
            let frame = self.client.next().await;
            assert_eq!(frame["channel"], self.channel.as_str(), "{frame}");
            let data = frame["data"].as_str().unwrap_or_else(|| panic!("no data: {frame}"));
            let name = frame["event"].as_str().expect("a name").to_owned();
            let text = match try_open(&self.secret, data) {
                Some(text) => text,
                None => {
                    self.auth_requests += 1;
                    self.fetch_secret(server).await;
                    match try_open(&self.secret, data) {
                        Some(text) => text,
                        // The channel has a later secret by now: losing an empty event is harmless.
                        None if name == "sealcast:rekey" => continue,
                        None => panic!("opens with no secret that is given out: {frame}"),
                    }
                }
            };
            return (name, String::from_utf8(text).expect("these tests seal text only"));
        }
    }

    /// An empty event may ask for the next secret before.
    pub async fn expect(&mut self, server: &TestServer, name: &str, text: &str) {
        let mut read = self.read(server).await;
        while read.0 == "sealcast:rekey" && name != read.0 {
            read = self.read(server).await;
        }
        assert_eq!(read, (name.to_owned(), text.to_owned()), "{}", self.channel);
    }
}
