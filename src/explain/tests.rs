use hmac::Mac as _;
use proptest::prelude::*;

use super::{json_forms::Style, *};
use crate::{channel::Channel, crypto::encoding::base64, protocol::signed::signed_for_channel};

const KEY: &str = "278d425bdf160c739803";
const SECRET: &str = "7ad3773142a6692b25b8";
const CHANNEL: &str = "private-encrypted-Room.1";

fn socket() -> SocketId {
    "123.456".parse().expect("an id")
}

fn sign(secret: &str, text: &str) -> String {
    AppSecret::new(secret.as_bytes()).sign(&[text.as_bytes()]).to_hex()
}

fn asked(secret: &str, auth: &str, subject: &Subject<'_>, others: &[SocketId]) -> Verdict {
    let known = Knowledge {
        key: KEY,
        secret: &AppSecret::new(secret.as_bytes()),
        near: &NearSecrets::of(secret),
        is_other_app: &|key| key == "other-app-key",
    };
    explain(&known, auth, socket(), subject, others)
}

fn cause(auth: &str, subject: &Subject<'_>) -> Cause {
    match asked(SECRET, auth, subject, &[]) {
        Verdict::Wrong(cause) => cause,
        Verdict::Correct => panic!("{auth} is good for {subject:?}"),
    }
}

#[test]
fn strings_that_are_no_auth() {
    let signature = sign(SECRET, &format!("123.456:{CHANNEL}"));
    let bytes = crate::crypto::encoding::from_hex::<32>(&signature).expect("hex");
    let subject = Subject::Channel { name: CHANNEL, data: None };
    for (auth, expected) in [
        (String::new(), Cause::Missing),
        ("\"\"".into(), Cause::Missing),
        (format!("{KEY}:{signature} "), Cause::Wrapped),
        (format!("\"{KEY}:{signature}\""), Cause::Wrapped),
        (format!("{KEY}:{signature}\n"), Cause::Wrapped),
        (format!("{{\"auth\":\"{KEY}:{signature}\"}}"), Cause::WholeAnswer),
        (signature.clone(), Cause::KeyMissing),
        (format!(":{signature}"), Cause::KeyMissing),
        (KEY.into(), Cause::NoColon),
        (format!("{signature}:{KEY}"), Cause::Swapped),
        (format!("other-app-key:{signature}"), Cause::ForeignKey { of_this_server: true }),
        (format!("nobody:{signature}"), Cause::ForeignKey { of_this_server: false }),
        (format!("{KEY}:{}", base64(&bytes)), Cause::Base64),
        (format!("{KEY}:{}", &signature[..32]), Cause::Digest { name: "MD5", digits: 32 }),
        (format!("{KEY}:{}", &signature[..40]), Cause::Digest { name: "SHA-1", digits: 40 }),
        (format!("{KEY}:{0}{0}", signature), Cause::Digest { name: "SHA-512", digits: 128 }),
        (format!("{KEY}:"), Cause::Malformed),
        (format!("{KEY}:{}", "z".repeat(64)), Cause::Malformed),
        (format!("{KEY}:{}", &signature[1..]), Cause::Malformed),
    ] {
        assert_eq!(cause(&auth, &subject), expected, "{auth}");
    }
}

#[test]
fn secrets_that_are_nearly_right() {
    let subject = Subject::Channel { name: CHANNEL, data: None };
    let text = format!("123.456:{CHANNEL}");
    for (used, of_the_app, expected) in [
        ("7ad3\n", "7ad3", NearMiss::LineBreak),
        ("7ad3\r\n", "7ad3", NearMiss::LineBreakOfWindows),
        ("7ad3 ", "7ad3", NearMiss::BlankBehind),
        (" 7ad3", "7ad3", NearMiss::BlankBefore),
        ("\"7ad3\"", "7ad3", NearMiss::DoubleQuotes),
        ("'7ad3'", "7ad3", NearMiss::SingleQuotes),
        ("7ad3", "7ad3\n", NearMiss::Trimmed),
        ("7ad3", "\"7ad3\"", NearMiss::Unquoted),
        ("7AD3", "7ad3", NearMiss::OtherCase),
    ] {
        let auth = format!("{KEY}:{}", sign(used, &text));
        let verdict = asked(of_the_app, &auth, &subject, &[]);
        assert_eq!(verdict, Verdict::Wrong(Cause::Secret(expected)), "{used:?}");
    }
    let auth = format!("{KEY}:{}", sign("another secret", &text));
    assert_eq!(cause(&auth, &subject), Cause::Unknown);
}

#[test]
fn texts_that_are_signed_by_mistake() {
    let data = r#"{"user_id":"ü/1"}"#;
    let spaced = Style { spaced: true, ..Style::default() };
    let php = Style { slashes: true, ascii: true, ..Style::default() };
    let encoded = "%7B%22user%5Fid%22%3A%22%C3%BC%2F1%22%7D";
    let presence = "presence-a=@,.;B";
    for (text, name, data, expected) in [
        ("123.456:private-a".into(), "private-A", None, Slip::ChannelCase),
        ("123.456:PRIVATE-A".into(), "private-a", None, Slip::ChannelCase),
        ("123.456:a".into(), "private-a", None, Slip::PrefixMissing),
        ("123.456:private-private-a".into(), "private-a", None, Slip::PrefixDoubled),
        ("123.456:presence-a".into(), "private-a", None, Slip::PrefixOther("presence-")),
        ("123.456:presence-a%3D%40%2C.%3BB".into(), presence, Some(data), Slip::ChannelEncoded),
        ("123.456:private-a@b".into(), "private-a%40b", None, Slip::ChannelDecoded),
        ("123.456:private-a\n".into(), "private-a", None, Slip::LineBreak),
        ("private-a:123.456".into(), "private-a", None, Slip::OrderReversed),
        (format!("123.456::user::{data}"), "private-a", Some(data), Slip::AsUser),
        (format!("123.456:{presence}"), presence, Some(data), Slip::DataMissing),
        (
            format!("123.456:{presence}:{{\"user_id\": \"ü/1\"}}"),
            presence,
            Some(data),
            Slip::DataRewritten(spaced),
        ),
        (
            format!("123.456:{presence}:{{\"user_id\":\"\\u00fc\\/1\"}}"),
            presence,
            Some(data),
            Slip::DataRewritten(php),
        ),
        (
            format!("123.456:{presence}:\"{{\\\"user_id\\\":\\\"ü/1\\\"}}\""),
            presence,
            Some(data),
            Slip::DataQuoted,
        ),
        (format!("123.456:{presence}:{encoded}"), presence, Some(data), Slip::DataEncoded),
    ] {
        let auth = format!("{KEY}:{}", sign(SECRET, &text));
        let found = cause(&auth, &Subject::Channel { name, data });
        assert_eq!(found, Cause::Text(expected), "{text}");
    }
}

#[test]
fn sign_ins_and_other_sockets() {
    let data = r#"{"id":"u1"}"#;
    let user = Subject::User { data };
    for text in [
        format!("123.456:{data}"),
        format!("123.456:user:{data}"),
        "123.456:#server-to-user-u1".into(),
    ] {
        let auth = format!("{KEY}:{}", sign(SECRET, &text));
        assert_eq!(cause(&auth, &user), Cause::Text(Slip::AsChannel), "{text}");
    }
    let sorted = Style { spaced: true, ..Style::default() };
    let auth = format!("{KEY}:{}", sign(SECRET, r#"123.456::user::{"id": "u1"}"#));
    assert_eq!(cause(&auth, &user), Cause::Text(Slip::DataRewritten(sorted)));
    let others: Vec<SocketId> = ["9.9", "7.8"].map(|id| id.parse().expect("an id")).into();
    for (subject, text) in [
        (Subject::Channel { name: "private-a", data: None }, "7.8:private-a".to_owned()),
        (user, format!("7.8::user::{data}")),
    ] {
        let auth = format!("{KEY}:{}", sign(SECRET, &text));
        let expected = Verdict::Wrong(Cause::Text(Slip::OtherSocket(others[1])));
        assert_eq!(asked(SECRET, &auth, &subject, &others), expected);
        assert_eq!(cause(&auth, &subject), Cause::Unknown, "without being told of it");
    }
}

#[test]
fn every_cause_has_a_code_a_sentence_and_a_way_out() {
    let causes = [
        Cause::Missing,
        Cause::Wrapped,
        Cause::ForeignKey { of_this_server: true },
        Cause::Secret(NearMiss::LineBreak),
        Cause::Text(Slip::DataMissing),
        Cause::Unknown,
    ];
    for cause in causes {
        assert!(
            !cause.code().is_empty() && !cause.fix().is_empty() && cause.to_string().len() > 10
        );
    }
}

/// Not the server's own HMAC.
fn hmac(secret: &str, text: &str) -> String {
    let mut mac = <hmac::Hmac<sha2::Sha256> as hmac::KeyInit>::new_from_slice(secret.as_bytes())
        .expect("any length");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

proptest! {
    #[test]
    fn what_is_right_is_called_right(
        secret in "\\PC{1,20}",
        name in "(private|presence|private-encrypted)-[a-zA-Z0-9_=@,.;-]{1,10}",
        data in prop::option::of("\\{\"user_id\":\"[a-zé/]{1,4}\"\\}"),
    ) {
        let channel = Channel::parse(&name, 200);
        prop_assume!(channel.is_ok());
        let signed = signed_for_channel(socket(), &channel.expect("a name"), data.as_deref());
        let auth = format!("{KEY}:{}", hmac(&secret, &signed));
        let subject = Subject::Channel { name: &name, data: data.as_deref() };
        prop_assert_eq!(asked(&secret, &auth, &subject, &[]), Verdict::Correct);
        let user = data.unwrap_or_default();
        let auth = format!("{KEY}:{}", hmac(&secret, &format!("123.456::user::{user}")));
        prop_assert_eq!(asked(&secret, &auth, &Subject::User { data: &user }, &[]), Verdict::Correct);
    }

    /// Neither does one changed character, nor another secret.
    #[test]
    fn what_is_wrong_is_never_called_right(
        secret in "[a-z]{1,10}",
        other in "[a-z]{1,10}",
        at in 0usize..200,
        with in any::<char>(),
        rubbish in "\\PC{0,100}",
    ) {
        let subject = Subject::Channel { name: CHANNEL, data: None };
        let text = format!("123.456:{CHANNEL}");
        let auth = format!("{KEY}:{}", hmac(&secret, &text));
        if other != secret {
            let auth = format!("{KEY}:{}", hmac(&other, &text));
            prop_assert_ne!(asked(&secret, &auth, &subject, &[]), Verdict::Correct);
        }
        let mut changed: Vec<char> = auth.chars().collect();
        let at = at % changed.len();
        changed[at] = with;
        let changed: String = changed.into_iter().collect();
        if !changed.eq_ignore_ascii_case(&auth) {
            prop_assert_ne!(asked(&secret, &changed, &subject, &[]), Verdict::Correct);
        }
        prop_assert_ne!(asked(&secret, &rubbish, &subject, &[]), Verdict::Correct);
        let presence = Subject::Channel { name: "presence-a", data: Some("{\"user_id\":\"u\"}") };
        let bare = format!("{KEY}:{}", hmac(&secret, "123.456:presence-a"));
        prop_assert_eq!(asked(&secret, &bare, &presence, &[]), Verdict::Wrong(Cause::Text(Slip::DataMissing)));
    }
}
