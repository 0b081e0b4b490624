//! The whole answer of an auth endpoint: its form, then its signature, then its secret.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::{AppKnowledge, Explanation, Subject, Verdict, explain};
use crate::{
    crypto::client_secret::ClientSecret,
    domain::{channel::ChannelKind, ids::SocketId},
};

/// An answer that authorizes.
#[derive(Deserialize)]
pub struct EndpointAnswer {
    pub auth: String,
    pub channel_data: Option<String>,
    pub shared_secret: Option<Zeroizing<String>>,
}

/// What keeps a client from using the answer, besides the signature.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AnswerFault {
    Empty,
    Page,
    NotJson,
    /// JSON within a JSON string.
    Quoted,
    NotAnObject,
    NoAuth,
    AuthNotText,
    DataNotText,
    DataMissing,
    SecretNotText,
    SecretMissing,
    SecretMalformed,
}

#[derive(Serialize, Debug, utoipa::ToSchema)]
pub struct AnswerReport {
    pub correct: bool,
    pub code: &'static str,
    pub cause: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<&'static str>,
    /// The texts of which one must be signed. Empty if the answer cannot be read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub expected: Vec<String>,
}

impl AnswerReport {
    /// `text`: the body of the answer.
    pub fn new(known: &AppKnowledge<'_>, text: &str, socket: SocketId, channel: &str) -> Self {
        let answer = match read(text) {
            Ok(answer) => answer,
            Err(fault) => return fault.into(),
        };
        let subject = Subject::Channel { name: channel, data: answer.channel_data.as_deref() };
        let verdict = explain(known, &answer.auth, socket, &subject, &[]);
        let Explanation { correct, code, cause, fix, expected, .. } =
            Explanation::new(&verdict, socket, &subject, None);
        if verdict != Verdict::Correct {
            return Self { correct, code, cause, fix, expected };
        }
        match judge_parts(&answer, channel) {
            Ok(()) => Self { correct, code, cause: CORRECT.into(), fix, expected },
            Err(fault) => Self { expected, ..fault.into() },
        }
    }
}

const CORRECT: &str = "the answer authorizes";

impl From<AnswerFault> for AnswerReport {
    fn from(fault: AnswerFault) -> Self {
        let (code, cause, fix) = (fault.code(), fault.cause().to_owned(), Some(fault.fix()));
        Self { correct: false, code, cause, fix, expected: Vec::new() }
    }
}

fn read(text: &str) -> Result<EndpointAnswer, AnswerFault> {
    let text = text.trim().trim_start_matches('\u{feff}');
    if text.is_empty() {
        return Err(AnswerFault::Empty);
    }
    let fields: Map<String, Value> = match serde_json::from_str(text) {
        Ok(Value::Object(fields)) => fields,
        Ok(Value::String(inner)) if inner.trim_start().starts_with('{') => {
            return Err(AnswerFault::Quoted);
        }
        Ok(_) => return Err(AnswerFault::NotAnObject),
        Err(_) if text.starts_with('<') => return Err(AnswerFault::Page),
        Err(_) => return Err(AnswerFault::NotJson),
    };
    let text = |name: &str, fault| match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(fault),
    };
    Ok(EndpointAnswer {
        auth: text("auth", AnswerFault::AuthNotText)?.ok_or(AnswerFault::NoAuth)?,
        channel_data: text("channel_data", AnswerFault::DataNotText)?,
        shared_secret: text("shared_secret", AnswerFault::SecretNotText)?.map(Zeroizing::new),
    })
}

fn judge_parts(answer: &EndpointAnswer, channel: &str) -> Result<(), AnswerFault> {
    if ChannelKind::of(channel).has_members() && answer.channel_data.is_none() {
        return Err(AnswerFault::DataMissing);
    }
    judge_secret(answer, channel)
}

/// An encrypted channel needs a secret that a client can use.
pub fn judge_secret(answer: &EndpointAnswer, channel: &str) -> Result<(), AnswerFault> {
    if !ChannelKind::of(channel).is_encrypted() {
        return Ok(());
    }
    let secret = answer.shared_secret.as_ref().ok_or(AnswerFault::SecretMissing)?;
    ClientSecret::parse(secret).map(drop).ok_or(AnswerFault::SecretMalformed)
}

impl AnswerFault {
    pub fn code(self) -> &'static str {
        match self {
            Self::Empty => "answer_empty",
            Self::Page => "answer_is_a_page",
            Self::NotJson => "answer_not_json",
            Self::Quoted => "answer_encoded_twice",
            Self::NotAnObject => "answer_not_an_object",
            Self::NoAuth => "auth_missing",
            Self::AuthNotText => "auth_not_a_string",
            Self::DataNotText => "channel_data_not_a_string",
            Self::DataMissing => "channel_data_missing",
            Self::SecretNotText => "shared_secret_not_a_string",
            Self::SecretMissing => "shared_secret_missing",
            Self::SecretMalformed => "shared_secret_malformed",
        }
    }

    pub fn cause(self) -> &'static str {
        match self {
            Self::Empty => "the answer is empty",
            Self::Page => "the answer is a page, not JSON",
            Self::NotJson => "the answer is no JSON",
            Self::Quoted => "the answer is a JSON string with the JSON object in it",
            Self::NotAnObject => "the answer is no JSON object",
            Self::NoAuth => "the answer has no field auth",
            Self::AuthNotText => "the field auth is no string",
            Self::DataNotText => "the field channel_data is no string",
            Self::DataMissing => {
                "the answer for a presence channel has no channel_data, so the member is known only if the connection is signed in"
            }
            Self::SecretNotText => "the field shared_secret is no string",
            Self::SecretMissing => "the answer for an encrypted channel has no shared_secret",
            Self::SecretMalformed => "the shared_secret is not 32 bytes in base64",
        }
    }

    pub fn fix(self) -> &'static str {
        match self {
            Self::Empty | Self::NotJson | Self::NotAnObject | Self::NoAuth | Self::AuthNotText => {
                "answer with the JSON that the server SDK makes, unchanged"
            }
            Self::Page => {
                "look for a page of the framework at that address: a sign-in, or the start page"
            }
            Self::Quoted => "send the text that the server SDK makes, without encoding it again",
            Self::DataNotText => {
                "send channel_data as the string that was signed, not as an object"
            }
            Self::DataMissing => {
                "give the server SDK the member: user_id, and user_info where it is wanted"
            }
            Self::SecretNotText | Self::SecretMalformed => {
                "give the SDK a master key of 32 bytes in base64: sealcast keys generate"
            }
            Self::SecretMissing => {
                "give the server SDK the encryption master key, or let clients ask the server: authorizer in [apps.ID]"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        crypto::{encoding::base64, signature::AppSecret},
        observe::explain::SimilarSecrets,
    };

    fn judge(text: &str, channel: &str) -> AnswerReport {
        let known = AppKnowledge {
            key: "k",
            secret: &AppSecret::new(b"s"),
            near: &SimilarSecrets::of("s"),
            is_other_app: &|_| false,
        };
        AnswerReport::new(&known, text, "1.2".parse().expect("an id"), channel)
    }

    fn auth(text: &str) -> String {
        format!("k:{}", AppSecret::new(b"s").sign(&[text.as_bytes()]).to_hex())
    }

    #[test]
    fn form_is_judged_before_the_signature() {
        for (text, code) in [
            ("", "answer_empty"),
            (" \n", "answer_empty"),
            ("<!doctype html><p>", "answer_is_a_page"),
            ("auth=k", "answer_not_json"),
            (r#""{\"auth\":\"k:1\"}""#, "answer_encoded_twice"),
            ("[1]", "answer_not_an_object"),
            ("{}", "auth_missing"),
            (r#"{"auth":1}"#, "auth_not_a_string"),
            (r#"{"auth":"k:1","channel_data":{"user_id":"1"}}"#, "channel_data_not_a_string"),
            (r#"{"auth":"k:1","shared_secret":5}"#, "shared_secret_not_a_string"),
            (r#"{"auth":"k:1"}"#, "auth_malformed"),
        ] {
            let report = judge(text, "private-a");
            assert_eq!((report.code, report.correct), (code, false), "{text}");
            assert!(report.fix.is_some(), "{text}");
        }
    }

    #[test]
    fn parts_are_judged_by_the_kind_of_channel() {
        let answer = |channel: &str| format!(r#"{{"auth":"{}"}}"#, auth(&format!("1.2:{channel}")));
        let private = judge(&answer("private-a"), "private-a");
        assert_eq!((private.code, private.correct), ("correct", true));
        assert_eq!(private.expected, ["1.2:private-a"]);
        let presence = judge(&answer("presence-a"), "presence-a");
        assert_eq!((presence.code, presence.correct), ("channel_data_missing", false));
        let sealed = "private-encrypted-a";
        assert_eq!(judge(&answer(sealed), sealed).code, "shared_secret_missing");
        let with = |secret: &str| {
            let auth = auth(&format!("1.2:{sealed}"));
            judge(&format!(r#"{{"auth":"{auth}","shared_secret":"{secret}"}}"#), sealed)
        };
        assert_eq!(with("x").code, "shared_secret_malformed");
        assert!(with(&base64(&[1; 32])).correct);
    }
}
