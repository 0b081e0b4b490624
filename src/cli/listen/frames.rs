//! The server's messages, as far as a listener uses them (protocol.md 1 to 4).

use serde::Deserialize;
use serde_json::Value;

/// Names of the protocol's own messages.
pub const ESTABLISHED: &str = "pusher:connection_established";
pub const ERROR: &str = "pusher:error";
pub const PING: &str = "pusher:ping";
pub const PONG: &str = "pusher:pong";
pub const SUBSCRIPTION_ERROR: &str = "pusher:subscription_error";
pub const SUBSCRIBED: &str = "pusher_internal:subscription_succeeded";
pub const MEMBER_ADDED: &str = "pusher_internal:member_added";
pub const MEMBER_REMOVED: &str = "pusher_internal:member_removed";
pub const CACHE_MISS: &str = "pusher:cache_miss";
/// Other names with these prefixes are of no interest here.
const OWN_PREFIXES: [&str; 4] = ["pusher:", "pusher_internal:", "sealcast:", "sealcast_internal:"];

#[derive(Deserialize, Debug)]
pub struct ServerFrame {
    pub event: String,
    #[serde(default)]
    pub channel: String,
    /// Mostly a text that holds JSON.
    #[serde(default)]
    data: Value,
    #[serde(default)]
    pub user_id: Option<String>,
}

#[derive(Deserialize, Debug, PartialEq, Eq)]
pub struct Established {
    pub socket_id: String,
    /// Seconds.
    pub activity_timeout: Option<u64>,
}

#[derive(Deserialize, Default, Debug)]
pub struct ErrorNotice {
    #[serde(default)]
    pub message: String,
}

#[derive(Deserialize, Default, Debug)]
pub struct RefusedSubscription {
    /// A stable code, or a kind of error.
    #[serde(default)]
    pub code: Option<String>,
    #[serde(default)]
    pub error: String,
    #[serde(default)]
    pub status: Option<u16>,
}

/// The `data` of `MEMBER_ADDED` and `MEMBER_REMOVED`.
#[derive(Deserialize, Debug, PartialEq)]
pub struct MemberData {
    pub user_id: String,
    #[serde(default)]
    pub user_info: Option<Value>,
}

impl ServerFrame {
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    pub fn is_own(&self) -> bool {
        OWN_PREFIXES.iter().any(|prefix| self.event.starts_with(prefix))
    }

    /// The data as a text: of an event, as its publisher sent it.
    pub fn text(&self) -> String {
        match &self.data {
            Value::String(text) => text.clone(),
            Value::Null => String::new(),
            other => other.to_string(),
        }
    }

    /// The data as JSON, whether it came as a text or not.
    pub fn data<T: for<'de> Deserialize<'de>>(&self) -> Option<T> {
        match &self.data {
            Value::String(text) => serde_json::from_str(text).ok(),
            other => T::deserialize(other).ok(),
        }
    }

    /// The number of members in the answer to a subscription of a presence channel.
    pub fn member_count(&self) -> Option<u64> {
        self.data::<Value>()?.pointer("/presence/count")?.as_u64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_read_as_text_or_object() {
        for text in [
            r#"{"event":"pusher:connection_established","data":"{\"socket_id\":\"1.2\",\"activity_timeout\":120}"}"#,
            r#"{"event":"pusher:connection_established","data":{"socket_id":"1.2","activity_timeout":120}}"#,
        ] {
            let frame = ServerFrame::parse(text).expect("a frame");
            let wanted = Established { socket_id: "1.2".into(), activity_timeout: Some(120) };
            assert_eq!(frame.data::<Established>(), Some(wanted));
            assert!(frame.is_own());
        }
        let event = ServerFrame::parse(r#"{"event":"e","channel":"c","data":"{\"a\": 1}"}"#);
        let event = event.expect("a frame");
        assert_eq!((event.text(), event.is_own()), ("{\"a\": 1}".into(), false));
        let joined = r#"{"event":"x","data":"{\"presence\":{\"count\":3,\"ids\":[]}}"}"#;
        assert_eq!(ServerFrame::parse(joined).and_then(|frame| frame.member_count()), Some(3));
        assert!(ServerFrame::parse("[]").is_none() && ServerFrame::parse("x").is_none());
    }
}
