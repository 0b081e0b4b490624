use hmac::Mac as _;
use proptest::prelude::*;

use super::{json_forms::Style, *};
use crate::{
    crypto::encoding::base64, domain::channel::Channel, protocol::signed::signed_for_channel,
};

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
    let known = AppKnowledge {
        key: KEY,
        secret: &AppSecret::new(secret.as_bytes()),
        near: &SimilarSecrets::of(secret),
        is_other_app: &|key| key == "other-app-key",
    };
    explain(&known, auth, socket(), subject, others)
}

fn cause(auth: &str, subject: &Subject<'_>) -> AuthFault {
    match asked(SECRET, auth, subject, &[]) {
        Verdict::Wrong(cause) => cause,
        Verdict::Correct => panic!("{auth} is good for {subject:?}"),
    }
}

#[test]
fn malformed_auth_strings() {
    let signature = sign(SECRET, &format!("123.456:{CHANNEL}"));
    let bytes = crate::crypto::encoding::from_hex::<32>(&signature).expect("hex");
    let subject = Subject::Channel { name: CHANNEL, data: None };
    for (auth, expected) in [
        (String::new(), AuthFault::Missing),
        ("\"\"".into(), AuthFault::Missing),
        (format!("{KEY}:{signature} "), AuthFault::Wrapped),
        (format!("\"{KEY}:{signature}\""), AuthFault::Wrapped),
        (format!("{KEY}:{signature}\n"), AuthFault::Wrapped),
        (format!("{{\"auth\":\"{KEY}:{signature}\"}}"), AuthFault::WholeAnswer),
        (signature.clone(), AuthFault::KeyMissing),
        (format!(":{signature}"), AuthFault::KeyMissing),
        (KEY.into(), AuthFault::NoColon),
        (format!("{signature}:{KEY}"), AuthFault::Swapped),
        (format!("other-app-key:{signature}"), AuthFault::ForeignKey { of_this_server: true }),
        (format!("nobody:{signature}"), AuthFault::ForeignKey { of_this_server: false }),
        (format!("{KEY}:{}", base64(&bytes)), AuthFault::Base64),
        (format!("{KEY}:{}", &signature[..32]), AuthFault::Digest { name: "MD5", digits: 32 }),
        (format!("{KEY}:{}", &signature[..40]), AuthFault::Digest { name: "SHA-1", digits: 40 }),
        (format!("{KEY}:{0}{0}", signature), AuthFault::Digest { name: "SHA-512", digits: 128 }),
        (format!("{KEY}:"), AuthFault::Malformed),
        (format!("{KEY}:{}", "z".repeat(64)), AuthFault::Malformed),
        (format!("{KEY}:{}", &signature[1..]), AuthFault::Malformed),
    ] {
        assert_eq!(cause(&auth, &subject), expected, "{auth}");
    }
}

#[test]
fn nearly_correct_secrets() {
    let subject = Subject::Channel { name: CHANNEL, data: None };
    let text = format!("123.456:{CHANNEL}");
    for (used, of_the_app, expected) in [
        ("7ad3\n", "7ad3", SecretMistake::LineBreak),
        ("7ad3\r\n", "7ad3", SecretMistake::LineBreakOfWindows),
        ("7ad3 ", "7ad3", SecretMistake::BlankBehind),
        (" 7ad3", "7ad3", SecretMistake::BlankBefore),
        ("\"7ad3\"", "7ad3", SecretMistake::DoubleQuotes),
        ("'7ad3'", "7ad3", SecretMistake::SingleQuotes),
        ("7ad3", "7ad3\n", SecretMistake::Trimmed),
        ("7ad3", "\"7ad3\"", SecretMistake::Unquoted),
        ("7AD3", "7ad3", SecretMistake::OtherCase),
    ] {
        let auth = format!("{KEY}:{}", sign(used, &text));
        let verdict = asked(of_the_app, &auth, &subject, &[]);
        assert_eq!(verdict, Verdict::Wrong(AuthFault::Secret(expected)), "{used:?}");
    }
    let auth = format!("{KEY}:{}", sign("another secret", &text));
    assert_eq!(cause(&auth, &subject), AuthFault::Unknown);
}

#[test]
fn wrongly_signed_strings() {
    let data = r#"{"user_id":"ü/1"}"#;
    let spaced = Style { spaced: true, ..Style::default() };
    let php = Style { slashes: true, ascii: true, ..Style::default() };
    let encoded = "%7B%22user%5Fid%22%3A%22%C3%BC%2F1%22%7D";
    let presence = "presence-a=@,.;B";
    for (text, name, data, expected) in [
        ("123.456:private-a".into(), "private-A", None, SigningMistake::ChannelCase),
        ("123.456:PRIVATE-A".into(), "private-a", None, SigningMistake::ChannelCase),
        ("123.456:a".into(), "private-a", None, SigningMistake::PrefixMissing),
        ("123.456:private-private-a".into(), "private-a", None, SigningMistake::PrefixDoubled),
        ("123.456:presence-a".into(), "private-a", None, SigningMistake::PrefixOther("presence-")),
        (
            "123.456:presence-a%3D%40%2C.%3BB".into(),
            presence,
            Some(data),
            SigningMistake::ChannelEncoded,
        ),
        ("123.456:private-a@b".into(), "private-a%40b", None, SigningMistake::ChannelDecoded),
        ("123.456:private-a\n".into(), "private-a", None, SigningMistake::LineBreak),
        ("private-a:123.456".into(), "private-a", None, SigningMistake::OrderReversed),
        (format!("123.456::user::{data}"), "private-a", Some(data), SigningMistake::AsUser),
        (format!("123.456:{presence}"), presence, Some(data), SigningMistake::DataMissing),
        (
            format!("123.456:{presence}:{{\"user_id\": \"ü/1\"}}"),
            presence,
            Some(data),
            SigningMistake::DataRewritten(spaced),
        ),
        (
            format!("123.456:{presence}:{{\"user_id\":\"\\u00fc\\/1\"}}"),
            presence,
            Some(data),
            SigningMistake::DataRewritten(php),
        ),
        (
            format!("123.456:{presence}:\"{{\\\"user_id\\\":\\\"ü/1\\\"}}\""),
            presence,
            Some(data),
            SigningMistake::DataQuoted,
        ),
        (
            format!("123.456:{presence}:{encoded}"),
            presence,
            Some(data),
            SigningMistake::DataEncoded,
        ),
    ] {
        let auth = format!("{KEY}:{}", sign(SECRET, &text));
        let found = cause(&auth, &Subject::Channel { name, data });
        assert_eq!(found, AuthFault::Text(expected), "{text}");
    }
}

#[test]
fn signatures_for_sign_in_and_other_sockets() {
    let data = r#"{"id":"u1"}"#;
    let user = Subject::User { data };
    for text in [
        format!("123.456:{data}"),
        format!("123.456:user:{data}"),
        "123.456:#server-to-user-u1".into(),
    ] {
        let auth = format!("{KEY}:{}", sign(SECRET, &text));
        assert_eq!(cause(&auth, &user), AuthFault::Text(SigningMistake::AsChannel), "{text}");
    }
    let sorted = Style { spaced: true, ..Style::default() };
    let auth = format!("{KEY}:{}", sign(SECRET, r#"123.456::user::{"id": "u1"}"#));
    assert_eq!(cause(&auth, &user), AuthFault::Text(SigningMistake::DataRewritten(sorted)));
    let others: Vec<SocketId> = ["9.9", "7.8"].map(|id| id.parse().expect("an id")).into();
    for (subject, text) in [
        (Subject::Channel { name: "private-a", data: None }, "7.8:private-a".to_owned()),
        (user, format!("7.8::user::{data}")),
    ] {
        let auth = format!("{KEY}:{}", sign(SECRET, &text));
        let expected = Verdict::Wrong(AuthFault::Text(SigningMistake::OtherSocket(others[1])));
        assert_eq!(asked(SECRET, &auth, &subject, &others), expected);
        assert_eq!(cause(&auth, &subject), AuthFault::Unknown, "without being told of it");
    }
}

#[test]
fn each_cause_has_a_code_a_sentence_and_a_fix() {
    let causes = [
        AuthFault::Missing,
        AuthFault::Wrapped,
        AuthFault::ForeignKey { of_this_server: true },
        AuthFault::Secret(SecretMistake::LineBreak),
        AuthFault::Text(SigningMistake::DataMissing),
        AuthFault::Unknown,
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
    fn valid_signatures_are_called_valid(
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
    fn invalid_signatures_are_never_called_valid(
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
        prop_assert_eq!(asked(&secret, &bare, &presence, &[]), Verdict::Wrong(AuthFault::Text(SigningMistake::DataMissing)));
    }
}
