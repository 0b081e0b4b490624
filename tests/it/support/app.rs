//! The apps that tests configure, and the configuration text around them.

use super::{hex, hmac_sha256};

/// One app as its backend knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct App {
    pub id: &'static str,
    pub key: &'static str,
    pub secret: &'static str,
}

/// The app of nearly every test.
pub const APP: App = App { id: "it", key: "it-key-51c0a7", secret: "it-secret-9b21d4f7e6" };

/// A second app, for tests about isolation.
pub const OTHER: App =
    App { id: "other", key: "other-key-77ee02", secret: "other-secret-1f6ad0c355" };

impl App {
    /// The `auth` string of a channel subscription (protocol.md 2.3).
    pub fn channel_auth(
        &self,
        socket_id: &str,
        channel: &str,
        channel_data: Option<&str>,
    ) -> String {
        let text = match channel_data {
            Some(data) => format!("{socket_id}:{channel}:{data}"),
            None => format!("{socket_id}:{channel}"),
        };
        format!("{}:{}", self.key, hex(&hmac_sha256(self.secret.as_bytes(), text.as_bytes())))
    }

    /// The `auth` string of a sign-in (protocol.md 5.1).
    pub fn user_auth(&self, socket_id: &str, user_data: &str) -> String {
        let text = format!("{socket_id}::user::{user_data}");
        format!("{}:{}", self.key, hex(&hmac_sha256(self.secret.as_bytes(), text.as_bytes())))
    }
}

/// A configuration with the one app [`APP`]; `app` holds further keys of its table.
pub fn config(app: &str) -> String {
    config_of("", &[(APP, app)])
}

/// A configuration with top-level keys `top` and the given apps.
pub fn config_of(top: &str, apps: &[(App, &str)]) -> String {
    let workers = if top.contains("workers") { "" } else { "workers = 2\n" };
    let mut text = format!("{workers}{top}\n");
    for (app, keys) in apps {
        text += &format!(
            "\n[apps.{}]\nkey = \"{}\"\nsecret = \"{}\"\n{keys}\n",
            app.id, app.key, app.secret
        );
    }
    text
}
