//! The HTTP request of a webhook: body and signature.

use std::{
    fmt::Write as _,
    time::{SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

use crate::crypto::signature::AppSecret;

const KEY: HeaderName = HeaderName::from_static("x-pusher-key");
const SIGNATURE: HeaderName = HeaderName::from_static("x-pusher-signature");
/// Exactly these bytes: one SDK compares them with `===`.
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// `events`: JSON texts. The time is that of the first attempt: later ones send the same bytes.
pub fn body<'a>(time: SystemTime, events: impl Iterator<Item = &'a str>) -> Bytes {
    let time_ms = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let mut body = format!(r#"{{"time_ms":{time_ms},"events":["#);
    for (index, event) in events.enumerate() {
        let _ = write!(body, "{}{event}", if index > 0 { "," } else { "" });
    }
    body += "]}";
    body.into()
}

/// `None` if the key is not valid in a header.
pub fn headers(own: &HeaderMap, key: &str, secret: &AppSecret, body: &[u8]) -> Option<HeaderMap> {
    let mut headers = own.clone();
    let signature = secret.sign(&[body]).to_hex();
    headers.insert(CONTENT_TYPE, JSON);
    headers.insert(KEY, HeaderValue::from_str(key).ok()?);
    headers.insert(SIGNATURE, HeaderValue::from_str(&signature).ok()?);
    Some(headers)
}

/// True for headers the operator may not set.
pub fn is_reserved_header(name: &HeaderName) -> bool {
    const HOP: [&str; 6] =
        ["host", "connection", "content-length", "transfer-encoding", "upgrade", "te"];
    *name == CONTENT_TYPE || name.as_str().starts_with("x-pusher-") || HOP.contains(&name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn vector_of_protocol_section_13() {
        let time = UNIX_EPOCH + Duration::from_millis(1_327_078_148_132);
        let event = r#"{"name":"channel_occupied","channel":"my-channel"}"#;
        let body = body(time, [event].into_iter());
        assert_eq!(
            body,
            r#"{"time_ms":1327078148132,"events":[{"name":"channel_occupied","channel":"my-channel"}]}"#
        );
        let mut own = HeaderMap::new();
        own.insert("x-mine", HeaderValue::from_static("1"));
        let secret = AppSecret::new(b"7ad3773142a6692b25b8");
        let headers = headers(&own, "278d425bdf160c739803", &secret, &body).unwrap();
        let header = |name: &str| headers[name].to_str().unwrap().to_owned();
        assert_eq!(
            header("x-pusher-signature"),
            "c19001ae3963ccb13bf618e5b16ba9848e7e74df0993aa0689168e341c6833cf"
        );
        assert_eq!(header("x-pusher-key"), "278d425bdf160c739803");
        assert_eq!(
            (header("content-type"), header("x-mine")),
            ("application/json".into(), "1".into())
        );
    }

    #[test]
    fn several_events_share_one_list() {
        let body = body(UNIX_EPOCH, [r#"{"a":1}"#, "{}"].into_iter());
        assert_eq!(body, r#"{"time_ms":0,"events":[{"a":1},{}]}"#);
    }
}
