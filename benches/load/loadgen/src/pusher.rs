//! Pusher protocol 7 messages and signatures.

use hmac::{Hmac, Mac};
use md5::{Digest, Md5};
use sha2::Sha256;

/// The credentials of one app.
#[derive(Clone, Debug)]
pub struct App {
    pub id: String,
    pub key: String,
    pub secret: String,
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut out = String::with_capacity(bytes.len() * 2);
    for b in bytes {
        out.push(char::from(DIGITS[usize::from(b >> 4)]));
        out.push(char::from(DIGITS[usize::from(b & 15)]));
    }
    out
}

impl App {
    fn hmac(&self, message: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.secret.as_bytes())
            .expect("HMAC takes a key of any length");
        mac.update(message.as_bytes());
        hex(&mac.finalize().into_bytes())
    }

    /// The signed query string of an HTTP API request with a body.
    pub fn signed_query(&self, method: &str, path: &str, timestamp: u64, body: &[u8]) -> String {
        let body_md5 = hex(&Md5::digest(body));
        let query = format!(
            "auth_key={}&auth_timestamp={timestamp}&auth_version=1.0&body_md5={body_md5}",
            self.key
        );
        let signature = self.hmac(&format!("{method}\n{path}\n{query}"));
        format!("{query}&auth_signature={signature}")
    }

    /// The `auth` value for a private or presence channel.
    pub fn channel_auth(&self, socket_id: &str, channel: &str, data: Option<&str>) -> String {
        let message = match data {
            Some(data) => format!("{socket_id}:{channel}:{data}"),
            None => format!("{socket_id}:{channel}"),
        };
        format!("{}:{}", self.key, self.hmac(&message))
    }

    /// A whole `POST /apps/{id}/events` request; `close` makes it the last one
    /// of its connection.
    pub fn trigger_request(
        &self,
        host: &str,
        timestamp: u64,
        body: &[u8],
        close: bool,
        out: &mut Vec<u8>,
    ) {
        let connection = if close { "Connection: close\r\n" } else { "" };
        let path = format!("/apps/{}/events", self.id);
        let query = self.signed_query("POST", &path, timestamp, body);
        out.extend_from_slice(
            format!(
                "POST {path}?{query} HTTP/1.1\r\nHost: {host}\r\n{connection}\
                 Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
                body.len()
            )
            .as_bytes(),
        );
        out.extend_from_slice(body);
    }
}

/// A channel to subscribe to; `data` is a presence member's `channel_data`.
#[derive(Clone, Debug)]
pub struct Subscription {
    pub channel: String,
    pub data: Option<String>,
    pub recover: Option<Recover>,
}

/// What a subscriber of a channel with a history asks for.
#[derive(Clone, Debug)]
pub enum Recover {
    /// To be told positions from now on.
    FromNow,
    /// The events behind this position, too.
    After(String),
}

impl Subscription {
    pub fn to(channel: impl Into<String>) -> Self {
        Self { channel: channel.into(), data: None, recover: None }
    }

    /// Membership of a presence channel, with a small `user_info`.
    pub fn member(channel: impl Into<String>, user_id: &str) -> Self {
        Self {
            channel: channel.into(),
            data: Some(format!(
                r#"{{"user_id":"{user_id}","user_info":{{"name":"Member {user_id}"}}}}"#
            )),
            recover: None,
        }
    }

    pub fn recovering(self, recover: Recover) -> Self {
        Self { recover: Some(recover), ..self }
    }

    /// The `pusher:subscribe` message, signed where the channel needs it.
    pub fn message(&self, app: &App, socket_id: &str) -> String {
        let mut data = serde_json::json!({ "channel": self.channel });
        if self.channel.starts_with("private-") || self.channel.starts_with("presence-") {
            data["auth"] = app.channel_auth(socket_id, &self.channel, self.data.as_deref()).into();
        }
        if let Some(channel_data) = &self.data {
            data["channel_data"] = channel_data.as_str().into();
        }
        match &self.recover {
            Some(Recover::FromNow) => data["recover"] = true.into(),
            Some(Recover::After(position)) => data["recover"] = position.as_str().into(),
            None => {}
        }
        serde_json::json!({ "event": "pusher:subscribe", "data": data }).to_string()
    }
}

/// True if `message` reports a successful subscription.
pub fn is_subscribed(message: &[u8]) -> bool {
    memchr::memmem::find(message, b"pusher_internal:subscription_succeeded").is_some()
}

/// Takes the socket id out of a `pusher:connection_established` message.
pub fn socket_id(message: &[u8]) -> Option<&str> {
    value_of(message, b"socket_id")
}

/// Takes the position out of the success message of a subscriber that recovers.
pub fn position(message: &[u8]) -> Option<&str> {
    value_of(message, b"position")
}

/// The value of a member that is an id, in JSON or in a string of JSON.
fn value_of<'a>(message: &'a [u8], name: &[u8]) -> Option<&'a str> {
    let start = memchr::memmem::find(message, name)? + name.len();
    let is_id = |b: &u8| b.is_ascii_alphanumeric() || matches!(*b, b'.' | b'-' | b'_');
    let rest = &message[start..];
    let rest = &rest[rest.iter().position(is_id)?..];
    let end = rest.iter().position(|b| !is_id(b))?;
    std::str::from_utf8(&rest[..end]).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The app in the worked examples of Pusher's HTTP API and channel
    /// authentication documents.
    fn documented_app() -> App {
        App {
            id: "3".into(),
            key: "278d425bdf160c739803".into(),
            secret: "7ad3773142a6692b25b8".into(),
        }
    }

    #[test]
    fn signs_the_documented_http_request() {
        let body = br#"{"name":"foo","channels":["project-3"],"data":"{\"some\":\"data\"}"}"#;
        assert_eq!(
            documented_app().signed_query("POST", "/apps/3/events", 1_353_088_179, body),
            "auth_key=278d425bdf160c739803&auth_timestamp=1353088179&auth_version=1.0\
             &body_md5=ec365a775a4cd0599faeb73354201b6f\
             &auth_signature=da454824c97ba181a32ccc17a72625ba02771f50b50e1e7430e47a1f3f457e6c"
        );
    }

    #[test]
    fn signs_the_documented_private_channel() {
        assert_eq!(
            documented_app().channel_auth("1234.1234", "private-foobar", None),
            "278d425bdf160c739803:58df8b0c36d6982b82c3ecf6b4662e34fe8c25bba48f5369f135bf843651c3a4"
        );
    }

    #[test]
    fn signs_the_documented_presence_channel() {
        let data = r#"{"user_id":10,"user_info":{"name":"Mr. Channels"}}"#;
        assert_eq!(
            documented_app().channel_auth("1234.1234", "presence-foobar", Some(data)),
            "278d425bdf160c739803:31935e7d86dba64c2a90aed31fdc61869f9b22ba9d8863bba239c03ca481bc80"
        );
    }

    #[test]
    fn finds_the_socket_id() {
        let message = br#"{"event":"pusher:connection_established","data":"{\"socket_id\":\"123.456\",\"activity_timeout\":120}"}"#;
        assert_eq!(socket_id(message), Some("123.456"));
        assert_eq!(socket_id(b"{}"), None);
    }

    #[test]
    fn finds_the_position() {
        let message = br#"{"event":"pusher_internal:subscription_succeeded","channel":"c","data":"{\"recover\":{\"position\":\"-Q_x\",\"recovered\":false}}"}"#;
        assert_eq!(position(message), Some("-Q_x"));
    }

    #[test]
    fn asks_for_positions_and_for_what_is_behind_one() {
        let message =
            |recover| Subscription::to("c").recovering(recover).message(&documented_app(), "1.2");
        assert!(message(Recover::FromNow).contains(r#""recover":true"#));
        assert!(message(Recover::After("AQ3x".into())).contains(r#""recover":"AQ3x""#));
    }

    #[test]
    fn subscribes_with_auth_only_where_needed() {
        let app = documented_app();
        assert_eq!(
            Subscription::to("news").message(&app, "1.2"),
            r#"{"event":"pusher:subscribe","data":{"channel":"news"}}"#
        );
        assert!(Subscription::to("private-news").message(&app, "1.2").contains(r#""auth":"#));
        let member = Subscription::member("presence-room", "u1").message(&app, "1.2");
        assert!(member.contains(r#""channel_data":"{\"user_id\":\"u1\""#));
    }
}
