//! Requests of pages to the client API.

use serde_json::{Value, json};

use super::{APP, Request, Response, TestServer};

/// A request to `/app/{key}{path}` of [`APP`].
pub fn page_request(method: &str, path: &str) -> Request {
    Request::new(method, format!("/app/{}{path}", APP.key))
}

impl Request {
    pub fn bearer(self, token: &str) -> Self {
        self.header("Authorization", &format!("Bearer {token}"))
    }
}

impl TestServer {
    /// An access token of `u1` for all channels with these abilities.
    pub async fn token(&self, allow: &[&str]) -> String {
        self.token_for("u1", &["*"], allow).await
    }

    pub async fn token_for(&self, user: &str, channels: &[&str], allow: &[&str]) -> String {
        let wanted = json!({"user_id": user, "channels": channels, "allow": allow});
        let minted = self.post("/tokens", &wanted).await.expect(200, &wanted);
        minted["token"].as_str().expect("a token").to_owned()
    }

    /// A page's GET of `/app/{key}{path}`.
    pub async fn page_get(&self, token: &str, path: &str) -> Response {
        self.send(page_request("GET", path).bearer(token)).await
    }

    pub async fn page_post(&self, token: &str, path: &str, body: &Value) -> Response {
        self.send(page_request("POST", path).bearer(token).json(body)).await
    }
}
