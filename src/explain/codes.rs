//! The codes of refusals: what everybody is told, and what helps.

/// One kind of refusal. `docs/troubleshooting.md` has a section for each.
pub struct Code {
    pub name: &'static str,
    /// Neutral: it may be read by whoever was refused.
    pub says: &'static str,
    pub fix: &'static str,
    /// What strangers are told instead, where the name itself would say why.
    pub general: &'static str,
}

const fn new(name: &'static str, says: &'static str, fix: &'static str) -> Code {
    Code { name, says, fix, general: name }
}

const fn token(name: &'static str, fix: &'static str) -> Code {
    Code { name, says: UNKNOWN, fix, general: "unauthenticated" }
}

const fn denied(name: &'static str, fix: &'static str) -> Code {
    Code { name, says: NOT_ALLOWED, fix, general: "forbidden" }
}

/// `None`: it is not one of the auth endpoints or of a socket.
pub fn code(name: &str) -> Option<&'static Code> {
    CODES.iter().find(|code| code.name == name)
}

const UNKNOWN: &str = "The request does not show who is asking";
const NOT_ALLOWED: &str = "This is not allowed";
const UNDECIDED: &str = "This cannot be decided at the moment";
const TOKEN: &str = "send a valid token: header Authorization: Bearer TOKEN (pusher-js: channelAuthorization.headersProvider, so that an expired one is replaced)";
const SIGNED: &str = "The authorization does not fit this subscription";

pub const CODES: &[Code] = &[
    // Who is asking.
    new("unauthenticated", UNKNOWN, TOKEN),
    token("token_missing", TOKEN),
    token("token_too_long", "put less into the token"),
    token(
        "token_expired",
        "get a new token with each question (pusher-js: channelAuthorization.headersProvider)",
    ),
    token("token_not_yet_valid", "set the clocks, or give jwt.leeway_seconds"),
    token("token_algorithm", "sign with one of jwt.algorithms, and never with \"none\""),
    token(
        "token_signature",
        "use the same secret, or the two halves of one key pair, on both sides",
    ),
    token("token_without_expiry", "give the token an \"exp\" claim"),
    token("token_issuer", "make \"iss\" that of jwt.issuer"),
    token("token_audience", "make \"aud\" that of jwt.audience"),
    token("token_unknown_key", "publish the key with that \"kid\" at jwt.jwks_url"),
    token("token_malformed", TOKEN),
    token("token_revoked", "get a new token"),
    token("token_origin", "use the token on pages of the origin that it names"),
    token("missing_user_id", "send a user_id; the open authorizer believes it"),
    token("forward_unauthenticated", "log in; the application's URL answered 401"),
    denied(
        "not_authorized_here",
        "set apps.ID.authorizer, or use an auth endpoint of your own backend",
    ),
    denied("channel_not_covered", "name the channel in the token's \"channels\""),
    denied(
        "no_rule",
        "ask `sealcast auth test TOKEN CHANNEL` which rules there are and why none matches",
    ),
    denied("rule_denies", "ask `sealcast auth test TOKEN CHANNEL` which rule decides"),
    denied("no_user_id", "give the token, or the application's answer, a user id"),
    denied("forward_denies", "look at the application, whose URL said no"),
    new(
        "forbidden",
        NOT_ALLOWED,
        "let the app's authorizer cover it: the claims of the token, the rules, or the authorizer itself (apps.ID.authorizer)",
    ),
    new(
        "revoked",
        NOT_ALLOWED,
        "get a token that was issued after the user was taken off the channel (claim \"iat\")",
    ),
    new(
        "origin_not_allowed",
        "Pages of this origin are not allowed",
        "list the page's origin, as the browser sends it, in apps.ID.origins",
    ),
    new(
        "cookie_not_accepted",
        UNKNOWN,
        "call the endpoint from a page whose exact origin (without *) is in apps.ID.origins and that is of the same site, or send the token in the header Authorization",
    ),
    new(
        "unknown_socket",
        "This socket is not known",
        "send the socket_id of the live connection, and ask the server and the app that it is connected to",
    ),
    new(
        "blind_channel",
        "This channel is authorized elsewhere",
        "point the client at the auth endpoint of your own backend, which has the channel's key",
    ),
    new(
        "too_many_authorizations",
        "Too many authorizations without a subscription",
        "subscribe to the channels that were authorized before asking for more",
    ),
    new("app_disabled", "The app is disabled", "set apps.ID.enabled = true"),
    new(
        "unknown_app",
        "There is no such app",
        "check the app id in the path, or the parameter app_key; with several apps one of them is needed",
    ),
    new(
        "rate_limited",
        "Too many requests",
        "ask again after Retry-After; if many users share one address, set trusted_proxies, or raise apps.ID.limits.auth_per_ip, auth_per_socket or auth_per_user",
    ),
    // What is asked.
    new(
        "missing_parameter",
        "A parameter is missing",
        "send socket_id, and channel_name for a channel, as a form or as a JSON object",
    ),
    new(
        "invalid_parameter",
        "A parameter is not a string",
        "send socket_id and channel_name as strings",
    ),
    new("duplicate_parameter", "A parameter is given twice", "send each parameter once"),
    new("invalid_form", "The form cannot be read", "send the form in UTF-8"),
    new("invalid_json", "The JSON cannot be read", "send one JSON object, in UTF-8"),
    new("unreadable_body", "The body cannot be read", "send the body whole"),
    new("body_too_large", "The body is too large", "send the parameters of the question only"),
    new("body_timeout", "The body did not arrive in time", "send the body at once"),
    new(
        "method_not_allowed",
        "Ask with POST",
        "use the transport \"ajax\" of the client; JSONP is not served",
    ),
    new(
        "invalid_socket_id",
        "The socket_id is none",
        "send the socket_id as the client has it, such as 123.456",
    ),
    new(
        "invalid_channel",
        "The channel's name cannot be used",
        "use letters, digits and _-=@,.; and a known prefix",
    ),
    new(
        "sealing_alias",
        "This is only a name to publish on",
        "subscribe to private-encrypted-NAME; a backend publishes on the alias, and events arrive there",
    ),
    new(
        "no_authorization_needed",
        "The channel is joined without authorization",
        "name the channel private-... or presence-..., or do not ask",
    ),
    new("invalid_user_info", "The user_info cannot be used", "send user_info as JSON"),
    new(
        "invalid_user_id",
        "The user id cannot be used",
        "use letters, digits and _-=@,.; in user ids",
    ),
    new(
        "invalid_member",
        "The presence data cannot be used",
        "send a user_id, and keep channel_data within apps.ID.limits.presence_member_bytes",
    ),
    // The server.
    new("secret_replaced", "Ask again", "ask again; a rotation has just replaced the secret"),
    new("overloaded", "Ask again", "ask again after a moment; the server has too much to do"),
    new(
        "forward_timeout",
        UNDECIDED,
        "make the application's URL answer within forward's deadline",
    ),
    new(
        "forward_unreachable",
        UNDECIDED,
        "look whether the application runs and can be reached from here",
    ),
    new(
        "forward_busy",
        UNDECIDED,
        "ask again; allow more questions at a time if the application can take them",
    ),
    new(
        "forward_resting",
        UNDECIDED,
        "ask again; the application has failed several times in a row and is left alone for a moment",
    ),
    new(
        "forward_redirect",
        UNDECIDED,
        "name the URL that answers itself: redirects are not followed",
    ),
    new("forward_status", UNDECIDED, "answer 200, 401 or 403"),
    new(
        "forward_bad_answer",
        UNDECIDED,
        "answer with one JSON object of the fields that are known",
    ),
    new("forward_too_large", UNDECIDED, "answer with the decision only"),
    // What a socket shows.
    new(
        "auth_missing",
        "The channel needs authorization",
        "configure the client's auth endpoint (pusher-js: channelAuthorization.endpoint) and look at what it answers",
    ),
    new(
        "auth_malformed",
        SIGNED,
        "make auth of the app's key, a colon, and the 64 hex digits of the HMAC-SHA256",
    ),
    new("auth_foreign_key", SIGNED, "use the key and the secret of one app on both sides"),
    new("auth_signature", SIGNED, "ask `sealcast auth explain` why: it tries the usual mistakes"),
    new(
        "member_missing",
        "The channel needs to know who joins",
        "sign and send channel_data with a user_id, or sign in first",
    ),
    new("channel_full", "The channel is full", "raise apps.ID.limits.presence_members"),
    new(
        "too_many_channels",
        "The connection has too many subscriptions",
        "raise apps.ID.limits.channels_per_connection",
    ),
    new(
        "subscribe_rate",
        "The connection subscribes too often",
        "join each channel once and stay; or raise apps.ID.limits.subscribes_per_second",
    ),
    new("not_that_user", "This is not allowed", "sign in as the user to whom the channel belongs"),
    new(
        "invalid_user_data",
        "The user data cannot be used",
        "sign and send user_data with a non-empty string id",
    ),
    new(
        "other_user",
        "The connection is signed in as another user",
        "connect anew to become another user",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_explained_for_those_who_search_for_it() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/troubleshooting.md");
        let text = std::fs::read_to_string(path).expect("the document");
        for (index, code) in CODES.iter().enumerate() {
            assert!(text.contains(&format!("`{}`", code.name)), "{}", code.name);
            assert!(!code.says.is_empty() && !code.fix.is_empty(), "{}", code.name);
            assert!(
                CODES[index + 1..].iter().all(|other| other.name != code.name),
                "{}",
                code.name
            );
        }
    }
}
