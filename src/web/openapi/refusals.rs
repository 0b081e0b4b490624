//! Refusals in the document: the codes of a status, each with its text.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::ApiGroup;
use crate::domain::refusal::RefusalCode::{self, *};

/// What any request may be refused with.
const ANY: [RefusalCode; 8] = [
    MethodNotAllowed,
    UriTooLong,
    TooManyParameters,
    DuplicateParameter,
    DuplicateHeader,
    UnknownApp,
    TooManyRequests,
    InvalidParameter,
];

/// What any request with a body may be refused with.
const WITH_BODY: [RefusalCode; 5] =
    [InvalidJson, UnreadableBody, BodyTooLarge, BodyTimeout, UnsupportedEncoding];

const SIGNED: [RefusalCode; 20] = [
    MissingAuthParameter,
    MissingParameter,
    UnknownAuthKey,
    ForeignAuthKey,
    MissingVersion,
    UnsupportedVersion,
    MissingTimestamp,
    InvalidTimestamp,
    TimestampExpired,
    InvalidSignature,
    BodyMd5Mismatch,
    AppDisabled,
    RateLimited,
    NotFound,
    NoApiHere,
    BodyTooLarge,
    BodyTimeout,
    UnsupportedEncoding,
    UnreadableBody,
    TooManyReads,
];

const CLIENT: [RefusalCode; 15] = [
    Unauthenticated,
    TokenMalformed,
    TokenRevoked,
    CookieNotAccepted,
    Forbidden,
    OriginNotAllowed,
    Revoked,
    AppDisabled,
    RateLimited,
    NotFound,
    KeysUnavailable,
    ForwardTimeout,
    ForwardBadAnswer,
    Overloaded,
    ClusterAway,
];

const ADMIN: [RefusalCode; 4] = [AdminTokenMissing, AdminTokenWrong, NotFound, HostNotAllowed];

pub(super) fn common(group: ApiGroup, method: &str) -> Vec<RefusalCode> {
    let mut codes = ANY.to_vec();
    codes.extend(match group {
        ApiGroup::Signed => SIGNED.as_slice(),
        ApiGroup::Client | ApiGroup::Auth => &CLIENT,
        ApiGroup::Admin => &ADMIN,
    });
    if method == "post" {
        codes.extend(WITH_BODY);
    }
    codes
}

/// By status.
pub(super) fn responses(codes: &[RefusalCode]) -> Map<String, Value> {
    let mut by_status: BTreeMap<u16, BTreeMap<&str, RefusalCode>> = BTreeMap::new();
    for code in codes {
        by_status.entry(code.status()).or_default().insert(code.name(), *code);
    }
    by_status.into_iter().map(|(status, codes)| (status.to_string(), response(codes))).collect()
}

fn response(codes: BTreeMap<&str, RefusalCode>) -> Value {
    let lines: Vec<_> =
        codes.iter().map(|(name, code)| format!("* `{name}`: {}", code.text())).collect();
    let examples: Map<String, Value> = codes
        .iter()
        .map(|(name, code)| {
            let value = json!({"error": code.text(), "code": name});
            ((*name).to_owned(), json!({"summary": code.fix(), "value": value}))
        })
        .collect();
    json!({
        "description": lines.join("\n"),
        "content": {"application/json": {
            "schema": {"$ref": "#/components/schemas/ErrorBody"},
            "examples": examples,
        }},
    })
}
