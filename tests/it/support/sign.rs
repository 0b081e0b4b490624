//! Signatures and digests, written from protocol.md 7.1 and not from the server's source.

use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest, Md5};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::Sha256;

use super::App;

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn md5_hex(bytes: &[u8]) -> String {
    hex(&Md5::digest(bytes))
}

pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

pub fn hmac_sha256(key: &[u8], text: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(text);
    mac.finalize().into_bytes().into()
}

pub fn unix_now() -> i64 {
    let now = std::time::SystemTime::now();
    now.duration_since(std::time::UNIX_EPOCH).expect("the clock is after 1970").as_secs() as i64
}

pub type Params = Vec<(String, String)>;

/// `(&str, &str)` pairs as owned parameters.
pub fn params(pairs: &[(&str, &str)]) -> Params {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

/// Replaces a parameter, or removes it if there is no value.
pub fn with(mut list: Params, name: &str, value: Option<&str>) -> Params {
    list.retain(|(k, _)| k != name);
    list.extend(value.map(|value| (name.to_owned(), value.to_owned())));
    list
}

/// The text that is signed: method, path, and the parameters sorted by lower-case name.
pub fn string_to_sign(method: &str, path: &str, params: &[(String, String)]) -> String {
    let mut sorted: Params = params.iter().map(|(k, v)| (k.to_lowercase(), v.clone())).collect();
    sorted.sort_by(|a, b| a.0.cmp(&b.0));
    let query: Vec<String> = sorted.iter().map(|(k, v)| format!("{k}={v}")).collect();
    format!("{method}\n{path}\n{}", query.join("&"))
}

/// The `auth_*` parameters of a request without the signature, as the SDKs send them.
pub fn unsigned_params(app: App, body: &[u8]) -> Params {
    let mut list = params(&[
        ("auth_key", app.key),
        ("auth_timestamp", &unix_now().to_string()),
        ("auth_version", "1.0"),
    ]);
    if !body.is_empty() {
        list.push(("body_md5".to_owned(), md5_hex(body)));
    }
    list
}

/// Appends `auth_signature` for the given `params`.
pub fn sign(app: App, method: &str, path: &str, mut params: Params) -> Params {
    let text = string_to_sign(method, path, &params);
    let signature = hex(&hmac_sha256(app.secret.as_bytes(), text.as_bytes()));
    params.push(("auth_signature".to_owned(), signature));
    params
}

/// Parameters as a query string, every value percent-encoded.
pub fn query(params: &[(String, String)]) -> String {
    let pairs: Vec<String> = params.iter().map(|(k, v)| format!("{k}={}", percent(v))).collect();
    pairs.join("&")
}

pub fn percent(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// A complete signed request target.
pub fn signed_target(
    app: App,
    method: &str,
    path: &str,
    extra: &[(&str, &str)],
    body: &[u8],
) -> String {
    let mut list = params(extra);
    list.extend(unsigned_params(app, body));
    format!("{path}?{}", query(&sign(app, method, path, list)))
}

/// The vectors of protocol.md 13: if this fails, the tests are wrong and not the server.
#[test]
fn s13_vectors_hold_for_the_signatures_of_the_tests() {
    let app = App { id: "3", key: "278d425bdf160c739803", secret: "7ad3773142a6692b25b8" };
    let tail =
        |auth: String| auth.split_once(':').map(|(_, sig)| sig.to_owned()).unwrap_or_default();
    assert_eq!(
        tail(app.channel_auth("1234.1234", "private-foobar", None)),
        "58df8b0c36d6982b82c3ecf6b4662e34fe8c25bba48f5369f135bf843651c3a4"
    );
    let data = r#"{"user_id":10,"user_info":{"name":"Mr. Channels"}}"#;
    assert_eq!(
        tail(app.channel_auth("1234.1234", "presence-foobar", Some(data))),
        "31935e7d86dba64c2a90aed31fdc61869f9b22ba9d8863bba239c03ca481bc80"
    );
    assert_eq!(
        tail(app.user_auth("1234.1234", r#"{"id":"12345"}"#)),
        "4708d583dada6a56435fb8bc611c77c359a31eebde13337c16ab43aa6de336ba"
    );

    let fixed = |extra: &[(&str, &str)]| {
        let mut list = params(&[
            ("auth_key", app.key),
            ("auth_timestamp", "1353088179"),
            ("auth_version", "1.0"),
        ]);
        list.extend(params(extra));
        list
    };
    let body = br#"{"name":"foo","channels":["project-3"],"data":"{\"some\":\"data\"}"}"#;
    let md5 = md5_hex(body);
    assert_eq!(md5, "ec365a775a4cd0599faeb73354201b6f");
    type Row<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], &'a str);
    let rows: [Row<'_>; 5] = [
        (
            "POST",
            "/apps/3/events",
            &[("body_md5", &md5)],
            "da454824c97ba181a32ccc17a72625ba02771f50b50e1e7430e47a1f3f457e6c",
        ),
        (
            "GET",
            "/apps/3/channels",
            &[("filter_by_prefix", "presence-"), ("info", "user_count")],
            "16819168891cb5dfd72b5c7a5d3d602605b26c6ba1930033b5e2eeeb65010291",
        ),
        (
            "GET",
            "/apps/3/channels/presence-a/users",
            &[("body_md5", "d41d8cd98f00b204e9800998ecf8427e")],
            "ab454b3672fd32a6498d8b280981cc20f7d9fd541eaa5a3ab8c19b30e5284cd4",
        ),
        (
            "GET",
            "/apps/3/channels",
            &[("Name", "Something else")],
            "e661e8bf75b3959cbeab2cee466c873b918e39bfd0980693aadf77d4da8ba77c",
        ),
        (
            "GET",
            "/apps/3/channels",
            &[("info[]", "user_count"), ("info[]", "subscription_count")],
            "175192df3115c9975cc5fa47eec612907413e243ddbfa27967814593f0e0bf82",
        ),
    ];
    for (method, path, extra, wanted) in rows {
        let signed = sign(app, method, path, fixed(extra));
        assert_eq!(
            signed.last().map(|(_, v)| v.as_str()),
            Some(wanted),
            "{method} {path} {extra:?}"
        );
    }
}
